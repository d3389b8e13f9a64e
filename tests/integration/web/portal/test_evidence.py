"""The button *Download evidence*: for the customer's role holders, recorded, and good without us."""

from openlockbox.services.log import log_keys
from openlockbox.verification.evidence import verify_evidence
from openlockbox.verification.pin import Pin
from tests.world import AMBERTIDE


def test_a_reader_downloads_evidence_that_holds_and_the_log_says_so(world):
    request = world.approve(world.pending())
    page = world.portal("rhea", "GET", f"/t/{AMBERTIDE}/requests/{request.id}")
    assert f'action="/t/{AMBERTIDE}/requests/{request.id}/evidence"' in page.text
    answer = world.portal("rhea", "POST", f"/t/{AMBERTIDE}/requests/{request.id}/evidence")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="evidence-{request.id}.json"'
    assert answer.headers["cache-control"] == "no-store"
    report = verify_evidence(answer.text, Pin(log_keys=tuple(log_keys(world.lockbox, AMBERTIDE))))
    assert report.wrong == []
    assert world.actions()[-1] == "evidence.exported"


def test_the_engineer_sees_the_request_and_no_button(world):
    request = world.pending()
    page = world.portal("idris", "GET", f"/t/{AMBERTIDE}/requests/{request.id}")
    assert page.status_code == 200
    assert "/evidence" not in page.text


def test_a_get_exports_nothing(world):
    request = world.pending()
    assert world.portal("rhea", "GET", f"/t/{AMBERTIDE}/requests/{request.id}/evidence").status_code in {404, 405}
    assert world.actions()[-1] != "evidence.exported"


def test_another_organizations_address_is_refused_and_recorded(world):
    request = world.pending()
    assert world.portal("piet", "POST", f"/t/pelimoor/requests/{request.id}/evidence").status_code == 404
    assert world.last_refusal() == ("evidence.export", "not_found")


def test_the_api_gives_the_same_and_needs_its_scope(world):
    request = world.pending()
    path = f"/api/v1/tenants/{AMBERTIDE}/requests/{request.id}/evidence"
    token = world.token("rhea", scopes=frozenset({"requests.read"}))
    assert world.call("POST", path, headers={"Authorization": f"Bearer {token}"}).status_code == 403
    answer = world.api("rhea", "POST", path.removeprefix("/api/v1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert verify_evidence(answer.text, Pin(log_keys=tuple(log_keys(world.lockbox, AMBERTIDE)))).holds

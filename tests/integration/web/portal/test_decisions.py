"""The customer's acts: a decision in two steps, and ending an access with one click."""

import pytest

from openlockbox.domain.lockbox_request import RequestState
from openlockbox.services import decisions
from tests.integration.web.portal.conftest import assert_is_sound

T = "/t/ambertide"


def _state(world, request):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.lockbox_requests.get(request.id)


# ---- decisions ----


def test_a_decision_takes_two_steps_and_the_first_decides_nothing(world, browse, everything):
    request = world.pending()
    browser = browse("senna")
    path = f"{T}/requests/{request.id}"
    page = browser.get(path)
    before = everything()
    first = browser.post(page, f"{path}/decide", decision="approve", duration="PT4H", reason="Before noon, 正午まで.")
    assert first.status_code == 303
    assert first.headers["location"] == f"{path}/confirm"
    assert "reason" not in first.headers["location"]
    shown = browser.get(f"{path}/confirm")
    assert_is_sound(shown.response)
    assert "Confirm: approve for 4 hours" in shown.text
    assert "Before noon, 正午まで." in shown.text
    assert request.digest in shown.text
    assert everything() == before
    done = browser.post(shown, f"{path}/confirm")
    assert done.status_code == 303
    decided = _state(world, request)
    assert decided.state is RequestState.APPROVED
    assert decided.decision.granted_duration.total_seconds() == 4 * 3600
    assert decided.decision.reason == "Before noon, 正午まで."
    assert "Approved. The access is open" in browser.get(path).text
    assert "Approved. The access is open" not in browser.get(path).text


def test_a_denial_takes_the_same_two_steps(world, browse):
    request = world.pending()
    browser = browse("orla", "ja")
    path = f"{T}/requests/{request.id}"
    browser.post(browser.get(path), f"{path}/decide", decision="deny", reason="")
    shown = browser.get(f"{path}/confirm")
    assert "確認：拒否" in shown.text
    browser.post(shown, f"{path}/confirm")
    assert _state(world, request).state is RequestState.DENIED


def test_the_confirm_page_without_a_draft_of_this_request_leads_back(world, browse):
    request, other = world.pending(), world.pending()
    browser = browse("senna")
    path, other_path = f"{T}/requests/{request.id}", f"{T}/requests/{other.id}"
    for query in ("", "?decision=approve&duration=PT8H&reason=x"):
        response = browser.send("GET", f"{path}/confirm{query}")
        assert (response.status_code, response.headers["location"]) == (303, path)
    browser.post(browser.get(path), f"{path}/decide", decision="approve", duration="PT8H")
    assert browser.send("GET", f"{other_path}/confirm").headers["location"] == other_path
    name = next(n for n in browser.cookies if n.endswith("draft"))
    browser.cookies[name] = "A" + browser.cookies[name]
    assert browser.send("GET", f"{path}/confirm").headers["location"] == path
    assert _state(world, request).state is RequestState.CUSTOMER_NOTIFIED


@pytest.mark.parametrize(
    "fields,status,text",
    [
        ({"duration": "PT9H"}, 422, "never lengthen"),
        ({"digest": "0" * 64}, 409, "another version"),
        ({"duration": "forever"}, 422, "Choose one of these."),
        ({"decision": "maybe"}, 422, "Something has to be corrected"),
        ({"reason": "x" * 501}, 422, "too long"),
    ],
)
def test_what_was_changed_between_the_steps_is_judged_anew(world, browse, fields, status, text):
    request = world.pending()
    browser = browse("senna")
    path = f"{T}/requests/{request.id}"
    browser.post(browser.get(path), f"{path}/decide", decision="approve", duration="PT8H", reason="kept")
    response = browser.post(browser.get(f"{path}/confirm"), f"{path}/confirm", **fields)
    assert response.status_code == status
    page = assert_is_sound(response)
    assert text in page.text
    assert fields.get("reason", "kept") in page.text  # what was typed is kept
    assert _state(world, request).state is RequestState.CUSTOMER_NOTIFIED


def test_who_comes_second_is_told_the_state(world, browse):
    request = world.pending()
    browser = browse("senna", "ja")
    path = f"{T}/requests/{request.id}"
    browser.post(browser.get(path), f"{path}/decide", decision="approve", duration="PT8H")
    shown = browser.get(f"{path}/confirm")
    decisions.deny(world.lockbox, world.caller("orla"), request_id=request.id, digest=request.digest, reason="")
    response = browser.post(shown, f"{path}/confirm")
    assert response.status_code == 409
    assert "このリクエストはすでに「拒否」の状態です" in assert_is_sound(response).text


def test_another_organizations_address_does_not_show_a_request(world, browse):
    request = world.pending()
    assert browse("piet").send("GET", f"/t/pelimoor/requests/{request.id}").status_code in {403, 404}
    assert browse("senna").send("GET", f"/t/pelimoor/requests/{request.id}").status_code == 404


# ---- ending an access ----


def test_one_click_ends_an_access_and_the_page_tells_when_the_gateway_confirmed(world, browse):
    grant = world.granted()
    browser = browse("orla")
    page = browser.get(T)
    ended = browser.post(page, f"/grants/{grant.id}/end")
    assert ended.headers["location"] == f"{T}/requests/{grant.request_id}"
    text = browser.get(ended.headers["location"]).text
    assert "The access is being ended." in text
    assert "Waiting for gateway-1 to confirm, never heard of" in text
    from datetime import timedelta

    from openlockbox.domain import grant as grants

    world.clock.advance(timedelta(milliseconds=143))
    with world.lockbox.database.unit_of_work() as uow:
        revoking = uow.grants.get(grant.id, lock=True)
        uow.grants.replace(revoking, grants.confirm_revoked(revoking, now=world.clock.now))
        uow.commit()
    text = browser.get(ended.headers["location"]).text
    assert "The gateway confirmed after 143 ms." in text
    again = browser.send("POST", f"/grants/{grant.id}/end", {"csrf": page.forms[0][1]["csrf"]})
    assert again.status_code == 409


def test_ending_an_access_never_leads_elsewhere(world, browse):
    grant = world.granted()
    browser = browse("orla")
    page = browser.get(T)
    assert browser.post(page, f"/grants/{grant.id}/end", back="//evil.example").headers["location"] == "/"


def test_a_reader_cannot_end_an_access(world, browse):
    grant = world.granted()
    page = browse("rhea").get(T)
    assert not page.count("form", action=f"/grants/{grant.id}/end")
    browser = browse("rhea")
    form = {"csrf": browser.get(T).forms[0][1]["csrf"]}
    assert browser.send("POST", f"/grants/{grant.id}/end", form).status_code == 403

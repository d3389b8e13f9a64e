"""Every page, for everybody who may see it, in both languages."""

import json
import re

import pytest

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.domain.elevation import Permission
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.services import access, decisions, elevation, service_requests
from tests.integration.web.portal.conftest import Page, assert_is_sound
from tests.world import CLASSIC, MACHINE

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
T = "/t/ambertide"


@pytest.fixture
def places(world):
    """Make one of each thing, and return the pages that show them, each with those who may look."""
    case = world.case()
    service_requests.reply(world.lockbox, world.caller("idris"), service_request_id=case.id, body="Looking at it.")
    pending = world.pending(case=case)
    denied = world.pending()
    decisions.deny(world.lockbox, world.caller("senna"), request_id=denied.id, digest=denied.digest, reason="No need.")
    live, revoked = world.granted(), world.granted()
    access.connect(world.lockbox, world.caller("idris"), grant_id=live.id, front="browser")
    access.end_access(world.lockbox, world.caller("orla"), grant_id=revoked.id, reason="Enough.")
    review = world.ask(permission=Permission.ADMINISTRATOR, channels=frozenset({"clipboard"}))
    refused = world.ask(by="wrenna", permission=Permission.ADMINISTRATOR)
    readers = ("senna", "orla", "rhea", "tessa")
    return {
        T: readers,
        f"{T}/requests": readers,
        f"{T}/requests/{pending.id}": (*readers, "idris"),
        f"{T}/requests/{denied.id}": readers,
        f"{T}/requests/{live.request_id}": readers,
        f"{T}/requests/{revoked.request_id}": readers,
        f"{T}/service-requests": (*readers, "bram"),
        f"{T}/service-requests/new": (*readers, "bram"),
        f"{T}/service-requests/{case.id}": (*readers, "bram"),
        f"{T}/activity": readers,
        f"{T}/activity/3": readers,
        f"{T}/settings": readers,
        "/profile": (*readers, "bram", "idris", "devi", "oper", "cole"),
        "/engineer": ("idris", "wrenna", "maud", "devi", "lena"),
        f"/engineer/service-requests/{case.id}": ("idris", "wrenna", "maud", "devi"),
        f"/engineer/service-requests/{refused.service_request_id}": ("wrenna",),
        "/engineer/elevations": ("idris", "wrenna", "maud"),
        f"/engineer/grants/{live.id}": ("idris", "oper", "senna"),
        f"/engineer/grants/{revoked.id}": ("idris",),
        "/review": ("maud", "devi", "lena"),
        f"/review/{review.id}": ("maud", "devi", "lena"),
        "/provider/activity": ("oper",),
        "/provider/activity/1": ("oper",),
    }


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_page_is_sound_for_all_who_may_see_it(places, browse, language):
    for path, people in places.items():
        for name in people:
            response = browse(name, language).send("GET", path)
            assert response.status_code == 200, (path, name, response.text[-600:])
            page = assert_is_sound(response)
            assert bool(JAPANESE.search(page.text.replace("日本語", ""))) is (language == "ja"), path


@pytest.mark.parametrize("language,title", [("en", "Nothing is here"), ("ja", "ここには何もありません")])
@pytest.mark.parametrize(
    "path",
    ["/nowhere", f"{T}/requests/LBX-none", "/t/%00", "/engineer/grants/GRT", f"{T}/activity/99999999999999999999"],
)
def test_what_does_not_exist_is_said_in_the_readers_language(browse, path, language, title):
    response = browse("idris" if "engineer" in path else "senna", language).send("GET", path)
    assert response.status_code == 404
    assert title in assert_is_sound(response).text


def test_a_role_that_does_not_reach_is_told_so(browse):
    response = browse("bram").send("GET", f"{T}/activity")
    assert response.status_code == 403
    assert "Your roles do not allow this." in assert_is_sound(response).text


def test_another_method_is_told_so(browse):
    assert "another kind of call" in assert_is_sound(browse("senna").send("POST", T)).text


@pytest.mark.parametrize(
    "name,path",
    [
        ("senna", T),
        ("bram", f"{T}/service-requests"),
        ("idris", "/engineer"),
        ("maud", "/engineer"),
        ("devi", "/review"),
        ("oper", "/provider/access"),
        ("cole", "/profile"),
        ("piet", "/t/pelimoor"),
    ],
)
def test_the_first_page_is_the_one_of_the_role(browse, name, path):
    assert browse(name).send("GET", "/").headers["location"] == path


def test_a_member_without_a_role_is_offered_service_requests_only(browse):
    page = browse("bram").get(f"{T}/service-requests")
    links = {a["href"] for t, a in page.tags if t == "a"}
    assert f"{T}/activity" not in links
    assert f"{T}/settings" not in links


def test_people_with_several_roles_see_all_their_doors(browse):
    links = {a["href"] for t, a in browse("maud").get("/engineer").tags if t == "a"}
    assert {"/engineer", "/engineer/elevations", "/review"} <= links


def test_what_people_wrote_is_text_and_never_markup(world, browse):
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' {{7*7}} 100%"
    browser = browse("bram")
    page = browser.get(f"{T}/service-requests/new")
    scope = next(a["value"] for t, a in page.tags if t == "option" and a["value"].endswith("07"))
    sent = browser.post(page, f"{T}/service-requests/new", title=attack, description=attack, scope=scope, severity="b")
    where = sent.headers["location"]
    shown = browser.get(where)
    assert_is_sound(shown.response)
    assert attack in shown.text
    case = where.rsplit("/", 1)[1]
    service_requests.take(world.lockbox, world.caller("idris"), service_request_id=case)
    with world.lockbox.database.unit_of_work() as uow:
        loaded = uow.service_requests.get(case)
    request = world.pending(case=loaded)
    for name, path in (
        ("senna", T),
        ("senna", f"{T}/requests/{request.id}"),
        ("senna", f"{T}/activity?q=script&action={attack[:20]}"),
        ("idris", "/engineer"),
        ("idris", f"/engineer/service-requests/{case}"),
    ):
        response = browse(name).send("GET", path)
        assert "<script>alert" not in response.text
        assert "onerror=alert(1)>" not in response.text.replace("&gt;", "")
        assert_is_sound(response)


def test_reading_every_page_changes_nothing(places, browse, everything):
    before = everything()
    for path, people in places.items():
        assert browse(people[0]).send("GET", path).status_code == 200
    assert everything() == before


def test_the_page_shows_what_the_digest_covers(world, browse):
    """A description that changes after the request was made does not change what the approver reads."""
    request = world.pending()
    with world.lockbox.database.unit_of_work() as uow:
        from dataclasses import replace

        machine = uow.resources.get(MACHINE)
        uow.resources.save(replace(machine, name="vm-other", description="Something harmless"))
        uow.commit()
    page = browse("senna").get(f"{T}/requests/{request.id}")
    assert "The database server of kiln line 3" in page.text
    assert "Something harmless" not in page.text
    assert "vm-kiln-07" in page.text
    assert page.form(f"{T}/requests/{request.id}/decide")["digest"] == request.digest


def test_elevation_on_a_classic_resource_is_refused_with_advice(world, browse):
    case = world.case(resource=CLASSIC)
    browser = browse("idris")
    path = f"/engineer/service-requests/{case.id}"
    page = browser.get(path)
    assert "(classic)" in page.text
    way = next(a["value"] for t, a in page.tags if t == "option" and "classic" in a.get("value", ""))
    response = browser.post(page, f"{path}/elevation", way=way, justification="I need the event log.")
    assert response.status_code == 422
    assert "Migrate the resource to Resource Manager" in assert_is_sound(response).text


def test_the_log_is_filtered_by_the_four_named_actions(world, browse):
    request = world.pending()
    decisions.deny(world.lockbox, world.caller("senna"), request_id=request.id, digest=request.digest, reason="")
    page = browse("senna").get(f"{T}/activity?action=request.denied")
    rows = [a["href"] for t, a in page.tags if t == "a" and re.fullmatch(rf"{T}/activity/\d+", a["href"])]
    assert len(rows) == 1
    for label in (
        "Create Lockbox Request",
        "Approve Lockbox Request",
        "Deny Lockbox Request",
        "Lockbox Request Expiry",
    ):
        assert label in page.text
    assert "No entry fits this filter" in browse("senna").get(f"{T}/activity?action=request.expired").text


@pytest.mark.parametrize(
    "query",
    ["from=2026-11-24", "to=2026-11-22", "q=nothing-like-this", "actor=principal:oper", "resource=/x", "before=0"],
)
def test_the_log_is_filtered_by_time_person_resource_and_text(world, browse, query):
    world.pending()
    assert "No entry fits this filter" in browse("senna").get(f"{T}/activity?{query}").text


def test_a_date_that_is_none_is_marked_and_kept(browse):
    page = browse("senna").get(f"{T}/activity?from=yesterday")
    assert page.count("input", id="from", value="yesterday", **{"aria-invalid": "true"}) == 1


def test_the_download_holds_leaves_that_can_be_hashed_again(world, browse):
    world.pending()
    response = browse("senna").send("GET", f"{T}/activity.jsonl?action=request.created")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert len(lines) == 1
    assert hash_leaf(lines[0]["leaf"].encode()).hex() == lines[0]["leaf_hash"]
    assert lines[0]["operation_name"].endswith("CreateLockboxRequest/action")
    assert "attachment" in response.headers["content-disposition"]
    whole = browse("senna").send("GET", f"{T}/activity.jsonl").text.splitlines()
    assert [json.loads(line)["index"] for line in whole] == list(range(len(whole)))[::-1]


def test_an_entry_shows_leaf_hash_and_operation_name(world, browse):
    world.pending()
    index = len(world.actions()) - 1
    page = browse("senna").get(f"{T}/activity/{index}")
    assert "Microsoft.CustomerLockbox/requests/activitylog/CreateLockboxRequest/action" in page.text
    assert '"action": "request.created"' in page.text


def test_an_administrator_gives_and_takes_roles(world, browse):
    browser = browse("tessa")
    page = browser.get(f"{T}/settings")
    given = browser.post(page, f"{T}/settings/roles", person="bram", role="lockbox_approver|ambertide-production")
    assert given.status_code == 303
    page = browser.get(f"{T}/settings")
    assert "The role was given." in page.text
    taken = browser.post(
        page, f"{T}/settings/roles/remove", person="bram", role="lockbox_approver|ambertide-production"
    )
    assert taken.status_code == 303
    assert world.actions()[-2:] == ["role.assigned", "role.removed"]


def test_the_last_administrator_is_told_why_the_role_stays(browse):
    browser = browse("tessa")
    page = browser.get(f"{T}/settings")
    response = browser.post(page, f"{T}/settings/roles/remove", person="tessa", role="tenant_administrator|")
    assert response.status_code == 422
    assert "the last administrator stays" in assert_is_sound(response).text


def test_a_reader_is_offered_no_decision_and_no_roles_to_change(world, browse):
    request = world.pending()
    assert not browse("rhea").get(f"{T}/settings").count("button", **{"class": "btn small"})
    page = browse("rhea").get(f"{T}/requests/{request.id}")
    assert not page.count("form", id="decide")
    assert "You cannot decide on this request." in page.text


def test_a_token_is_shown_once(world, browse):
    browser = browse("senna")
    response = browser.post(browser.get("/profile"), "/profile/tokens", name="export", scopes="activity.read")
    secret = re.search(r"olbx_[\w-]+", response.text)
    assert response.status_code == 200
    assert secret
    assert_is_sound(response)
    page = browser.get("/profile")
    assert secret.group() not in page.response.text
    action = next(f["action"] for f, _ in page.forms if f["action"].endswith("/revoke"))
    assert browser.post(page, action).status_code == 303
    assert "The token was revoked." in browser.get("/profile").text


def test_a_profile_changes_language_and_zone(browse):
    browser = browse("senna")
    page = browser.get("/profile")
    assert browser.post(page, "/profile", language="ja", time_zone="Asia/Tokyo").status_code == 303
    page = browser.get("/profile")
    assert "プロフィールを保存しました。" in page.text
    assert "日本時間" in page.text
    refused = browser.post(page, "/profile", language="ja", time_zone="Mars/Olympus")
    assert refused.status_code == 422
    assert 'value="Mars/Olympus"' in refused.text
    assert "そのようなタイム ゾーンはありません" in assert_is_sound(refused).text


def test_a_link_may_ask_for_another_language(browse):
    assert Page(browse("senna").send("GET", f"{T}?lang=ja")).tags[0][1]["lang"] == "ja"


def test_an_overdue_request_is_shown_as_expired_before_any_worker_ran(world, browse):
    request = world.pending()
    world.clock.now = request.answer_by
    page = browse("senna").get(f"{T}/requests/{request.id}")
    assert "Nobody answered in time. No access was given." in page.text
    assert not page.count("form", id="decide")
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.lockbox_requests.get(request.id).state is RequestState.CUSTOMER_NOTIFIED


def test_an_internal_approval_is_shown_to_the_customer(world, browse):
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    browser = browse("devi")
    page = browser.get(f"/review/{asked.id}")
    assert browser.post(page, f"/review/{asked.id}", decision="approve", reason="Seen.").status_code == 303
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        request = uow.lockbox_requests.find_of_jit(asked.id)
    text = browse("senna").get(f"{T}/requests/{request.id}").text
    assert "Internal approval by Devi" in text
    assert "Seen." in text


def test_who_may_not_review_is_told_so(world, browse):
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    elevation.deny_internally(world.lockbox, world.caller("devi"), jit_request_id=asked.id, reason="")
    browser = browse("lena")
    form = {"csrf": browser.get("/review").forms[0][1]["csrf"], "decision": "approve"}
    response = browser.send("POST", f"/review/{asked.id}", form)
    assert response.status_code == 409
    assert "already in the state" in assert_is_sound(response).text

"""The whole workflow through the REST API, and what each step answers."""

import hashlib
from datetime import timedelta

import pytest

from tests.world import MACHINE, MACHINE_TEXT, SUBSCRIPTION

CASE = {
    "subscription_id": SUBSCRIPTION,
    "resource_id": MACHINE_TEXT,
    "title": "Kiln database drops connections",
    "description": "Since the update.",
    "severity": "b",
}
QUESTION = {
    "resource_id": MACHINE_TEXT,
    "scenario": "remote_desktop",
    "permission": "operate",
    "duration": "PT4H",
    "justification": "I need the local event log.",
}


def _approval(request, **more):
    return f"/tenants/ambertide/requests/{request.id}/approve", {"digest": request.digest, **more}


def test_from_service_request_to_connection_and_end(own_world):
    world = own_world
    case = world.api("bram", "POST", "/tenants/ambertide/service-requests", CASE)
    assert case.status_code == 201
    item = f"/tenants/ambertide/service-requests/{case.json()['id']}"
    assert world.api("idris", "POST", f"{item}/take").json()["engineers"] == ["idris"]
    assert world.api("idris", "POST", f"{item}/reply", {"body": "Looking at it."}).status_code == 201
    preview = world.api("idris", "POST", f"{item}/elevations/preview", QUESTION)
    assert preview.json()["customer_approval"] is True
    asked = world.api("idris", "POST", f"{item}/elevations", QUESTION).json()
    assert asked["state"] == "forwarded"
    pending = world.api("orla", "GET", "/tenants/ambertide/requests?effective_state=customer_notified").json()
    assert [r["id"] for r in pending] == [asked["request_id"]]
    shown = world.api("senna", "GET", f"/tenants/ambertide/requests/{asked['request_id']}").json()
    assert shown["may_decide"] is True
    assert hashlib.sha256(shown["displayed"].encode()).hexdigest() == shown["digest"]
    path = f"/tenants/ambertide/requests/{shown['id']}/approve"
    decided = world.api("senna", "POST", path, {"digest": shown["digest"], "duration": 3600, "reason": "Go."}).json()
    assert (decided["state"], decided["granted_duration"]) == ("approved", "PT3600S")
    grant_id = world.api("idris", "GET", "/elevations").json()[0]["grant"]["id"]
    connection = world.api("idris", "POST", f"/grants/{grant_id}/connect", {"front": "native"}).json()
    assert connection["token"].startswith("olbx1.token.")
    assert len(connection["native_password"]) == 16
    ended = world.api("tessa", "POST", f"/grants/{grant_id}/end", {"reason": "Enough."})
    assert (ended.status_code, ended.json()["state"]) == (202, "revoking")
    codes = [e["code"] for e in world.api("rhea", "GET", "/tenants/ambertide/activity").json()["entries"]]
    assert {"request.created", "request.approved", "grant.issued", "session.offered", "grant.revoking"} <= set(codes)


def test_an_administrators_elevation_goes_through_internal_review(world):
    case = world.case()
    path = f"/tenants/ambertide/service-requests/{case.id}/elevations"
    asked = world.api("idris", "POST", path, {**QUESTION, "permission": "administrator"}).json()
    assert (asked["state"], asked["request_id"]) == ("internal_review", None)
    assert asked["id"] in [r["id"] for r in world.api("lena", "GET", "/reviews").json()]
    approved = world.api("lena", "POST", f"/reviews/{asked['id']}/approve", {"reason": "Needed."}).json()
    assert approved["state"] == "forwarded"
    assert approved["request_id"] is not None


def test_a_decision_on_another_digest_is_refused(world):
    request = world.pending()
    path, body = _approval(request)
    response = world.api("senna", "POST", path, {**body, "digest": "0" * 64})
    assert (response.status_code, response.json()["code"]) == (409, "request_changed")


def test_the_loser_of_a_decision_is_told_the_state(world):
    request = world.pending()
    path, body = _approval(request)
    assert world.api("senna", "POST", path, body).status_code == 200
    response = world.api("orla", "POST", path.replace("approve", "deny"), body)
    assert (response.status_code, response.json()["params"]) == (409, {"state": "approved"})


def test_an_overdue_request_cannot_be_approved(world):
    request = world.pending()
    world.clock.advance(timedelta(days=4))
    response = world.api("senna", "POST", *_approval(request))
    assert (response.status_code, response.json()["code"]) == (409, "request_expired")


@pytest.mark.parametrize("duration", ["PT9H", 9 * 3600])
def test_a_decision_never_widens(world, duration):
    response = world.api("senna", "POST", *_approval(world.pending(), duration=duration))
    assert (response.status_code, response.json()["code"]) == (422, "decision_widens")


@pytest.mark.parametrize("duration", [0, -1, "-PT1H", "PT0.5S", "eight hours", 1.5, 10**30, True])
def test_a_length_is_whole_seconds(world, duration):
    response = world.api("senna", "POST", *_approval(world.pending(), duration=duration))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


def test_an_engineer_cannot_tell_another_organizations_resource_from_none(world):
    path = f"/tenants/ambertide/service-requests/{world.case().id}/elevations"
    answers = [
        world.api("idris", "POST", path, {**QUESTION, "resource_id": MACHINE.replace(*change)})
        for change in (("ambertide", "pelimoor"), ("kiln-07", "kiln-99"))
    ]
    assert [a.status_code for a in answers] == [422, 422]
    assert {a.json()["code"] for a in answers} == {"unknown_resource"}


def test_a_refusal_speaks_the_callers_language(world):
    request = world.pending()
    path, body = _approval(request)
    headers = {"Authorization": f"Bearer {world.token('rhea')}", "Accept-Language": "ja"}
    detail = world.call("POST", f"/api/v1{path}", headers=headers, json=body).json()["detail"]
    assert detail != "You are not a designated approver of this request."


def test_an_entry_is_given_with_the_leaf_that_was_hashed(world):
    world.pending()
    entry = world.api("rhea", "GET", "/tenants/ambertide/activity/0").json()
    assert hashlib.sha256(b"\x00" + entry["leaf"].encode()).hexdigest() == entry["leaf_hash"]


def test_the_log_is_read_page_by_page_without_gaps(world):
    world.pending()
    seen, before = [], ""
    while True:
        page = world.api("rhea", "GET", f"/tenants/ambertide/activity?limit=3{before}").json()
        seen += [e["index"] for e in page["entries"]]
        if page["next_before"] is None:
            break
        before = f"&before_index={page['next_before']}"
    assert seen == list(range(page["size"] - 1, -1, -1))


def test_the_log_is_filtered_by_action_and_time(world):
    world.pending()
    world.clock.advance(timedelta(hours=1))
    request = world.pending()
    since = world.clock.now.isoformat().replace("+00:00", "Z")
    entries = world.api(
        "rhea", "GET", "/tenants/ambertide/activity?code=request.created&code=request.denied", params=None
    ).json()["entries"]
    assert {e["code"] for e in entries} == {"request.created"}
    late = world.call(
        "GET",
        "/api/v1/tenants/ambertide/activity",
        params={"code": "request.created", "since": since},
        headers={"Authorization": f"Bearer {world.token('rhea')}"},
    ).json()["entries"]
    assert [e["subject"] for e in late] == [f"request:{request.id}"]


def test_the_administrator_gives_and_takes_roles(world):
    body = {"principal_id": "bram", "role": "lockbox_approver", "subscription_id": SUBSCRIPTION}
    assert world.api("tessa", "POST", "/tenants/ambertide/roles/assign", body).status_code == 201
    assert body["principal_id"] in {
        r["principal_id"] for r in world.api("bram", "GET", "/tenants/ambertide/roles").json()["roles"]
    }
    assert world.api("tessa", "POST", "/tenants/ambertide/roles/remove", body).status_code == 204
    assert world.api("bram", "GET", "/tenants/ambertide/roles").status_code == 403

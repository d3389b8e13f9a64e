"""Who gets in at all: tokens only, with their scopes, and nothing that no client would send."""

from datetime import timedelta

import pytest

from openlockbox.adapters.db import SqlDatabase
from openlockbox.services.accounts import SCOPES
from openlockbox.web.portal.security import SIGN_IN_COOKIE, cookie_name
from tests.integration.web.conftest import WEB


def _bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_a_cookie_opens_nothing(world):
    cookie = f"{cookie_name(WEB, SIGN_IN_COOKIE)}={world.sign_in('senna')}"
    response = world.call("GET", "/api/v1/me", headers={"Cookie": cookie})
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_sign_ins_secret_is_no_token(world):
    response = world.call("GET", "/api/v1/me", headers=_bearer(world.sign_in("senna")))
    assert response.status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer olbx_unknown", "Basic b2xieF8=", "Bearer olbx_" + "x" * 9000]
)
def test_what_is_no_token_is_refused(world, header):
    assert world.call("GET", "/api/v1/me", headers={"Authorization": header}).status_code == 401


def test_an_ended_token_is_refused(world):
    headers = _bearer(world.token("senna"))
    world.clock.advance(timedelta(days=90))
    assert world.call("GET", "/api/v1/me", headers=headers).status_code == 401


def test_a_token_is_looked_up_in_the_transaction_of_what_it_opens(own_world, monkeypatch):
    headers = _bearer(own_world.token("senna"))
    assert own_world.call("GET", "/api/v1/me", headers=headers).status_code == 200
    begun = []
    unit_of_work = SqlDatabase.unit_of_work
    monkeypatch.setattr(SqlDatabase, "unit_of_work", lambda *a, **k: begun.append(k) or unit_of_work(*a, **k))
    assert own_world.call("GET", "/api/v1/me", headers=headers).status_code == 200
    assert len(begun) == 1


def test_a_revoked_token_is_refused_at_once(own_world):
    world = own_world
    secret = world.token("senna")
    token_id = world.call("GET", "/api/v1/tokens", headers=_bearer(secret)).json()[0]["id"]
    assert world.call("POST", f"/api/v1/tokens/{token_id}/revoke", headers=_bearer(secret)).status_code == 204
    assert world.call("GET", "/api/v1/me", headers=_bearer(secret)).status_code == 401


def test_a_strangers_body_is_not_even_read(world):
    response = world.call("POST", "/api/v1/tenants/ambertide/service-requests", content=b"{not json")
    assert response.status_code == 401


@pytest.mark.parametrize("scope", SCOPES)
def test_a_decision_needs_its_scope_and_no_other_opens_it(world, scope):
    request = world.pending()
    headers = _bearer(world.token("senna", scopes=frozenset({scope})))
    path = f"/api/v1/tenants/ambertide/requests/{request.id}/deny"
    response = world.call("POST", path, headers=headers, json={"digest": request.digest})
    if scope == "requests.decide":
        assert response.status_code == 200
    else:
        assert (response.status_code, response.json()["code"]) == (403, "token_scope_missing")


def test_no_token_makes_a_token(world):
    assert world.api("senna", "POST", "/tokens", {"name": "another", "scopes": ["profile.read"]}).status_code == 405


def test_a_body_is_at_most_a_quarter_of_a_mebibyte(world):
    response = world.api("bram", "POST", "/tenants/ambertide/service-requests", {"title": "x" * 300_000})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "before_index=-1", "before_index=99999999999999999999", "since=yesterday",
     "since=2026-11-23T09:00:00", "codes=request.created", "caller=senna", "text=%00", "text=" + "x" * 201],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused(world, query):
    response = world.api("rhea", "GET", f"/tenants/ambertide/activity?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/tenants/ambertide", "/tenants/ambertide%00/requests", "/grants/%0A", "/tenants/x/activity/-1"],
)
def test_an_address_that_leads_nowhere_is_a_problem(world, path):
    response = world.api("rhea", "GET", path)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code in {404, 422}


def test_an_address_with_another_organizations_name_is_refused_and_recorded_where_the_thing_belongs(world):
    request = world.pending()
    path = f"/tenants/pelimoor/requests/{request.id}/approve"
    response = world.api("senna", "POST", path, {"digest": request.digest})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert world.last_refusal() == ("request.approve", "not_found")
    assert world.api("senna", "GET", f"/tenants/pelimoor/requests/{request.id}").status_code == 404
    case = f"/tenants/pelimoor/service-requests/{request.service_request_id}"
    assert world.api("bram", "GET", case).status_code == 404
    assert world.api("bram", "POST", f"{case}/reply", {"body": "Hello"}).status_code == 404
    assert world.last_refusal() == ("service_request.reply", "not_found")


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nothing", "/healthz", "/gateway/v1/grants/x"])
def test_every_answer_to_a_program_has_the_security_headers(world, path):
    headers = world.call("GET", path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_readiness_is_the_databases(world):
    assert world.call("GET", "/healthz").json() == {"status": "ok"}
    assert world.call("GET", "/readyz").json() == {"status": "ready"}


def test_a_command_without_a_body_is_told_that_it_needs_one(world):
    path = "/api/v1/tenants/ambertide/requests/LBX-1/approve"
    response = world.call("POST", path, headers=_bearer(world.token("senna")))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert response.json()["params"] == {"field": "body", "problem": "the request needs a JSON body"}

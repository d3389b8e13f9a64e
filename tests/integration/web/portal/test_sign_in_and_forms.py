"""Signing in and out, and what every form of the portal must carry."""

import re

import pyotp
import pytest

from openlockbox.domain.errors import RecordUnavailable
from openlockbox.domain.ids import OPERATOR_COMMAND
from openlockbox.services import accounts
from openlockbox.web.portal import security
from openlockbox.web.portal.routes import PORTAL_HANDLERS
from tests.integration.web.conftest import WEB
from tests.integration.web.portal.conftest import assert_is_sound

T = "/t/ambertide"
PASSWORD = "correct horse battery"


# ---- sign-in ----


@pytest.fixture
def totp(world):
    """Give Senna a password and return what makes her codes."""
    uri = accounts.enrol_locally(world.lockbox, "senna", password=PASSWORD, actor=OPERATOR_COMMAND)
    return pyotp.parse_uri(uri)


def _sign_in(browser, path="/sign-in", **fields):
    page = browser.get(path)
    return browser.post(page, "/sign-in", **{"mail": "senna@ambertide.example", "password": PASSWORD, **fields})


def test_signing_in_leads_to_where_one_came_from(world, browse, totp):
    browser = browse("")
    asked = browser.send("GET", f"{T}/activity?action=request.denied")
    assert asked.status_code == 303
    assert asked.headers["location"] == f"/sign-in?next={T}/activity%3Faction%3Drequest.denied"
    answer = _sign_in(browser, asked.headers["location"], code=totp.at(world.clock.now))
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{T}/activity?action=request.denied"
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("lockbox="))
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Path=/" in cookie
    assert browser.get(answer.headers["location"]).count("h1") == 1


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/%09/evil.example", "\\/evil"]
)
def test_signing_in_never_leads_elsewhere(world, browse, totp, wanted):
    browser = browse("")
    answer = _sign_in(browser, f"/sign-in?next={wanted}", next=wanted, code=totp.at(world.clock.now))
    assert answer.headers["location"] in {"/", wanted}
    assert "evil" not in answer.headers["location"] or answer.headers["location"].startswith("/%09")


def test_a_wrong_sign_in_says_nothing_about_which_part(world, browse, totp):
    for fields in (
        {"code": "000000"},
        {"password": "wrong", "code": totp.at(world.clock.now)},
        {"mail": "x@y.example", "code": "1"},
    ):
        response = _sign_in(browse(""), **fields)
        assert response.status_code == 401
        page = assert_is_sound(response)
        assert "The name, the password or the code is not right." in page.text
        assert PASSWORD not in response.text


def test_too_many_attempts_are_told_so(browse, totp):
    browser = browse("", "ja")
    answers = [_sign_in(browser, code="000000") for _ in range(12)]
    assert answers[-1].status_code == 429
    assert "試行回数が多すぎます" in assert_is_sound(answers[-1]).text


def test_signing_out_ends_the_sign_in(world, browse):
    browser = browse("senna")
    before = dict(browser.cookies)
    assert browser.post(browser.get(T), "/sign-out").headers["location"] == "/sign-in"
    assert "You are signed out." in browser.get("/sign-in").text
    browser.cookies = before
    assert browser.send("GET", T).status_code == 303


def test_a_page_that_refreshes_itself_moves_to_the_sign_in_as_a_whole(browse):
    response = browse("").send("GET", f"{T}?beat=3", **{"HX-Request": "true"})
    assert response.status_code == 204
    assert response.headers["hx-redirect"].startswith("/sign-in?next=")
    assert "location" not in response.headers


def test_an_ended_sign_in_can_be_replaced(world, browse, totp):
    browser = browse("")
    browser.cookies[security.SIGN_IN_COOKIE] = "ended-long-ago"
    assert _sign_in(browser, code=totp.at(world.clock.now)).status_code == 303


# ---- forms ----


def _posts():
    """Return the path of every act of the portal, with ids that nobody has."""
    for route in PORTAL_HANDLERS[0].routes:
        for handler in route.route_handlers:
            if "POST" in handler.http_methods:
                yield re.sub(r"\{[^}]*\}", "x", route.path_format)


@pytest.mark.parametrize("path", sorted(set(_posts())))
def test_every_act_without_the_csrf_value_of_its_sign_in_is_refused(shared_world, path):
    value = security.csrf_value(WEB, sign_in="another sign-in")
    cookie = {"Cookie": f"{security.SIGN_IN_COOKIE}={shared_world.sign_in('senna')}"}
    for data in ({}, {"csrf": ""}, {"csrf": value}, {"csrf": "ü"}, {"csrf": security.csrf_value(WEB, door="")}):
        response = shared_world.call("POST", path, headers=cookie, data=data)
        assert response.status_code == 403, (path, data)
        assert "form_refused" in response.text


def test_there_are_acts():
    assert len(list(_posts())) > 20


def test_a_form_cannot_be_sent_as_json(world, browse):
    secret = world.sign_in("senna")
    response = world.call(
        "POST",
        "/sign-out",
        headers={"Cookie": f"{security.SIGN_IN_COOKIE}={secret}"},
        json={"csrf": security.csrf_value(WEB, sign_in=secret)},
    )
    assert response.status_code == 403


def test_a_form_that_is_too_large_is_refused(browse):
    browser = browse("senna")
    page = browser.get("/profile")
    response = browser.post(page, "/profile", language="", time_zone="x" * 400_000)
    assert response.status_code == 413


def test_when_the_refusal_cannot_be_recorded_nothing_is_done_and_said_so(world, browse, monkeypatch):
    browser = browse("senna")

    def fail(*_args, **_kwargs):
        raise RecordUnavailable

    monkeypatch.setattr(accounts, "sign_out", fail)
    response = browser.post(browser.get(T), "/sign-out")
    assert response.status_code == 503
    assert "Nothing was done" in assert_is_sound(response).text


def test_a_fault_shows_no_inside(browse, monkeypatch):
    browser = browse("senna")

    def fail(*_args, **_kwargs):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(accounts, "tokens", fail)
    response = browser.send("GET", "/profile")
    assert response.status_code == 500
    assert "secret inside" not in assert_is_sound(response).text

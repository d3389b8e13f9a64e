"""Service requests, elevation, and the pages on which an engineer uses an access."""

import re
from datetime import timedelta

import pytest

from openlockbox.services import access
from openlockbox.web.portal import security
from tests.integration.web.conftest import WEB
from tests.integration.web.portal.conftest import Page, assert_is_sound

T = "/t/ambertide"


# ---- service requests and elevation ----


def test_a_service_request_is_opened_answered_and_closed(world, browse):
    browser = browse("bram")
    page = browser.get(f"{T}/service-requests/new")
    scope = next(a["value"] for t, a in page.tags if t == "option" and a["value"].endswith("|"))
    wrong = browser.post(
        page, f"{T}/service-requests/new", title=" ", description="It stops.", scope=scope, severity="a"
    )
    assert wrong.status_code == 422
    kept = assert_is_sound(wrong)
    assert "It stops." in kept.text
    assert kept.count("input", id="title", **{"aria-invalid": "true"}) == 1
    where = browser.post(
        kept, f"{T}/service-requests/new", title="Kiln stops", description="It stops.", scope=scope, severity="a"
    ).headers["location"]
    page = browser.get(where)
    assert browser.post(page, f"{where}/reply", message="").status_code == 422
    assert browser.post(page, f"{where}/reply", message="More.").status_code == 303
    engineer = browse("idris")
    case = f"/engineer/service-requests/{where.rsplit('/', 1)[1]}"
    assert engineer.post(engineer.get(case), f"{case}/take").status_code == 303
    assert engineer.post(engineer.get(case), f"{case}/reply", message="Looking.").status_code == 303
    assert engineer.post(engineer.get(case), f"{case}/escalate", to="wrenna").status_code == 303
    text = browser.get(where).text
    assert "Looking." in text
    assert "Wrenna" in text
    assert browser.post(browser.get(where), f"{where}/close").status_code == 303
    assert "This service request is closed." in browser.get(where).text


def _ask(browser, case, **fields):
    path = f"/engineer/service-requests/{case.id}"
    page = browser.get(path)
    way = next(a["value"] for t, a in page.tags if t == "option" and a["value"].endswith("vm-kiln-07|remote_desktop"))
    values = {"way": way, "permission": "operate", "duration": "PT8H", "justification": "I need the event log."}
    return browser.send("POST", f"{path}/elevation", {**page.form(f"{path}/elevation"), **values, **fields})


def test_the_rules_are_shown_before_anything_is_asked(world, browse, everything):
    case = world.case()
    before = everything()
    response = _ask(browse("idris"), case, permission="administrator", justification="", preview="1")
    assert response.status_code == 200
    page = assert_is_sound(response)
    assert "If you ask now: internal approval, then the customer" in page.text
    assert everything() == before
    refused = _ask(browse("wrenna"), world.case(engineer="wrenna"), permission="administrator", preview="1")
    assert "If you ask now: refused" in refused.text


def test_elevation_is_requested_and_withdrawn(world, browse):
    case = world.case()
    browser = browse("idris")
    assert _ask(browser, case).status_code == 303
    page = browser.get("/engineer/elevations")
    action = next(f["action"] for f, _ in page.forms if f["action"].endswith("/withdraw"))
    assert browser.post(page, action).status_code == 303
    assert world.actions()[-1] == "request.canceled"


def test_an_elevation_that_the_rules_refuse_at_once_is_no_success(world, browse):
    browser = browse("wrenna")
    case = world.case(engineer="wrenna")
    assert _ask(browser, case, permission="administrator").status_code == 303
    page = assert_is_sound(browser.send("GET", f"/engineer/service-requests/{case.id}"))
    assert "The rules refused this elevation." in page.text
    assert "The elevation was requested." not in page.text
    assert (page.count("div", role="status"), page.count("div", **{"class": "toast is-denied"})) == (1, 1)
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (asked,) = uow.jit_requests.of_service_request(case.id)
    said = page.text[: page.text.index("What was said")]
    assert all(reason.texts["en"].partition(":")[2] in said for reason in asked.verdict.reasons)


@pytest.mark.parametrize("fields", [{"way": "/x|y"}, {"permission": "root"}, {"duration": "8"}, {"justification": ""}])
def test_an_elevation_that_cannot_be_read_is_marked(world, browse, fields):
    response = _ask(browse("idris"), world.case(), **fields)
    assert response.status_code == 422
    assert assert_is_sound(response).count("p", **{"class": "error"}) == 1


def test_an_elevation_that_is_refused_keeps_what_was_typed(world, browse):
    case = world.case()
    browser = browse("idris")
    path = f"/engineer/service-requests/{case.id}"
    page = browser.get(path)
    way = next(a["value"] for t, a in page.tags if t == "option" and "08|" in a["value"])
    response = browser.send(
        "POST",
        f"{path}/elevation",
        {
            **page.form(f"{path}/elevation"),
            "way": way,
            "permission": "operate",
            "duration": "PT1H",
            "justification": "Kept words",
        },
    )
    assert response.status_code == 409
    page = assert_is_sound(response)
    assert "no gateway, address or account" in page.text
    assert "Kept words" in page.text


# ---- the session page ----


def test_the_session_page_holds_the_token_in_its_body_only(world, browse):
    grant = world.granted()
    browser = browse("idris")
    path = f"/engineer/grants/{grant.id}"
    response = browser.post(browser.get(path), f"{path}/session", size="1440x900")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "connect-src 'self' ws://gateway.localhost:1;" in policy
    assert "'wasm-unsafe-eval'" in policy
    page = Page(response)
    desktop = next(a for t, a in page.tags if a.get("id") == "desktop")
    assert desktop["data-gateway-url"] == "ws://gateway.localhost:1/rdp"
    assert (desktop["data-width"], desktop["data-height"]) == ("1440", "900")
    assert "data-clipboard" not in desktop
    assert page.count("header", id="session-bar") == 1
    assert page.count("template", id="desktop-ended") == 1
    token = desktop["data-token"]
    assert token
    addresses = [
        v for _, a in page.tags for n, v in a.items() if n in {"href", "src", "action", "hx-get", "data-status-url"}
    ]
    assert not [a for a in addresses if token in a]
    assert "set-cookie" not in response.headers
    assert browser.send("GET", f"{path}/session").headers["location"] == path
    other = browser.post(browser.get(path), f"{path}/session", size="9x9")
    assert 'data-width="1280"' in other.text


def test_the_panel_tells_whether_and_why_a_session_ended(world, browse):
    grant = world.granted()
    browser = browse("idris")
    path = f"/engineer/grants/{grant.id}"
    page = Page(browser.post(browser.get(path), f"{path}/session"))
    url = next(a["data-status-url"] for t, a in page.tags if a.get("id") == "desktop")
    waiting = browser.send("GET", url)
    assert waiting.headers["x-session-state"] == "pending"
    session_id = url.split("/")[3]
    access.abandon_offer(world.lockbox, world.caller("idris"), session_id=session_id)
    access.end_access(world.lockbox, world.caller("orla"), grant_id=grant.id, reason="We found it.")
    ended = browser.send("GET", url)
    assert ended.headers["x-session-state"] == "terminated"
    assert 'data-session-state="terminated"' in ended.text
    assert "Orla ended this access" in Page(ended).text
    assert "We found it." in ended.text
    assert "<html" not in ended.text
    assert browse("wrenna").send("GET", url).status_code == 404
    assert browser.send("GET", url.replace(session_id, "SES-none")).status_code == 404


def test_a_native_client_gets_file_and_password_once(world, browse):
    grant = world.granted()
    browser = browse("idris")
    path = f"/engineer/grants/{grant.id}"
    response = browser.post(browser.get(path), f"{path}/native")
    assert response.status_code == 200
    page = assert_is_sound(response)
    file = browser.post(page, "/engineer/rdp-file")
    assert file.headers["content-type"].startswith("application/x-rdp")
    assert file.headers["content-disposition"] == 'attachment; filename="vm-kiln-07.rdp"'
    assert "full address:s:localhost:2" in file.text
    password = re.search(r'class="cmd secret">([^<]+)<', response.text).group(1)
    assert password not in file.text
    forged = page.form("/engineer/rdp-file") | {"file": "eyJuYW1lIjoieCJ9.AAAA"}
    assert browser.send("POST", "/engineer/rdp-file", forged).status_code == 403
    assert browse("wrenna").send("POST", "/engineer/rdp-file", page.form("/engineer/rdp-file")).status_code == 403


def test_an_access_that_has_ended_cannot_be_used(world, browse):
    grant = world.granted()
    browser = browse("idris")
    path = f"/engineer/grants/{grant.id}"
    page = browser.get(path)
    world.clock.now = grant.not_after
    browser.cookies[security.SIGN_IN_COOKIE] = secret = world.sign_in("idris")
    form = page.form(f"{path}/session") | {"csrf": security.csrf_value(WEB, sign_in=secret)}
    response = browser.send("POST", f"{path}/session", form)
    assert response.status_code == 409
    assert "This access has ended" in assert_is_sound(response).text


def test_the_time_left_is_told_for_the_session_bar(world, browse):
    grant = world.granted()
    browser = browse("idris")
    response = browser.send("GET", f"/engineer/grants/{grant.id}/left?beat=5")
    assert "8 hours left" in response.text
    assert "hx-get" in response.text  # who works on a desktop is there, and stays signed in while the access lasts
    world.clock.now = grant.not_after - timedelta(minutes=30)
    browser.cookies[security.SIGN_IN_COOKIE] = world.sign_in("idris")
    assert "hx-get" in browser.send("GET", f"/engineer/grants/{grant.id}/left?beat=0").text
    world.clock.now = grant.not_after
    assert "hx-get" not in browser.send("GET", f"/engineer/grants/{grant.id}/left?beat=0").text


def test_static_files_are_kept_by_browsers_and_never_sniffed(browse):
    browser = browse("")
    sheet = next(a["href"] for t, a in browser.get("/sign-in").tags if a.get("rel") == "stylesheet")
    response = browser.send("GET", sheet)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert browser.send("GET", sheet.replace("lockbox.css", "../page.py")).status_code == 404

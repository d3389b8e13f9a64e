import pytest

from openlockbox.web.portal import security
from openlockbox.web.settings import WebSettings

WEB = WebSettings(base_url="https://lockbox.example", cookie_secure=True, csrf_secret=b"s" * 32)
OTHER = WebSettings(base_url="https://lockbox.example", cookie_secure=True, csrf_secret=b"t" * 32)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        " /t/ambertide",
        "/a b",
        "/" + "a" * 2001,
    ],
)
def test_a_path_that_a_browser_could_take_elsewhere_is_replaced(path):
    assert security.local_path(path) == "/"


@pytest.mark.parametrize("path", ["/", "/t/ambertide/requests/LBX-1?lang=ja", "/t/a/activity?q=%E6%97%A5"])
def test_a_path_of_the_portal_stays(path):
    assert security.local_path(path) == path


def test_a_sealed_value_opens_only_as_it_was_sealed():
    sealed = security.seal(WEB, "draft", "sign-in", "LBX-1", {"reason": "理由 & more"})
    assert security.unseal(WEB, "draft", "sign-in", "LBX-1", sealed) == {"reason": "理由 & more"}
    assert security.unseal(OTHER, "draft", "sign-in", "LBX-1", sealed) == {}
    assert security.unseal(WEB, "file", "sign-in", "LBX-1", sealed) == {}
    assert security.unseal(WEB, "draft", "another", "LBX-1", sealed) == {}
    assert security.unseal(WEB, "draft", "sign-in", "LBX-2", sealed) == {}
    body, _, mac = sealed.partition(".")
    assert security.unseal(WEB, "draft", "sign-in", "LBX-1", f"{body}A.{mac}") == {}


@pytest.mark.parametrize("sealed", ["", ".", "a.b", "é.ü", "....", "bm90IGpzb24.x"])
def test_garbage_does_not_open(sealed):
    assert security.unseal(WEB, "draft", "s", "r", sealed) == {}


def test_the_longest_draft_fits_into_a_cookie():
    content = {"decision": "approve", "duration": "PT8H", "reason": "\U0001f511" * 500, "digest": "a" * 64}
    assert len(security.seal(WEB, "draft", "s" * 43, "LBX-1", content)) < 4096 - 200


def test_csrf_values_differ_between_sign_ins_and_installations():
    values = {
        security.csrf_value(WEB, sign_in="a"),
        security.csrf_value(WEB, sign_in="b"),
        security.csrf_value(WEB, door="a"),
        security.csrf_value(OTHER, sign_in="a"),
    }
    assert len(values) == 4


@pytest.mark.parametrize(
    "address,origin",
    [
        ("ws://gateway.localhost:7001/rdp", "ws://gateway.localhost:7001"),
        ("wss://gw.example/rdp?x=1", "wss://gw.example"),
        ("wss://[2001:db8::1]:443/rdp", "wss://[2001:db8::1]:443"),
    ],
)
def test_the_session_page_may_reach_its_gateway_and_nothing_else(address, origin):
    assert security.origin(address) == origin
    policy = security.headers(gateway=address)["Content-Security-Policy"]
    assert f"connect-src 'self' {origin};" in policy
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy


@pytest.mark.parametrize("address", ["https://gw.example", "ws://", "wss://gw.example; script-src *", "wss://a b/", ""])
def test_an_address_that_could_change_the_policy_is_refused(address):
    try:
        assert " " not in security.origin(address)
        assert ";" not in security.origin(address)
    except ValueError:
        return
    assert address.startswith("wss://gw.example;") is False


def test_every_other_page_allows_no_inline_script_or_style():
    policy = security.headers()["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_cookies_are_bound_to_the_host_where_there_is_https():
    cookie = security.make_cookie(WEB, security.SIGN_IN_COOKIE, "x")
    assert (cookie.key, cookie.secure, cookie.httponly, cookie.samesite, cookie.path) == (
        "__Host-lockbox",
        True,
        True,
        "lax",
        "/",
    )
    local = WebSettings(base_url="http://localhost", cookie_secure=False, csrf_secret=b"s" * 32)
    assert security.make_cookie(local, security.SIGN_IN_COOKIE, "x").key == "lockbox"

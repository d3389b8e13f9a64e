import re
import struct
import zlib
from http import HTTPStatus

import httpx
import pytest

from openlockbox.cli.demo.cast import CAST, Account
from openlockbox.cli.demo.mailbox import answer, serve_pages
from openlockbox.cli.demo.picture import png_of_xwd, share_of_patch
from openlockbox.cli.demo.portal import Page, StepFailed, _Page
from openlockbox.testing.desktops import PATCH
from openlockbox.testing.smtp_server import Received

PORTAL = "http://localhost:8400"
ACCOUNT = Account(person=CAST[0], password="pass<word>", totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
EVIL = '<script>alert(1)</script>"'


def mail(text="", subject="Subject", html="<p>x</p>"):
    return Received(
        sender="a@x.example",
        recipients=("b@x.example",),
        message_id="<1>",
        subject=subject,
        text=text,
        html=html,
        raw=b"",
    )


def shown(path, mails=()):
    return answer(path, list(mails), {"bram": ACCOUNT}, portal=PORTAL)


@pytest.mark.parametrize("path", ["/", "/mails/0"])
def test_whatever_a_mail_says_is_escaped(path):
    status, page = shown(path, [mail(text=EVIL, subject=EVIL, html=EVIL)])
    assert status == HTTPStatus.OK
    assert "<script>" not in page
    assert EVIL not in page


def test_the_html_of_a_mail_is_shut_in():
    _, page = shown("/mails/0", [mail()])
    assert '<iframe sandbox="" srcdoc="&lt;p&gt;x&lt;/p&gt;">' in page


def test_only_addresses_of_the_portal_become_links():
    text = f"{PORTAL}/t/x?a=1&b=2 <{PORTAL}/y> http://evil.example/ {PORTAL}.evil.example/"
    _, page = shown("/mails/0", [mail(text=text)])
    links = re.findall(r'href="(http[^"]*)"', page)
    assert links == [f"{PORTAL}/t/x?a=1&amp;b=2", f"{PORTAL}/y"]


def test_the_codes_page_shows_a_code_that_signs_in():
    _, page = shown("/codes")
    assert re.search(r"<code>[0-9]{6}</code>", page)
    assert "pass&lt;word&gt;" in page


@pytest.mark.parametrize("path", ["/mails/7", "/mails/x", "/etc/passwd", "/codes/"])
def test_other_pages_do_not_exist(path):
    assert shown(path)[0] == HTTPStatus.NOT_FOUND


def test_the_pages_answer_under_their_own_name_only():
    with serve_pages(list, {"bram": ACCOUNT}, portal=PORTAL) as address:
        good = httpx.get(f"{address}codes", trust_env=False)
        assert good.status_code == HTTPStatus.OK
        assert "default-src 'none'" in good.headers["Content-Security-Policy"]
        rebound = httpx.get(f"{address}codes", headers={"Host": "evil.example:1"}, trust_env=False)
        assert rebound.status_code == HTTPStatus.MISDIRECTED_REQUEST
        assert "pass" not in rebound.text


def test_a_form_is_read_as_a_browser_would_send_it():
    parser = _Page()
    parser.feed(
        '<form action="/a/decide"><input type="hidden" name="csrf" value="1"><input type="radio" name="d" value="8" checked>'
        '<input type="radio" name="d" value="4"><select name="s"><option value="x"><option value="y" selected></select></form>'
        "<code>olbx_1</code>"
    )
    assert [(f.action, f.fields) for f in parser.forms] == [("/a/decide", [("csrf", "1"), ("d", "8"), ("s", "y")])]
    assert parser.codes == ["olbx_1"]


def test_a_page_that_does_not_show_what_it_should_is_a_failed_step():
    with pytest.raises(StepFailed, match="Customer Notified"):
        Page("/x", "nothing", (), ()).must_show("Customer Notified")


def xwd(colour, *, width=16, height=8):
    """Write a picture of one colour as xwd does."""
    fields = [100, 7, 2, 24, width, height, 0, 0, 32, 0, 32, 32, 4 * width, 4, 0, 0, 0, 8, 0, 0, width, height, 0, 0, 0]
    red, green, blue = colour
    return struct.pack(">25I", *fields) + bytes([blue, green, red, 0]) * (width * height)


def test_a_picture_of_the_window_is_known_by_its_colour():
    assert share_of_patch(xwd((PATCH.red, PATCH.green, PATCH.blue)), PATCH) == 1
    assert share_of_patch(xwd((0, 0, 0)), PATCH) == 0


def test_a_picture_becomes_a_png_with_the_same_pixels():
    png = png_of_xwd(xwd((1, 2, 3), width=2, height=1))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    data = png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8]
    assert zlib.decompress(data) == bytes([0, 1, 2, 3, 1, 2, 3])

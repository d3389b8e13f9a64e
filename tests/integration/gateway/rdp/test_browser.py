"""The portal's desktop.js and the vendored IronRDP in headless Chromium, through the gateway, at real desktops."""

import contextlib
import http.server
import io
import threading
from http import HTTPStatus
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import async_playwright

import openlockbox
from openlockbox.domain.session import EndReason
from tests.integration.gateway.rdp.fakes import (
    TOKEN,
    FakeGatekeeper,
    browser_gateway,
    closed_reason,
    credential_of,
    shows_patch,
    target_of,
    until,
)

STATIC = Path(openlockbox.__file__).parent / "web/portal/static"
CHROMIUM = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
PAGE = """<!doctype html><html lang="en"><title>Desktop</title>
<div id="session-bar"><button>End session</button></div>
<div id="desktop" style="width:1024px;height:768px" data-gateway-url="ws://127.0.0.1:{port}/rdp" data-token="{token}"
 data-status-url="/status" data-width="1024" data-height="768"></div>
<template id="presence-problem"><section><p data-why></p><button>Use your passkey</button></section></template>
<template id="gateway-words"><p data-code="presence_wrong">The gateway needs your passkey.</p><p data-code="">Refused.</p></template>
<script type="module" src="/static/desktop.js"></script></html>"""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' ws://127.0.0.1:{port}"
)

pytestmark = [pytest.mark.e2e]


@contextlib.contextmanager
def portal(gateway_port, token=TOKEN):
    """Serve the portal's page, script and status on a thread. The first status answer is not yet terminated."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            if path == "/":
                self._send(PAGE.format(port=gateway_port, token=token).encode(), "text/html")
            elif path == "/status":
                asked.append(path)
                state = "active" if len(asked) == 1 else "terminated"
                self._send(f'<p id="why" data-session-state="{state}">{state}</p>'.encode(), "text/html")
            elif path.startswith("/static/") and (file := STATIC / path.removeprefix("/static/")).is_file():
                kind = {".js": "text/javascript", ".wasm": "application/wasm"}[file.suffix]
                self._send(file.read_bytes(), kind)
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, body, kind):
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY.format(port=gateway_port))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *arguments):
            """Stay silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.asynccontextmanager
async def chromium_page():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        try:
            page = await browser.new_page(viewport={"width": 1100, "height": 900})
            page.violations = []
            page.on(
                "console", lambda m: page.violations.append(m.text) if "Content Security Policy" in m.text else None
            )
            yield page
        finally:
            await browser.close()


async def picture(page):
    return Image.open(io.BytesIO(await page.locator("#desktop").screenshot()))


@contextlib.asynccontextmanager
async def shown_desktop(gatekeeper, patch):
    async with browser_gateway(gatekeeper) as port, chromium_page() as page:
        with portal(port) as (address, asked):
            await page.goto(address)

            async def visible():
                return shows_patch(await picture(page), patch)

            await until(visible, 30)
            yield page, asked


@pytest.mark.needs_root
async def test_the_browser_shows_an_xrdp_desktop_and_the_end_of_the_session(xrdp_desktop):
    gatekeeper = FakeGatekeeper(target_of(xrdp_desktop), credential_of(xrdp_desktop))
    async with shown_desktop(gatekeeper, xrdp_desktop.patch) as (page, asked):
        assert await page.get_attribute("#desktop", "data-state") == "connected"
        assert await page.get_attribute("#desktop", "data-token") is None
        await page.keyboard.press("Control+Alt+End")
        assert await page.evaluate("document.activeElement.id") == "session-bar"
        gatekeeper.session.ended.set_result(EndReason.DEADLINE)
        await page.wait_for_selector("#why", timeout=5000)
        assert await page.text_content("#why") == "terminated"
        assert len(asked) == 2
        assert await page.evaluate("document.activeElement.id") == "desktop"
        assert page.violations == []
    assert await closed_reason(gatekeeper) is EndReason.DEADLINE


async def test_the_browser_shows_an_nla_desktop_without_knowing_its_password(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    async with shown_desktop(gatekeeper, nla_desktop.patch):
        pass
    assert await closed_reason(gatekeeper) is EndReason.CLIENT_CLOSED


async def test_a_refused_presence_is_worded_and_can_be_tried_again(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    gatekeeper.presence = [[{"refused": "presence_wrong"}]]
    async with browser_gateway(gatekeeper) as port, chromium_page() as page:
        with portal(port) as (address, _asked):
            await page.goto(address)
            await page.wait_for_selector("#desktop[data-state=presence]", timeout=20000)
            assert await page.text_content("[data-why]") == "The gateway needs your passkey."
            assert gatekeeper.calls == []
            await page.click("#desktop button")
            await page.wait_for_selector("#desktop[data-state=connected]", timeout=20000)
            assert page.violations == []


async def test_the_page_shows_the_portals_answer_when_the_gateway_refuses(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    async with browser_gateway(gatekeeper) as port, chromium_page() as page:
        with portal(port, token="stale") as (address, _asked):
            await page.goto(address)
            await page.wait_for_selector("#why", timeout=20000)
            assert await page.get_attribute("#desktop", "data-state") == "ended"
    assert "start" not in gatekeeper.calls

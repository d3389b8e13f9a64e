"""The engineer's own passkey at the gateway, in Chromium: with it an access opens, without it nothing does, whoever holds the token."""

from types import SimpleNamespace

import pytest_asyncio
from playwright.async_api import expect

from openlockbox.services import passkeys
from openlockbox.services.work import Caller
from tests.e2e import gateway_client
from tests.e2e.authenticator import add_authenticator, enrol
from tests.e2e.browser import END_TO_END, connect, ended, keep, picture
from tests.e2e.cast import KILN
from tests.e2e.steps import check_recording, granted
from tests.e2e.system import until
from tests.e2e.test_v2_native_client import visible, xfreerdp

pytestmark = END_TO_END
STOPPED = "Your passkey was not used. Without it the gateway opens nothing."


@pytest_asyncio.fixture(loop_scope="session")
async def desk(system, chromium):
    """Lend an engineer with a passkey, and take it away again: with one, each of her sessions asks for it."""
    wrenna = system.people["wrenna"]
    wrenna.sign_in()
    page = await chromium.window(wrenna)
    device = await add_authenticator(page)
    await enrol(page, "Key on the desk")
    yield SimpleNamespace(wrenna=wrenna, page=page, device=device)
    caller = Caller(principal_id=wrenna.member.id, mfa_at=system.clock())
    for held in passkeys.mine(system.lockbox, caller):
        passkeys.remove(system.lockbox, caller, key_id=held.key_id)


async def test_the_engineers_passkey_opens_the_desktop_and_nothing_else_does(
    system, desk, desktops, client_screen, tmp_path
):
    page, wrenna = desk.page, desk.wrenna
    grant_id = granted(system, KILN, by="wrenna")

    session = await connect(page, grant_id)
    await picture(page, desktops["xrdp"].patch)
    await page.goto("/")
    assert check_recording(system, session).reason == "client_closed"

    # With a program of her own: the page proves it before the file is opened.
    await page.goto(f"/engineer/grants/{grant_id}")
    await page.get_by_role("button", name="Connect with a program of your own").click()
    await expect(page.locator("[data-presence]")).to_have_attribute("data-state", "proved")
    await keep(page, "presence-native")
    password = await page.locator("code.secret").inner_text()
    async with page.expect_download() as arriving:
        await page.get_by_role("button", name="Download the .rdp file").click()
    file = tmp_path / "vm.rdp"
    await (await arriving.value).save_as(file)
    async with xfreerdp(client_screen, str(file), "/u:anybody", f"/p:{password}"):
        await visible(client_screen, desktops["xrdp"].patch)

    # Whoever has the web server has tokens, and gets nowhere with them.
    offer = wrenna.post(f"/grants/{grant_id}/connect", front="browser")
    assert await gateway_client.refusal(system, offer["token"]) == 403
    refused = {"code": "session.connect.refused", "subject": f"session:{offer['session_id']}"}
    (entry,) = until(lambda: system.entries(**refused), "refusal in the log")
    assert entry.event.detail["code"] == "presence_missing"

    # Somebody whom the key does not recognize is told so.
    await desk.device.verify_nobody()
    await connect(page, grant_id)
    await expect(page.locator("#desktop")).to_have_attribute("data-state", "presence")
    await expect(page.locator("[data-why]")).to_have_text(STOPPED)
    await keep(page, "presence-stopped")
    wrenna.post(f"/grants/{grant_id}/end", reason="")


async def test_a_refusal_of_the_gateway_is_worded_on_the_engineers_page(system, desk):
    """A page of a web server in wrong hands that leaves the passkey out: the portal's own page says what the gateway said."""
    page = desk.page
    grant_id = granted(system, KILN, by="wrenna")

    async def leave_it_out(route):
        await route.fulfill(
            body="export const provePresence = async () => ''; export const explain = (code) => code;",
            content_type="text/javascript",
        )

    await page.route("**/presence.js", leave_it_out)
    await connect(page, grant_id)
    await ended(page, "The connection is closed")
    await expect(page.locator("[data-refusal=presence_missing]")).to_be_visible()
    desk.wrenna.post(f"/grants/{grant_id}/end", reason="")

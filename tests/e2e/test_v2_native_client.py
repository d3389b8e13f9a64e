"""Specification V2 with a program of the engineer's own: xfreerdp, the portal's .rdp file and its one-time password."""

import asyncio
import contextlib
import io

from PIL import Image

from openlockbox.testing.desktops import ColourPatch
from tests.e2e.browser import END_TO_END, keep, shows, soon
from tests.e2e.cast import KILN, PRESS
from tests.e2e.steps import check_recording, grant, granted
from tests.e2e.system import DEADLINE

pytestmark = END_TO_END
ALWAYS = ("/cert:ignore", "/sec:tls", "/size:1024x768", "/log-level:OFF")


@contextlib.asynccontextmanager
async def xfreerdp(screen, *words: str):
    quiet = asyncio.subprocess.DEVNULL
    client = await asyncio.create_subprocess_exec(
        "xfreerdp", *words, *ALWAYS, env=screen, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            client.kill()
        await client.wait()


async def visible(screen, patch: ColourPatch) -> None:
    async def look() -> bool:
        command = ("import", "-window", "root", "png:-")
        process = await asyncio.create_subprocess_exec(*command, env=screen, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return shows(Image.open(io.BytesIO(out)), patch)

    await soon(look, "picture in the native client")


async def test_v2_the_portals_file_and_password_show_the_desktop(system, chromium, desktops, client_screen, tmp_path):
    grant_id = granted(system, KILN)
    page = await chromium.window(system.people["idris"])
    await page.goto(f"/engineer/grants/{grant_id}")
    await page.get_by_role("button", name="Connect with a program of your own").click()
    password = await page.locator("code.secret").inner_text()
    await keep(page, "v2-native")
    async with page.expect_download() as arriving:
        await page.get_by_role("button", name="Download the .rdp file").click()
    file = tmp_path / "vm.rdp"
    await (await arriving.value).save_as(file)
    assert password not in file.read_text()
    async with xfreerdp(client_screen, str(file), "/u:anybody", f"/p:{password}") as client:
        await visible(client_screen, desktops["xrdp"].patch)
        # The file and its password were good once.
        async with xfreerdp(client_screen, str(file), "/u:anybody", f"/p:{password}") as second:
            assert await asyncio.wait_for(second.wait(), DEADLINE) != 0
        system.people["senna"].post(f"/grants/{grant_id}/end", reason="")
        await asyncio.wait_for(client.wait(), DEADLINE)
    session = grant(system, grant_id)["sessions"][0]
    assert (session["front"], check_recording(system, session["id"]).reason) == ("native", "revoked")


async def test_v2_a_preconnection_blob_reaches_an_nla_desktop(system, desktops, client_screen):
    grant_id = granted(system, PRESS)
    offer = system.people["idris"].post(f"/grants/{grant_id}/connect", front="native")
    address = f"/v:127.0.0.1:{system.native_port}"
    async with xfreerdp(
        client_screen, address, f"/pcb:{offer['token']}", "/u:anybody", f"/p:{offer['native_password']}"
    ):
        await visible(client_screen, desktops["nla"].patch)
    assert check_recording(system, offer["session_id"]).reason == "client_closed"


async def test_v2_a_wrong_password_is_refused_and_there_is_no_second_try(system, client_screen):
    grant_id = granted(system, PRESS)
    offer = system.people["idris"].post(f"/grants/{grant_id}/connect", front="native")
    address = f"/v:127.0.0.1:{system.native_port}"
    for password in ("wrong-password-1", offer["native_password"]):
        async with xfreerdp(client_screen, address, f"/pcb:{offer['token']}", "/u:anybody", f"/p:{password}") as client:
            assert await asyncio.wait_for(client.wait(), DEADLINE) != 0
    assert system.entries(code="session.started", subject=f"session:{offer['session_id']}") == []
    assert [s["state"] for s in grant(system, grant_id)["sessions"]] == ["pending"]

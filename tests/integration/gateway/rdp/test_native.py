"""xfreerdp through the gateway's native front, at real desktops."""

import asyncio
import contextlib
import io

import pytest
from PIL import Image

from openlockbox.connectors.builtin.rdp_file import render_rdp_file
from openlockbox.domain.session import EndReason
from tests.integration.gateway.rdp.fakes import (
    ONE_TIME,
    TOKEN,
    FakeGatekeeper,
    closed_reason,
    credential_of,
    fake_target,
    native_gateway,
    server_context,
    shows_patch,
    target_of,
    tcp_target,
    until,
)

pytestmark = [pytest.mark.e2e]


@contextlib.asynccontextmanager
async def xfreerdp(environment, *arguments):
    process = await asyncio.create_subprocess_exec(
        "xfreerdp",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def options(port, token=TOKEN, password=ONE_TIME):
    return (
        f"/v:127.0.0.1:{port}",
        f"/pcb:{token}",
        "/u:anybody",
        f"/p:{password}",
        "/sec:tls",
        "/cert:ignore",
        "/size:1024x768",
        "/log-level:OFF",
    )


async def screenshot(environment):
    process = await asyncio.create_subprocess_exec(
        "import", "-window", "root", "png:-", env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return Image.open(io.BytesIO(out))


async def shows(environment, patch):
    async def visible():
        return shows_patch(await screenshot(environment), patch)

    await until(visible, 30)


@pytest.mark.needs_root
async def test_xfreerdp_shows_an_xrdp_desktop_and_is_cut_at_the_end(xrdp_desktop, client_screen, tmp_path):
    gatekeeper = FakeGatekeeper(target_of(xrdp_desktop), credential_of(xrdp_desktop))
    context, _pin = server_context(tmp_path)
    async with native_gateway(gatekeeper, context) as port, xfreerdp(client_screen, *options(port)) as process:
        await shows(client_screen, xrdp_desktop.patch)
        gatekeeper.session.ended.set_result(EndReason.REVOKED)
        assert await closed_reason(gatekeeper, 2) is EndReason.REVOKED
        await asyncio.wait_for(process.wait(), 5)
    recorded = bytes(gatekeeper.session.recorder.data)
    assert recorded[4:9] == b"\x02\xf0\x80\x7f\x66"
    for password in (xrdp_desktop.password, ONE_TIME):
        assert password.encode("utf-16-le") not in recorded


async def test_xfreerdp_shows_an_nla_desktop_by_the_file_of_the_portal(nla_desktop, client_screen, tmp_path):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    context, _pin = server_context(tmp_path)
    async with native_gateway(gatekeeper, context) as port:
        file = tmp_path / "vm.rdp"
        file.write_text(render_rdp_file("127.0.0.1", port, TOKEN, "vm-1"), newline="")
        more = ("/u:anybody", f"/p:{ONE_TIME}", "/cert:ignore", "/log-level:OFF", "/size:1024x768", "/sec:tls")
        async with xfreerdp(client_screen, str(file), *more):
            await shows(client_screen, nla_desktop.patch)
    assert await closed_reason(gatekeeper) is EndReason.CLIENT_CLOSED


async def test_a_wrong_one_time_password_burns_the_token_and_dials_nobody(client_screen, tmp_path):
    async def never(reader, writer):
        """Nobody may come here."""

    context, _pin = server_context(tmp_path)
    async with tcp_target(never) as (target_port, seen):
        gatekeeper = FakeGatekeeper(fake_target(target_port))
        async with native_gateway(gatekeeper, context) as port:
            async with xfreerdp(client_screen, *options(port, password="wrong")) as process:
                assert await asyncio.wait_for(process.wait(), 20) != 0
            assert gatekeeper.calls == ["prefetch", "admit", "refuse password_wrong"]
            assert gatekeeper.burned
            async with xfreerdp(client_screen, *options(port)) as process:
                assert await asyncio.wait_for(process.wait(), 20) != 0
        assert gatekeeper.calls == ["prefetch", "admit", "refuse password_wrong", "prefetch", "admit"]
        assert seen == []

"""Row 17: clipboard, drives, sound and whatever a client invents pass the gate or do not pass, at both fronts and both ways."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path

import pytest

from openlockbox.connectors.builtin.rdp_file import render_rdp_file
from openlockbox.connectors.builtin.remote_desktop import REMOTE_DESKTOP
from openlockbox.gateway.rdp import mcs
from openlockbox.gateway.rdp.framing import mcs_of
from openlockbox.gateway.rdp.gcc import CHANNELS_OF_GRANT, StaticChannel, allowed_channels
from openlockbox.gateway.rdp.pump import Pump
from openlockbox.gateway.rdp.streams import ByteStream, TcpStream
from openlockbox.gateway.rdp.target import target_tls_context
from tests.integration.gateway.rdp.fakes import (
    ONE_TIME,
    TOKEN,
    ClientStream,
    FakeGatekeeper,
    browser_client,
    browser_gateway,
    clean_path_request,
    connect_client,
    fake_target,
    native_gateway,
    server_context,
    tcp_target,
    until,
)
from tests.integration.gateway.rdp.test_bad_native_clients import cookie_request
from tests.integration.gateway.rdp.test_bad_peers import SmallServer, tls_target

GRANTABLE = [name for name, _ in REMOTE_DESKTOP.channels]
OFFERED = ["cliprdr", "rdpdr", "rdpsnd", "drdynvc", "rail", "encomsp", "CLIPRDR", "cliprdr2", ""]
REDIRECTIONS = ["clipboard", "drives", "printers", "comports", "smartcards", "posdevices", "webauthn"]


@pytest.mark.parametrize("granted", [names for count in range(4) for names in combinations(GRANTABLE, count)])
def test_the_target_hears_of_the_granted_channels_only(granted: tuple[str, ...]) -> None:
    asked = [StaticChannel(name=name, options=0) for name in OFFERED]
    heard = {channel.name for channel in allowed_channels(asked, granted)}
    assert heard == {CHANNELS_OF_GRANT[name] for name in granted}


def test_a_grant_cannot_name_a_channel_that_carries_others_unseen() -> None:
    asked = [StaticChannel(name=name, options=0) for name in OFFERED]
    assert allowed_channels(asked, ("drdynvc", "rail", "encomsp", "cliprdr")) == ()


def test_the_granted_channel_passes_both_ways(pump: Pump) -> None:
    up = mcs.parse_data(
        mcs_of(pump._for_target(mcs.send_request(b"x", initiator=1004, channel=1004))), kind=mcs.SEND_REQUEST
    )
    down = mcs.parse_data(
        mcs_of(pump._for_client(mcs.send_indication(b"x", initiator=1002, channel=1005))), kind=mcs.SEND_INDICATION
    )
    assert (up.channel, down.channel) == (1005, 1004)


@pytest.mark.parametrize("channel", [1001, 1002, 1006, 1007, 1020, 65535])
def test_a_channel_nobody_granted_passes_neither_way(pump: Pump, channel: int) -> None:
    assert pump._for_target(mcs.send_request(b"x", initiator=1004, channel=channel)) == b""
    assert pump._for_client(mcs.send_indication(b"x", initiator=1002, channel=channel)) == b""


@contextlib.asynccontextmanager
async def client_at(front: str, gatekeeper: FakeGatekeeper, context: ssl.SSLContext) -> AsyncIterator[ByteStream]:
    """Come to the point where a client of this front begins to speak RDP."""
    if front == "browser":
        async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            yield ClientStream(websocket)
        return
    async with native_gateway(gatekeeper, context) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(cookie_request(TOKEN))
        await reader.readexactly(19)
        await writer.start_tls(target_tls_context())
        yield TcpStream(reader, writer, gone=ConnectionError)
        writer.transport.abort()


@pytest.mark.parametrize("front", ["browser", "native"])
async def test_at_both_fronts_the_machine_hears_of_the_granted_channels_only(front: str, tmp_path: Path) -> None:
    context, pin = server_context(tmp_path)
    machine = SmallServer()
    async with tcp_target(tls_target(context, machine)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin), channels=("clipboard",))
        async with client_at(front, gatekeeper, context) as stream:
            await connect_client(stream, "rdpdr", "cliprdr", "rdpsnd", "drdynvc", password=ONE_TIME)
            await until(lambda: asyncio.sleep(0, bool(machine.info)))
    assert [channel.name for channel in machine.initial.channels] == ["cliprdr"]


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_the_file_of_the_native_client_redirects_nothing_by_itself(redirection: str) -> None:
    assert f"redirect{redirection}:i:0" in render_rdp_file("gw.test", 3390, "token", "vm").split("\r\n")

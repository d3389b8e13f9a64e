"""Row 10: after a revocation every token, session and reconnect of that grant is dead, the automatic RDP reconnect too."""

import struct
from datetime import timedelta
from types import SimpleNamespace

import pytest

from openlockbox.connectors.builtin.rdp_file import render_rdp_file
from openlockbox.domain.session import EndReason
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp import mcs
from openlockbox.gateway.rdp.client_info import client_info
from openlockbox.gateway.rdp.pump import Pump
from openlockbox.grants.revocations import Revocation
from tests.attacks.test_08_replay_of_a_connection_token import make_gateway, use
from tests.unit.gateway.stage import Stage
from tests.unit.grants.material import RESOURCE, TENANT

EVERY_WAY = [
    Revocation(kind="grant", id="gr-1"),
    Revocation(kind="engineer", id="principal-eng"),
    Revocation(kind="resource", id=RESOURCE),
    Revocation(kind="tenant", id=TENANT),
]


@pytest.mark.parametrize("entry", EVERY_WAY, ids=lambda entry: entry.kind)
async def test_a_revocation_cuts_what_runs_and_kills_a_fresh_token(stage: Stage, entry: Revocation) -> None:
    admission, sessions, session = make_gateway(stage), stage.sessions(), stage.session()
    sessions.add(session)
    sessions.apply(stage.renew(entry, version=8))
    assert session.ended.result() is EndReason.REVOKED
    assert use(admission) == "grant_revoked"
    await session.close(EndReason.CLIENT_CLOSED)


async def test_the_cut_sticks_when_the_next_list_no_longer_names_the_grant(stage: Stage) -> None:
    sessions, session = stage.sessions(), stage.session()
    sessions.add(session)
    sessions.apply(stage.renew(EVERY_WAY[0], version=8))
    stage.hand.pass_time(timedelta(seconds=1))
    sessions.apply(stage.renew(version=9))
    assert await session.close(EndReason.CLIENT_CLOSED) is EndReason.REVOKED


def save_session_info(cookie: bytes) -> bytes:
    """Build the target's word on the session with its auto-reconnect cookie ([MS-RDPBCGR] 2.2.10.1, 2.2.4.2)."""
    held = struct.pack("<III", 0x1C, 1, 7) + cookie
    extended = struct.pack("<HI", 580 + len(held), 1) + struct.pack("<I", len(held)) + held + bytes(570)
    body = struct.pack("<I", 3) + extended
    head = struct.pack("<HHH", 18 + len(body), 0x17, 1002) + struct.pack("<IBBHBBH", 1, 0, 1, 4 + len(body), 38, 0, 0)
    return mcs.send_indication(head + body, initiator=1002, channel=1003)


def test_the_targets_reconnect_cookie_does_not_reach_the_engineer() -> None:
    client = SimpleNamespace(server=SimpleNamespace(io_channel=1003))
    target = SimpleNamespace(io_channel=1003, user=1007, channels={})
    pump = Pump(client, target, SimpleNamespace())  # type: ignore[arg-type]  # what the way to the client needs of them
    assert b"RECONNECT-COOKIE" not in pump._for_client(save_session_info(b"RECONNECT-COOKIE"))


def test_the_gateway_presents_no_reconnect_cookie_and_the_file_asks_for_none() -> None:
    info = client_info(Credential(username="u", password="p"), sound=False)
    (cookie_length,) = struct.unpack_from("<H", info, len(info) - 2)
    assert cookie_length == 0
    assert "autoreconnection enabled:i:0" in render_rdp_file("gw.test", 3390, "token", "vm").split("\r\n")

"""Real targets, driven by a small client through the browser's front."""

import asyncio
import hashlib
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed

from openlockbox.domain.session import EndReason
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp import rdcleanpath
from tests.integration.gateway.rdp.fakes import (
    ClientStream,
    FakeGatekeeper,
    browser_client,
    browser_gateway,
    clean_path_error,
    clean_path_request,
    closed_reason,
    connect_client,
    credential_of,
    drain,
    target_of,
)


async def answer_of(gatekeeper, request):
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(request)
        return await websocket.recv()


async def test_a_wrong_pin_ends_with_the_certificate(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop, pin="ab" * 32), credential_of(nla_desktop))
    answer = await answer_of(gatekeeper, clean_path_request())
    assert clean_path_error(answer)["tls_alert_code"] == 42
    assert await closed_reason(gatekeeper) is EndReason.TARGET_CERTIFICATE
    assert gatekeeper.session.recorder.data == b""


async def test_a_refused_nla_account_ends_with_sign_in(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), Credential(username="engineer", password="not-it"))
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(clean_path_request())
        await websocket.recv()  # an RDCleanPath error; or an answer, when the target hangs up one message later
        with pytest.raises(ConnectionClosed):
            await connect_client(ClientStream(websocket))
        assert await closed_reason(gatekeeper) is EndReason.TARGET_SIGN_IN


@pytest.mark.needs_root
async def test_a_target_that_does_not_speak_nla_is_not_used_for_an_nla_grant(xrdp_desktop):
    target = replace(target_of(xrdp_desktop), security="nla")
    gatekeeper = FakeGatekeeper(target, credential_of(xrdp_desktop))
    await answer_of(gatekeeper, clean_path_request())
    assert await closed_reason(gatekeeper) is EndReason.TARGET_SIGN_IN


async def test_the_recording_starts_with_the_connect_response_and_holds_no_password(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(clean_path_request())
        answer = rdcleanpath._Pdu.load(await websocket.recv())
        chain = answer["server_cert_chain"].native
        assert hashlib.sha256(chain[0]).hexdigest() == nla_desktop.certificate_sha256
        reader, _server, _user = await connect_client(ClientStream(websocket), "cliprdr", "drdynvc")
        await asyncio.wait_for(reader.packet(), 20)  # licence
        await asyncio.wait_for(reader.packet(), 20)  # demand active
    assert await closed_reason(gatekeeper) is EndReason.CLIENT_CLOSED
    recorded = bytes(gatekeeper.session.recorder.data)
    assert recorded[:2] == b"\x03\x00"
    assert recorded[4:9] == b"\x02\xf0\x80\x7f\x66"
    for encoding in ("utf-8", "utf-16-le"):
        assert nla_desktop.password.encode(encoding) not in recorded


async def test_an_ended_session_is_cut_while_the_desktop_is_live(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(clean_path_request())
        await websocket.recv()
        reader, _server, _user = await connect_client(ClientStream(websocket))
        await asyncio.wait_for(reader.packet(), 20)
        gatekeeper.session.ended.set_result(EndReason.REVOKED)

        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(drain(websocket), 2)
        assert await closed_reason(gatekeeper, 2) is EndReason.REVOKED


async def test_a_recording_that_cannot_be_written_shows_nothing(nla_desktop):
    gatekeeper = FakeGatekeeper(target_of(nla_desktop), credential_of(nla_desktop))
    gatekeeper.session.recorder.broken = True
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(clean_path_request())
        await websocket.recv()
        reader, _server, _user = await connect_client(ClientStream(websocket))
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(reader.packet(), 20)
        assert await closed_reason(gatekeeper) is EndReason.RECORDING_FAILED

"""Targets and clients that hang, flood, talk rubbish or leave: each ends cleanly, with the right reason. No packages needed."""

import asyncio
import struct

import pytest
from websockets.exceptions import ConnectionClosed

from openlockbox.domain.session import EndReason
from openlockbox.gateway.rdp import client as client_leg
from openlockbox.gateway.rdp import gcc, mcs, negotiation, pump, share, target
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.negotiation import Security
from openlockbox.gateway.rdp.streams import PacketReader, TcpStream
from tests.integration.gateway.rdp.fakes import (
    ClientStream,
    FakeGatekeeper,
    browser_client,
    browser_gateway,
    clean_path_error,
    clean_path_request,
    closed_reason,
    connect_client,
    drain,
    fake_target,
    silent,
    tcp_target,
    until,
)


@pytest.fixture
def quick(monkeypatch):
    """Shorten the deadlines that these tests run into."""
    monkeypatch.setattr(target, "HANDSHAKE_SECONDS", 0.3)
    monkeypatch.setattr(client_leg, "CONNECT_SECONDS", 0.3)


async def refusal(gatekeeper, request=None):
    """Send one request to the browser's front and return its RDCleanPath error."""
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        await websocket.send(clean_path_request() if request is None else request)
        error = clean_path_error(await websocket.recv())
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    return error


async def rubbish(reader, writer):
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


async def flood(reader, writer):
    await reader.read(100)
    for _ in range(200):
        writer.write(b"\x03\x00\xff\xff" + bytes(0xFFFB))
        await writer.drain()


async def leaves(reader, writer):
    await reader.read(100)


async def standard_security(reader, writer):
    await reader.read(100)
    writer.write(negotiation.connection_confirm(Security(0)))
    await reader.read()


async def clear_text_before_tls(reader, writer):
    await reader.read(100)
    writer.write(negotiation.connection_confirm(Security.TLS) + b"\x03\x00\x00")
    await reader.read()


async def not_tls(reader, writer):
    await reader.read(100)
    writer.write(negotiation.connection_confirm(Security.TLS))
    await reader.read(10)
    writer.write(b"this is not TLS at all")
    await reader.read()


@pytest.mark.parametrize(
    "behaviour, reason",
    [
        (silent, EndReason.TARGET_UNREACHABLE),
        (rubbish, EndReason.PROTOCOL_ERROR),
        (flood, EndReason.PROTOCOL_ERROR),
        (leaves, EndReason.TARGET_CLOSED),
        (standard_security, EndReason.PROTOCOL_ERROR),
        (clear_text_before_tls, EndReason.PROTOCOL_ERROR),
        (not_tls, EndReason.TARGET_CERTIFICATE),
    ],
)
async def test_a_bad_target_ends_with_its_reason_before_tls(quick, behaviour, reason):
    async with tcp_target(behaviour) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port))
        await refusal(gatekeeper)
        assert await closed_reason(gatekeeper) is reason


async def test_a_closed_port_is_refused_with_its_windows_code():
    gatekeeper = FakeGatekeeper(fake_target(9))  # nothing listens there
    assert (await refusal(gatekeeper))["wsa_last_error"] == 10061
    assert await closed_reason(gatekeeper) is EndReason.TARGET_UNREACHABLE


def tls_target(context, then):
    async def behaviour(reader, writer):
        await reader.read(100)
        writer.write(negotiation.connection_confirm(Security.TLS))
        await writer.start_tls(context)
        await then(reader, writer)

    return behaviour


async def rubbish_after_tls(reader, writer):
    await reader.read(100)
    writer.write(b"\xff" * 100)
    await reader.read()


async def flood_after_tls(reader, writer):
    await reader.read(100)
    for _ in range(200):
        writer.write(b"\x00\x03\x00" * 20000)
        await writer.drain()


@pytest.mark.parametrize(
    "then, reason",
    [
        (silent, EndReason.TARGET_UNREACHABLE),
        (rubbish_after_tls, EndReason.PROTOCOL_ERROR),
        (flood_after_tls, EndReason.PROTOCOL_ERROR),
        (leaves, EndReason.TARGET_CLOSED),
    ],
)
async def test_a_bad_target_ends_with_its_reason_after_tls(monkeypatch, context_and_pin, then, reason):
    monkeypatch.setattr(target, "HANDSHAKE_SECONDS", 1.0)
    context, pin = context_and_pin
    async with tcp_target(tls_target(context, then)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            await connect_client(ClientStream(websocket))
            assert await closed_reason(gatekeeper) is reason
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(drain(websocket), 5)


class SmallServer:
    """A target that answers the connection sequence with other ids than ours, then keeps what it is sent."""

    IO, USER = 1003, 1013

    def __init__(self, afterwards=()):
        self.initial = None
        self.info = b""
        self.received = asyncio.Queue()
        self.afterwards = afterwards

    async def __call__(self, reader, writer):
        stream = TcpStream(reader, writer, gone=ConnectionError)
        packets = PacketReader(stream)
        self.initial = gcc.parse_connect_initial(mcs_of(await packets.packet()))
        ids = tuple(range(1020, 1020 + len(self.initial.channels)))
        answer = gcc.connect_response(gcc.ServerOffer(io_channel=self.IO, channels=ids), requested_raw=1)
        await stream.send(x224_data(answer))
        await packets.packet()
        await packets.packet()
        await stream.send(x224_data(mcs.attach_confirm(self.USER)))
        for _ in range(2 + len(ids)):
            channel = mcs.parse_join_request(mcs_of(await packets.packet()))
            await stream.send(x224_data(mcs.join_confirm(user=self.USER, channel=channel)))
        self.info = mcs.parse_data(mcs_of(await packets.packet()), kind=mcs.SEND_REQUEST).payload
        for packet in self.afterwards:
            await stream.send(packet)
        while True:
            for packet in await packets.packets():
                self.received.put_nowait(packet)


def data_pdu(kind, body):
    """Write a share data PDU."""
    return struct.pack("<HHHIBBHBBH", 18 + len(body), 0x17, 1002, 77, 0, 1, 4 + len(body), kind, 0, 0) + body


def indication(payload, channel):
    return mcs.send_indication(payload, initiator=1002, channel=channel)


async def test_only_granted_channels_reach_the_target_and_ids_are_translated(context_and_pin):
    context, pin = context_and_pin
    server = SmallServer(
        [indication(b"denied", 1021), indication(b"clip", 1020), indication(data_pdu(2, b"io-data"), 1003)]
    )
    async with tcp_target(tls_target(context, server)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin), channels=("clipboard",))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            reader, ids, user = await connect_client(ClientStream(websocket), "rdpdr", "cliprdr", "drdynvc", "strange")
            clip = ids.channels[1]
            got = [mcs.parse_data(mcs_of(await reader.packet()), kind=mcs.SEND_INDICATION) for _ in range(2)]
            assert [(data.channel, data.payload) for data in got] == [(clip, b"clip"), (1003, data_pdu(2, b"io-data"))]
            for channel in (*ids.channels, 1003):
                payload = data_pdu(28, b"to-%d" % channel)
                await websocket.send(mcs.send_request(payload, initiator=user, channel=channel))
            first, second = [
                mcs.parse_data(mcs_of(await server.received.get()), kind=mcs.SEND_REQUEST) for _ in range(2)
            ]
            assert (first.channel, first.initiator, first.payload) == (1020, 1013, data_pdu(28, b"to-%d" % clip))
            assert (second.channel, second.initiator, second.payload) == (1003, 1013, data_pdu(28, b"to-1003"))
    assert [channel.name for channel in server.initial.channels] == ["cliprdr"]
    assert "stored-password".encode("utf-16-le") in server.info
    assert "none".encode("utf-16-le") not in server.info
    assert b"denied" in gatekeeper.session.recorder.data


async def test_a_server_redirection_never_reaches_the_client(context_and_pin):
    context, pin = context_and_pin
    redirect = struct.pack("<HHH", 12, 0x10 | share.REDIRECT, 1002) + b"secret"
    server = SmallServer([indication(redirect, 1003)])
    async with tcp_target(tls_target(context, server)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            reader, _ids, _user = await connect_client(ClientStream(websocket))
            assert await reader.packet() == mcs.DISCONNECT
        assert await closed_reason(gatekeeper) is EndReason.PROTOCOL_ERROR


@pytest.mark.parametrize("stage", ["dial", "tls", "client", "connect", "live"])
async def test_an_ended_session_is_cut_at_every_stage(context_and_pin, stage):
    context, pin = context_and_pin
    server = {"dial": silent, "tls": not_tls_but_silent, "connect": tls_target(context, silent)}.get(
        stage, tls_target(context, SmallServer([indication(data_pdu(2, b"x"), 1003)]))
    )
    async with tcp_target(server) as (port, seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            if stage in ("dial", "tls"):
                await until(lambda: asyncio.sleep(0, bool(seen)))
            else:
                await websocket.recv()
            if stage in ("connect", "live"):
                reader, _ids, _user = await connect_client(ClientStream(websocket))
            if stage == "live":
                await reader.packet()
            gatekeeper.session.ended.set_result(EndReason.LEASE_LOST)
            assert await closed_reason(gatekeeper, 2) is EndReason.LEASE_LOST
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(drain(websocket), 2)


async def not_tls_but_silent(reader, writer):
    await reader.read(100)
    writer.write(negotiation.connection_confirm(Security.TLS))
    await reader.read()


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"\x30\x80", 400),
        (b"\x30\x05hello", 400),
        (b"GET / HTTP/1.1", 400),
        ("text", 400),
        (clean_path_request(requested=Security(0)), 400),
        (clean_path_request(x224=b"\x03\x00\x00\x07\x02\xf0\x80"), 400),
        (clean_path_request() + b"more", 400),
        (b"\x30\x82\xff\xff" + bytes(30000), 400),
        (clean_path_request(token="unknown"), 401),
    ],
)
async def test_a_bad_request_is_refused_without_a_session(request_bytes, status):
    gatekeeper = FakeGatekeeper(fake_target(9))
    assert (await refusal(gatekeeper, request_bytes))["http_status_code"] == status
    assert "start" not in gatekeeper.calls


async def test_a_request_may_come_in_pieces():
    gatekeeper = FakeGatekeeper(fake_target(9))
    async with browser_gateway(gatekeeper) as port, browser_client(port) as websocket:
        for byte in clean_path_request(token="unknown"):
            await websocket.send(bytes([byte]))
        assert clean_path_error(await websocket.recv())["http_status_code"] == 401


async def test_a_session_that_cannot_be_recorded_dials_nobody():
    async with tcp_target(silent) as (port, seen):
        gatekeeper = FakeGatekeeper(fake_target(port))
        gatekeeper.refuse_start = True
        assert (await refusal(gatekeeper))["http_status_code"] == 503
        assert seen == []


async def test_a_missing_secret_dials_nobody():
    async with tcp_target(silent) as (port, seen):
        gatekeeper = FakeGatekeeper(fake_target(port))
        gatekeeper.without_secret = True
        await refusal(gatekeeper)
        assert await closed_reason(gatekeeper) is EndReason.TARGET_SIGN_IN
        assert seen == []


async def test_a_client_that_stalls_in_its_handshake_is_let_go(quick, context_and_pin):
    context, pin = context_and_pin
    async with tcp_target(tls_target(context, silent)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            assert await closed_reason(gatekeeper) is EndReason.CLIENT_CLOSED


async def test_a_client_that_floods_its_handshake_exceeds_the_limit(context_and_pin):
    context, pin = context_and_pin
    async with tcp_target(tls_target(context, silent)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            stream = ClientStream(websocket)
            initial = gcc.connect_initial(
                gcc.ClientOffer(core=b"\x01\xc0\xd8\x00" + bytes(136), channels=()), channels=(), selected=Security.TLS
            )
            await stream.send(x224_data(initial) + x224_data(mcs.ERECT_DOMAIN) * 200)
            assert await closed_reason(gatekeeper) is EndReason.LIMIT_EXCEEDED


async def test_a_live_desktop_is_drawn_anew_now_and_then_for_the_recording(monkeypatch, context_and_pin):
    monkeypatch.setattr(pump, "KEYFRAME_SECONDS", 0.01)
    context, pin = context_and_pin
    server = SmallServer()
    async with tcp_target(tls_target(context, server)) as (port, _seen):
        gatekeeper = FakeGatekeeper(fake_target(port, pin=pin))
        async with browser_gateway(gatekeeper) as gateway, browser_client(gateway) as websocket:
            await websocket.send(clean_path_request())
            await websocket.recv()
            _reader, _ids, user = await connect_client(ClientStream(websocket))
            confirm = (
                struct.pack("<HHH", 26, 0x13, user) + struct.pack("<IHHH", 77, 0x3EA, 6, 4) + b"MSTSC\0" + bytes(4)
            )
            font_list = struct.pack("<HHH", 26, 0x17, user) + struct.pack("<IBBHBBH", 77, 0, 1, 12, 39, 0, 0) + bytes(8)
            for payload in (confirm, font_list):
                await websocket.send(mcs.send_request(payload, initiator=user, channel=1003))
            kinds = [
                share.data_type(mcs.parse_data(mcs_of(await server.received.get()), kind=mcs.SEND_REQUEST).payload)
                for _ in range(3)
            ]
            gatekeeper.session.ended.set_result(EndReason.DEADLINE)
            goodbye = await websocket.recv()
            assert goodbye.endswith(mcs.DISCONNECT)
            note = mcs.parse_data(mcs_of(goodbye[: -len(mcs.DISCONNECT)]), kind=mcs.SEND_INDICATION)
            assert share.data_type(note.payload) == 47
            assert note.payload[6:10] == (77).to_bytes(4, "little")
    assert kinds == [None, 39, 33]

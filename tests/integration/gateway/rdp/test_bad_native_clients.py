"""Native clients that send a bad head, clear text or a wrong password: none of them starts a session. No packages needed."""

import asyncio
import struct

import pytest

from openlockbox.gateway.rdp import mcs, negotiation, target
from openlockbox.gateway.rdp.framing import X224_DATA, x224_data
from openlockbox.gateway.rdp.negotiation import Security
from openlockbox.gateway.rdp.streams import TcpStream
from tests.integration.gateway.rdp.fakes import (
    ONE_TIME,
    TOKEN,
    FakeGatekeeper,
    connect_client,
    fake_target,
    native_gateway,
    silent,
    tcp_target,
)


def preconnection(text, *, size=None):
    raw = (text + "\0").encode("utf-16-le")
    return struct.pack("<IIIIH", 18 + len(raw) if size is None else size, 0, 2, 0, len(raw) // 2) + raw


REQUEST = negotiation.connection_request(Security.TLS)


@pytest.mark.parametrize(
    "head",
    [
        preconnection(TOKEN, size=100_000),
        preconnection(TOKEN, size=4),
        preconnection(TOKEN) + b"GET / HTTP/1.0\r\n\r\n",
        preconnection(TOKEN) + REQUEST + b"clear text behind the request",
        b"\x03\x00\xff\xff" + bytes(10),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_bad_native_head_is_dropped_without_admission(context_and_pin, head):
    gatekeeper = FakeGatekeeper(fake_target(9))
    async with native_gateway(gatekeeper, context_and_pin[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        assert await reader.read() == b""
        writer.close()
    assert gatekeeper.calls == []


@pytest.mark.parametrize("requested", [Security(0), Security.CREDSSP])
async def test_a_native_client_without_tls_gets_a_negotiation_failure(context_and_pin, requested):
    gatekeeper = FakeGatekeeper(fake_target(9))
    async with native_gateway(gatekeeper, context_and_pin[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(preconnection(TOKEN) + negotiation.connection_request(requested))
        assert isinstance(negotiation.parse_connection_confirm(await reader.read()), int)
        writer.close()
    assert gatekeeper.calls == []


@pytest.mark.parametrize("by", ["preconnection", "cookie"])
async def test_clear_text_that_waits_for_tls_never_passes_for_protected_bytes(context_and_pin, by):
    """Bytes sent during the control plane's answer stay outside TLS: the handshake fails over them."""
    gatekeeper = FakeGatekeeper(fake_target(9))
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow_prefetch(token):
        asked.set()
        await answer.wait()

    gatekeeper.prefetch = slow_prefetch
    head = preconnection(TOKEN) + REQUEST if by == "preconnection" else cookie_request(TOKEN)
    async with native_gateway(gatekeeper, context_and_pin[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        await asked.wait()
        writer.write(x224_data(mcs.ERECT_DOMAIN))
        await writer.drain()
        answer.set()
        confirm = await reader.read(19)
        assert negotiation.parse_connection_confirm(confirm) is Security.TLS
        rest = await reader.read()
        assert X224_DATA not in rest
        writer.close()
    assert gatekeeper.calls == ["admit"]


def cookie_request(token):
    body = b"\xe0\0\0\0\0\0Cookie: lbx=" + token.encode() + b"\r\n" + struct.pack("<BBHI", 1, 0, 8, 1)
    return struct.pack(">BBHB", 3, 0, 5 + len(body), len(body)) + body


@pytest.mark.parametrize("password", ["", "wrong", ONE_TIME + "x"])
async def test_a_token_with_a_wrong_password_starts_nothing(context_and_pin, password, tmp_path):
    context, pin = context_and_pin
    async with tcp_target(silent) as (target_port, seen):
        gatekeeper = FakeGatekeeper(fake_target(target_port, pin=pin))
        async with native_gateway(gatekeeper, context) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(cookie_request(TOKEN))
            await reader.readexactly(19)
            await writer.start_tls(target.target_tls_context())
            stream = TcpStream(reader, writer, gone=ConnectionError)
            packets, _server, _user = await connect_client(stream, password=password)
            assert await packets.packet() == mcs.DISCONNECT
            stream.abort()
        assert gatekeeper.calls == ["prefetch", "admit", "refuse password_wrong"]
        assert seen == []


async def test_a_native_token_without_a_password_admits_nobody(context_and_pin):
    gatekeeper = FakeGatekeeper(fake_target(9))
    gatekeeper.password_sha256 = None
    async with native_gateway(gatekeeper, context_and_pin[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(cookie_request(TOKEN))
        await reader.readexactly(19)
        await writer.start_tls(target.target_tls_context())
        stream = TcpStream(reader, writer, gone=ConnectionError)
        packets, _server, _user = await connect_client(stream, password="")
        assert await packets.packet() == mcs.DISCONNECT
        stream.abort()
    assert "start" not in gatekeeper.calls

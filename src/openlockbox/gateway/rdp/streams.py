"""One leg's bytes: a WebSocket or a TCP/TLS stream, read in chunks and as whole packets. Knows no RDP beyond framing."""

import asyncio
import socket
from collections import deque
from typing import Final, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from openlockbox.gateway.rdp.ends import ClientGone, MalformedPdu, RdpEnd, TooMuchData
from openlockbox.gateway.rdp.framing import FrameBuffer, HandshakeBudget

CHUNK: Final = 64 * 1024
MAX_MESSAGE: Final = 1024 * 1024  # one WebSocket message; IronRDP sends one packet each
_TOO_BIG: Final = 1009


class ByteStream(Protocol):
    """A leg. All failures are `RdpEnd`; `abort` never waits and may be called twice."""

    async def receive(self) -> bytes:
        """Read the next bytes, at least one.

        Raises:
            RdpEnd: the peer is gone, or sent what cannot be a stream.
        """

    async def send(self, data: bytes) -> None:
        """Write whole packets and wait while the peer is slow.

        Raises:
            RdpEnd: the peer is gone.
        """

    def abort(self) -> None:
        """Drop the connection now, with what is still unsent."""


class WebSocketStream:
    """The browser's leg."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes:
        """Read the next non-empty binary message."""
        while True:
            try:
                message = await self._websocket.recv()
            except ConnectionClosed as error:
                if error.sent is not None and error.sent.code == _TOO_BIG:
                    raise TooMuchData("websocket message") from error
                raise ClientGone from error
            if not isinstance(message, bytes):
                raise MalformedPdu("text message")
            if len(message) > MAX_MESSAGE:
                raise TooMuchData("websocket message")
            if message:
                return message

    async def send(self, data: bytes) -> None:
        """Send one binary message."""
        try:
            await self._websocket.send(data)
        except ConnectionClosed as error:
            raise ClientGone from error

    def abort(self) -> None:
        """Drop the TCP connection without the closing handshake, for which the peer could make us wait."""
        self._websocket.transport.abort()


class TcpStream:
    """A stream of asyncio, before and after TLS. `gone` is the end to raise when the peer leaves."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, gone: type[RdpEnd]) -> None:
        self._reader = reader
        self._writer = writer
        self._gone = gone
        connection = writer.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def receive(self) -> bytes:
        """Read what is there, up to 64 KiB."""
        try:
            chunk = await self._reader.read(CHUNK)
        except OSError as error:  # ssl.SSLError and resets
            raise self._gone from error
        if not chunk:
            raise self._gone
        return chunk

    async def send(self, data: bytes) -> None:
        """Write and drain."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:  # uvloop says RuntimeError for a transport that is closing
            raise self._gone from error

    def hold(self) -> None:
        """Leave what comes next in the kernel, for TLS to read. Call it with no await since `receive`.

        Raises:
            RdpEnd: the peer is gone.
        """
        try:
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads and writes
        except RuntimeError as error:  # uvloop, when the peer has left already
            raise self._gone from error

    def abort(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()


class PacketReader:
    """Whole packets of one leg during the handshake, within a budget; afterwards the pump takes over the rest."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._frames = FrameBuffer()
        self._ready: deque[bytes] = deque()
        self._budget = HandshakeBudget()

    async def packet(self) -> bytes:
        """Read the next packet.

        Raises:
            TooMuchData: the handshake's budget is used up.
            MalformedPdu: the stream has lost its framing, or holds fast-path, which has no place here.
        """
        while not self._ready:
            self._ready.extend(self._frames.feed(await self._stream.receive()))
            self._frames.require_tpkt()
        packet = self._ready.popleft()
        self._budget.spend(len(packet))
        return packet

    def is_drained(self) -> bool:
        """Tell that nothing was read ahead. Before TLS starts it must be so: clear text would pass for protected bytes."""
        return not self._ready and not len(self._frames)

    async def packets(self) -> list[bytes]:
        """Read on without budget: all packets that are complete, at least one."""
        while not self._ready:
            self._ready.extend(self._frames.feed(await self._stream.receive()))
        packets = list(self._ready)
        self._ready.clear()
        return packets

"""How many TCP connections the gateway holds open, counted from accept on. Never lets one wait uncounted: descriptors are finite.

Without descriptors the gateway can write neither the revocation list nor a recording, and sessions would end for it.
"""

import asyncio
import resource
import ssl
from collections import Counter
from typing import Final, cast

from websockets.asyncio.server import ServerConnection

from openlockbox.gateway.logs import FieldLogger

log = FieldLogger(__name__)

TLS_SECONDS: Final = 10.0  # as long as the WebSocket handshake behind it may take


class TooManyConnections(Exception):
    """The gateway, or this client address, has all the connections it may have."""


class Connections:
    """The count, over all and for each client address."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._all = 0
        self._by_address: Counter[str] = Counter()

    def add(self, address: str, *, most_per_address: int | None) -> None:
        """Count a connection that was accepted. `most_per_address` None is for those that all come through one proxy.

        Raises:
            TooManyConnections: it must be dropped at once; it was not counted.
        """
        if self._all >= self._most:
            raise TooManyConnections("all")
        if most_per_address is not None and self._by_address[address] >= most_per_address:
            raise TooManyConnections("address")
        self._all += 1
        self._by_address[address] += 1

    def remove(self, address: str) -> None:
        """Forget a connection that was counted and is closed."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Tell who is at the other end; empty for a peer that is gone already."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


class CountedConnection(ServerConnection):
    """A browser's connection, counted before TLS and before a byte is read. A subclass with its limits is made by `counted`."""

    connections: Connections
    most_per_address: int | None
    tls: ssl.SSLContext | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, or drop it; then TLS; only then it becomes a WebSocket."""
        self._address: str | None = None
        self._is_websocket = False
        self._early = bytearray()
        self._tls_task: asyncio.Task[None] | None = None
        transport = cast("asyncio.Transport", transport)  # a stream server makes no others
        address = peer_address(transport)
        try:
            self.connections.add(address, most_per_address=self.most_per_address)
        except TooManyConnections:
            transport.abort()
            return
        self._address = address
        if self.tls is None:
            self._begin(transport)
        else:
            transport.pause_reading()  # the first byte is for TLS
            self._tls_task = self.loop.create_task(self._start_tls(transport, self.tls))

    def _begin(self, transport: asyncio.BaseTransport) -> None:
        self._is_websocket = True
        super().connection_made(transport)
        if self._early:
            super().data_received(bytes(self._early))
            self._early.clear()

    async def _start_tls(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            protected = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=TLS_SECONDS
            )
        except (OSError, RuntimeError):  # RuntimeError: uvloop, when the client has left already
            protected = None
        if protected is None or self._address is None:
            transport.abort()
            self._forget()
        else:
            self._begin(protected)

    def _forget(self) -> None:
        if self._address is not None:
            self.connections.remove(self._address)
            self._address = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget()
        if self._is_websocket:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass it on; what comes with the last bytes of the TLS handshake waits one turn of the loop for `_begin`."""
        if self._is_websocket:
            super().data_received(data)
        elif self._address is not None:
            self._early += data

    def eof_received(self) -> None:
        """Close it; a dropped one is closed already."""
        if self._is_websocket:
            super().eof_received()


def counted(
    connections: Connections, *, most_per_address: int | None, tls: ssl.SSLContext | None
) -> type[CountedConnection]:
    """Make the class that `websockets.serve` shall create; it takes no arguments of ours."""
    limits = {"connections": connections, "most_per_address": most_per_address, "tls": tls}
    return type("CountedConnection", (CountedConnection,), limits)


def raise_descriptor_limit() -> None:
    """Let this process open as many files as it may; the usual soft limit of 1024 is for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        log.warning("gateway.descriptor_limit_not_raised", limit=soft)

"""A program that speaks to the gateway itself: RDCleanPath over a WebSocket, and as much RDP as a session needs."""

import asyncio
import contextlib

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from openlockbox.gateway.rdp import rdcleanpath
from tests.e2e.system import System
from tests.integration.gateway.rdp.fakes import ClientStream, clean_path_request, connect_client

SECONDS = 20


@contextlib.asynccontextmanager
async def opened(system: System, token: str):
    """Present a token, and give the WebSocket with the gateway's first answer."""
    address = f"ws://127.0.0.1:{system.browser_port}/rdp"
    async with connect(address, origin=system.base_url, compression=None, proxy=None) as websocket:
        await websocket.send(clean_path_request(token))
        yield websocket, await asyncio.wait_for(websocket.recv(), SECONDS)


async def refusal(system: System, token: str) -> int:
    """Present a token that must be refused, and return the HTTP status that the gateway names."""
    async with opened(system, token) as (_, answer):
        error = rdcleanpath._Pdu.load(answer)["error"].native
        assert error is not None, "the gateway let it in"
        return error["http_status_code"]


@contextlib.asynccontextmanager
async def session(system: System, token: str, *, stream_of=ClientStream):
    """Run a session that shows the desktop to nobody. Gives an awaitable that ends when the gateway ends it."""
    async with opened(system, token) as (websocket, answer):
        assert rdcleanpath._Pdu.load(answer)["error"].native is None, answer
        reader, _, _ = await connect_client(stream_of(websocket))

        async def read() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await reader.packets()

        reading = asyncio.create_task(read())
        try:
            yield reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

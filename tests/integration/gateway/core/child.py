"""A gateway process with fronts that echo: `child.py SETTINGS.json`. The browser front takes a token, then sends back what it gets."""

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from openlockbox.domain.session import EndReason
from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import ConnectionRefused
from openlockbox.gateway.logs import log_to_stderr
from openlockbox.gateway.process import Fronts, serve_gateway
from openlockbox.gateway.settings import GatewaySettings


async def echo(receive, send, gatekeeper, front):
    """Speak the fronts' protocol in small: token, then bytes."""
    token = await receive()
    try:
        await gatekeeper.prefetch(token.decode())
        admitted = gatekeeper.admit(token.decode(), front=front)
        session = await gatekeeper.start(admitted, client_address="192.0.2.1")
    except ConnectionRefused as refused:
        await send(f"refused {refused.code} {refused.http_status}".encode())
        return
    await send(b"started")

    async def pump():
        while data := await receive():
            session.recorder.server_bytes(data)
            await send(data)

    task = asyncio.ensure_future(pump())
    await asyncio.wait({task, session.ended}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reason = await session.close(EndReason.CLIENT_CLOSED)
    await send(f"ended {reason}".encode())


async def browser(websocket, gatekeeper):
    async def receive():
        data = await websocket.recv()
        return data if isinstance(data, bytes) else data.encode()

    await echo(receive, websocket.send, gatekeeper, "browser")


async def native(reader, writer, gatekeeper, _context):
    async def receive():
        return (await reader.readline()).rstrip(b"\n")

    async def send(data):
        writer.write(data + b"\n")
        await writer.drain()

    await echo(receive, send, gatekeeper, "native")


FRONTS = Fronts(browser=browser, native=native)


def settings_for(root: Path, url: str) -> GatewaySettings:
    """Return the settings of a gateway under test."""
    return GatewaySettings(
        state_dir=root / "state",
        control_plane_url=url,
        browser_listen=("127.0.0.1", 0),
        native_listen=("127.0.0.1", 0),
        allowed_origins=("http://portal.test",),
        browser_url="ws://gateway.test/rdp",
        native_address="gateway.test:3390",
        ready_file=root / "ready.json",
        max_sessions_per_grant=2,
        first_contact=True,
    )


async def main() -> None:
    root, url = sys.argv[1:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clocks = Clocks(now=lambda: datetime.now(UTC), monotonic=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    await serve_gateway(settings_for(Path(root), url), clocks=clocks, fronts=FRONTS, stop=stop)


if __name__ == "__main__":
    log_to_stderr()
    uvloop.run(main())

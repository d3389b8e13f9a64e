"""The gateway's main file: the only one here that reads the monotonic clock and handles signals."""

import asyncio
import signal
import time

import uvloop

from openlockbox.gateway.clocks import Clock, Clocks
from openlockbox.gateway.connections import raise_descriptor_limit
from openlockbox.gateway.logs import log_to_stderr
from openlockbox.gateway.process import Fronts, serve_gateway
from openlockbox.gateway.rdp.browser import serve_browser
from openlockbox.gateway.rdp.native import serve_native
from openlockbox.gateway.settings import GatewaySettings


def boot_time() -> float:
    """Read a clock that nobody sets and that counts suspended time too, so that a lease runs out in a suspended machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def run_gateway(settings: GatewaySettings, *, clock: Clock) -> None:
    """Run an enrolled gateway until SIGTERM or SIGINT.

    Raises:
        NotEnrolled, UnsafeFile, StateDirectoryInUse: before anything listens.
    """
    log_to_stderr()
    raise_descriptor_limit()
    uvloop.run(_until_signal(settings, Clocks(now=clock, monotonic=boot_time)))


async def _until_signal(settings: GatewaySettings, clocks: Clocks) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve_gateway(settings, clocks=clocks, fronts=Fronts(browser=serve_browser, native=serve_native), stop=stop)

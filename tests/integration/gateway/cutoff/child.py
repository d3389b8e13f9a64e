"""A gateway process with fronts that echo, whose wall clock is off by what a file says: `child.py ROOT URL LISTEN`."""

import asyncio
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.logs import log_to_stderr
from openlockbox.gateway.process import serve_gateway
from tests.integration.gateway.core.child import FRONTS, settings_for


async def main() -> None:
    root, url, listen = sys.argv[1:]
    clock_file = Path(root) / "clock"

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(clock_file.read_text()))

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = replace(settings_for(Path(root), url), browser_listen=(listen, 0), native_listen=(listen, 0))
    clocks = Clocks(now=now, monotonic=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    await serve_gateway(settings, clocks=clocks, fronts=FRONTS, stop=stop)


if __name__ == "__main__":
    log_to_stderr()
    uvloop.run(main())

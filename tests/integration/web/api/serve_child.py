"""Runs the web application for a test: argument 1 the ready file. Its routes need no lockbox."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, get
from litestar.datastructures import State

from openlockbox.testing.memory_database import MemoryBell
from openlockbox.web.gateway_api.watch import RevocationWatch
from openlockbox.web.serve import run_web


async def _version() -> int:
    return 0


WATCH = RevocationWatch(_version, MemoryBell())


@get("/source")
async def source(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


@get("/held")
async def held() -> str:
    print("holding", flush=True)
    await WATCH.newer_than(0)
    await asyncio.sleep(0)
    return "let go"


run_web(
    Litestar([held, source], state=State({"revocation_watch": WATCH}), openapi_config=None, logging_config=None),
    host="127.0.0.1",
    port=0,
    ready_file=Path(sys.argv[1]),
    trusted_proxies=sys.argv[2:],
)

"""The gateways' own few threads, so that a revocation never waits behind slow pages."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

THREADS: Final = 3  # one may poll, two may answer; together with the handlers' no more than the database's pool

P = ParamSpec("P")
T = TypeVar("T")


@functools.cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="gateway-api")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(_executor(), functools.partial(work, *args, **kwargs))

"""Wakes long polls when the revocation list grows. One poller a process, and only while somebody waits.

The database rings where it can (PostgreSQL, over several web processes); elsewhere the list's version is read often.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from openlockbox.services.ports import RevocationBell

log = logging.getLogger(__name__)

POLL_EVERY: Final = timedelta(milliseconds=40)  # adds 20 ms on average to a revocation, and costs one indexed read
LOOK_EVERY: Final = timedelta(milliseconds=500)  # where the database rings; a call that got lost delays no longer
HOLD_TIME: Final = timedelta(seconds=2)  # a gateway's lease is renewed that often


class RevocationWatch:
    """Reads the list's version for everybody who waits. Belongs to one event loop."""

    def __init__(self, read_version: Callable[[], Awaitable[int]], bell: RevocationBell) -> None:
        self._read_version = read_version
        self._bell = bell
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._version = 0
        self._poller: asyncio.Task[None] | None = None
        self._is_closed = False

    async def newer_than(self, known: int) -> None:
        """Return when the list is newer than `known`, when the hold time is over, or when the process stops."""
        try:
            async with asyncio.timeout(HOLD_TIME.total_seconds()), self._changed:
                self._waiting += 1
                self._start()
                try:
                    await self._changed.wait_for(lambda: self._is_closed or self._version > known)
                finally:
                    self._waiting -= 1
        except TimeoutError:
            return

    def _start(self) -> None:
        if not self._is_closed and (self._poller is None or self._poller.done()):
            self._poller = asyncio.create_task(self._poll(), name="revocation-watch")

    async def _poll(self) -> None:
        while self._waiting and not self._is_closed:
            try:
                version = await self._read_version()
            except Exception:
                # Those who wait get their answer, or the same error, when their time is over.
                log.exception("revocation_watch.read_failed")
                version = self._version
            if version > self._version:
                self._version = version
                async with self._changed:
                    self._changed.notify_all()
            await self._bell.wait(LOOK_EVERY.total_seconds(), deaf_seconds=POLL_EVERY.total_seconds())

    async def close(self) -> None:
        """Let everybody go at once, for good."""
        self._is_closed = True
        if self._poller is not None:
            self._poller.cancel()
        await self._bell.close()
        async with self._changed:
            self._changed.notify_all()

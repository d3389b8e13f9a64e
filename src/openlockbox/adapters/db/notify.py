"""PostgreSQL tells each web process that the revocation list has changed. Only wakes: what is true is read from the list."""

import asyncio
import logging
from typing import Any, Final

import psycopg
from sqlalchemy import Engine

log = logging.getLogger(__name__)

CHANNEL: Final = "lockbox_revocations"


class RevocationBell:
    """Rings when the list has changed, on PostgreSQL; elsewhere, and while the connection is lost, it only counts time.

    Belongs to one event loop.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._is_deaf = engine.dialect.name != "postgresql"

    async def wait(self, seconds: float, *, deaf_seconds: float) -> None:
        """Return when the list may have changed, or after `seconds`; after `deaf_seconds` where nothing can ring.

        Who was deaf until now returns at once: what rang before it listened has to be looked for.
        """
        if self._is_deaf:
            await asyncio.sleep(deaf_seconds)
            return
        try:
            if self._connection is None:
                self._connection = await self._listen()
                return
            async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except (psycopg.Error, OSError) as error:
            log.warning("revocation_bell.deaf %s", type(error).__name__)
            await self.close()
            await asyncio.sleep(deaf_seconds)

    async def _listen(self) -> psycopg.AsyncConnection[Any]:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=2)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Stop listening; the next `wait` begins anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

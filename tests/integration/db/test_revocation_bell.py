"""Web processes hear of a changed revocation list at once on PostgreSQL, and fall back to looking where nothing rings."""

import asyncio
import os
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from openlockbox.adapters.db import SqlDatabase
from openlockbox.web.gateway_api import watch as watches
from openlockbox.web.gateway_api.watch import RevocationWatch

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
LONG, SHORT = 5.0, 0.05


def revoke(database: SqlDatabase, *, commit: bool = True) -> None:
    with database.unit_of_work() as uow:
        uow.gateways.add_revocation("tenant", "contoso", until=UNTIL)
        if commit:
            uow.commit()


def version(database: SqlDatabase) -> int:
    with database.unit_of_work(read_only=True) as uow:
        return uow.gateways.revocation_version()


async def timed(waiting) -> float:
    began = time.monotonic()
    await waiting
    return time.monotonic() - began


@pytest.fixture
def postgres(postgres_url):
    database = SqlDatabase(postgres_url, salt=os.urandom)
    yield database
    database.close()


async def test_a_commit_rings_and_a_rollback_does_not(postgres):
    bell = postgres.revocation_bell()
    await bell.wait(LONG, deaf_seconds=LONG)  # begins to listen, and says at once that one has to look
    revoke(postgres, commit=False)
    assert await timed(bell.wait(0.3, deaf_seconds=LONG)) >= 0.25
    waiting = asyncio.create_task(timed(bell.wait(LONG, deaf_seconds=LONG)))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(revoke, postgres)
    assert await waiting < 2
    await bell.close()


async def test_a_lost_connection_makes_deaf_and_is_made_again(postgres):
    bell = postgres.revocation_bell()
    await bell.wait(LONG, deaf_seconds=SHORT)
    with postgres.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
            )
        )
    assert await timed(bell.wait(LONG, deaf_seconds=SHORT)) < 2
    await bell.wait(LONG, deaf_seconds=SHORT)  # listens again
    waiting = asyncio.create_task(timed(bell.wait(LONG, deaf_seconds=LONG)))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(revoke, postgres)
    assert await waiting < 2
    await bell.close()


async def test_sqlite_only_counts_time(sqlite_url):
    database = SqlDatabase(sqlite_url, salt=os.urandom)
    bell = database.revocation_bell()
    assert SHORT <= await timed(bell.wait(LONG, deaf_seconds=SHORT)) < 2
    await bell.close()
    database.close()


async def test_the_long_polls_of_two_web_processes_wake(postgres, monkeypatch):
    monkeypatch.setattr(watches, "LOOK_EVERY", watches.HOLD_TIME * 10)  # without the bell nobody would look in time
    monkeypatch.setattr(watches, "HOLD_TIME", watches.HOLD_TIME * 5)

    def replica() -> RevocationWatch:
        return RevocationWatch(lambda: asyncio.to_thread(version, postgres), postgres.revocation_bell())

    replicas = [replica(), replica()]
    waiting = [asyncio.create_task(timed(watch.newer_than(0))) for watch in replicas]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(revoke, postgres)
    assert max(await asyncio.gather(*waiting)) < 3
    for watch in replicas:
        await watch.close()

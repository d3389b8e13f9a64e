"""Two connections at the same moment: who waits, who is skipped, and who loses."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import make_url

from openlockbox.adapters.db import SqlDatabase
from openlockbox.domain import lockbox_request as lockbox
from openlockbox.domain.errors import ConcurrentUpdate
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import CONTOSO, HOUR, LATER, NOW

WRITERS = 8


@pytest.fixture
def postgres(postgres_url):
    database = SqlDatabase(postgres_url, salt=os.urandom)
    sample.seed(database)
    yield database
    database.close()


@pytest.fixture
def seeded(sql_database):
    sample.seed(sql_database)
    return sql_database


def together(act, count=WRITERS):
    """Run `act(number)` in as many threads at the same moment and return what came of each."""
    start = threading.Barrier(count)

    def run(number):
        start.wait(timeout=30)
        try:
            return act(number)
        except ConcurrentUpdate as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_two_decisions_at_the_same_moment_one_is_recorded(seeded):
    with seeded.unit_of_work() as uow:
        request = sample.add_request(uow)
        uow.commit()
    outcomes = (sample.approved(request), lockbox.cancel(request, because="withdrawn", now=NOW))

    def decide(number):
        with seeded.unit_of_work() as uow:
            uow.lockbox_requests.replace(request, outcomes[number % 2])
            uow.activity.append(sample.event(), at=NOW)
            uow.commit()

    results = together(decide)
    assert results.count(None) == 1
    with seeded.unit_of_work(read_only=True) as uow:
        assert uow.lockbox_requests.get(request.id) == outcomes[results.index(None) % 2]
        assert uow.activity.size(CONTOSO) == 1


def test_revocations_are_numbered_without_gaps_by_concurrent_writers(seeded):
    def revoke(number):
        with seeded.unit_of_work() as uow:
            version = uow.gateways.add_revocation("grant", f"G-{number}", until=LATER)
            uow.commit()
        return version

    assert sorted(together(revoke)) == list(range(1, WRITERS + 1))


def test_concurrent_attempts_all_count(seeded):
    def attempt(_):
        with seeded.unit_of_work() as uow:
            count = uow.identity.count_attempt("name", at=NOW, window=HOUR)
            uow.commit()
        return count

    assert sorted(together(attempt)) == list(range(1, WRITERS + 1))


def claims(uow):
    """Every claim of the ports, as functions that return the keys claimed."""
    return {
        "jit_requests": [r.id for r in uow.jit_requests.overdue(LATER, limit=1)],
        "lockbox_requests": [r.id for r in uow.lockbox_requests.overdue(LATER, limit=1)],
        "grants": [g.id for g in uow.grants.overdue(LATER, limit=1)],
        "sessions": [s.id for s in uow.sessions.lapsed(LATER, limit=1)],
        "outbox": [row.key for row in uow.outbox.due(LATER, limit=1)],
    }


def test_a_claim_skips_what_another_worker_holds(postgres):
    with postgres.unit_of_work() as uow:
        for number in (1, 2):
            sample.add_request(uow, number)
            sample.add_grant(uow, number + 2)
            uow.sessions.add(sample.session(number, of=3))
            uow.outbox.add(sample.mail(number))
        uow.commit()
    with postgres.unit_of_work() as first, postgres.unit_of_work() as second, postgres.unit_of_work() as third:
        taken, rest = claims(first), claims(second)
        assert all(len(taken[name]) == 1 for name in taken)
        assert all(rest[name] and rest[name] != taken[name] for name in taken)
        assert claims(third)["outbox"] == claims(third)["lockbox_requests"] == []


def test_a_locked_row_makes_the_next_one_wait(postgres):
    with postgres.unit_of_work() as uow:
        request = sample.add_request(uow)
        uow.commit()
    locked, waited = threading.Event(), threading.Event()

    def second():
        locked.wait(timeout=30)
        with postgres.unit_of_work() as uow:
            found = uow.lockbox_requests.get(request.id, lock=True)
            waited.set()
            return found

    with ThreadPoolExecutor(1) as pool, postgres.unit_of_work() as uow:
        uow.lockbox_requests.get(request.id, lock=True)
        result = pool.submit(second)
        locked.set()
        wait_until_somebody_waits(postgres)
        assert not waited.is_set()
        uow.lockbox_requests.replace(request, sample.approved(request))
        uow.commit()
        assert result.result(timeout=30).state is lockbox.RequestState.APPROVED


def wait_until_somebody_waits(database):
    """Return when the server itself says that a connection waits for a lock."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(10_000):
            if connection.execute(query).fetchone()[0]:
                return
    raise AssertionError("nobody waited")


def test_a_deadlock_is_a_concurrent_update(postgres):
    with postgres.unit_of_work() as uow:
        requests = [sample.add_request(uow, number).id for number in (1, 2)]
        uow.commit()
    both = threading.Barrier(2)

    def cross(number):
        with postgres.unit_of_work() as uow:
            uow.lockbox_requests.get(requests[number], lock=True)
            both.wait(timeout=30)
            uow.lockbox_requests.get(requests[1 - number], lock=True)

    results = together(cross, 2)
    assert {type(result) for result in results} == {type(None), ConcurrentUpdate}


def test_sqlite_is_opened_durably_and_with_its_guards_on(sqlite_url):
    database = SqlDatabase(sqlite_url, salt=os.urandom)
    with database.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout")
        }
    database.close()
    full = 2
    assert values == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": 10_000,
    }


def test_a_writing_unit_on_sqlite_keeps_other_processes_from_writing_but_not_from_reading(sqlite_url):
    database = SqlDatabase(sqlite_url, salt=os.urandom)
    sample.seed(database)
    other = sqlite3.connect(make_url(sqlite_url).database, timeout=0, isolation_level=None)
    with database.unit_of_work():
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM tenant").fetchone() == (3,)
        with database.unit_of_work(read_only=True) as reader:
            assert len(reader.tenants.all()) == 3
    other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match="sqlite"):
        SqlDatabase(url, salt=os.urandom)

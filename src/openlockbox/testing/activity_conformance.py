"""What the activity log of every implementation of the database port must pass: order, no gaps, filters, erasing."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice

import pytest

from openlockbox.activitylog.entry import commitment, encode_leaf, hash_leaf
from openlockbox.activitylog.tree import root_of
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import ActorId, CorrelationId, ResourceId, TenantId
from openlockbox.services.ports import Database, EntryFilter, UnitOfWork
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import CONTOSO, FABRIKAM, HOUR, NOW, PROVIDER

WRITERS = 8
ENTRIES_EACH = 10
ENTRIES = 6


def _append(database: Database, *tenants: TenantId) -> None:
    with database.unit_of_work() as uow:
        for tenant_id in tenants:
            uow.activity.append(sample.event(tenant_id), at=NOW)
        uow.commit()


def check_log(uow: UnitOfWork, tenant_id: TenantId) -> int:
    """Check that a log has no gap and every leaf is what its fields say; return its size."""
    size = uow.activity.size(tenant_id)
    entries = uow.activity.entries(tenant_id, EntryFilter(limit=size + 1))
    assert [entry.index for entry in entries] == list(reversed(range(size)))
    for entry in entries:
        assert entry.tenant_id == tenant_id
        assert entry.leaf_hash == hash_leaf(entry.leaf)
        event = replace(entry.event, document=uow.activity.document(tenant_id, entry.document_sha256) or "")
        leaf = encode_leaf(event, index=entry.index, recorded_at=entry.recorded_at, opened=entry.opened)
        assert entry.leaf == leaf
    head = uow.activity.head(tenant_id)
    assert head.size == size
    assert head.root() == root_of(entry.leaf_hash for entry in reversed(entries))
    return size


class ActivityConformance:
    """The activity log's part of the suite. Subclasses give the `database` fixture."""

    @pytest.fixture
    def database(self) -> Database:
        """Return an empty database."""
        raise NotImplementedError("a subclass gives the database")

    @pytest.fixture
    def log(self, database: Database) -> Iterator[UnitOfWork]:
        """Return a reading unit on a log of six entries which differ in everything that filters read."""
        with database.unit_of_work() as uow:
            for i in range(ENTRIES):
                event = sample.event(
                    code=("request.created", "request.denied")[i % 2],
                    actor=ActorId(f"principal:{i // 2}"),
                    subject=f"request:LBX-{i}",
                    correlation_id=CorrelationId(f"c-{i // 3}"),
                    resource_id=ResourceId(f"/r/{i}") if i else None,
                    detail={"step": f"Détail_{i}"},
                    personal={"actor_name": f"Ångström {i}", "reason": f"{i}0% broken"},
                )
                uow.activity.append(event, at=NOW + i * HOUR)
            uow.activity.append(sample.event(FABRIKAM), at=NOW)
            uow.commit()
        with database.unit_of_work(read_only=True) as uow:
            yield uow

    def test_entries_come_back_as_they_were_appended(self, log: UnitOfWork) -> None:
        assert check_log(log, CONTOSO) == ENTRIES
        entry = log.activity.get(CONTOSO, 0)
        assert entry.recorded_at == NOW
        assert entry.event.resource_id is None
        assert entry.event.detail == {"step": "Détail_0"}
        assert entry.event.personal == {"actor_name": "Ångström 0", "reason": "00% broken"}
        assert entry.operation_name.endswith("CreateLockboxRequest/action")

    def test_an_entry_that_is_not_there_is_not_found(self, log: UnitOfWork) -> None:
        for tenant_id, index in ((CONTOSO, ENTRIES), (CONTOSO, -1), (TenantId("nobody"), 0)):
            with pytest.raises(NotFound):
                log.activity.get(tenant_id, index)
        assert log.activity.size(TenantId("nobody")) == 0
        assert log.activity.entries(TenantId("nobody"), EntryFilter()) == []

    def test_what_is_queued_is_not_yet_there(self, database: Database) -> None:
        with database.unit_of_work() as uow:
            uow.activity.append(sample.event(), at=NOW)
            assert uow.activity.size(CONTOSO) == 0
            uow.commit()

    @pytest.mark.parametrize(
        "query, indexes",
        [
            (EntryFilter(), [5, 4, 3, 2, 1, 0]),
            (EntryFilter(limit=2), [5, 4]),
            (EntryFilter(before_index=4, limit=2), [3, 2]),
            (EntryFilter(before_index=0), []),
            (EntryFilter(codes=frozenset({"request.denied"})), [5, 3, 1]),
            (EntryFilter(codes=frozenset({"request.denied", "request.created"}), limit=3), [5, 4, 3]),
            (EntryFilter(since=NOW + 4 * HOUR), [5, 4]),
            (EntryFilter(until=NOW + HOUR), [1, 0]),
            (EntryFilter(since=NOW + HOUR, until=NOW + HOUR + timedelta(microseconds=1)), [1]),
            (EntryFilter(actor=ActorId("principal:1")), [3, 2]),
            (EntryFilter(resource_id=ResourceId("/r/4")), [4]),
            (EntryFilter(subject="request:LBX-2"), [2]),
            (EntryFilter(correlation_id=CorrelationId("c-1")), [5, 4, 3]),
            (EntryFilter(actor=ActorId("principal:1"), codes=frozenset({"request.denied"})), [3]),
            (EntryFilter(text="lbx-3"), [3]),
            (EntryFilter(text="/R/5"), [5]),
            (EntryFilter(text="DÉTAIL_4"), [4]),
            (EntryFilter(text="ÅNGSTRÖM 1"), [1]),
            (EntryFilter(text="0%"), [5, 4, 3, 2, 1, 0]),
            (EntryFilter(text="l%1"), []),  # no wildcards
            (EntryFilter(text="_detail"), []),
            (EntryFilter(text="principal:2", before_index=5), [4]),
        ],
    )
    def test_filters(self, log: UnitOfWork, query: EntryFilter, indexes: list[int]) -> None:
        assert [entry.index for entry in log.activity.entries(CONTOSO, query)] == indexes

    def test_an_erased_field_is_gone_and_the_proof_still_holds(self, database: Database) -> None:
        _append(database, CONTOSO)
        with database.unit_of_work() as uow:
            before = uow.activity.get(CONTOSO, 0)
            uow.activity.erase(CONTOSO, 0, names=frozenset({"reason", "not there"}))
            uow.commit()
        with database.unit_of_work() as uow:
            uow.activity.erase(CONTOSO, 0, names=frozenset({"reason"}))  # idempotent
            with pytest.raises(NotFound):
                uow.activity.erase(CONTOSO, 1, names=frozenset({"reason"}))
        with database.unit_of_work(read_only=True) as uow:
            after = uow.activity.get(CONTOSO, 0)
            assert (after.leaf, after.leaf_hash) == (before.leaf, before.leaf_hash)
            assert after.event.personal == {"actor_name": "Erik Ångström"}
            assert set(after.opened) == {"actor_name"}
            assert commitment(after.opened["actor_name"]).encode() in after.leaf
            assert uow.activity.entries(CONTOSO, EntryFilter(text="5_000")) == []
            assert uow.activity.entries(CONTOSO, EntryFilter(text="erik ångström")) == [after]

    def test_each_personal_field_has_a_salt_of_its_own(self, database: Database) -> None:
        _append(database, CONTOSO, CONTOSO)
        with database.unit_of_work(read_only=True) as uow:
            opened = [f for i in (0, 1) for f in uow.activity.get(CONTOSO, i).opened.values()]
        assert opened
        assert len({field.salt for field in opened}) == len(opened)

    @pytest.mark.parametrize("tenants", [(CONTOSO,), (CONTOSO, FABRIKAM, PROVIDER)], ids=["one", "several"])
    def test_concurrent_writers_leave_no_gap(self, database: Database, tenants: tuple[TenantId, ...]) -> None:
        start = threading.Barrier(WRITERS)

        def write(tenant_id: TenantId) -> None:
            start.wait(timeout=30)
            for _ in range(ENTRIES_EACH):
                _append(database, tenant_id)

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, islice(cycle(tenants), WRITERS)))
        with database.unit_of_work(read_only=True) as uow:
            assert sum(check_log(uow, tenant_id) for tenant_id in tenants) == WRITERS * ENTRIES_EACH

    def test_two_tenants_in_one_unit_do_not_deadlock(self, database: Database) -> None:
        start = threading.Barrier(WRITERS)

        def write(number: int) -> None:
            pair = (CONTOSO, PROVIDER) if number % 2 else (PROVIDER, CONTOSO)
            start.wait(timeout=30)
            for _ in range(ENTRIES_EACH):
                _append(database, *pair)

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, range(WRITERS)))
        with database.unit_of_work(read_only=True) as uow:
            assert check_log(uow, CONTOSO) == check_log(uow, PROVIDER) == WRITERS * ENTRIES_EACH

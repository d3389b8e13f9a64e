"""What the log's tree costs: appends with and without it in the same run, and proofs from a log of a million entries.

An append is one transaction with one event and one mail to send, as a transition has them. Both ways take turns in blocks on the
same database, each on a log of its own; "without" stores entries and the head's size as before there was a tree.
"""

import argparse
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from bench.machine import describe, percentile
from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import Checkpoint, origin_of, sign_checkpoint
from openlockbox.activitylog.tree import CompactRange, verify_consistency, verify_inclusion
from openlockbox.adapters.db import SqlDatabase, activity
from openlockbox.adapters.db import database as db
from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.log_tree import completed_nodes
from openlockbox.adapters.db.migrations import upgrade
from openlockbox.domain.ids import TenantId
from openlockbox.grants.keys import Ed25519Signer
from openlockbox.testing import database_samples as sample
from openlockbox.testing.postgres import Durability, temporary_postgres

BLOCK: Final = 50
WITH, WITHOUT = TenantId("with-tree"), TenantId("without-tree")
TAKE_SIZE: Final = {
    dialect: insert_(t.log_head)
    .values(tenant_id=bindparam("tenant_id"), size=bindparam("count"), compact_range=b"")
    .on_conflict_do_update(
        index_elements=[t.log_head.c.tenant_id],
        set_={"size": t.log_head.c.size + bindparam("count", type_=t.log_head.c.size.type)},
    )
    .returning(t.log_head.c.size)
    for dialect, insert_ in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


class PlainActivity(activity.SqlActivity):
    """The log without its tree, as it was."""

    def flush(self) -> None:
        by_tenant: dict[TenantId, list[Any]] = {}
        for event, at in self._queue:
            by_tenant.setdefault(event.tenant_id, []).append((event, at))
        for tenant_id in sorted(by_tenant):
            queued = by_tenant[tenant_id]
            size: int = self._unit.returned(TAKE_SIZE[self._dialect], {"tenant_id": tenant_id, "count": len(queued)})
            first = size - len(queued)
            rows = [self._make(event, index=first + i, at=at) for i, (event, at) in enumerate(queued)]
            self._unit.write_all(activity._ADD, rows)  # noqa: SLF001  the same statement
        self._queue.clear()


# ---- appends --------------------------------------------------------------------------------------------------------


@contextmanager
def plain_log() -> Iterator[None]:
    """Let units of work have the log without its tree."""
    kept = db.SqlActivity
    db.SqlActivity = PlainActivity  # type: ignore[misc]
    try:
        yield
    finally:
        db.SqlActivity = kept  # type: ignore[misc]


def append_block(database: SqlDatabase, tenant_id: TenantId, start: int) -> tuple[float, float]:
    """Return the median wall time and the processor time of an append, in milliseconds."""
    times = []
    used = time.thread_time()
    for number in range(start, start + BLOCK):
        begun = time.perf_counter()
        with database.unit_of_work() as uow:
            uow.outbox.add(replace(sample.mail(), key=f"{tenant_id}-{number}"))
            uow.activity.append(sample.event(tenant_id), at=sample.NOW)
            uow.commit()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000, (time.thread_time() - used) / BLOCK * 1000


def bench_appends(name: str, url: str, blocks: int) -> None:
    upgrade(url)
    database = SqlDatabase(url, salt=os.urandom)
    found: dict[TenantId, list[tuple[float, float]]] = {WITH: [], WITHOUT: []}
    for number in range(blocks + 1):
        tree = append_block(database, WITH, number * BLOCK)
        with plain_log():
            plain = append_block(database, WITHOUT, number * BLOCK)
        if number:  # the first block compiles statements
            found[WITH].append(tree)
            found[WITHOUT].append(plain)
    database.close()
    wall, cpu = ({k: statistics.median(x[i] for x in v) for k, v in found.items()} for i in (0, 1))
    ratios = sorted(a[0] / b[0] for a, b in zip(found[WITH], found[WITHOUT], strict=True))
    print(
        f"append, {name}: {wall[WITH]:.2f} ms with the tree, {wall[WITHOUT]:.2f} ms without; ratio "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}, {len(ratios)} blocks of {BLOCK}); "
        f"processor {cpu[WITH]:.2f} and {cpu[WITHOUT]:.2f} ms"
    )


# ---- proofs ---------------------------------------------------------------------------------------------------------


def fill(path: Path, tenant_id: TenantId, entries: int) -> CompactRange:
    """Write a log of many entries past the use cases: real hashes, a leaf of the usual length, the whole tree."""
    upgrade(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'ix_activity_entry%'").fetchall():
        connection.execute(f"DROP INDEX {name}")  # proofs do not read them
    connection.execute("DROP TRIGGER activity_entry_no_gap")  # one read more for each row; the head is right below
    tree, nodes = CompactRange(), []
    same: dict[str, Any] = {column.name: "{}" for column in t.activity_entry.columns}
    same |= {"tenant_id": tenant_id, "recorded_at": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for index in range(entries):
            leaf = b'{"index":%d,"detail":"%s"}' % (index, b"x" * 300)
            leaf_hash = hash_leaf(leaf)
            nodes.extend(completed_nodes(tenant_id, index + 1, tree.append(leaf_hash)))
            yield same | {"entry_index": index, "leaf": leaf, "leaf_hash": leaf_hash}

    columns = [column.name for column in t.activity_entry.columns]
    insert = f"INSERT INTO activity_entry ({', '.join(columns)}) VALUES ({', '.join(f':{c}' for c in columns)})"  # noqa: S608
    connection.executemany(insert, rows())
    connection.executemany("INSERT INTO log_node VALUES (:tenant_id, :level, :node_index, :hash)", nodes)
    connection.execute("INSERT INTO log_head VALUES (?, ?, ?)", (tenant_id, entries, tree.encode()))
    connection.commit()
    connection.close()
    return tree


def bench_proofs(entries: int, count: int) -> None:
    tenant_id, choose = TenantId("contoso"), random.Random(7)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log.sqlite"
        begun = time.perf_counter()
        tree = fill(path, tenant_id, entries)
        root = tree.root()
        print(
            f"log of {entries:,} entries: made in {time.perf_counter() - begun:.0f} s, {path.stat().st_size / 1e6:,.0f} MB"
        )
        database = SqlDatabase(f"sqlite:///{path}", salt=os.urandom)
        signer = Ed25519Signer(Ed25519PrivateKey.generate())

        def inclusion() -> None:
            index = choose.randrange(entries)
            with database.unit_of_work(read_only=True) as uow:
                (leaf_hash,) = uow.activity.leaf_hashes(tenant_id, index, index + 1)
                proof = uow.activity.inclusion(tenant_id, index, entries)
            verify_inclusion(leaf_hash, index, entries, proof, root)

        def consistency() -> None:
            old = choose.randrange(1, entries)
            with database.unit_of_work(read_only=True) as uow:
                proof, before = uow.activity.consistency(tenant_id, old, entries), uow.activity.root(tenant_id, old)
            verify_consistency(old, before, entries, root, proof)

        def checkpoint() -> None:
            with database.unit_of_work(read_only=True) as uow:
                head = uow.activity.head(tenant_id)
            sign_checkpoint(Checkpoint(origin_of(tenant_id), head.size, head.root()), signer)

        def tile() -> None:
            start = choose.randrange(entries // 256) * 256
            with database.unit_of_work(read_only=True) as uow:
                assert len(uow.activity.tile(tenant_id, 0, start, start + 256)) == 256

        for name, act in (
            ("inclusion proof made and verified", inclusion),
            ("consistency proof and old root, verified", consistency),
            ("checkpoint signed", checkpoint),
            ("tile of 256 hashes read", tile),
        ):
            say_times(name, act, count)
        database.close()


def say_times(name: str, act: Callable[[], None], count: int) -> None:
    act()
    times, used = [], time.thread_time()
    for _ in range(count):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    cpu = (time.thread_time() - used) / count
    print(
        f"  {name}: p50 {percentile(times, 0.5) * 1000:.2f} ms, p99 {percentile(times, 0.99) * 1000:.2f} ms, "
        f"processor {cpu * 1000:.2f} ms ({1 / cpu:,.0f} a processor second)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--ten-million", action="store_true", help="proofs from ten million entries too: 5 GB, minutes")
    args = parser.parse_args()
    print(describe())
    blocks, entries, count = (3, 20_000, 50) if args.quick else (40, 1_000_000, 2_000)
    with tempfile.TemporaryDirectory() as directory:
        bench_appends("SQLite", f"sqlite:///{directory}/log.sqlite", blocks)
    with temporary_postgres(durability=Durability.FULL) as server:
        bench_appends("PostgreSQL", server.url(server.create_database()), blocks)
    bench_proofs(entries, count)
    if args.ten_million:
        bench_proofs(10_000_000, count)
    print(describe())


if __name__ == "__main__":
    main()

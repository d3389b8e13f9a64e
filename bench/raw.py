"""The SQL of one pair, caught as it leaves SQLAlchemy, and run again without us: by pgbench, or by a loop over sqlite3.

Every customer gives one script. Fresh in each run are the ids that the pair makes and the log's indexes; all else stands in
the script as it was caught.
"""

import contextlib
import itertools
import random
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from litestar.testing import TestClient
from sqlalchemy import Connection, Engine, Executable, event, select

from bench.load import ELEVATION
from openlockbox.activitylog.tree import CompactRange
from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.engine import READ_ONLY
from openlockbox.adapters.db.log_tree import completed_nodes
from openlockbox.adapters.db.statements import Params
from openlockbox.adapters.db.store import Unit
from openlockbox.services.work import Lockbox
from openlockbox.web.app import create_app
from openlockbox.web.settings import WebSettings

SHORT = 200  # longer texts stand as they are: nothing refers to an id within them
LOG_INDEX = "entry_index"


@dataclass
class Transaction:
    """Statements as the driver got them. One without parameters is a query; several sets of them are one statement each."""

    read_only: bool
    statements: list[tuple[str, Any]] = field(default_factory=list)
    committed: bool = False


@dataclass(frozen=True)
class Pair:
    """What one pair sends to the database, and the ids that it made."""

    transactions: list[Transaction]
    made: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Return how many transactions and statements these are, without BEGIN and COMMIT."""
        return len(self.transactions), sum(len(t.statements) for t in self.transactions)


@contextlib.contextmanager
def _caught(engine: Engine) -> Iterator[list[Transaction]]:
    """Listen to what goes to the driver: through Core, and past it."""
    transactions: list[Transaction] = []

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        transactions.append(Transaction(bool(options.get(READ_ONLY) or options.get("postgresql_readonly"))))

    def execute(*heard: Any) -> None:  # noqa: ANN401  connection, cursor, text, parameters, context, whether many
        transactions[-1].statements.append((heard[2], heard[3]))

    def commit(_connection: Connection) -> None:
        transactions[-1].committed = True

    run = Unit._run  # noqa: SLF001  where all statements pass that do not go through Core

    def listening(unit: Unit, statement: Executable, params: Params) -> Any:  # noqa: ANN401  as `run`
        ready = unit._statements.get(statement, tuple(params))  # noqa: SLF001  as above
        transactions[-1].statements.append((ready.text, ready.parameters(params)))
        return run(unit, statement, params)

    hooks: dict[str, Callable[..., None]] = {"begin": begin, "before_cursor_execute": execute, "commit": commit}
    for name, hook in hooks.items():
        event.listen(engine, name, hook)
    try:
        with mock.patch.object(Unit, "_run", listening):
            yield transactions
    finally:
        for name, hook in hooks.items():
            event.remove(engine, name, hook)


def catch_pairs(lockbox: Lockbox, cases: Sequence[dict[str, str]]) -> list[Pair]:
    """Make one pair a case through the application in this process, and return what each sent to the database."""
    web = WebSettings(base_url="http://localhost", cookie_secure=False, csrf_secret=b"c" * 32)
    with TestClient(create_app(lockbox, web)) as client:
        return [_catch(lockbox, client, case) for case in cases]


def _catch(lockbox: Lockbox, client: TestClient[Any], case: dict[str, str]) -> Pair:
    engine: Engine = lockbox.database.engine  # type: ignore[attr-defined]
    engineer, approver = ({"Authorization": f"Bearer {case[who]}"} for who in ("engineer", "approver"))
    under = f"/api/v1/tenants/{case['tenant']}"
    for who in (engineer, approver):  # the first request with a token looks it up once more
        client.get("/api/v1/me", headers=who)
    with _caught(engine) as transactions:
        path = f"{under}/service-requests/{case['id']}/elevations"
        asked = client.post(path, json=ELEVATION | {"resource_id": case["resource"]}, headers=engineer).json()
        path = f"{under}/requests/{asked['request_id']}"
        shown = client.get(path, headers=approver).json()
        answer = client.post(f"{path}/approve", json={"digest": shown["digest"]}, headers=approver)
        assert answer.json()["state"] == "approved", answer.text
    grant = client.get(path, headers=approver).json()["grant"]
    return Pair(transactions, (asked["id"], asked["request_id"], grant["id"]))


def _columns(statement: str) -> list[str]:
    """Return the columns of an INSERT into the activity log, in the order of its values."""
    match = re.match(r"INSERT INTO activity_entry \(([^)]*)\)", statement)
    return match[1].replace(" ", "").split(",") if match else []


def _takes_log(statement: str) -> bool:
    return statement.startswith("INSERT INTO log_head")


def _asking_size(statement: str) -> str:
    """Ask for the log's new size where the application asks for its tree, from which it knows the size too."""
    return re.sub(r"(RETURNING .*)compact_range", r"\1size", statement) if _takes_log(statement) else statement


def _places(transaction: Transaction) -> Iterator[int]:
    """Yield for each entry how far before the log's new size it stands: several may follow each taking of the head."""
    texts = [statement for statement, _ in transaction.statements]
    for number, text in enumerate(texts):
        if _columns(text):
            rest = itertools.takewhile(lambda later: not _takes_log(later), texts[number:])
            yield sum(_columns(later) != [] for later in rest)


def mend_logs(lockbox: Lockbox) -> None:
    """Make the trees of the logs again from their leaf hashes: rounds of raw SQL write constants there."""
    engine: Engine = lockbox.database.engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        for (tenant_id,) in connection.execute(select(t.log_head.c.tenant_id)).all():
            kept = connection.execute(
                select(t.log_node.c.level, t.log_node.c.node_index).where(t.log_node.c.tenant_id == tenant_id)
            )
            known, tree, missing = {tuple(row) for row in kept}, CompactRange(), []
            entries = select(t.activity_entry.c.leaf_hash).where(t.activity_entry.c.tenant_id == tenant_id)
            for (leaf_hash,) in connection.execute(entries.order_by(t.activity_entry.c.entry_index)):
                completed = tree.append(bytes(leaf_hash))
                missing += [
                    node
                    for node in completed_nodes(tenant_id, tree.size, completed)
                    if (node["level"], node["node_index"]) not in known
                ]
            for node in missing:
                connection.execute(t.log_node.insert(), node)
            grown = t.log_head.update().where(t.log_head.c.tenant_id == tenant_id)
            connection.execute(grown.values(compact_range=tree.encode()))


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------


def pgbench_script(pair: Pair) -> str:
    """Write a pair for `pgbench -M prepared`."""
    lines = ["\\set pair random(1, 9000000000000000)"]
    for transaction in pair.transactions:
        lines.append("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;" if transaction.read_only else "BEGIN;")
        places = _places(transaction)
        for statement, parameters in transaction.statements:
            values = {name: _literal(value, pair.made) for name, value in parameters.items()}
            if _columns(statement):
                values[LOG_INDEX] = f"(:size::bigint - {next(places)})"
            asked = _asking_size(statement)
            text = re.sub(r"%\((\w+)\)s", lambda found, values=values: values[found[1]], asked).replace("%%", "%")
            lines.append(" ".join(text.split("\n")) + (" \\gset" if _takes_log(statement) else ";"))
        lines.append("COMMIT;" if transaction.committed else "ROLLBACK;")
    return "\n".join(lines) + "\n"


def _literal(value: object, made: Sequence[str]) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case psycopg.Binary():
            return f"'\\x{bytes(value.obj).hex()}'::bytea"
        case str():
            parts = re.split(f"({'|'.join(map(re.escape, made))})", value) if len(value) < SHORT else [value]
            texts = [f"'{part[:4]}' || :pair" if part in made else _quoted(part) for part in parts if part]
            return f"({' || '.join(texts)})" if len(texts) > 1 or value in made else _quoted(value)
        case _:
            raise TypeError(f"no literal for {value!r}")


def _quoted(text: str) -> str:
    # pgbench would take a colon before a letter, even within quotes, for a variable; a line break ends its line.
    special = {"\\": "\\\\", "'": "\\'", ":": "\\x3a", "\n": "\\n"}
    return "E'" + "".join(special.get(letter, letter) for letter in text) + "'"


def run_pgbench(scripts: Sequence[Path], url: str, *, clients: int, seconds: int, seed: int) -> float:
    """Return the pairs a second of pgbench."""
    files = [word for script in scripts for word in ("-f", str(script))]
    command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds),
               f"--random-seed={seed}", *files, url]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    assert done.returncode == 0, done.stderr[:2000]
    assert rate is not None, done.stdout
    assert " 0 (0.000%)" in done.stdout or "failed" not in done.stdout, done.stdout
    return float(rate[1])


# ---- SQLite ---------------------------------------------------------------------------------------------------------

Step = tuple[str, list[Any]]  # a value, or a function of the run's ids and of the log's size


def _steps(pair: Pair) -> list[tuple[str, list[Step], bool]]:
    steps = []
    for transaction in pair.transactions:
        places = _places(transaction)
        made: list[Step] = []
        for statement, parameters in transaction.statements:
            values: list[Any] = [_template(value, pair.made) for value in parameters]
            if columns := _columns(statement):
                before = next(places)
                values[columns.index(LOG_INDEX)] = lambda _ids, size, before=before: size - before
            made.append((_asking_size(statement), values))
        steps.append(("BEGIN" if transaction.read_only else "BEGIN IMMEDIATE", made, transaction.committed))
    return steps


def _template(value: object, made: Sequence[str]) -> object:
    if not isinstance(value, str) or len(value) >= SHORT or not any(name in value for name in made):
        return value

    def fill(ids: Sequence[str], _size: int) -> str:
        filled = value
        for old, new in zip(made, ids, strict=True):
            filled = filled.replace(old, new)
        return filled

    return fill


def run_sqlite(pairs: Sequence[Pair], file: Path, *, seconds: float, seed: int) -> tuple[float, float]:
    """Return the pairs a second of one loop over sqlite3, and the processor time of a pair."""
    choose = random.Random(seed)
    scripts = [_steps(pair) for pair in pairs]
    connection = sqlite3.connect(file, isolation_level=None, cached_statements=500)
    for pragma in ("busy_timeout = 10000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON",
                   "recursive_triggers = ON", "trusted_schema = OFF"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    count, begun, used = 0, time.perf_counter(), time.thread_time()
    while time.perf_counter() - begun < seconds:
        ids = [f"{kind}-{choose.getrandbits(60):x}" for kind in ("JIT", "LBX", "GRT")]
        for begin, statements, committed in choose.choice(scripts):
            connection.execute(begin)
            size = 0
            for statement, values in statements:
                rows = connection.execute(statement, [v(ids, size) if callable(v) else v for v in values]).fetchall()
                if _takes_log(statement):
                    size = rows[0][0]
            connection.execute("COMMIT" if committed else "ROLLBACK")
        count += 1
    taken, cpu = time.perf_counter() - begun, time.thread_time() - used
    connection.close()
    return count / taken, cpu / count

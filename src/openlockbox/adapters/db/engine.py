"""How the two databases are opened. Durability first: nothing here trades a synced commit for speed."""

import sqlite3
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url

BUSY_TIMEOUT_MS: Final = 10_000  # how long another process may hold SQLite's write lock before a unit of work gives up
STATEMENT_CACHE: Final = 500  # all statements of the stores and the filter combinations of the log
READ_ONLY: Final = "lockbox_read_only"  # execution option that the begin hook of SQLite reads


def make_engine(url: str, *, pool_size: int) -> Engine:
    """Open a database by its URL: `sqlite:////path` or `postgresql://…`, for which psycopg is the driver.

    Raises:
        ValueError: another kind of database, or SQLite in memory, which would be empty for every connection.
    """
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "postgres":
        kind = "postgresql"
    if kind == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            isolation_level="READ COMMITTED",
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=False,
            query_cache_size=STATEMENT_CACHE,
            hide_parameters=True,  # they are people's words and hashes of passwords; errors are logged
        )
    if kind != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError("the database is sqlite:////path/to/file or postgresql://…")
    engine = create_engine(
        parsed.set(drivername="sqlite"),
        connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": STATEMENT_CACHE},
        pool_size=pool_size,
        max_overflow=0,
        query_cache_size=STATEMENT_CACHE,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def reader_of(engine: Engine) -> Engine:
    """Return the same engine for read-only units: one snapshot for the whole unit, on both databases."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return engine.execution_options(**{READ_ONLY: True})


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit that was answered survives a power cut
        "foreign_keys = ON",
        "recursive_triggers = ON",  # INSERT OR REPLACE must meet the triggers on DELETE
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # The driver's own BEGIN is deferred: two readers that both go on to write would meet SQLITE_BUSY without a wait.
    # Straight to the driver: Core's way to it costs as much as a statement.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.connection.cursor().execute("BEGIN" if read_only else "BEGIN IMMEDIATE")

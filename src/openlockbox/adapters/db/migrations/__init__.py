"""The schema and its versions. A database that is not at the newest version is refused, never used as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, inspect, select, text

from openlockbox.adapters.db.engine import make_engine
from openlockbox.adapters.db.tables import lifecycle_transition
from openlockbox.adapters.db.transitions import transitions

UPGRADE_LOCK: Final = 0x6C6F636B626F78  # "lockbox"; PostgreSQL advisory lock of whoever upgrades


class SchemaNotCurrent(RuntimeError):
    """The database's schema is older or newer than this program; `lockbox database upgrade` brings an older one up to date."""


def upgrade(database_url: str) -> None:
    """Bring the schema to the newest version, in one transaction, and fill the transition table from the domain."""
    with _connected(database_url) as connection:
        if connection.dialect.name == "sqlite":
            # Off before BEGIN: inside a transaction the pragma does nothing, and recreating a table would fail.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.rollback()
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            config = Config()
            config.set_main_option("script_location", _location())
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _fill_transitions(connection)
            if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise SchemaNotCurrent("the upgrade would leave rows that refer to nothing; nothing was changed")


def check_current(database_url: str) -> None:
    """Check that the schema is this program's.

    Raises:
        SchemaNotCurrent: another version, no schema at all, or another transition table.
    """
    with _connected(database_url) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        newest = ScriptDirectory(_location()).get_current_head()
        if found is None or found != newest:
            raise SchemaNotCurrent(f"the schema is at {found or 'nothing'}, this program needs {newest}")
        if (
            not inspect(connection).has_table(lifecycle_transition.name)
            or _stored_transitions(connection) != transitions()
        ):
            raise SchemaNotCurrent("the transition table is not this program's")


@contextmanager
def _connected(database_url: str) -> Iterator[Connection]:
    engine = make_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _location() -> str:
    return str(Path(__file__).parent)


def _stored_transitions(connection: Connection) -> frozenset[tuple[str, str, str]]:
    table = lifecycle_transition.c
    rows = connection.execute(select(table.machine, table.prior_state, table.state))
    return frozenset((row.machine, row.prior_state, row.state) for row in rows)


def _fill_transitions(connection: Connection) -> None:
    stored, wanted = _stored_transitions(connection), transitions()
    if wanted - stored:
        rows = [{"machine": m, "prior_state": p, "state": s} for m, p, s in sorted(wanted - stored)]
        connection.execute(insert(lifecycle_transition), rows)
    table = lifecycle_transition.c
    for machine, prior, state in sorted(stored - wanted):
        step = (table.machine == machine, table.prior_state == prior, table.state == state)
        connection.execute(delete(lifecycle_transition).where(*step))

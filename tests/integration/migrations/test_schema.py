"""The schema is the sum of the migrations, on both databases, with its triggers; anything else is refused."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url

from openlockbox.adapters.db.engine import make_engine
from openlockbox.adapters.db.migrations import SchemaNotCurrent, check_current, upgrade
from openlockbox.adapters.db.migrations.initial import triggers_postgresql, triggers_sqlite
from openlockbox.adapters.db.tables import metadata
from openlockbox.adapters.db.transitions import transitions

MACHINES = ("jit_request", "lockbox_request", "access_grant", "session", "access_lock")
TRIGGERS = {
    *(f"{table}_{rule}" for table in MACHINES for rule in ("first_state", "next_state", "stays")),
    "lockbox_request_as_asked",
    "access_grant_rests_on_approval",
    "activity_entry_no_gap",
    "activity_entry_erase_only",
    "activity_entry_stays",
    "log_head_grows",
    "log_head_stays",
    "log_node_stays",
    "log_document_as_written",
    "roster_stays",
    "revocation_as_listed",
    "revocation_head_grows",
    "revocation_head_stays",
}
SQLITE_ONLY = {
    *(f"{table}_is_new" for table in MACHINES),
    "log_node_is_new",
    "log_node_as_written",
    "roster_is_new",
    "roster_as_signed",
}
POSTGRESQL_ONLY = {
    f"{table}_not_emptied"
    for table in (*MACHINES, "activity_entry", "log_head", "log_node", "roster", "revocation_head")
}

PG_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
"""
PG_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
"""
PG_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
PG_CATALOGUE = (PG_COLUMNS, PG_CONSTRAINTS, PG_INDEXES)


def sqlite_objects(url, kinds):
    """Return what stands in sqlite_master; a table is the set of its lines, because their order means nothing."""
    connection = sqlite3.connect(make_url(url).database)
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    connection.close()
    return {
        (kind, name, frozenset(re.split(r",?\n", (sql or "").replace("\t", "").replace(", \n", "\n"))))
        for kind, name, table, sql in rows
        if kind in kinds and table != "alembic_version"
    }


def pg_objects(url):
    with psycopg.connect(url) as connection:
        rows = [row for query in PG_CATALOGUE for row in connection.execute(query).fetchall()]
    return {row for row in rows if row[0] != "alembic_version"}


def make_from_metadata(url):
    engine = make_engine(url, pool_size=1)
    metadata.create_all(engine)
    engine.dispose()


def test_on_sqlite_the_metadata_is_the_sum_of_the_migrations(tmp_path, sqlite_url):
    made = f"sqlite:///{tmp_path}/made.sqlite"
    make_from_metadata(made)
    migrated = sqlite_objects(sqlite_url, {"table", "index"})
    assert migrated == sqlite_objects(made, {"table", "index"})
    assert len(migrated) > len(metadata.tables)


def test_on_postgresql_the_metadata_is_the_sum_of_the_migrations(postgres_server, postgres_url):
    name = postgres_server.create_database()
    made = postgres_server.url(name)
    make_from_metadata(made)
    assert pg_objects(postgres_url) == pg_objects(made)
    postgres_server.drop_database(name)


def test_alembic_finds_nothing_to_do(sql_url):
    engine = make_engine(sql_url, pool_size=1)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_on_sqlite_all_triggers_are_there_as_written(sqlite_url):
    found = sqlite_objects(sqlite_url, {"trigger"})
    assert {name for _, name, _ in found} == TRIGGERS | SQLITE_ONLY
    assert {sql for _, _, (sql,) in found} == set(triggers_sqlite.STATEMENTS)


def test_on_postgresql_all_triggers_are_there_and_on(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal").fetchall()
        functions = connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert {name for name, _ in found} == TRIGGERS | POSTGRESQL_ONLY
    assert {enabled for _, enabled in found} == {"O"}
    assert len(functions) == len(triggers_postgresql.FUNCTIONS)


def test_the_transition_table_is_the_domains(sql_url):
    engine = make_engine(sql_url, pool_size=1)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT machine, prior_state, state FROM lifecycle_transition").fetchall()
    engine.dispose()
    assert {tuple(row) for row in found} == transitions()
    assert len(transitions()) == 4 + 11 + 4 + 3 + 3 + 4


def test_a_migrated_database_is_current_and_may_be_upgraded_again(sql_url):
    check_current(sql_url)
    upgrade(sql_url)
    check_current(sql_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """Return the URL of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite"
        return
    server = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


def test_a_database_without_schema_is_refused(empty_url):
    with pytest.raises(SchemaNotCurrent):
        check_current(empty_url)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = '9999'",
        "DELETE FROM alembic_version",
        "DELETE FROM lifecycle_transition WHERE state = 'denied'",
        "INSERT INTO lifecycle_transition (machine, prior_state, state) VALUES ('lockbox_request', 'denied', 'approved')",
    ],
)
def test_another_schema_is_refused(sql_url, statement):
    engine = make_engine(sql_url, pool_size=1)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(SchemaNotCurrent):
        check_current(sql_url)


def test_two_upgrades_at_the_same_moment_make_one_schema(empty_url):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty_url, empty_url]))
    check_current(empty_url)

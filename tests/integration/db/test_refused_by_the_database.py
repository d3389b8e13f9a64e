"""What SQLite and PostgreSQL refuse by themselves, whoever writes the SQL: illegal steps, and a rewritten log."""

# ruff: noqa: S608  names of tables and columns are this file's own

import os
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from openlockbox.adapters.db import SqlDatabase
from openlockbox.adapters.db.transitions import transitions
from openlockbox.testing import database_samples as sample

MACHINES = {
    "jit_request": ("jit_request", "JIT-1"),
    "lockbox_request": ("lockbox_request", "LBX-1"),
    "access_grant": ("grant", "G-1"),
    "session": ("session", "S-1"),
}


@pytest.fixture
def connection(sql_database):
    """Return a raw connection on a database with one row of each machine in its first state, and some of the log."""
    sample.seed(sql_database)
    with sql_database.unit_of_work() as uow:
        sample.add_grant(uow, 2)
        sample.add_request(uow, 1)
        for number in (0, 1):
            uow.activity.append(sample.event(detail={"number": str(number)}), at=sample.NOW)
        uow.gateways.add_revocation("grant", "G-2", until=sample.LATER)
        uow.commit()
    with sql_database.engine.connect() as connection:
        yield connection


def attempt(connection, statement, **params):
    """Run a statement in a savepoint, take it back, and tell whether the database accepted it."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(text(statement), params)
    except DBAPIError as error:
        if not any(word in str(error.orig) for word in ("lockbox: ", "constraint")):
            raise  # refused for another reason than ours, such as a mistake in the statement
        return False
    finally:
        savepoint.rollback()
    return True


def walk(connection, table, machine, key, goal):
    """Bring the row to a state by legal steps."""
    steps = transitions()
    at = next(state for m, prior, state in steps if m == machine and prior == "new")
    paths = {at: [at]}
    while goal not in paths:
        for m, prior, state in steps:
            if m == machine and prior in paths and state not in paths:
                paths[state] = [*paths[prior], state]
    for prior, state in zip(paths[goal], paths[goal][1:], strict=False):
        connection.execute(
            text(f"UPDATE {table} SET prior_state = :prior, state = :state WHERE id = :key"),
            {"prior": prior, "state": state, "key": key},
        )


def states_of(machine):
    return sorted({state for m, _, state in transitions() if m == machine})


@pytest.fixture
def rows(sql_database, connection):
    """Rows with the keys of MACHINES, each in its first state."""
    connection.rollback()
    with sql_database.unit_of_work() as uow:
        request = sample.add_request(uow, 3)
        uow.lockbox_requests.replace(request, sample.approved(request))
        uow.grants.add(replace(sample.grant(3), id="G-1"))
        uow.sessions.add(sample.session(1))
        uow.commit()
    return connection


@pytest.mark.parametrize("table", MACHINES)
def test_exactly_the_legal_steps_are_accepted(rows, table):
    machine, key = MACHINES[table]
    states = states_of(machine)
    legal = {(prior, state) for m, prior, state in transitions() if m == machine}
    for here in states:
        outer = rows.begin_nested()
        walk(rows, table, machine, key, here)
        (kept,) = rows.execute(text(f"SELECT prior_state FROM {table} WHERE id = :key"), {"key": key}).one()
        for prior, state in product([*states, "new", "", "nonsense"], [*states, "new", "nonsense"]):
            accepted = attempt(
                rows,
                f"UPDATE {table} SET prior_state = :prior, state = :state WHERE id = :key",
                prior=prior,
                state=state,
                key=key,
            )
            expected = prior == kept if state == here else prior == here and (prior, state) in legal
            assert accepted == expected, (here, prior, state)
        outer.rollback()


@pytest.mark.parametrize("table", MACHINES)
def test_only_the_first_state_can_be_inserted(rows, table):
    machine, key = MACHINES[table]
    states = states_of(machine)
    columns = [row[0] for row in rows.execute(text(f"SELECT * FROM {table} LIMIT 1")).cursor.description]
    changed = {"id": "'copy'", "prior_state": ":prior", "state": ":state"}
    if table == "lockbox_request":
        changed["jit_request_id"] = "'JIT-free'"
        rows.execute(text(copy_of(rows, "jit_request", "JIT-1", {"id": "'JIT-free'"})))
    if table == "access_grant":
        request = sample.lockbox_request(4)
        rows.execute(text(copy_of(rows, "jit_request", "JIT-1", {"id": "'JIT-4'"})))
        rows.execute(
            text(copy_of(rows, "lockbox_request", "LBX-1", {"id": f"'{request.id}'", "jit_request_id": "'JIT-4'"}))
        )
        walk(rows, "lockbox_request", "lockbox_request", request.id, "approved")
        changed["request_id"] = f"'{request.id}'"
    assert set(changed) <= set(columns)
    for prior, state in product([*states, "new", "nonsense"], [*states, "new", "nonsense"]):
        accepted = attempt(rows, copy_of(rows, table, key, changed), prior=prior, state=state)
        assert accepted == (prior == "new" and (machine, prior, state) in transitions()), (prior, state)


def copy_of(connection, table, key, changed):
    """Return an INSERT that copies a row with some columns changed."""
    columns = [row[0] for row in connection.execute(text(f"SELECT * FROM {table} LIMIT 1")).cursor.description]
    values = ", ".join(changed.get(name, name) for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE id = '{key}'"


@pytest.mark.parametrize("table", MACHINES)
def test_rows_of_a_machine_stay_and_keep_their_tenant(rows, table):
    _, key = MACHINES[table]
    assert not attempt(rows, f"DELETE FROM {table} WHERE id = :key", key=key)
    assert not attempt(rows, f"UPDATE {table} SET tenant_id = 'fabrikam' WHERE id = :key", key=key)
    assert not attempt(rows, f"UPDATE {table} SET id = 'other' WHERE id = :key", key=key)
    assert not attempt(rows, f"UPDATE {table} SET machine = 'session2' WHERE id = :key", key=key)
    assert not attempt(rows, f"UPDATE {table} SET prior_state = NULL WHERE id = :key", key=key)
    if rows.dialect.name == "postgresql":
        assert not attempt(rows, f"TRUNCATE {table} CASCADE")
    else:
        replacing = copy_of(rows, table, key, {}).replace("INSERT", "INSERT OR REPLACE")
        assert not attempt(rows, replacing)


@pytest.mark.parametrize("column", ["displayed", "digest", "approvers", "jit_request_id"])
def test_what_the_customer_was_asked_cannot_be_rewritten(rows, column):
    assert not attempt(rows, f"UPDATE lockbox_request SET {column} = 'else' WHERE id = 'LBX-1'")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM activity_entry WHERE entry_index = 1",
        "DELETE FROM log_head",
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET tenant_id = 'fabrikam'",
        "UPDATE activity_entry SET entry_index = 2 WHERE entry_index = 1",
        "UPDATE activity_entry SET tenant_id = 'fabrikam' WHERE entry_index = 1",
        "UPDATE activity_entry SET recorded_at = recorded_at + 1",
        "UPDATE activity_entry SET actor = 'principal:nobody'",
        "UPDATE activity_entry SET resource_id = NULL",
        "UPDATE activity_entry SET detail = '{}'",
        "UPDATE activity_entry SET search = ''",
        "UPDATE activity_entry SET leaf = leaf_hash",
        "UPDATE activity_entry SET leaf_hash = leaf",
        "UPDATE activity_entry SET search_opened = ''",  # without the field itself
        'UPDATE activity_entry SET opened = \'{"reason":{"salt":"AAAA","value":"other"}}\'',
        'UPDATE activity_entry SET opened = \'{"new":{"salt":"AAAA","value":"other"}}\'',
        "UPDATE activity_entry SET opened = '{\"reason\":{}}'",
        "UPDATE revocation SET subject_id = 'G-3'",
        "UPDATE revocation_head SET version = 0",
        "DELETE FROM revocation_head",
    ],
)
def test_the_log_cannot_be_rewritten(connection, statement):
    assert not attempt(connection, statement)


def test_the_trees_nodes_and_documents_cannot_be_rewritten(sql_database, connection):
    connection.rollback()
    with sql_database.unit_of_work() as uow:
        for _ in range(256):
            uow.activity.append(sample.event(document="as displayed"), at=sample.NOW)
        uow.commit()
    assert connection.execute(text("SELECT level, node_index FROM log_node")).all() == [(8, 0)]
    for statement in (
        "UPDATE log_node SET hash = (SELECT leaf_hash FROM activity_entry WHERE entry_index = 0)",
        "UPDATE log_node SET node_index = 1",
        "DELETE FROM log_node",
        "INSERT INTO log_node SELECT * FROM log_node",
        "UPDATE log_document SET body = 'another'",
    ):
        assert not attempt(connection, statement)
    if connection.dialect.name == "sqlite":
        assert not attempt(connection, "INSERT OR REPLACE INTO log_node SELECT * FROM log_node")
    assert attempt(connection, "DELETE FROM log_document")


def test_personal_fields_can_be_erased(connection):
    assert attempt(connection, "UPDATE activity_entry SET opened = '{}', search_opened = '' WHERE entry_index = 1")


@pytest.mark.parametrize("index, accepted", [(-1, False), (0, False), (1, False), (2, True), (3, False)])
def test_the_log_has_no_gap(connection, index, accepted):
    columns = [c[0] for c in connection.execute(text("SELECT * FROM activity_entry LIMIT 1")).cursor.description]
    values = ", ".join(":index" if name == "entry_index" else name for name in columns)
    statement = f"INSERT INTO activity_entry SELECT {values} FROM activity_entry WHERE entry_index = 0"
    assert attempt(connection, statement, index=index) == accepted


def test_on_postgresql_nothing_of_this_can_be_truncated(postgres_url):
    database = SqlDatabase(postgres_url, salt=os.urandom)
    with database.engine.connect() as connection:
        for table in ("activity_entry", "log_head", "log_node", "revocation_head", *MACHINES):
            assert not attempt(connection, f"TRUNCATE {table} CASCADE")
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE roster SET signed_text = 'x'",
        "UPDATE roster SET version = 2",
        "DELETE FROM roster",
        "INSERT INTO roster (tenant_id, version, signed_text, roster_text) VALUES ('contoso', 1, 'x', 'x')",
    ],
)
def test_a_roster_stays_as_it_was_signed(sql_database, statement):
    sample.seed(sql_database)
    with sql_database.unit_of_work() as uow:
        uow.rosters.add(sample.CONTOSO, 1, "signed", "text")
        uow.commit()
    replacing = statement.replace("INSERT", "INSERT OR REPLACE") if "INSERT" in statement else statement
    tried = replacing if sql_database.engine.dialect.name == "sqlite" else statement
    with sql_database.engine.connect() as connection:
        assert not attempt(connection, tried.replace("'contoso'", f"'{sample.CONTOSO}'"))
        assert attempt(connection, "UPDATE roster SET version = 2 WHERE tenant_id = 'nobody'")

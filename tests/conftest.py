"""Fixtures for every test: databases. A PostgreSQL that does not start is a failure, never a skip."""

import os
import shutil
from pathlib import Path

import pytest

from openlockbox.adapters.db import SqlDatabase
from openlockbox.adapters.db.migrations import upgrade
from openlockbox.testing.memory_database import MemoryDatabase
from openlockbox.testing.postgres import temporary_postgres


@pytest.fixture(scope="session")
def postgres_server():
    """Start one private PostgreSQL for the whole run. It does not wait for the disk."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_template(postgres_server):
    name = postgres_server.create_database()
    upgrade(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory):
    path = tmp_path_factory.mktemp("sqlite-template") / "lockbox.sqlite"
    upgrade(f"sqlite:///{path}")
    assert not Path(f"{path}-wal").exists()  # all of it is in the one file that is copied
    return path


@pytest.fixture
def postgres_url(postgres_server, _postgres_template):
    """Return the URL of a new, migrated PostgreSQL database."""
    name = postgres_server.create_database(template=_postgres_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path, _sqlite_template):
    """Return the URL of a new, migrated SQLite file."""
    path = tmp_path / "lockbox.sqlite"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request):
    """Return the URL of a new, migrated database of each kind."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def sql_database(sql_url):
    """Return a new, migrated database of each kind."""
    database = SqlDatabase(sql_url, salt=os.urandom)
    yield database
    database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def any_database(request):
    """Return a new database of each kind, the in-memory one included."""
    if request.param == "memory":
        yield MemoryDatabase(salt=os.urandom)
        return
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    database = SqlDatabase(url, salt=os.urandom)
    yield database
    database.close()

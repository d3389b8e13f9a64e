"""The shipped conformance suite over the in-memory fake, SQLite and PostgreSQL."""

import pytest

from openlockbox.testing.activity_conformance import ActivityConformance
from openlockbox.testing.database_conformance import DatabaseConformance
from openlockbox.testing.log_tree_conformance import LogTreeConformance


class TestStores(DatabaseConformance):
    @pytest.fixture
    def database(self, any_database):
        return any_database


class TestActivity(ActivityConformance):
    @pytest.fixture
    def database(self, any_database):
        return any_database


class TestLogTree(LogTreeConformance):
    @pytest.fixture
    def database(self, any_database):
        return any_database

"""The services run here on the in-memory database, which passes the same conformance suite as the real ones."""

from pathlib import Path

import pytest

from openlockbox.testing.memory_database import MemoryDatabase
from tests.world import World, build_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build_world(MemoryDatabase(), tmp_path)

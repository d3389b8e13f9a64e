"""The services run here on the in-memory database, which passes the same conformance suite as the real ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from openlockbox.gateway.rdp.pump import Pump
from tests.unit.gateway.stage import Stage


@pytest.fixture
def world(tmp_path: Path):
    """Return a new world. Imported here, so that the rows about grants and gateways alone start quickly."""
    from openlockbox.testing.memory_database import MemoryDatabase
    from tests.world import build_world

    return build_world(MemoryDatabase(), tmp_path)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a gateway's parts with clocks that a test moves."""
    return Stage(tmp_path)


@pytest.fixture
def pump() -> Pump:
    """Return the pump of a grant with the clipboard alone, between legs that number their channels differently."""
    client = SimpleNamespace(server=SimpleNamespace(io_channel=1003), channel_of=lambda _name: 1004)
    target = SimpleNamespace(io_channel=1003, user=1007, channels={"cliprdr": 1005})
    return Pump(client, target, SimpleNamespace())

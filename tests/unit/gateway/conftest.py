"""The stage as a fixture."""

import pytest

from tests.unit.gateway.stage import Stage


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)

"""A system of each test's own, because the test kills it; one desktop for all, which nobody kills."""

import pytest

from openlockbox.testing.desktops import start_shadow_desktop
from tests.e2e.system import running_system


@pytest.fixture(scope="session")
def nla_desktop():
    with start_shadow_desktop("nla") as desktop:
        yield desktop


@pytest.fixture(scope="module")
def system(nla_desktop, tmp_path_factory):
    with running_system(tmp_path_factory.mktemp("killed"), {"nla": nla_desktop}) as started:
        yield started

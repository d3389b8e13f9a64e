"""Real desktops, once a module because an xrdp start takes the machine's lock."""

import os

import pytest

from openlockbox.testing.desktops import start_client_screen, start_shadow_desktop, start_xrdp_desktop
from tests.integration.gateway.rdp.fakes import server_context


@pytest.fixture(scope="module")
def nla_desktop():
    with start_shadow_desktop("nla") as desktop:
        yield desktop


@pytest.fixture(scope="module")
def xrdp_desktop():
    assert os.geteuid() == 0, "run these tests as root, or leave them out with -m 'not needs_root'"
    with start_xrdp_desktop() as desktop:
        yield desktop


@pytest.fixture
def client_screen():
    with start_client_screen() as environment:
        yield environment


@pytest.fixture
def context_and_pin(tmp_path):
    return server_context(tmp_path)

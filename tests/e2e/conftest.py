"""One running installation for all end-to-end tests, with two real desktops behind it, and one headless Chromium.

Tests bring their own service requests. The clock only goes forward, so whoever moves it leaves it there; people sign in again.
"""

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from openlockbox.testing.desktops import start_client_screen, start_shadow_desktop, start_xrdp_desktop
from tests.e2e.browser import ARGUMENTS, CHROMIUM, Chromium
from tests.e2e.steps import check_log, check_secrecy
from tests.e2e.system import running_system


@pytest.fixture(scope="session")
def desktops():
    with start_xrdp_desktop() as xrdp, start_shadow_desktop("nla") as nla:
        yield {"xrdp": xrdp, "nla": nla}


@pytest.fixture(scope="session")
def running(desktops, tmp_path_factory):
    with running_system(tmp_path_factory.mktemp("system"), desktops) as system:
        yield system
        check_secrecy(system)


@pytest.fixture
def system(running):
    """Lend the running installation. After each test every log is whole."""
    yield running
    for tenant in ("ambertide", "pelimoor", "brackwater", "ostervane"):
        check_log(running, tenant)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def chromium(browser, system):
    windows = Chromium(browser, system)
    yield windows
    await windows.close()


@pytest.fixture
def client_screen():
    with start_client_screen() as environment:
        yield environment


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Run these last: a machine has one xrdp, which from here on stays until the end, and others need theirs before."""
    items.sort(key=lambda item: "desktops" in getattr(item, "fixturenames", ()))

"""Specification V2: remote desktop to virtual machines, in the browser, at both kinds of real server."""

import pytest

from tests.e2e.browser import END_TO_END, connect, ended, keep, picture
from tests.e2e.cast import KILN, PRESS
from tests.e2e.steps import check_recording, check_secrecy, granted

pytestmark = END_TO_END


@pytest.mark.parametrize("kind, resource", [("xrdp", KILN), ("nla", PRESS)])
async def test_v2_the_browser_shows_the_desktop_and_knows_no_password(system, chromium, desktops, kind, resource):
    idris = system.people["idris"]
    page = await chromium.window(idris)
    session = await connect(page, granted(system, resource))
    await picture(page, desktops[kind].patch)
    await keep(page, f"v2-{kind}")
    other = await chromium.window(idris)
    await other.goto(page.url.removesuffix("/session"))
    await other.get_by_role("button", name="End access").click()
    await ended(page, "You ended this access")
    report = check_recording(system, session)
    assert report.summary.bytes > 10_000
    check_secrecy(system, await page.content())

"""Specification W11: access lasts eight hours by default; a session that still runs then is cut by the gateway."""

from datetime import datetime, timedelta

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, connect, ended, keep, picture, sign_in
from tests.e2e.steps import check_recording, grant, granted, terminated
from tests.e2e.system import until

pytestmark = END_TO_END


async def test_w11_a_live_session_is_cut_when_the_eight_hours_are_over(system, chromium, desktops):
    idris = system.people["idris"]
    grant_id = granted(system)
    found = grant(system, grant_id)
    begins, ends = (datetime.fromisoformat(found[name]) for name in ("not_before", "not_after"))
    assert ends - begins == timedelta(hours=8)
    page = await chromium.window(idris)
    session = await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)

    # Through the day the engineer uses the portal beside the desktop, so that the sign-in does not end for idleness.
    beside = await page.context.new_page()
    while (left := ends - system.clock()) > timedelta(minutes=2):
        system.clock.advance(min(left - timedelta(minutes=1), timedelta(minutes=100)))
        await beside.goto("/engineer/elevations")
        await expect(beside.locator("main")).to_contain_text("vm-press-02")
    await expect(page.locator("#desktop")).to_have_attribute("data-state", "connected")
    assert grant(system, grant_id)["is_usable"]

    system.advance(timedelta(minutes=1))
    await ended(page, "The time of this access is up.")
    await keep(page, "w11-time-is-up")
    assert terminated(system, session).event.detail["reason"] == "deadline"
    check_recording(system, session)
    until(lambda: system.entries(code="grant.ended", subject=f"grant:{grant_id}"), "written-down end of the access")
    assert grant(system, grant_id)["state"] == "ended"
    assert idris.refused(f"/grants/{grant_id}/connect", front="browser") == "grant_not_usable"
    await page.goto(f"/engineer/grants/{grant_id}")
    await expect(page.locator("main")).to_contain_text("This access has ended")
    await expect(page.get_by_role("button", name="Connect in this browser")).to_have_count(0)


async def test_w11_who_was_signed_out_meanwhile_reads_the_reason_after_signing_in(system, chromium, desktops):
    grant_id = granted(system)
    page = await chromium.window(system.people["idris"])
    await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)
    system.advance(timedelta(hours=8))
    await ended(page, "The connection is closed")
    await expect(page.locator("input[type=password]")).to_have_count(0)
    await keep(page, "w11-signed-out")
    await page.locator("#desktop").get_by_role("link", name="Go back").click()
    await sign_in(page, system.people["idris"])
    await expect(page.locator("main")).to_contain_text("The time of this access is up.")

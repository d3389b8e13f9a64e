"""Specification A1: every action is in the activity log, which the portal shows and filters by the four actions."""

from datetime import timedelta

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.steps import approve, path_of, pending
from tests.e2e.system import until

pytestmark = END_TO_END
ACTIONS = {
    "Create Lockbox Request": "request.created",
    "Approve Lockbox Request": "request.approved",
    "Deny Lockbox Request": "request.denied",
    "Lockbox Request Expiry": "request.expired",
}


async def test_a1_the_four_filters_show_what_they_name(system, chromium):
    expired, denied, approved = pending(system), pending(system), pending(system)
    approve(system, approved)
    system.people["orla"].post(f"{path_of(denied)}/deny", digest=denied["digest"], reason="Not now.")
    system.advance(timedelta(days=4))
    until(lambda: system.entries(code="request.expired", subject=f"request:{expired['id']}"), "expiry")
    about = {
        "request.created": (expired["id"], denied["id"], approved["id"]),
        "request.approved": (approved["id"],),
        "request.denied": (denied["id"],),
        "request.expired": (expired["id"],),
    }
    # A reader sees the log too; it is the customer's.
    page = await chromium.window(system.people["rhea"])
    await page.goto("/t/ambertide/activity")
    for action, code in ACTIONS.items():
        await page.get_by_role("navigation", name="By action").get_by_role("link", name=action, exact=True).click()
        rows = page.locator("tbody").get_by_role("row")
        for label in await rows.get_by_role("rowheader").all_inner_texts():
            assert label.strip() == action
        shown = await page.locator("tbody").inner_text()
        for asked in (expired["id"], denied["id"], approved["id"]):
            assert (asked in shown) == (asked in about[code]), (action, asked)
    await page.goto("/t/ambertide/activity")
    await keep(page, "a1-activity-log")
    await page.get_by_label("Action", exact=True).select_option("request.approved")
    await page.get_by_label("Text or id").fill(approved["id"])
    await page.get_by_label("By", exact=True).select_option(label="Senna Quillmere")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("tbody").get_by_role("row")).to_have_count(1)
    await page.get_by_role("link", name="Entry").first.click()
    await expect(page.locator("main")).to_contain_text(
        "Microsoft.CustomerLockbox/requests/activitylog/ApproveLockboxRequest/action"
    )
    await keep(page, "a1-entry")

"""Everything but the desktop works in a browser that runs no scripts."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, sign_in
from tests.e2e.steps import path_of, pending, request

pytestmark = END_TO_END


async def test_approve_and_end_access_without_javascript(system, chromium):
    asked = pending(system)
    page = await chromium.window(scripts=False)
    await page.goto(path_of(asked).replace("/tenants/", "/t/"))
    await sign_in(page, system.people["senna"])
    await page.locator("#reason").fill("Without scripts.")
    await page.locator("button[name=decision][value=approve]").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Confirm: approve")
    await page.get_by_role("button", name="Confirm and approve").click()
    await expect(page.locator("main")).to_contain_text("Access is open")
    assert request(system, asked["id"])["decision"]["reason"] == "Without scripts."
    await page.get_by_role("button", name="End access now").click()
    await expect(page.locator("main")).to_contain_text("Senna Quillmere ended this access")


async def test_a_service_request_is_opened_and_answered_without_javascript(system, chromium):
    page = await chromium.window(scripts=False)
    await page.goto("/t/ambertide/service-requests/new")
    await sign_in(page, system.people["orla"])
    await page.get_by_label("What is the problem, in one line?").fill("Printer of line 3")
    await page.get_by_label("What happens, since when").fill("It prints nothing.")
    await page.get_by_role("button", name="Open service request").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Printer of line 3")
    await page.get_by_label("Your message").fill("It prints again.")
    await page.get_by_role("button", name="Send message").click()
    await expect(page.locator("main")).to_contain_text("It prints again.")
    await page.get_by_role("button", name="Close service request").click()
    await expect(page.locator("main")).to_contain_text("Closed")

"""Specification P1: a support plan of at least Developer, and nothing else, is needed."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END
from tests.e2e.cast import BRACKWATER, MILL
from tests.e2e.steps import JUSTIFICATION, ask, open_case, question

pytestmark = END_TO_END


async def test_p1_below_developer_the_engineer_is_refused_and_with_it_the_customer_is_asked(system, chromium):
    case = open_case(system, by="milo", resource=MILL)
    page = await chromium.window(system.people["idris"])
    for plan in ("none", "basic"):
        system.change_plan(BRACKWATER, plan)
        await page.goto(f"/engineer/service-requests/{case.id}")
        await page.get_by_label("What you need to do").fill(JUSTIFICATION)
        await page.get_by_role("button", name="Request elevation").click()
        await expect(page.get_by_role("alert")).to_contain_text("support plan")
        assert system.people["idris"].refused(f"{case.path}/elevations", **question(case)) == "support_plan_too_low"
    refusals = system.entries(BRACKWATER, code="jit_request.submit.refused")
    assert [e.event.detail["code"] for e in refusals] == ["support_plan_too_low"] * 4
    system.change_plan(BRACKWATER, "developer")
    assert ask(system, case)["state"] == "forwarded"

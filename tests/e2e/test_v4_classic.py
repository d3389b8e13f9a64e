"""Specification V4: classic instances are refused, with the advice to migrate to Resource Manager."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.cast import OLD_KILN
from tests.e2e.steps import JUSTIFICATION, open_case

pytestmark = END_TO_END


async def test_v4_a_classic_machine_is_refused_with_advice(system, chromium):
    case = open_case(system, resource=OLD_KILN)
    page = await chromium.window(system.people["idris"])
    await page.goto(f"/engineer/service-requests/{case.id}")
    await page.get_by_label("Resource and way in").select_option(f"{OLD_KILN.lower()}|remote_desktop")
    await page.get_by_label("What you need to do").fill(JUSTIFICATION)
    await page.get_by_role("button", name="Request elevation").click()
    await expect(page.get_by_role("alert")).to_contain_text("Resource Manager")
    await keep(page, "v4-classic")
    refused = system.entries(code="jit_request.submit.refused", correlation_id=case.id)
    assert [e.event.detail["code"] for e in refused] == ["classic_resource"]
    assert system.entries(code="jit_request.submitted", correlation_id=case.id) == []

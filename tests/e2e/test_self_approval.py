"""Nobody decides on their own request, through whatever account, and nobody at the provider decides for the customer."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END
from tests.e2e.cast import DEPOT
from tests.e2e.steps import ask, open_case, path_of, pending, request

pytestmark = END_TO_END


async def test_an_engineer_cannot_approve_with_an_account_at_the_customer(system, chromium):
    case = open_case(system, by="piet", engineer="wrenna", resource=DEPOT)
    asked = pending(system, case, by="wrenna", approver="piet")
    second = system.people["wrenna-p"]
    page = await chromium.window(second)
    await page.goto(path_of(asked).replace("/tenants/", "/t/"))
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert second.refused(f"{path_of(asked)}/approve", digest=asked["digest"]) in {"self_approval", "not_an_approver"}
    refused = system.entries(case.tenant, code="request.approve.refused", subject=f"request:{asked['id']}")
    assert [e.event.actor for e in refused] == ["principal:wrenna-p"]
    assert request(system, asked["id"], tenant=case.tenant, reader="piet")["state"] == "customer_notified"


async def test_a_support_lead_cannot_review_an_elevation_of_their_own(system, chromium):
    case = open_case(system, engineer="maud")
    asked = ask(system, case, by="maud", permission="administrator")
    assert asked["state"] == "internal_review"
    maud = system.people["maud"]
    page = await chromium.window(maud)
    await page.goto(f"/review/{asked['id']}")
    await expect(page.locator("main")).to_contain_text("Nobody decides on their own request.")
    await expect(page.locator("button[name=decision]")).to_have_count(0)
    assert maud.refused(f"/reviews/{asked['id']}/approve") == "self_approval"

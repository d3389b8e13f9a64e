"""Specification W11: denied, the elevated access is rejected and nothing further happens."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.steps import path_of, pending, request

pytestmark = END_TO_END


async def test_w11_a_denial_gives_no_access_and_the_engineer_reads_why(system, chromium):
    asked = pending(system)
    owner = await chromium.window(system.people["senna"])
    await owner.goto(path_of(asked).replace("/tenants/", "/t/"))
    await owner.get_by_label("Reason").fill("Not during the firing.")
    await owner.get_by_role("button", name="Deny").click()
    await expect(owner.get_by_role("heading", level=1)).to_have_text("Confirm: deny")
    assert request(system, asked["id"])["state"] == "customer_notified"
    await owner.get_by_role("button", name="Confirm and deny").click()
    await expect(owner.locator("main")).to_contain_text("Denied")
    await keep(owner, "w11-denied")

    engineer = await chromium.window(system.people["idris"])
    await engineer.goto(f"/engineer/service-requests/{asked['service_request_id']}")
    await expect(engineer.locator("main")).to_contain_text("Not during the firing.")
    await expect(engineer.get_by_role("link", name="Connect")).to_have_count(0)
    assert request(system, asked["id"])["grant"] is None
    assert system.people["orla"].refused(f"{path_of(asked)}/approve", digest=asked["digest"]) == "already_decided"
    codes = [e.event.code for e in system.entries(subject=f"request:{asked['id']}")]
    assert codes == ["request.created", "request.denied", "request.approve.refused"]

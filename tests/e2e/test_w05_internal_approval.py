"""Specification W5: the rules weigh resource, identity and permission, and may ask an internal approver first."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.cast import PRESS
from tests.e2e.steps import JUSTIFICATION, ask, open_case, path_of, request

pytestmark = END_TO_END


async def test_w5_administrator_needs_the_support_lead_and_then_the_customer(system, chromium):
    case = open_case(system)
    engineer = await chromium.window(system.people["idris"])
    await engineer.goto(f"/engineer/service-requests/{case.id}")
    await engineer.locator("input[name=permission][value=administrator]").check()
    await engineer.get_by_label("What you need to do").fill(JUSTIFICATION)
    await engineer.get_by_role("button", name="Request elevation").click()
    await expect(engineer.locator("main")).to_contain_text("Internal review")
    asked = system.entries(code="jit_request.submitted")[-1].event.subject.removeprefix("jit_request:")
    assert not system.mails_to("senna", case.id)

    lead = await chromium.window(system.people["maud"])
    await lead.goto("/review")
    await lead.locator(f"a[href='/review/{asked}']").first.click()
    await keep(lead, "w05-review")
    await lead.get_by_label("Reason").fill("Agreed on the telephone.")
    await lead.locator("button[name=decision][value=approve]").click()
    await expect(lead.get_by_role("status").first).to_contain_text("The customer is asked next")
    found = system.people["idris"].get("/elevations")[0]
    assert found["request_state"] == "customer_notified"

    owner = await chromium.window(system.people["senna"])
    await owner.goto(f"/t/ambertide/requests/{found['request_id']}")
    await expect(owner.locator("main")).to_contain_text("Internal approval by Maud Ferrisane")
    await expect(owner.locator("main")).to_contain_text("Agreed on the telephone.")
    await keep(owner, "w05-customer")


async def test_w5_an_internal_denial_ends_it_and_the_customer_is_never_asked(system):
    case = open_case(system)
    asked = ask(system, case, permission="administrator")
    system.people["devi"].post(f"/reviews/{asked['id']}/deny", reason="Use the telemetry first.")
    assert system.people["idris"].get("/elevations")[0]["state"] == "refused"
    assert system.entries(code="request.created", correlation_id=case.id) == []
    assert len(system.entries(code="jit_request.review_denied", correlation_id=case.id)) == 1


async def test_w5_another_resource_than_the_case_names_needs_an_internal_approval(system):
    case = open_case(system)
    asked = ask(system, case, resource_id=PRESS)
    assert asked["state"] == "internal_review"
    assert system.people["corin"].refused(f"/reviews/{asked['id']}/approve") in {
        "not_found",
        "not_an_internal_approver",
    }
    forwarded = system.people["devi"].post(f"/reviews/{asked['id']}/approve", reason="")
    assert request(system, forwarded["request_id"])["state"] == "customer_notified"


async def test_w5_an_ordinary_account_gets_no_administrator(system, chromium):
    case = open_case(system, engineer="wrenna")
    page = await chromium.window(system.people["wrenna"])
    await page.goto(f"/engineer/service-requests/{case.id}")
    await page.locator("input[name=permission][value=administrator]").check()
    await page.get_by_label("What you need to do").fill(JUSTIFICATION)
    await page.get_by_role("button", name="Request elevation").click()
    await expect(page.locator("main")).to_contain_text("Refused by rule")
    await expect(page.locator("main")).to_contain_text("isolated identity")
    await keep(page, "w05-refused-by-rule")
    assert system.entries(code="request.created", correlation_id=case.id) == []


async def test_w6_before_the_customers_answer_there_is_no_access(system):
    case = open_case(system)
    asked = request(system, ask(system, case)["request_id"])
    assert asked["state"] == "customer_notified"
    assert asked["grant"] is None
    assert system.people["idris"].get("/elevations")[0]["grant"] is None
    for provider in ("idris", "maud", "devi", "corin"):
        assert system.people[provider].refused(f"{path_of(asked)}/approve", digest=asked["digest"]) in {
            "not_an_approver", "not_found", "self_approval",
        }  # fmt: skip

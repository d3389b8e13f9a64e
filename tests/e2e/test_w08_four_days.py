"""Specification W8: after four days in the customer's queue a request expires by itself, and no access is given."""

from datetime import datetime, timedelta

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, keep
from tests.e2e.steps import path_of, pending, request
from tests.e2e.system import until

pytestmark = END_TO_END


async def test_w8_an_unanswered_request_expires_after_four_days(system, chromium):
    asked = pending(system)
    left = datetime.fromisoformat(asked["answer_by"]) - datetime.fromisoformat(asked["created_at"])
    assert left == timedelta(days=4)
    system.advance(left - timedelta(minutes=10))
    owner = system.people["senna"]
    page = await chromium.window(owner)
    await page.goto("/")
    await expect(page.get_by_role("table", name="Pending requests")).to_contain_text(asked["id"])

    # The clock decides, not the worker: nobody has written the expiry down when the approval is refused.
    system.stop("worker")
    system.advance(timedelta(minutes=10))
    assert system.entries(code="request.expired", subject=f"request:{asked['id']}") == []
    assert owner.refused(f"{path_of(asked)}/approve", digest=asked["digest"]) == "request_expired"
    assert owner.refused(f"{path_of(asked)}/deny", digest=asked["digest"]) == "request_expired"
    assert request(system, asked["id"])["state"] == "expired"
    await page.goto(path_of(asked).replace("/tenants/", "/t/"))
    await expect(page.locator("main")).to_contain_text("Nobody answered in time. No access was given.")
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    await keep(page, "w08-expired")

    # Two workers at once write it down, once; the approvers and the engineer are told.
    system.start("worker", "worker2")
    wanted = {"code": "request.expired", "subject": f"request:{asked['id']}"}
    until(lambda: system.entries(**wanted), "written-down expiry")
    for person in ("senna", "orla", "idris"):
        until(lambda person=person: system.mails_to(person, asked["id"]), f"mail to {person}")
    system.stop("worker2")
    assert len(system.entries(**wanted)) == 1
    assert request(system, asked["id"])["grant"] is None
    assert owner.refused(f"{path_of(asked)}/approve", digest=asked["digest"]) in {"request_expired", "already_decided"}

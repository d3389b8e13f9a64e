"""The customer locks everything: a live desktop is cut, nothing opens while the lock stands, lifting lets ask again."""

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, connect, ended, keep, picture
from tests.e2e.steps import check_recording, grant, granted
from tests.e2e.system import until

pytestmark = END_TO_END


async def test_locking_everything_cuts_the_session_and_nothing_opens(system, chromium, desktops):
    idris, senna = system.people["idris"], system.people["senna"]
    grant_id = granted(system)
    page = await chromium.window(idris)
    session = await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)

    customer = await chromium.window(senna)
    await customer.goto("/t/ambertide")
    await customer.get_by_role("link", name="Lock everything…").click()
    await expect(customer.locator("main")).to_contain_text("Nobody can approve, connect or ask for access")
    await keep(customer, "lock-confirm")
    await customer.get_by_role("button", name="Lock everything now").click()
    await ended(page, "Senna Quillmere ended this access")
    await expect(customer.locator("#locks")).to_contain_text("every gateway confirmed within", timeout=15_000)
    await keep(customer, "lock-locked")

    until(lambda: grant(system, grant_id)["state"] == "revoked", "confirmed revocation")
    assert check_recording(system, session).reason == "revoked"
    codes = [e.event.code for e in system.entries(subject="tenant:ambertide")]
    assert codes[-2:] == ["lock.set", "lock.confirmed"]
    assert idris.refused(f"/grants/{grant_id}/connect", front="browser") == "tenant_locked"
    (standing,) = senna.get("/tenants/ambertide/locks")["standing"]
    assert standing["lock"]["state"] == "locked"
    assert standing["missing"] == []

    await customer.get_by_role("button", name="Lift the lock").click()
    await expect(customer.get_by_role("status").first).to_contain_text("The lock is lifted")
    assert idris.refused(f"/grants/{grant_id}/connect", front="browser") == "grant_not_usable"
    assert grant(system, granted(system))["is_usable"]

"""An access is ended before its time, by the customer, the engineer or the provider: live sessions are cut, nothing reconnects."""

import pytest
from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, connect, ended, keep, picture
from tests.e2e.gateway_client import refusal
from tests.e2e.steps import check_recording, grant, granted
from tests.e2e.system import until

pytestmark = END_TO_END


async def by_the_customer(system, chromium, grant_id):
    page = await chromium.window(system.people["senna"])
    await page.goto("/t/ambertide")
    await page.locator(f"form[action='/grants/{grant_id}/end'] button").click()
    await expect(page.get_by_role("status").first).to_contain_text("The access is being ended")
    await keep(page, "revoke-customer")
    return "Senna Quillmere ended this access"


async def by_the_engineer(system, chromium, grant_id):
    page = await chromium.window(system.people["idris"])
    await page.goto(f"/engineer/grants/{grant_id}")
    await page.get_by_role("button", name="End access").click()
    return "You ended this access"


async def by_the_support_lead(system, _chromium, grant_id):
    answer = system.people["maud"].post(f"/grants/{grant_id}/end", reason="Called off.")
    assert answer["state"] == "revoking"
    return "Maud Ferrisane ended this access"


@pytest.mark.parametrize("end_access", [by_the_customer, by_the_engineer, by_the_support_lead])
async def test_ending_the_access_cuts_the_session_and_nothing_reconnects(system, chromium, desktops, end_access):
    idris = system.people["idris"]
    grant_id = granted(system)
    unused = idris.post(f"/grants/{grant_id}/connect", front="browser")
    page = await chromium.window(idris)
    session = await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)

    said = await end_access(system, chromium, grant_id)
    await ended(page, said)
    await keep(page, f"revoke-ended-{end_access.__name__}")
    until(lambda: grant(system, grant_id)["state"] == "revoked", "confirmed revocation")
    codes = [e.event.code for e in system.entries(subject=f"grant:{grant_id}")]
    assert codes == ["grant.issued", "grant.revoking", "grant.revoked"]
    assert check_recording(system, session).reason == "revoked"

    # A token that was made before is worth nothing, and the portal makes no new one.
    assert await refusal(system, unused["token"]) == 403
    for front in ("browser", "native"):
        assert idris.refused(f"/grants/{grant_id}/connect", front=front) == "grant_not_usable"
    await page.goto(f"/engineer/grants/{grant_id}")
    await expect(page.locator("main")).to_contain_text("This access has ended")
    await expect(page.get_by_role("button", name="Connect in this browser")).to_have_count(0)
    assert system.people["senna"].refused(f"/grants/{grant_id}/end") == "already_revoked"


async def test_a_connection_token_works_once(system, chromium, desktops):
    """The token of a running session cannot be used beside it, nor after it."""
    grant_id = granted(system)
    page = await chromium.window(system.people["idris"])
    bodies = []

    async def keep_body(response):
        if response.url.endswith("/session"):
            bodies.append(await response.text())

    page.on("response", keep_body)
    await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)
    token = bodies[0].partition('data-token="')[2].partition('"')[0]
    assert token
    assert await refusal(system, token) == 401
    await page.get_by_role("button", name="End access").click()
    assert await refusal(system, token) in {401, 403}


async def test_closing_the_page_ends_the_session_and_not_the_access(system, chromium, desktops):
    grant_id = granted(system)
    page = await chromium.window(system.people["idris"])
    session = await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)
    await page.goto("about:blank")
    assert check_recording(system, session).reason == "client_closed"
    assert grant(system, grant_id)["is_usable"]
    again = await connect(page, grant_id)
    await picture(page, desktops["nla"].patch)
    assert again != session


async def test_who_has_no_part_in_it_cannot_end_an_access(system):
    grant_id = granted(system)
    assert system.people["piet"].refused(f"/grants/{grant_id}/end") == "not_found"
    for person in ("bram", "rhea", "wrenna"):
        assert system.people[person].refused(f"/grants/{grant_id}/end") in {"not_allowed_to_revoke", "not_found"}
    assert grant(system, grant_id)["is_usable"]

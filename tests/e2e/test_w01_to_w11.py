"""Specification W1 to W11 once through, everything in the browser, with the desktop visible in it."""

import re
from datetime import timedelta

from playwright.async_api import expect

from tests.e2e.browser import END_TO_END, connect, ended, keep, picture, sign_in
from tests.e2e.cast import AMBERTIDE, KILN
from tests.e2e.steps import DESCRIPTION, JUSTIFICATION, check_recording, check_secrecy
from tests.e2e.system import until

pytestmark = END_TO_END
TITLE = "Kiln 7 loses its database every night"
ANSWER = "Telemetry shows the service stopping, not the reason."


async def test_w1_to_w11_from_the_problem_to_the_desktop(system, chromium, desktops):
    people = system.people
    bram = await chromium.window()
    case = await w1_w2_open_a_service_request(bram, people["bram"])
    idris = await chromium.window(people["idris"])
    await w3_review_it(idris)
    await w4_to_w6_ask_for_elevation(idris)
    asked = system.entries(code="request.created")[-1].event.subject.removeprefix("request:")
    mail, link = w7_the_mail(system, asked)
    senna = await chromium.window()
    await w7_the_link_needs_a_sign_in(senna, people["senna"], link, asked)
    await w8_to_w10_read_everything(senna, asked, case)
    grant = await w11_approve(system, senna, link, asked)

    session = await connect(idris, grant.id)
    await picture(idris, desktops["xrdp"].patch)
    await keep(idris, "w11-desktop")
    await senna.reload()
    await expect(senna.locator("main")).to_contain_text("Active session")
    await keep(senna, "w11-active-session")
    await senna.get_by_role("button", name="End access now").first.click()
    await ended(idris, "Senna Quillmere ended this access")
    await keep(idris, "w11-ended")
    assert check_recording(system, session).reason == "revoked"
    check_secrecy(system, await idris.content(), mail.text, mail.html)


async def w1_w2_open_a_service_request(page, person):
    """Somebody has a problem that they cannot fix, and opens a service request. Returns its id."""
    await page.goto(f"/t/{AMBERTIDE}/service-requests/new")
    await keep(page, "w01-sign-in")
    await sign_in(page, person)
    await page.get_by_label("What is the problem, in one line?").fill(TITLE)
    await page.get_by_label("What happens, since when").fill(DESCRIPTION)
    await page.get_by_label("Where?").select_option(f"ambertide-production|{KILN.lower()}")
    await page.get_by_role("button", name="Open service request").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    await keep(page, "w02-service-request")
    return re.search(r"SR-[0-9A-Z-]+", await page.locator("main").inner_text())[0]


async def w3_review_it(page):
    """Take it, read it and answer, as the engineer."""
    await page.goto("/engineer")
    await page.get_by_role("link", name=TITLE).click()
    await page.get_by_role("button", name="Take this service request").click()
    await page.get_by_label("Your message").fill(ANSWER)
    await page.get_by_role("button", name="Send message").click()
    await expect(page.locator("main")).to_contain_text(ANSWER)


async def w4_to_w6_ask_for_elevation(page):
    """Telemetry does not suffice: the engineer asks, the rules allow it, and the customer is asked."""
    await page.get_by_label("What you need to do").fill(JUSTIFICATION)
    await page.get_by_role("button", name="Check the rules").click()
    await expect(page.get_by_text("If you ask now: the customer is asked at once")).to_be_visible()
    await page.get_by_role("button", name="Request elevation").click()
    await expect(page.locator("main")).to_contain_text("Customer Notified")
    await keep(page, "w06-customer-notified")


def w7_the_mail(system, asked):
    """Check that the designated approvers get a mail, and nobody else. Returns the owner's and its link."""
    mail = until(lambda: system.mails_to("senna", asked), "mail to the owner")[0]
    until(lambda: system.mails_to("orla", asked), "mail to the Lockbox approver")
    assert not system.mails_to("bram", asked)
    assert not system.mails_to("rhea", asked)
    link = re.search(re.escape(system.base_url) + r"\S+", mail.text)[0]
    assert link in mail.html
    return mail, link


async def w7_the_link_needs_a_sign_in(page, person, link, asked):
    """Who has the mail has nothing yet; signed in, the link leads to the request."""
    await page.goto(link)
    await expect(page.locator("input[type=password]")).to_be_visible()
    assert asked not in await page.locator("main").inner_text()
    await sign_in(page, person)
    await expect(page).to_have_url(link)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Idris Marrowby")


async def w8_to_w10_read_everything(page, asked, case):
    """Landing page with the pending requests, the request, the service request behind it."""
    await page.goto("/")
    await expect(page.get_by_role("table", name="Pending requests")).to_contain_text(asked)
    await keep(page, "w08-pending-requests")
    row = page.get_by_role("row").filter(has_text=asked)
    await row.get_by_role("link").first.click()
    await keep(page, "w09-request")
    for fact in ("Idris Marrowby", "vm-kiln-07", JUSTIFICATION, "8 hours", "ordinary user"):
        await expect(page.locator("main")).to_contain_text(fact)
    await page.get_by_role("link", name=f"Service request {case}").click()
    await expect(page.locator("main")).to_contain_text(ANSWER)
    await expect(page.locator("main")).to_contain_text("Bram Tollivane")
    await keep(page, "w10-service-request")


async def w11_approve(system, page, link, asked):
    """Approve, after a page that shows what is confirmed: access for eight hours. Returns the grant."""
    await page.goto(link)
    await page.get_by_label("Reason").fill("Please find the cause.")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Confirm: approve")
    await keep(page, "w11-confirm")
    await page.get_by_role("button", name="Confirm and approve").click()
    await expect(page.locator("main")).to_contain_text("Access is open")
    await keep(page, "w11-approved")
    with system.lockbox.database.unit_of_work(read_only=True) as uow:
        grant = uow.grants.find_of_request(asked)
    assert grant.not_after - grant.not_before == timedelta(hours=8)
    return grant

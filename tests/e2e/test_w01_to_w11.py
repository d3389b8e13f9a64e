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


async def test_w1_to_w11_from_the_problem_to_the_desktop(system, chromium, desktops):
    people = system.people

    # W1 W2  Bram has a problem and opens a service request.
    bram = await chromium.window()
    await bram.goto(f"/t/{AMBERTIDE}/service-requests/new")
    await keep(bram, "w01-sign-in")
    await sign_in(bram, people["bram"])
    await bram.get_by_label("What is the problem, in one line?").fill(TITLE)
    await bram.get_by_label("What happens, since when").fill(DESCRIPTION)
    await bram.get_by_label("Where?").select_option(f"ambertide-production|{KILN.lower()}")
    await bram.get_by_role("button", name="Open service request").click()
    await expect(bram.get_by_role("heading", level=1)).to_have_text(TITLE)
    case = re.search(r"SR-[0-9A-Z-]+", await bram.locator("main").inner_text())[0]
    await keep(bram, "w02-service-request")

    # W2 W3  Idris takes it, reads it and answers.
    idris = await chromium.window(people["idris"])
    await idris.goto("/engineer")
    await idris.get_by_role("link", name=TITLE).click()
    await idris.get_by_role("button", name="Take this service request").click()
    await idris.get_by_label("Your message").fill("Telemetry shows the service stopping, not the reason.")
    await idris.get_by_role("button", name="Send message").click()

    # W4 W5 W6  Telemetry does not suffice: he asks for elevation, the rules allow it, the customer is asked.
    await idris.get_by_label("What you need to do").fill(JUSTIFICATION)
    await idris.get_by_role("button", name="Check the rules").click()
    await expect(idris.get_by_text("If you ask now: the customer is asked at once")).to_be_visible()
    await idris.get_by_role("button", name="Request elevation").click()
    await expect(idris.locator("main")).to_contain_text("Customer Notified")
    await keep(idris, "w06-customer-notified")
    asked = system.entries(code="request.created")[-1].event.subject.removeprefix("request:")

    # W7  The designated approvers get a mail; its link needs a sign-in.
    mail = until(lambda: system.mails_to("senna", asked), "mail to the owner")[0]
    until(lambda: system.mails_to("orla", asked), "mail to the Lockbox approver")
    assert not system.mails_to("bram", asked)
    assert not system.mails_to("rhea", asked)
    link = re.search(re.escape(system.base_url) + r"\S+", mail.text)[0]
    assert link in mail.html
    senna = await chromium.window()
    await senna.goto(link)
    await expect(senna.locator("input[type=password]")).to_be_visible()
    assert asked not in await senna.locator("main").inner_text()
    await sign_in(senna, people["senna"])
    await expect(senna).to_have_url(link)
    await expect(senna.get_by_role("heading", level=1)).to_contain_text("Idris Marrowby")

    # W8 W9 W10  Landing page with the pending requests, the request, the service request behind it.
    await senna.goto("/")
    await expect(senna.get_by_role("table", name="Pending requests")).to_contain_text(asked)
    await keep(senna, "w08-pending-requests")
    row = senna.get_by_role("row").filter(has_text=asked)
    await row.get_by_role("link").first.click()
    await keep(senna, "w09-request")
    for fact in ("Idris Marrowby", "vm-kiln-07", JUSTIFICATION, "8 hours", "ordinary user"):
        await expect(senna.locator("main")).to_contain_text(fact)
    await senna.get_by_role("link", name=f"Service request {case}").click()
    await expect(senna.locator("main")).to_contain_text("Telemetry shows the service stopping")
    await expect(senna.locator("main")).to_contain_text("Bram Tollivane")
    await keep(senna, "w10-service-request")

    # W11  She approves after a page that shows what she confirms; the engineer has access for eight hours.
    await senna.goto(link)
    await senna.get_by_label("Reason").fill("Please find the cause.")
    await senna.get_by_role("button", name="Approve").click()
    await expect(senna.get_by_role("heading", level=1)).to_contain_text("Confirm: approve")
    await keep(senna, "w11-confirm")
    await senna.get_by_role("button", name="Confirm and approve").click()
    await expect(senna.locator("main")).to_contain_text("Access is open")
    await keep(senna, "w11-approved")
    with system.lockbox.database.unit_of_work(read_only=True) as uow:
        grant = uow.grants.find_of_request(asked)
    assert grant.not_after - grant.not_before == timedelta(hours=8)

    # The desktop in the browser.
    session = await connect(idris, grant.id)
    await picture(idris, desktops["xrdp"].patch)
    await keep(idris, "w11-desktop")
    await senna.reload()
    await expect(senna.locator("main")).to_contain_text("Active session")
    await keep(senna, "w11-active-session")
    await senna.get_by_role("button", name="End access now").first.click()
    await ended(idris, "Senna Quillmere ended this access")
    await keep(idris, "w11-ended")
    report = check_recording(system, session)
    assert report.reason == "revoked"
    check_secrecy(system, await idris.content(), mail.text, mail.html)

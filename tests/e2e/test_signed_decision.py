"""Decisions that the customer signs, in Chromium: from the first key on the roster to an access that rests on a signature."""

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from openlockbox.grants.assertion import verify_signature
from openlockbox.grants.grant import peek_grant
from openlockbox.services import roster as rosters
from openlockbox.services.work import Caller
from tests.e2e.authenticator import add_authenticator, enrol
from tests.e2e.browser import END_TO_END, Chromium, connect, keep, picture
from tests.e2e.cast import AMBERTIDE, KILN
from tests.e2e.steps import check_log, open_case, path_of, pending, request
from tests.e2e.system import running_system, until

pytestmark = END_TO_END
ROSTER = f"/t/{AMBERTIDE}/roster"


@pytest.fixture
def installation(desktops, tmp_path):
    """Return an installation of the test's own: a roster changes what counts for everybody in the organization."""
    with running_system(tmp_path, desktops) as system:
        yield system
        check_log(system)


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser, installation):
    opened = Chromium(browser, installation)
    yield opened
    await opened.close()


async def desk(windows: Chromium, system, name: str) -> Page:
    """Open a window with a passkey of somebody's in it."""
    person = system.people[name]
    person.sign_in()
    page = await windows.window(person)
    await add_authenticator(page)
    await enrol(page, f"Key of {name}")
    return page


def roster_of(system):
    caller = Caller(principal_id=system.people["senna"].member.id, mfa_at=None)
    return rosters.read(system.lockbox, caller, tenant_id=AMBERTIDE).roster


def key_of(system, name: str) -> str:
    caller = Caller(principal_id=system.people["senna"].member.id, mfa_at=None)
    view = rosters.read(system.lockbox, caller, tenant_id=AMBERTIDE)
    return next(key.key_id for key in (*view.waiting, *view.roster.keys) if key.principal_id == name)


async def decide(page: Page, asked, answer: str, *, reason: str = "") -> None:
    await page.goto(path_of(asked).replace("/tenants/", "/t/"))
    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name=answer).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Confirm")


async def sign(page: Page) -> None:
    await page.get_by_role("button", name="Confirm and sign with your passkey").click()


async def pictures(page: Page, name: str) -> None:
    """Keep the page as a telephone and as a desk show it."""
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        await keep(page, f"{name}-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
    await page.set_viewport_size({"width": 1100, "height": 900})


async def test_from_the_first_key_to_an_access_that_rests_on_a_signature(installation, windows, desktops):
    system = installation
    early = pending(system)
    senna = await desk(windows, system, "senna")

    # The first key, with the operator's code.
    await senna.goto(ROSTER)
    await pictures(senna, "roster-empty")
    await senna.get_by_role("button", name="Show what I sign").click()
    code = system.command("tenant", "roster-code", AMBERTIDE).splitlines()[1].strip()
    await senna.get_by_label("One-time code for the first key").fill(code)
    await pictures(senna, "roster-sign")
    await senna.get_by_role("button", name="Sign with your passkey").click()
    await expect(senna.get_by_role("status")).to_contain_text("The roster was changed")
    root = roster_of(system).digest
    await expect(senna.locator(".fingerprint")).to_have_text(" ".join(root[i : i + 4] for i in range(0, 64, 4)))
    await pictures(senna, "roster")

    # Who waited before it has to be asked for again: the key came later.
    await decide(senna, early, "Approve")
    await expect(senna.locator("main")).to_contain_text("You cannot sign this decision.")
    await pictures(senna, "confirm-added-later")
    case = open_case(system, resource=KILN)
    engineer = await desk(windows, system, "idris")

    # A denial and an approval, signed on the page.
    denied = pending(system)
    await decide(senna, denied, "Deny", reason="Not today.")
    await sign(senna)
    await expect(senna.locator("main")).to_contain_text("signed with a passkey of Senna")
    assert request(system, denied["id"])["decision"]["method"] == "passkey"
    asked = pending(system, case)
    await decide(senna, asked, "Approve")
    await pictures(senna, "confirm-signed")
    await sign(senna)
    await expect(senna.locator("main")).to_contain_text("signed with a passkey of Senna")
    await pictures(senna, "request-signed")
    grant_id = request(system, asked["id"])["grant"]["id"]
    with system.lockbox.database.unit_of_work(read_only=True) as uow:
        wire = peek_grant(uow.grants.get(grant_id).wire)
    roster = roster_of(system)
    (key,) = roster.keys
    verify_signature(key, wire.decision.signature, wire.decision.statement, rp_id=roster.rp_id, origins=roster.origins)
    assert wire.decision.key_id == key.key_id
    await connect(engineer, grant_id)
    await picture(engineer, desktops["xrdp"].patch)


async def test_additions_do_not_count_for_waiting_requests_and_removals_do_at_once(installation, windows):
    system = installation
    senna, orla = await desk(windows, system, "senna"), await desk(windows, system, "orla")
    await desk(windows, system, "idris")
    await senna.goto(ROSTER)
    await senna.get_by_role("button", name="Show what I sign").click()
    code = system.command("tenant", "roster-code", AMBERTIDE).splitlines()[1].strip()
    await senna.get_by_label("One-time code for the first key").fill(code)
    await senna.get_by_role("button", name="Sign with your passkey").click()
    await expect(senna.get_by_role("status")).to_contain_text("The roster was changed")
    waiting = pending(system)
    until(lambda: system.mails_to("orla", "roster"), "mail about the roster")

    # An addition.
    await senna.get_by_role("checkbox").first.check()
    await senna.get_by_role("button", name="Show what I sign").first.click()
    await senna.get_by_role("button", name="Sign with your passkey").click()
    await expect(senna.get_by_role("status")).to_contain_text("The roster was changed")
    assert [k.added_in for k in roster_of(system).keys if k.principal_id == "orla"] == [2]
    await decide(orla, waiting, "Approve")
    await expect(orla.locator("main")).to_contain_text("came onto the approver roster after this request")

    # A removal, while Senna reads what she would sign.
    await decide(senna, waiting, "Approve")
    await orla.goto(ROSTER)
    await orla.locator(f"form:has(input[name=remove][value='{key_of(system, 'senna')}']) button").first.click()
    await orla.get_by_role("button", name="Sign with your passkey").click()
    await expect(orla.get_by_role("status")).to_contain_text("The roster was changed")
    await sign(senna)
    await expect(senna.get_by_role("alert")).to_contain_text("This key is not on the approver roster as yours.")
    assert request(system, waiting["id"])["state"] == "customer_notified"
    later = pending(system, approver="orla")
    await decide(orla, later, "Approve")
    await sign(orla)
    await expect(orla.locator("main")).to_contain_text("signed with a passkey of Orla")

"""Passkeys in a real browser: two are enrolled, one signs in, one is removed after a step-up; and what is refused."""

import json
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from playwright.async_api import Error, Page, expect

from openlockbox.grants.assertion import verify_assertion
from openlockbox.grants.encoding import parse_b64url
from openlockbox.services import passkeys
from openlockbox.services.work import Caller
from tests.e2e.authenticator import add_authenticator, enrol, sign_in_with_passkey
from tests.e2e.browser import END_TO_END, keep
from tests.e2e.system import free_port

pytestmark = END_TO_END
REFUSED = "The passkey was not accepted."


async def passkeys_of(page: Page):
    await page.goto("/profile")
    return page.locator("#passkeys li.role")


async def begin(page: Page, path: str, **fields: str) -> str:
    """Ask for options as the page's script does, without letting it go on."""
    return await page.evaluate(
        """async ([path, fields]) => {
          const body = new URLSearchParams({csrf: document.querySelector('main input[name=csrf]').value, ...fields});
          return (await fetch(path, {method: 'POST', body})).text();
        }""",
        [path, fields],
    )


async def answer(page: Page, options: str, **changes: object) -> str:
    """Let the browser's authenticator answer options, changed as a misbehaving page would."""
    return await page.evaluate(
        """async ([options]) => {
          const script = document.querySelector('script[src*="passkeys"]').src;
          return (await import(script)).assert(options);
        }""",
        [json.loads(options) | changes],
    )


async def send(page: Page, path: str, **fields: str) -> tuple[int, str]:
    """Send a form's fields as the page's script does, and return status and text."""
    found = await page.evaluate(
        """async ([path, body]) => {
          const csrf = document.querySelector('main input[name=csrf]').value;
          const answer = await fetch(path, {method: 'POST', body: new URLSearchParams(body + '&csrf=' + encodeURIComponent(csrf))});
          return [answer.status, await answer.text()];
        }""",
        [path, urlencode(fields)],
    )
    return found[0], found[1]


async def answer_at(page: Page, address: str, source: str, options: dict) -> str:
    """Use our script on a page of somebody else."""
    await page.route(f"{address}*", lambda route: route.fulfill(body="<h1>Evil</h1>", content_type="text/html"))
    await page.goto(address)
    return await page.evaluate(
        """async ([source, options]) => {
          const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
          return module.assert(options);
        }""",
        [source, options],
    )


async def test_two_are_enrolled_one_signs_in_and_one_is_removed(system, chromium):
    senna = system.people["senna"]
    senna.sign_in()
    page = await chromium.window(senna)
    await page.goto("/profile")
    await expect(page.locator("#passkeys")).to_contain_text("You have no passkey yet")
    telephone = await add_authenticator(page)
    await enrol(page, "Telephone")
    await page.locator("#key_name").fill("Telephone again")  # the same device
    await page.locator("form[data-passkey=create] button").click()
    await expect(page.get_by_role("alert")).to_contain_text("This device already has a passkey of yours.")
    (credential,) = await telephone.credentials()
    await telephone.remove()
    safe = await add_authenticator(page)
    await enrol(page, "Key in the safe")
    await expect(await passkeys_of(page)).to_have_count(2)
    await keep(page, "passkeys")

    other = await chromium.window()
    device = await add_authenticator(other)
    await device.add(credential)
    await sign_in_with_passkey(other, senna)
    await expect(other).not_to_have_url(re.compile("/sign-in"))
    await expect((await passkeys_of(other)).filter(has_text="Telephone")).to_contain_text("last used")

    system.advance(timedelta(minutes=11))
    row = (await passkeys_of(other)).filter(has_text="Key in the safe")
    await row.locator("summary").click()
    await row.get_by_role("button", name="Remove").click()
    await expect(other.locator("h1")).to_have_text("Confirm that it is you")
    await keep(other, "step-up")
    await other.get_by_role("button", name="Use a passkey").click()
    await expect(other.get_by_role("status")).to_contain_text("Repeat your step now")
    row = other.locator("#passkeys li.role").filter(has_text="Key in the safe")
    await row.locator("summary").click()
    await row.get_by_role("button", name="Remove").click()
    await expect(other.locator("#passkeys li.role")).to_have_count(1)
    codes = [e.event.code for e in system.entries(actor="principal:senna")]
    assert [c for c in codes if c.startswith("passkey") or c == "sign_in.stepped_up"] == [
        "passkey.added", "passkey.added", "passkey.remove.refused", "sign_in.stepped_up", "passkey.removed",
    ]  # fmt: skip

    # The removed one opens nothing any more, and is not even asked for.
    await page.context.clear_cookies()
    assert len(await safe.credentials()) == 1
    await sign_in_with_passkey(page, senna)
    await expect(page.get_by_role("alert")).to_be_visible()
    assert "/sign-in" in page.url
    assert system.mails_to("senna", "Key in the safe")


async def test_what_is_refused_at_sign_in_and_step_up(system, chromium):
    orla, rhea = system.people["orla"], system.people["rhea"]
    for person in (orla, rhea):
        person.sign_in()
    theirs = await chromium.window(rhea)
    await add_authenticator(theirs)
    await enrol(theirs, "Rhea's")
    page = await chromium.window(orla)
    device = await add_authenticator(page)
    await enrol(page, "Orla's")
    (credential,) = await device.credentials()
    await page.goto("/step-up")

    # A replayed challenge.
    response = await answer(page, await begin(page, "/step-up/begin"))
    assert (await send(page, "/step-up/passkey", response=response))[0] == 200
    status, text = await send(page, "/step-up/passkey", response=response)
    assert (status, REFUSED in text) == (422, True)

    # Another person's key, and another person's challenge.
    await theirs.goto("/step-up")
    hers = await answer(theirs, await begin(theirs, "/step-up/begin"))
    assert (await send(page, "/step-up/passkey", response=hers))[0] == 422
    stolen = json.loads(await begin(page, "/step-up/begin"))
    swapped = await answer(theirs, await begin(theirs, "/step-up/begin"), challenge=stolen["challenge"])
    assert (await send(page, "/step-up/passkey", response=swapped))[0] == 422

    # No fingerprint: the page's own script asks for one and gets none; one that does not ask is refused by the server.
    await device.verify_nobody()
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("That was stopped or took too long.")
    unverified = await answer(page, await begin(page, "/step-up/begin"), userVerification="discouraged")
    assert (await send(page, "/step-up/passkey", response=unverified))[0] == 422

    # Pages of other origins: the browser refuses another host, the server another port.
    options = json.loads(await begin(page, "/step-up/begin"))
    evil = await chromium.window()
    await (await add_authenticator(evil)).add(credential)
    module = await page.locator("script[src*=passkeys]").get_attribute("src")
    source = await (await page.context.request.get(module)).text()
    with pytest.raises(Error, match="SecurityError"):
        await answer_at(evil, "http://evil.localhost/", source, options)
    elsewhere = await answer_at(evil, f"http://localhost:{free_port()}/", source, options)
    status, text = await send(page, "/step-up/passkey", response=elsewhere)
    assert (status, REFUSED in text) == (422, True)
    refused = [e.event.detail["code"] for e in system.entries(code="step_up.refused", actor="principal:orla")]
    assert refused == ["passkey_refused"] * 5


async def test_a_statement_is_signed_as_the_contract_says(system, chromium):
    """Check the page's `assertStatement` with the verifier that gateways use."""
    milo = system.people["milo"]
    milo.sign_in()
    page = await chromium.window(milo)
    await add_authenticator(page)
    await enrol(page, "Telephone")
    (held,) = passkeys.mine(system.lockbox, Caller(principal_id="milo", mfa_at=None))
    statement = '{"by":"ミロ","type":"test"}'
    signature = await page.evaluate(
        """async ([statement, id]) => {
          const module = await import(document.querySelector('script[src*="passkeys"]').src);
          return module.assertStatement(statement, {rpId: 'localhost', credentialIds: [id]});
        }""",
        [statement, held.credential_id],
    )
    verify_assertion(
        signature,
        statement=statement,
        public_key_spki=parse_b64url(held.public_key_spki),
        rp_id="localhost",
        origins=[system.base_url],
    )

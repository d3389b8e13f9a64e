"""Passkeys over HTTP: the profile's section, the step-up page, and the second way to sign in."""

from datetime import timedelta

import pyotp
import pytest

from openlockbox.domain.errors import LockboxError, StepUpRequired
from openlockbox.domain.ids import OPERATOR_COMMAND, PrincipalId
from openlockbox.services import accounts, passkeys
from openlockbox.services.passkey_ports import AutomationKey
from openlockbox.testing.authenticator import UP, SoftAuthenticator
from openlockbox.web.portal.failures import portal_exception_handlers
from openlockbox.web.portal.security import DOOR_PATHS
from tests.integration.web.portal.conftest import assert_is_sound

PASSWORD = "correct horse battery"
STALE = timedelta(minutes=11)


@pytest.fixture
def totp(world):
    uri = accounts.enrol_locally(world.lockbox, "senna", password=PASSWORD, actor=OPERATOR_COMMAND)
    return pyotp.parse_uri(uri)


def begin(browser, page, path, action, **fields):
    """Do what the script does: ask for options with the form's CSRF value."""
    answer = browser.send("POST", path, {"csrf": page.form(action)["csrf"], **fields})
    assert answer.headers["content-type"].startswith("application/json")
    return answer


def enrol(browser, authenticator, name="Telephone"):
    page = browser.get("/profile")
    options = begin(browser, page, "/profile/passkeys/begin", "/profile/passkeys")
    return browser.post(page, "/profile/passkeys", key_name=name, response=authenticator.create(options.text))


def mine(world, name="senna"):
    return passkeys.mine(world.lockbox, world.caller(name))


def test_the_profile_says_why_a_passkey_is_worth_having(world, browse):
    page = assert_is_sound(browse("senna").send("GET", "/profile"))
    assert "You have no passkey yet" in page.text
    assert "nobody at the provider can decide in your place" in page.text
    (form,) = [found for found, _ in page.forms if found.get("action") == "/profile/passkeys"]
    assert (form["data-passkey"], form["data-begin"]) == ("create", "/profile/passkeys/begin")
    assert "hidden" in form  # only the script shows what only the script can do
    assert page.count("script", type="module") == 1


@pytest.mark.parametrize("language", ["en", "ja"])
def test_passkeys_are_listed_renamed_and_removed(world, browse, language):
    browser = browse("senna", language)
    answer = enrol(browser, SoftAuthenticator())
    assert (answer.status_code, answer.headers["location"]) == (303, "/profile#passkeys")
    page = assert_is_sound(browser.send("GET", "/profile"))
    (passkey,) = mine(world)
    assert "Telephone" in page.text
    assert passkey.key_id in page.text
    assert {"en": "not used yet", "ja": "まだ使われていません"}[language] in page.text
    browser.post(page, f"/profile/passkeys/{passkey.key_id}/rename", key_name="Old <b>telephone</b>")
    page = assert_is_sound(browser.send("GET", "/profile"))
    assert "Old <b>telephone</b>" in page.text
    browser.post(page, f"/profile/passkeys/{passkey.key_id}/remove")
    assert mine(world) == ()


def test_keys_of_automations_are_listed_and_removed(world, browse):
    with world.lockbox.database.unit_of_work() as uow:
        uow.passkeys.add_automation_key(
            AutomationKey(
                key_id="0" * 16,
                principal_id=PrincipalId("senna"),
                public_key="A" * 43,
                name="Nightly",
                created_at=world.clock.now,
            )
        )
        uow.commit()
    browser = browse("senna")
    page = assert_is_sound(browser.send("GET", "/profile"))
    assert "Keys of your automations" in page.text
    browser.post(page, f"/profile/signing-keys/{'0' * 16}/remove")
    assert "Nightly" not in browser.get("/profile").text
    assert "signing_key.removed" in world.actions()


def test_a_stale_second_factor_leads_to_the_step_up_page_and_back(world, browse, totp):
    browser, authenticator = browse("senna"), SoftAuthenticator()
    enrol(browser, authenticator)
    (passkey,) = mine(world)
    world.clock.advance(STALE)
    page = browser.get("/profile")
    remove = f"/profile/passkeys/{passkey.key_id}/remove"
    for action, fields in ((remove, {}), ("/profile/tokens", {"name": "ci", "scopes": "requests.read"})):
        answer = browser.post(page, action, **fields)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/step-up?next=/profile")
    refused = begin(browser, page, "/profile/passkeys/begin", "/profile/passkeys")
    assert refused.status_code == 403
    assert refused.json()["location"] == "/step-up?next=/profile%23passkeys"
    assert "olbx_" not in answer.text
    shown = assert_is_sound(browser.send("GET", refused.json()["location"]))
    options = begin(browser, shown, "/step-up/begin", "/step-up/passkey")
    done = browser.post(shown, "/step-up/passkey", response=authenticator.get(options.text))
    assert (done.status_code, done.headers["location"]) == (303, "/profile#passkeys")
    page = browser.get("/profile")
    assert "Repeat your step now" in page.text
    assert browser.post(page, remove).headers["location"] == "/profile#passkeys"
    assert mine(world) == ()


def test_a_code_steps_up_without_scripts_and_a_wrong_one_is_said(world, browse, totp):
    browser = browse("senna")
    world.clock.advance(STALE)
    page = assert_is_sound(browser.send("GET", "/step-up?next=//evil.example"))
    assert page.count("form", action="/step-up/passkey") == 0  # there is none to use
    wrong = browser.post(page, "/step-up", code="000000")
    assert wrong.status_code == 403
    assert "The code is not right." in assert_is_sound(wrong).text
    done = browser.post(page, "/step-up", code=totp.at(world.clock.now))
    assert (done.status_code, done.headers["location"]) == (303, "/profile")


def test_a_refused_passkey_shows_the_page_again(world, browse, totp):
    browser, authenticator = browse("senna"), SoftAuthenticator()
    enrol(browser, authenticator)
    page = browser.get("/step-up")
    authenticator.flags = UP
    options = begin(browser, page, "/step-up/begin", "/step-up/passkey")
    answer = browser.post(page, "/step-up/passkey", response=authenticator.get(options.text))
    assert answer.status_code == 422
    assert "The passkey was not accepted." in assert_is_sound(answer).text


def test_password_and_passkey_sign_in_and_lead_on(world, browse, totp):
    authenticator = world.passkey("senna")
    browser = browse("")
    page = browser.get("/sign-in?next=/profile")
    options = begin(
        browser, page, "/sign-in/passkey/begin", "/sign-in/passkey", mail="senna@ambertide.example", password=PASSWORD
    )
    assert [c["id"] for c in options.json()["allowCredentials"]] == [authenticator.credential_id]
    answer = browser.post(page, "/sign-in/passkey", response=authenticator.get(options.text))
    assert (answer.status_code, answer.headers["location"]) == (303, "/profile")
    assert "last used" in browser.get("/profile").text
    replayed = browse("")
    page = replayed.get("/sign-in")
    answer = replayed.post(page, "/sign-in/passkey", response=authenticator.get(options.text))
    assert answer.status_code == 422
    assert "The passkey was not accepted." in assert_is_sound(answer).text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_script_is_told_in_the_readers_language_why_not(world, browse, totp, language):
    browser = browse("", language)
    page = assert_is_sound(browser.send("GET", "/sign-in"))
    answer = begin(
        browser, page, "/sign-in/passkey/begin", "/sign-in/passkey", mail="senna@ambertide.example", password=PASSWORD
    )
    assert answer.status_code == 401  # as for a wrong password: she has no passkey
    sentence = {"en": "The name, the password or the code is not right.", "ja": "正しくありません"}
    assert sentence[language] in answer.json()["detail"]
    assert "set-cookie" not in answer.headers


def test_no_step_goes_without_a_csrf_value(world, browse, everything):
    before = everything()
    for path in sorted(DOOR_PATHS):
        assert browse("").send("POST", path, {"mail": "x"}).status_code == 403
    signed = browse("senna")
    for path in ("/step-up", "/step-up/begin", "/step-up/passkey", "/profile/passkeys", "/profile/passkeys/begin"):
        assert signed.send("POST", path, {"code": "1"}).status_code == 403
    assert everything() == before


def test_a_step_up_that_no_page_expects_leads_there_too():
    answer = portal_exception_handlers()[LockboxError](None, StepUpRequired())
    assert (answer.status_code, answer.headers["Location"]) == (303, "/step-up?next=/")


def test_pages_may_ask_for_passkeys_of_their_own_origin_only(world, browse):
    answer = browse("").send("GET", "/sign-in")
    policy = answer.headers["permissions-policy"]
    assert "publickey-credentials-get=(self)" in policy
    assert "publickey-credentials-create=(self)" in policy
    assert "connect-src 'self'" in answer.headers["content-security-policy"]


def test_a_disabled_persons_script_is_led_to_the_sign_in_page(world, browse):
    browser = browse("senna")
    page = browser.get("/profile")
    with world.lockbox.database.unit_of_work() as uow:
        uow.identity.remove_sign_ins_of(PrincipalId("senna"))
        uow.commit()
    answer = browser.send("POST", "/profile/passkeys/begin", {"csrf": page.form("/profile/passkeys")["csrf"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

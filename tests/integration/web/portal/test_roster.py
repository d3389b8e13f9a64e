"""The approver roster and signed decisions in the portal, with an authenticator in software in the place of the script."""

import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.elevation import Permission
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.grants.assertion import name_key, sign_text
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.grants.roster import SignedBy, signed_roster_text
from openlockbox.services import elevation, passkeys, roster
from openlockbox.services.roster import Change
from tests.integration.web.portal.conftest import assert_is_sound
from tests.world import AMBERTIDE

T = "/t/ambertide"
PAGE = f"{T}/roster"


def key_of(authenticator):
    return name_key(authenticator.spki)


def newest(world):
    return roster.read(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).roster


def sign(browser, page, authenticator, action=PAGE, **fields):
    """Do what sign.js does."""
    statement = page.form(action)["statement"]
    return browser.post(page, action, signature=authenticator.sign_statement(statement), **fields)


def shown(browser, page, action, **fields):
    """Send one of the page's forms that answers with a page; several lead to the same address."""
    response = browser.send("POST", action, {"csrf": page.form("/sign-out")["csrf"], **fields})
    assert response.status_code == 200, response.text[:400]
    return assert_is_sound(response)


# ---- the roster ----


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_explains_itself_while_there_is_none(world, browse, language):
    for name in ("senna", "tessa"):
        page = assert_is_sound(browse(name, language).send("GET", PAGE))
        expected = {"en": "No key is on the roster yet", "ja": "まだ登録簿に鍵がありません"}[language]
        assert expected in page.text
    assert "roster" in browse("senna").get(f"{T}/settings").response.text
    assert "/roster" not in browse("rhea").get(f"{T}/settings").response.text


def test_the_first_key_is_signed_on_with_the_code(world, browse):
    senna, browser = world.passkey("senna"), browse("senna")
    code = roster.issue_code(world.lockbox, tenant_id=AMBERTIDE)
    page = shown(browser, browser.get(PAGE), f"{PAGE}/change", add=key_of(senna))
    assert key_of(senna) in page.text
    assert "http://localhost" in page.text
    assert newest(world) is None
    (form,) = [found for found, _ in page.forms if "data-sign" in found]
    assert (form["data-rp-id"], form["data-credentials"]) == ("localhost", senna.credential_id)
    refused = sign(browser, page, senna, code="wrong")
    assert refused.status_code == 403
    assert "one-time code" in refused.text
    done = sign(browser, page, senna, code=code)
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    seen = browser.get(PAGE)
    assert_is_sound(seen.response)
    assert "The roster was changed" in seen.text
    digest = newest(world).digest
    assert " ".join(re.findall("....", digest)) in seen.text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_keys_are_added_and_removed(world, browse, language):
    senna, orla = world.rostered("senna")["senna"], world.passkey("orla")
    browser = browse("senna", language)
    page = shown(browser, browser.get(PAGE), f"{PAGE}/change", add=key_of(orla))
    assert "Orla" in page.text
    assert sign(browser, page, senna).status_code == 303
    assert len(newest(world).keys) == 2
    page = shown(browser, browser.get(PAGE), f"{PAGE}/change", remove=key_of(senna))
    assert sign(browser, page, senna).status_code == 303
    assert [key.principal_id for key in newest(world).keys] == ["orla"]
    seen = assert_is_sound(browser.send("GET", PAGE))
    assert {"en": "No key of yours is on the roster", "ja": "あなたの鍵は登録簿にありません"}[language] in seen.text


def test_a_wrong_signature_changes_nothing(world, browse):
    world.rostered("senna")
    orla, browser = world.passkey("orla"), browse("senna")
    page = shown(browser, browser.get(PAGE), f"{PAGE}/change", add=key_of(orla))
    refused = sign(browser, page, orla)
    assert refused.status_code == 409
    assert_is_sound(refused)
    assert newest(world).version == 1
    for text in ("", "{}", page.form(PAGE)["statement"] + " "):
        assert browser.post(page, PAGE, statement=text, signature="x").status_code == 409


def test_an_old_second_factor_is_asked_for_first(world, browse):
    senna = world.rostered("senna")["senna"]
    browser = browse("senna")
    page = browser.get(PAGE)
    change = shown(browser, page, f"{PAGE}/change", unsigned_decisions="yes")
    world.clock.advance(timedelta(minutes=11))
    for answer in (browser.post(page, f"{PAGE}/change", unsigned_decisions="yes"), sign(browser, change, senna)):
        assert answer.headers["location"] == f"/step-up?next={PAGE}"


def test_two_people_sign_one_after_the_other(world, browse):
    held = world.rostered("senna", "orla")
    world.sign_roster(Change(quorum=2), held["senna"])
    first, second = browse("senna"), browse("orla")
    page = shown(first, first.get(PAGE), f"{PAGE}/change", unsigned_decisions="yes")
    assert "0 of 2 so far" in page.text
    half = sign(first, page, held["senna"])
    assert half.status_code == 409
    assert "1 of 2 so far" in assert_is_sound(half).text
    carried = assert_is_sound(half)
    file = first.post(carried, f"{PAGE}/download")
    assert file.headers["content-disposition"] == 'attachment; filename="roster-ambertide-3.json"'
    page = shown(second, second.get(PAGE), f"{PAGE}/review", brought=file.text)
    assert "1 of 2 so far" in page.text
    assert sign(second, page, held["orla"]).status_code == 303
    assert newest(world).unsigned_decisions


def test_a_recovery_key_signs_elsewhere(world, browse):
    senna, browser = world.rostered("senna")["senna"], browse("senna")
    safe = Ed25519Signer(Ed25519PrivateKey.generate())
    page = shown(browser, browser.get(PAGE), f"{PAGE}/change", recovery_keys=encode_public_key(safe.public_key))
    assert safe.key_id in page.text
    assert sign(browser, page, senna).status_code == 303
    orla, other = world.passkey("orla"), browse("orla")
    page = shown(other, other.get(PAGE), f"{PAGE}/change", add=key_of(orla), remove=key_of(senna))
    assert "You have no passkey here that can sign this now" in page.text
    text = other.post(page, f"{PAGE}/download").text
    signed = signed_roster_text(text, [SignedBy(safe.key_id, sign_text(text, safe))])
    page = shown(other, other.get(PAGE), f"{PAGE}/review", brought=f" {signed}\n")
    assert other.post(page, PAGE).status_code == 303
    assert [key.principal_id for key in newest(world).keys] == ["orla"]


@pytest.mark.parametrize(
    "wrong", [{"quorum": "x"}, {"quorum": "9"}, {"recovery_keys": "x"}, {"witnesses": "x"}, {"witnesses": "x" * 9_000}]
)
def test_rules_that_cannot_be_are_refused(world, browse, wrong):
    world.rostered("senna")
    browser = browse("senna", "ja")
    refused = browser.post(browser.get(PAGE), f"{PAGE}/change", **wrong)
    assert refused.status_code in {409, 422}
    assert_is_sound(refused)


def test_what_is_brought_must_be_a_roster(world, browse):
    browser = browse("senna")
    for text in ("", "x", "{}"):
        refused = browser.post(browser.get(PAGE), f"{PAGE}/review", brought=text)
        assert refused.status_code == 409
        assert_is_sound(refused)


# ---- decisions ----


def confirm(browser, request, **fields):
    """Write a decision and return its confirm page."""
    path = f"{T}/requests/{request.id}"
    browser.post(
        browser.get(path), f"{path}/decide", **{"decision": "approve", "duration": "PT4H", "reason": "", **fields}
    )
    return assert_is_sound(browser.send("GET", f"{path}/confirm")), f"{path}/confirm"


def decided(world, request):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.lockbox_requests.get(request.id)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("answer", ["approve", "deny"])
def test_a_decision_is_signed_on_the_confirm_page_and_marked(world, browse, answer, language):
    senna = world.rostered("senna")["senna"]
    world.passkey("idris")
    request, browser = world.pending(), browse("senna", language)
    page, path = confirm(browser, request, decision=answer, reason="正午まで")
    assert page.form(path)["statement"] in page.text
    assert sign(browser, page, senna, path).status_code == 303
    made = decided(world, request)
    assert made.state is {"approve": RequestState.APPROVED, "deny": RequestState.DENIED}[answer]
    assert (made.decision.method, made.decision.reason) == ("passkey", "正午まで")
    for seen in (f"{T}/requests/{request.id}", f"{T}/requests"):
        text = assert_is_sound(browser.send("GET", seen)).text
        assert key_of(senna) in text
        assert {"en": "signed with a passkey of Senna", "ja": "Sennaさんのパスキーで署名済み"}[language] in text


def test_an_unsigned_decision_is_marked(world, browse):
    request, browser = world.pending(), browse("senna")
    page, path = confirm(browser, request)
    assert "This decision is not signed" in page.text
    assert browser.post(page, path).status_code == 303
    for seen in (f"{T}/requests/{request.id}", f"{T}/requests"):
        assert "not signed: password and one-time code" in assert_is_sound(browser.send("GET", seen)).text


def test_an_approver_lowers_the_permission_and_switches_channels_off(world, browse):
    senna = world.rostered("senna")["senna"]
    world.passkey("idris")
    question = world.ask(permission=Permission.ADMINISTRATOR, channels=frozenset({"clipboard"}))
    elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=question.id, reason="")
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        request = uow.lockbox_requests.find_of_jit(question.id)
    browser = browse("senna")
    page, path = confirm(browser, request, permission="operate", channels="clipboard")
    assert "lowered from administrator" in page.text
    assert sign(browser, page, senna, path).status_code == 303
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        granted = uow.grants.find_of_request(request.id).elevation
    assert (granted.permission, granted.channels) == (Permission.OPERATE, frozenset({"clipboard"}))


def test_all_channels_can_be_switched_off(world, browse):
    request, browser = world.pending(channels=frozenset({"clipboard"})), browse("senna")
    page, path = confirm(browser, request, channels="")
    assert browser.post(page, path).status_code == 303
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.grants.find_of_request(request.id).elevation.channels == frozenset()


def test_wrong_choices_are_refused_at_the_first_step(world, browse):
    request, browser = world.pending(), browse("senna")
    path = f"{T}/requests/{request.id}"
    answer = browser.post(browser.get(path), f"{path}/decide", decision="approve", duration="PT4H", permission="root")
    assert answer.status_code == 422
    browser.post(browser.get(path), f"{path}/decide", decision="approve", duration="PT4H", permission="administrator")
    assert browser.send("GET", f"{path}/confirm").status_code == 422


def test_who_cannot_sign_is_told_what_to_do(world, browse):
    held = world.rostered("senna")
    world.passkey("idris")
    request = world.pending()
    orla = browse("orla")
    page, path = confirm(orla, request)
    assert "none of yours is on it" in page.text
    assert not page.count("button", **{"class": "btn solid"})
    form = {"csrf": page.form("/sign-out")["csrf"], "decision": "deny", "duration": "PT1H", "digest": request.digest}
    assert orla.send("POST", path, form).status_code == 403
    world.sign_roster(Change(add=frozenset({key_of(world.passkey("orla"))})), held["senna"])
    page, _ = confirm(orla, request)
    assert "after this request was made" in page.text


def test_an_automations_key_alone_points_to_the_command(world, browse):
    held = world.rostered("senna")
    world.passkey("idris")
    automation = Ed25519Signer(Ed25519PrivateKey.generate())
    public_key = encode_public_key(automation.public_key)
    proof = sign_text(passkeys.signing_key_statement("orla", public_key), automation)
    passkeys.add_automation_key(world.lockbox, world.caller("orla"), name="ci", public_key=public_key, proof=proof)
    world.sign_roster(Change(add=frozenset({automation.key_id})), held["senna"])
    page, _ = confirm(browse("orla"), world.pending())
    assert "lockbox decide" in page.text


def test_where_unsigned_decisions_count_both_ways_are_offered(world, browse):
    senna = world.rostered("senna")["senna"]
    world.sign_roster(Change(unsigned_decisions=True), senna)
    request, browser = world.pending(), browse("senna")
    page, path = confirm(browser, request)
    assert "Approve without a signature" in page.text
    assert sign(browser, page, senna, path).status_code == 303
    assert decided(world, request).decision.method == "passkey"


def test_a_statement_that_is_too_old_leads_back(world, browse):
    senna = world.rostered("senna")["senna"]
    world.passkey("idris")
    request, browser = world.pending(), browse("senna")
    page, path = confirm(browser, request)
    world.clock.advance(timedelta(minutes=6))
    refused = sign(browser, page, senna, path)
    assert refused.status_code == 409
    assert "more than five minutes ago" in assert_is_sound(refused).text
    assert decided(world, request).state is RequestState.CUSTOMER_NOTIFIED

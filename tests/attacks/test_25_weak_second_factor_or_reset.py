"""Row 25: guesses are throttled, a password alone opens nothing, a passkey verifies its owner, and nothing resets by mail or SMS."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

import openlockbox
from openlockbox.domain.errors import CodeRefused, LockboxError, PasskeyRefused, StepUpRequired
from openlockbox.domain.ids import OPERATOR_COMMAND, PrincipalId
from openlockbox.services import accounts, passkey_sign_in, passkeys
from openlockbox.services.ports import Presented
from openlockbox.testing.authenticator import UP, UV
from tests.attacks.signing import approve_signed, begin_roster, sign
from tests.world import World

PASSWORD, MAIL = "correct horse battery", "senna@ambertide.example"
SOURCE = Path(openlockbox.__file__).parent


@pytest.fixture
def totp(world: World) -> pyotp.TOTP:
    uri = accounts.enrol_locally(world.lockbox, PrincipalId("senna"), password=PASSWORD, actor=OPERATOR_COMMAND)
    return pyotp.parse_uri(uri)


def try_to_sign_in(world: World, code: str, password: str = PASSWORD, source: str = "192.0.2.9") -> str:
    try:
        accounts.sign_in(world.lockbox, Presented(mail=MAIL, password=password, code=code, source=source))
    except LockboxError as refusal:
        return refusal.code
    return "signed_in"


def test_a_code_counts_once_and_only_the_next_step_counts_again(world: World, totp: pyotp.TOTP) -> None:
    code = totp.at(world.clock.now)
    assert [try_to_sign_in(world, code) for _ in range(2)] == ["signed_in", "sign_in_failed"]
    assert try_to_sign_in(world, totp.at(world.clock.now - timedelta(seconds=30))) == "sign_in_failed"
    world.clock.advance(timedelta(seconds=30))
    assert try_to_sign_in(world, totp.at(world.clock.now)) == "signed_in"


def test_the_code_of_a_sign_in_is_no_step_up(world: World, totp: pyotp.TOTP) -> None:
    code = totp.at(world.clock.now)
    presented = Presented(mail=MAIL, password=PASSWORD, code=code, source="192.0.2.9")
    secret = accounts.sign_in(world.lockbox, presented).secret
    with pytest.raises(CodeRefused):
        passkeys.step_up_by_code(world.lockbox, world.caller("senna"), secret=secret, code=code, source="192.0.2.9")


@pytest.mark.parametrize("code", ["", "0", "000000 ", "000000000000", "None"])
def test_a_password_alone_opens_nothing(world: World, totp: pyotp.TOTP, code: str) -> None:
    assert try_to_sign_in(world, code) == "sign_in_failed"


def test_the_right_code_comes_too_late_after_ten_guesses(world: World, totp: pyotp.TOTP) -> None:
    assert {try_to_sign_in(world, "000000") for _ in range(10)} == {"sign_in_failed"}
    assert try_to_sign_in(world, totp.at(world.clock.now)) == "throttled"


def test_guesses_at_the_second_factor_of_a_stolen_sign_in_are_throttled_too(world: World, totp: pyotp.TOTP) -> None:
    caller, codes = world.caller("senna"), []
    for _ in range(12):
        with pytest.raises(LockboxError) as refusal:
            passkeys.step_up_by_code(world.lockbox, caller, secret="x", code="000000", source="192.0.2.9")
        codes.append(refusal.value.code)
    assert codes == ["code_refused"] * 10 + ["throttled"] * 2


@pytest.mark.parametrize("flags", [UP, UV, 0])
def test_a_passkey_that_did_not_verify_its_owner_neither_enrols_nor_signs_in(world: World, totp, flags: int) -> None:
    with pytest.raises(PasskeyRefused):
        world.passkey("senna", flags=flags)
    key = world.passkey("senna")
    options = passkey_sign_in.begin(world.lockbox, Presented(mail=MAIL, password=PASSWORD, code="", source="192.0.2.9"))
    assert json.loads(options)["userVerification"] == "required"
    key.flags = flags
    with pytest.raises(PasskeyRefused):
        passkey_sign_in.finish(world.lockbox, response=key.get(options), source="192.0.2.9")


@pytest.mark.parametrize("flags", [UP, UV, 0])
def test_a_decision_without_the_owner_verified_does_not_count(world: World, flags: int) -> None:
    key = begin_roster(world).senna
    request = world.pending()
    key.flags = flags
    with pytest.raises(LockboxError) as refusal:
        approve_signed(world, request, sign(world, request, key))
    assert refusal.value.code == "signature_wrong"


@pytest.mark.parametrize("stale", [timedelta(minutes=10, microseconds=1), None])
def test_keys_are_not_changed_with_an_old_second_factor(world: World, stale: timedelta | None) -> None:
    caller = replace(world.caller("senna"), mfa_at=None if stale is None else world.clock.now - stale)
    with pytest.raises(StepUpRequired):
        passkeys.begin_enrolment(world.lockbox, caller)
    with pytest.raises(StepUpRequired):
        accounts.create_token(world.lockbox, caller, name="t", scopes=frozenset({"profile.read"}))


def test_there_is_no_way_to_reset_but_the_operators_console() -> None:
    by_layer = {
        path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if "enrol_locally" in path.read_text()
    }
    assert by_layer == {"cli", "services"}
    words = [
        p for p in SOURCE.rglob("*.py") if any(word in p.read_text().lower() for word in ("sms", "forgot_password"))
    ]
    assert words == []

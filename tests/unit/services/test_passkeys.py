"""Passkeys as use cases in memory: what `tests/integration/db/test_passkeys.py` needs no database for."""

from datetime import timedelta

import pyotp
import pytest

from openlockbox.domain.errors import (
    InvalidInput,
    LockboxError,
    SignInFailed,
    StepUpRequired,
    Throttled,
)
from openlockbox.domain.ids import OPERATOR_COMMAND, PrincipalId
from openlockbox.services import accounts, passkey_sign_in, passkeys, setup
from openlockbox.services.ports import Presented
from openlockbox.testing.authenticator import SoftAuthenticator

PASSWORD = "correct horse battery"
SENNA, MAIL = PrincipalId("senna"), "senna@ambertide.example"
SOURCE = "192.0.2.7"


@pytest.fixture
def totp(world):
    uri = accounts.enrol_locally(world.lockbox, SENNA, password=PASSWORD, actor=OPERATOR_COMMAND)
    return pyotp.parse_uri(uri)


def presented(password=PASSWORD, code=""):
    return Presented(mail=MAIL, password=password, code=code, source=SOURCE)


def names(world, name="senna"):
    return [p.name for p in passkeys.mine(world.lockbox, world.caller(name))]


def mails(world):
    with world.lockbox.database.unit_of_work() as uow:
        return [r.template for r in uow.outbox.due(world.clock.now, limit=99) if r.recipient == SENNA]


def step_up(world, authenticator, name="senna"):
    caller = world.caller(name)
    options = passkeys.begin_step_up(world.lockbox, caller)
    return lambda: passkeys.finish_step_up(
        world.lockbox, caller, secret=world.secret, response=authenticator.get(options)
    )


@pytest.fixture
def signed_in(world, totp):
    made = accounts.sign_in(world.lockbox, presented(code=totp.at(world.clock.now)))
    world.secret = made.secret
    return made


def test_acts_on_keys_need_a_second_factor_of_the_last_ten_minutes(world):
    authenticator = world.passkey("senna")
    key_id = passkeys.mine(world.lockbox, world.caller("senna"))[0].key_id
    stale = world.caller("senna")
    options = passkeys.begin_enrolment(world.lockbox, stale)
    world.clock.advance(timedelta(minutes=10, microseconds=1))
    acts = (
        lambda: passkeys.begin_enrolment(world.lockbox, stale),
        lambda: passkeys.finish_enrolment(world.lockbox, stale, name="x", response=SoftAuthenticator().create(options)),
        lambda: passkeys.remove(world.lockbox, stale, key_id=key_id),
        lambda: passkeys.remove_automation_key(world.lockbox, stale, key_id=key_id),
        lambda: accounts.create_token(world.lockbox, stale, name="t", scopes=frozenset({"requests.read"})),
        lambda: passkeys.remove(world.lockbox, world.caller("senna", mfa=False), key_id=key_id),
    )
    for act in acts:
        with pytest.raises(StepUpRequired):
            act()
        assert world.last_refusal()[1] == "step_up_required"
    assert names(world) == ["Telephone"]
    assert authenticator.credential_id


def test_nobody_has_more_than_twenty(world):
    for _ in range(passkeys.MOST_PASSKEYS):
        world.passkey("senna")
    with pytest.raises(InvalidInput):
        world.passkey("senna")


def test_a_passkey_is_asked_for_only_after_the_password(world, totp):
    with pytest.raises(SignInFailed):  # nobody can tell a wrong password from a person without a passkey
        passkey_sign_in.begin(world.lockbox, presented())
    world.passkey("senna")
    for _ in range(9):
        with pytest.raises(SignInFailed):
            passkey_sign_in.begin(world.lockbox, presented(password="wrong"))
    with pytest.raises(Throttled):
        passkey_sign_in.begin(world.lockbox, presented())


def test_asking_for_a_passkey_does_not_give_more_guesses_at_the_code(world, totp):
    world.passkey("senna")
    for _ in range(5):
        passkey_sign_in.begin(world.lockbox, presented())
        with pytest.raises(SignInFailed):
            accounts.sign_in(world.lockbox, presented(code="000000"))
    with pytest.raises(Throttled):
        accounts.sign_in(world.lockbox, presented(code=totp.at(world.clock.now)))


def _removed(world):
    key_id = passkeys.mine(world.lockbox, world.caller("senna"))[0].key_id
    passkeys.remove(world.lockbox, world.caller("senna"), key_id=key_id)


@pytest.mark.parametrize(
    "meanwhile",
    [
        _removed,
        lambda world: setup.disable_person(world.lockbox, principal_id=SENNA),
        lambda world: accounts.enrol_locally(world.lockbox, SENNA, password=PASSWORD + "2", actor=OPERATOR_COMMAND),
        lambda world: world.clock.advance(timedelta(minutes=5)),
    ],
)
def test_what_happens_between_password_and_passkey_counts(world, totp, meanwhile):
    authenticator = world.passkey("senna")
    response = authenticator.get(passkey_sign_in.begin(world.lockbox, presented()))
    meanwhile(world)
    with pytest.raises(LockboxError) as refusal:
        passkey_sign_in.finish(world.lockbox, response=response, source=SOURCE)
    assert refusal.value.code == "passkey_refused"

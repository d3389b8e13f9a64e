"""Passkeys, step-up and automation keys as use cases, on every database, with a real verifier and an authenticator in software."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.errors import (
    AlreadyExists,
    CodeRefused,
    InvalidInput,
    NotFound,
    PasskeyRefused,
    Throttled,
)
from openlockbox.domain.ids import OPERATOR_COMMAND, PrincipalId
from openlockbox.grants.assertion import sign_text
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.services import accounts, passkey_sign_in, passkeys
from openlockbox.services.passkey_ports import WebauthnChallenge
from openlockbox.services.passkeys import signing_key_statement, signing_keys
from openlockbox.services.ports import Presented
from openlockbox.testing.authenticator import SoftAuthenticator
from tests.world import AMBERTIDE, build_world

PASSWORD = "correct horse battery"
SENNA, MAIL = PrincipalId("senna"), "senna@ambertide.example"
SOURCE = "192.0.2.7"


@pytest.fixture
def world(any_database, tmp_path):
    return build_world(any_database, tmp_path)


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


@pytest.mark.parametrize("kind", [SoftAuthenticator, lambda: SoftAuthenticator(key=Ed25519PrivateKey.generate())])
def test_a_passkey_is_added_used_renamed_and_removed(world, signed_in, kind):
    caller, authenticator = world.caller("senna"), kind()
    options = passkeys.begin_enrolment(world.lockbox, caller)
    response = authenticator.create(options)
    made = passkeys.finish_enrolment(world.lockbox, caller, name="Telephone", response=response)
    assert made.credential_id == authenticator.credential_id
    assert (made.transports, names(world)) == (("internal",), ["Telephone"])
    world.clock.advance(timedelta(minutes=30))
    step_up(world, authenticator)()
    found = accounts.find_caller(world.lockbox, world.secret)
    assert found is not None
    assert found[0].mfa_at == world.clock.now
    passkeys.rename(world.lockbox, caller, key_id=made.key_id, name="Old telephone")
    assert names(world) == ["Old telephone"]
    passkeys.remove(world.lockbox, found[0], key_id=made.key_id)
    assert names(world) == []
    assert mails(world) == ["passkey_added", "passkey_removed"]
    for name in ("senna", "orla"):
        with pytest.raises(NotFound):
            passkeys.rename(world.lockbox, world.caller(name), key_id=made.key_id, name="x")
    assert [a for a in world.actions() if a.startswith(("passkey", "sign_in.stepped"))] == [
        "passkey.added", "sign_in.stepped_up", "passkey.renamed", "passkey.removed",
        "passkey.rename.refused", "passkey.rename.refused",
    ]  # fmt: skip


def test_a_challenge_counts_once_for_one_person_one_purpose_and_five_minutes(world, signed_in):
    authenticator, other = world.passkey("senna"), world.passkey("orla")
    again = step_up(world, authenticator)
    again()
    with pytest.raises(PasskeyRefused):
        again()  # replayed
    for_another = passkeys.begin_step_up(world.lockbox, world.caller("orla"))
    with pytest.raises(PasskeyRefused):
        passkeys.finish_step_up(
            world.lockbox, world.caller("senna"), secret=world.secret, response=authenticator.get(for_another)
        )
    with pytest.raises(PasskeyRefused):
        step_up(world, other)()  # another person's key
    for_sign_in = passkey_sign_in.begin(world.lockbox, presented())
    with pytest.raises(PasskeyRefused):
        passkeys.finish_step_up(
            world.lockbox, world.caller("senna"), secret=world.secret, response=authenticator.get(for_sign_in)
        )
    late = step_up(world, authenticator)
    world.clock.advance(timedelta(minutes=5))
    with pytest.raises(PasskeyRefused):
        late()


def test_the_same_passkey_is_nobody_elses(world):
    authenticator = world.passkey("senna")
    with pytest.raises(AlreadyExists):
        world.passkey("orla", credential_id=authenticator.credential_id, key=authenticator.key)


def test_a_code_steps_up_once_and_wrong_ones_are_throttled(world, signed_in, totp):
    world.clock.advance(timedelta(minutes=30))
    caller, code = world.caller("senna"), totp.at(world.clock.now)

    def try_code(text):
        passkeys.step_up_by_code(world.lockbox, caller, secret=world.secret, code=text, source=SOURCE)

    try_code(code)
    assert accounts.find_caller(world.lockbox, world.secret)[0].mfa_at == world.clock.now
    for _ in range(10):
        with pytest.raises(CodeRefused):
            try_code(code)
    with pytest.raises(Throttled):
        try_code(totp.at(world.clock.now + timedelta(seconds=30)))
    assert world.last_refusal() == ("step_up", "throttled")


def test_password_and_passkey_sign_in(world, totp):
    authenticator = world.passkey("senna")
    for _ in range(11):  # successes are no attempts
        response = authenticator.get(passkey_sign_in.begin(world.lockbox, presented()))
        made = passkey_sign_in.finish(world.lockbox, response=response, source=SOURCE)
        assert accounts.find_caller(world.lockbox, made.secret) is not None
    with pytest.raises(PasskeyRefused):
        passkey_sign_in.finish(world.lockbox, response=response, source=SOURCE)  # replayed
    assert passkeys.mine(world.lockbox, world.caller("senna"))[0].last_used_at == world.clock.now


def test_a_refused_passkey_uses_the_challenge_up_and_is_recorded(world, totp):
    authenticator, other = world.passkey("senna"), world.passkey("orla")
    options = passkey_sign_in.begin(world.lockbox, presented())
    for answering in (other, authenticator):
        with pytest.raises(PasskeyRefused):
            passkey_sign_in.finish(world.lockbox, response=answering.get(options), source=SOURCE)
    assert world.actions(AMBERTIDE).count("sign_in.failed") == 1  # the second named nobody


def test_an_automation_key_is_added_with_a_proof_and_removed(world, signed_in):
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    public_key = encode_public_key(signer.public_key)
    proof = sign_text(signing_key_statement("senna", public_key), signer)
    caller = world.caller("senna")
    for other, text in (("orla", proof), ("senna", "AAAA"), ("senna", "")):
        with pytest.raises(InvalidInput):
            passkeys.add_automation_key(
                world.lockbox, world.caller(other), name="ci", public_key=public_key, proof=text
            )
    for no_key in ("AAAA", "A" * 43, "AQ" + "A" * 41):  # the last two are points of small order
        with pytest.raises(InvalidInput) as refusal:
            passkeys.add_automation_key(world.lockbox, caller, name="ci", public_key=no_key, proof="A" * 86)
        assert refusal.value.params["field"] == "public_key"
    authenticator = world.passkey("senna")
    made = passkeys.add_automation_key(world.lockbox, caller, name="ci", public_key=public_key, proof=proof)
    assert made.key_id == signer.key_id
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        keys = signing_keys(uow, SENNA)
    assert [(k.kind, k.credential_id, k.added_in) for k in keys] == [
        ("passkey", authenticator.credential_id, 0),
        ("ed25519", "", 0),
    ]
    with pytest.raises(NotFound):
        passkeys.remove_automation_key(world.lockbox, world.caller("orla"), key_id=made.key_id)
    passkeys.remove_automation_key(world.lockbox, caller, key_id=made.key_id)
    assert passkeys.my_automation_keys(world.lockbox, caller) == ()
    with pytest.raises(AlreadyExists):
        passkeys.add_automation_key(world.lockbox, caller, name="ci", public_key=public_key, proof=proof)


def test_of_two_that_answer_one_challenge_at_once_one_gets_it(sql_database, tmp_path):
    """The replay that comes at the same moment: both transactions see the challenge, one takes it."""
    world = build_world(sql_database, tmp_path)
    challenge = WebauthnChallenge(
        challenge_sha256="a" * 64, principal_id=SENNA, purpose="step_up", ends_at=world.clock.now + timedelta(minutes=1)
    )
    with sql_database.unit_of_work() as uow:
        uow.passkeys.add_challenge(challenge, at=world.clock.now)
        uow.commit()
    together = threading.Barrier(4)

    def take(_):
        together.wait()
        with sql_database.unit_of_work() as uow:
            try:
                uow.passkeys.take_challenge("a" * 64, purpose="step_up", at=world.clock.now)
            except NotFound:
                return 0
            uow.commit()
            return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(4))) == 1

"""The WebAuthn adapter against an authenticator that misbehaves in one thing at a time."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.adapters.identity.passkeys import WebauthnPasskeys
from openlockbox.domain.errors import PasskeyRefused
from openlockbox.domain.ids import PersonId, PrincipalId, TenantId
from openlockbox.domain.principal import Principal
from openlockbox.grants.assertion import SignatureRefused, verify_assertion
from openlockbox.grants.encoding import parse_b64url
from openlockbox.services.passkey_ports import Passkey
from openlockbox.testing.authenticator import UP, UV, SoftAuthenticator

ORIGIN, OTHER, SITE = "https://lockbox.example", "https://other.lockbox.example", "lockbox.example"
NADIA = Principal(
    id=PrincipalId("nadia"),
    person_id=PersonId("nadia"),
    tenant_id=TenantId("ambertide"),
    name="Nadia",
    mail="nadia@ambertide.example",
)
KINDS = {
    "ES256": SoftAuthenticator,
    "EdDSA": lambda **more: SoftAuthenticator(key=Ed25519PrivateKey.generate(), **more),
}
MISBEHAVIOUR = (
    {"origin": "https://evil.example"},
    {"origin": "https://lockbox.example.evil.example"},
    {"origin": "http://lockbox.example"},
    {"origin": "https://lockbox.example:444"},
    {"rp_id": "evil.example"},
    {"flags": UP},
    {"flags": UV},
    {"cross_origin": True},
)


@pytest.fixture
def verifier():
    return WebauthnPasskeys(SITE, (ORIGIN, OTHER))


@pytest.fixture(params=KINDS)
def authenticator(request):
    return KINDS[request.param](origin=ORIGIN, rp_id=SITE, count=3)


def registered(verifier, authenticator):
    options, challenge = verifier.registration_options(NADIA, [])
    made = verifier.verify_registration(authenticator.create(options), challenge)
    return Passkey(
        credential_id=made.credential_id,
        principal_id=NADIA.id,
        key_id=made.key_id,
        public_key_spki=made.public_key_spki,
        cose=made.cose,
        name="Telephone",
        transports=made.transports,
        sign_count=made.sign_count,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def use(verifier, authenticator, passkey):
    options, challenge = verifier.authentication_options([passkey])
    return verifier.verify_authentication(authenticator.get(options), challenge, passkey)


def change(authenticator, wrong):
    for name, value in wrong.items():
        setattr(authenticator, name, value)


def test_both_kinds_of_key_are_registered_and_used(verifier, authenticator):
    passkey = registered(verifier, authenticator)
    assert parse_b64url(passkey.public_key_spki) == authenticator.spki
    change(authenticator, {"count": 4, "origin": OTHER})
    assert use(verifier, authenticator, passkey) == 4


def test_options_ask_for_what_the_product_promises(verifier, authenticator):
    passkey = registered(verifier, authenticator)
    made = json.loads(verifier.registration_options(NADIA, [passkey])[0])
    assert [p["alg"] for p in made["pubKeyCredParams"]] == [-7, -8]
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["authenticatorSelection"]["residentKey"] == "preferred"
    assert [c["id"] for c in made["excludeCredentials"]] == [passkey.credential_id]
    assert b"nadia" not in parse_b64url(made["user"]["id"])
    used = json.loads(verifier.authentication_options([passkey])[0])
    assert (used["rpId"], used["userVerification"]) == (SITE, "required")
    assert [(c["id"], c["transports"]) for c in used["allowCredentials"]] == [(passkey.credential_id, ["internal"])]
    assert used["challenge"] != json.loads(verifier.authentication_options([passkey])[0])["challenge"]


@pytest.mark.parametrize("wrong", [*MISBEHAVIOUR, {"key": generate_private_key(SECP384R1())}, {"credential_id": ""}])
def test_an_authenticator_that_does_not_fit_is_not_taken(verifier, authenticator, wrong):
    change(authenticator, wrong)
    with pytest.raises(PasskeyRefused):
        registered(verifier, authenticator)


@pytest.mark.parametrize(
    "wrong",
    [*MISBEHAVIOUR, {"key": Ed25519PrivateKey.generate()}, {"credential_id": "AAAA"}, {"count": 3}, {"count": 0}],
)
def test_a_use_that_does_not_hold_is_refused(verifier, authenticator, wrong):
    passkey = registered(verifier, authenticator)
    change(authenticator, {"count": 4} | wrong)
    with pytest.raises(PasskeyRefused):
        use(verifier, authenticator, passkey)


def test_another_challenge_is_refused(verifier, authenticator):
    passkey = registered(verifier, authenticator)
    authenticator.count = 4
    options, _ = verifier.authentication_options([passkey])
    with pytest.raises(PasskeyRefused):
        verifier.verify_authentication(authenticator.get(options), b"another", passkey)
    options, _ = verifier.registration_options(NADIA, [])
    with pytest.raises(PasskeyRefused):
        verifier.verify_registration(authenticator.create(options), b"another")


def test_a_use_is_no_registration_and_the_other_way_round(verifier, authenticator):
    passkey = registered(verifier, authenticator)
    options, challenge = verifier.registration_options(NADIA, [])
    with pytest.raises(PasskeyRefused):
        verifier.verify_registration(authenticator.get(options), challenge)
    with pytest.raises(PasskeyRefused):
        verifier.verify_authentication(authenticator.create(options), challenge, passkey)


def _damaged(text):
    """Break an honest answer in every way that a line of JSON can be broken in."""
    yield from ("", "[]", "{}", "null", "x" * 20_000, "[" * 5_000, '{"id":"AA","response":{"clientDataJSON":"e30"}}')
    answer = json.loads(text)
    inner = answer["response"]
    for name in answer:
        yield json.dumps({k: v for k, v in answer.items() if k != name})
        yield from (json.dumps(answer | {name: value}) for value in (None, 0, "", "!", "é", [], {}))
    for name in inner:
        cut = inner[name][:-8] if isinstance(inner[name], str) else None
        for value in (None, 0, "", "!", "é", [], {}, "AAAA", "oA", cut):
            yield json.dumps(answer | {"response": inner | {name: value}})


def test_damaged_answers_are_refused_and_nothing_worse(verifier, authenticator):
    passkey = registered(verifier, authenticator)
    authenticator.count = 4
    options, challenge = verifier.authentication_options([passkey])
    for text in _damaged(authenticator.get(options)):
        with suppress(PasskeyRefused):  # some damage changes no meaning
            verifier.verify_authentication(text, challenge, passkey)
    options, challenge = verifier.registration_options(NADIA, [])
    for text in _damaged(authenticator.create(options)):
        with suppress(PasskeyRefused):
            verifier.verify_registration(text, challenge)


@pytest.mark.parametrize("wrong", [*MISBEHAVIOUR, {"origin": [ORIGIN]}, {"origin": None}, {"cross_origin": []}])
def test_the_verifier_of_statements_refuses_the_same(authenticator, wrong):
    def check():
        signature = authenticator.sign_statement("text")
        verify_assertion(
            signature, statement="text", public_key_spki=authenticator.spki, rp_id=SITE, origins=[ORIGIN, OTHER]
        )

    check()
    change(authenticator, wrong)
    with pytest.raises(SignatureRefused):
        check()

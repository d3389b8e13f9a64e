"""Signatures over statements: what holds for us holds for the `webauthn` library too, and each check refuses by itself."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from webauthn import verify_authentication_response
from webauthn.helpers.exceptions import InvalidAuthenticationResponse

from openlockbox.grants.assertion import (
    SignatureRefused,
    SigningKey,
    load_spki,
    name_key,
    sign_text,
    verify_assertion,
    verify_signature,
    verify_text,
)
from openlockbox.grants.encoding import EnvelopeRefused, b64url, canonical_bytes, parse_b64url
from openlockbox.grants.keys import encode_public_key, parse_public_key, public_bytes
from openlockbox.testing.authenticator import UP, UV, SoftAuthenticator
from tests.unit.grants.material import ADA, STRANGER

STATEMENT = '{"type":"openlockbox.decision","reason":"Ja, für eine Stunde 窯"}'
RP_ID, ORIGIN = "localhost", "http://localhost"
MAKERS = [
    pytest.param(SoftAuthenticator, id="ES256"),
    pytest.param(lambda **made: SoftAuthenticator(key=Ed25519PrivateKey.generate(), **made), id="EdDSA"),
]


def check(authenticator: SoftAuthenticator, text: str, *, statement: str = STATEMENT, rp_id: str = RP_ID) -> None:
    verify_assertion(text, statement=statement, public_key_spki=authenticator.spki, rp_id=rp_id, origins=(ORIGIN,))


def refusal(authenticator: SoftAuthenticator, text: str, **looked: str) -> str:
    with pytest.raises(SignatureRefused) as caught:
        check(authenticator, text, **looked)
    return caught.value.code


def by_the_library(authenticator: SoftAuthenticator, text: str) -> None:
    """Ask the library, which knows nothing of our format."""
    parts = json.loads(text)
    verify_authentication_response(
        credential={
            "id": authenticator.credential_id,
            "rawId": authenticator.credential_id,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": parts["client_data_json"],
                "authenticatorData": parts["authenticator_data"],
                "signature": parts["signature"],
            },
        },
        expected_challenge=hashlib.sha256(STATEMENT.encode()).digest(),
        expected_rp_id=RP_ID,
        expected_origin=[ORIGIN],
        credential_public_key=authenticator._cose(),
        credential_current_sign_count=0,
        require_user_verification=True,
    )


@pytest.mark.parametrize("make", MAKERS)
def test_what_a_passkey_signed_holds_here_and_for_the_library(make):
    authenticator = make()
    text = authenticator.sign_statement(STATEMENT)
    check(authenticator, text)
    by_the_library(authenticator, text)


MISBEHAVIOURS = [
    ({"origin": "https://evil.example"}, "assertion_origin"),
    ({"rp_id": "evil.example"}, "assertion_rp_id"),
    ({"flags": UV}, "assertion_user"),
    ({"flags": UP}, "assertion_user"),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("made, code", MISBEHAVIOURS)
def test_what_the_library_refuses_is_refused_here(make, made, code):
    authenticator = make(**made)
    text = authenticator.sign_statement(STATEMENT)
    assert refusal(authenticator, text) == code
    with pytest.raises(InvalidAuthenticationResponse):
        by_the_library(authenticator, text)


def test_an_assertion_from_within_another_site_is_refused():
    authenticator = SoftAuthenticator(cross_origin=True)
    assert refusal(authenticator, authenticator.sign_statement(STATEMENT)) == "assertion_cross_origin"


@pytest.mark.parametrize("make", MAKERS)
def test_a_signature_counts_for_one_statement_only(make):
    authenticator = make()
    text = authenticator.sign_statement(STATEMENT)
    assert refusal(authenticator, text, statement=STATEMENT + " ") == "assertion_challenge"


@pytest.mark.parametrize("make", MAKERS)
def test_another_keys_signature_is_wrong(make):
    text = make().sign_statement(STATEMENT)
    assert refusal(make(), text) == "signature_wrong"


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("part", ["authenticator_data", "client_data_json", "signature"])
def test_no_bit_of_an_assertion_can_be_changed(make, part):
    authenticator = make()
    parts = json.loads(authenticator.sign_statement(STATEMENT))
    data = bytearray(parse_b64url(parts[part]))
    data[-1] ^= 1
    changed = canonical_bytes(parts | {part: b64url(bytes(data))}).decode()
    assert refusal(authenticator, changed) in {"signature_wrong", "signature_malformed", "assertion_cross_origin"}


def with_client_data(authenticator: SoftAuthenticator, change: dict[str, object]) -> str:
    """Sign client data of our own making."""
    content = {
        "type": "webauthn.get",
        "challenge": b64url(hashlib.sha256(STATEMENT.encode()).digest()),
        "origin": ORIGIN,
    }
    client_data = json.dumps(content | change).encode()
    data = authenticator._data(authenticator.flags)
    signature = authenticator._sign(data + hashlib.sha256(client_data).digest())
    parts = {"authenticator_data": data, "client_data_json": client_data, "signature": signature}
    return canonical_bytes({name: b64url(value) for name, value in parts.items()}).decode()


@pytest.mark.parametrize(
    "change, code",
    [
        ({"type": "webauthn.create"}, "assertion_type"),
        ({"type": None}, "assertion_type"),
        ({"challenge": 7}, "assertion_challenge"),
        ({"challenge": "\ud800"}, "assertion_challenge"),
        ({"crossOrigin": None}, "assertion_cross_origin"),
        ({"crossOrigin": 0}, "assertion_cross_origin"),
    ],
)
def test_client_data_of_another_kind_is_refused(change, code):
    authenticator = SoftAuthenticator()
    check(authenticator, with_client_data(authenticator, {}))  # cross-origin may be left out
    assert refusal(authenticator, with_client_data(authenticator, change)) == code


@pytest.mark.parametrize(
    "text",
    ["", "x", "{}", "[]", "x" * 9_000, '{"authenticator_data":"","client_data_json":"","signature":"="}', "\ud800"],
)
def test_what_is_no_assertion_is_refused(text):
    assert refusal(SoftAuthenticator(), text) == "signature_malformed"


@pytest.mark.parametrize("client_data", [b"", b"[]", b"\xff", b"[" * 5_000])
def test_client_data_that_is_no_object_is_refused(client_data):
    parts = {"authenticator_data": b64url(bytes(37)), "client_data_json": b64url(client_data), "signature": ""}
    assert refusal(SoftAuthenticator(), canonical_bytes(parts).decode()) == "signature_malformed"


def test_authenticator_data_that_is_too_short_is_refused():
    authenticator = SoftAuthenticator()
    parts = json.loads(authenticator.sign_statement(STATEMENT))
    for length in (0, 32, 36):
        short = b64url(parse_b64url(parts["authenticator_data"])[:length])
        assert (
            refusal(authenticator, canonical_bytes(parts | {"authenticator_data": short}).decode()) == "assertion_rp_id"
        )


@pytest.mark.parametrize(
    "spki",
    [b"", b"x", SoftAuthenticator(key=generate_private_key(SECP384R1())).spki, SoftAuthenticator().spki + b"\x00"],
)
def test_another_kind_of_key_is_refused(spki):
    authenticator = SoftAuthenticator()
    text = authenticator.sign_statement(STATEMENT)
    with pytest.raises(SignatureRefused, match="key_malformed"):
        verify_assertion(text, statement=STATEMENT, public_key_spki=spki, rp_id=RP_ID, origins=(ORIGIN,))


WEAK = bytes(32)  # a point of small order: with it a signature of nobody's can hold


def test_a_key_of_small_order_is_no_key():
    with pytest.raises(EnvelopeRefused, match="weak"):
        parse_public_key(b64url(WEAK))
    der = bytes.fromhex("302a300506032b6570032100") + WEAK
    with pytest.raises(SignatureRefused, match="key_malformed"):
        load_spki(der)


def test_an_automations_signature_counts_for_its_key_and_its_statement():
    text = sign_text(STATEMENT, ADA)
    raw = public_bytes(ADA.public_key)
    verify_text(text, STATEMENT, raw)
    for signature, statement, key, code in [
        (text, STATEMENT + " ", raw, "signature_wrong"),
        (text, STATEMENT, public_bytes(STRANGER.public_key), "signature_wrong"),
        (text + "=", STATEMENT, raw, "signature_malformed"),
        (text[:-2], STATEMENT, raw, "signature_malformed"),
        (text, STATEMENT, raw[:-1], "key_malformed"),
        (b64url(ADA.sign(STATEMENT.encode())), STATEMENT, raw, "signature_wrong"),  # without the prefix
    ]:
        with pytest.raises(SignatureRefused, match=code):
            verify_text(signature, statement, key)


def test_a_signature_is_checked_in_the_way_of_its_key():
    authenticator = SoftAuthenticator()
    raw = public_bytes(ADA.public_key)
    passkey = SigningKey(
        key_id=name_key(authenticator.spki), kind="passkey", public_key=b64url(authenticator.spki),
        credential_id=authenticator.credential_id, principal_id="senna", added_in=1,
    )  # fmt: skip
    automation = SigningKey(
        key_id=name_key(raw), kind="ed25519", public_key=encode_public_key(ADA.public_key), credential_id="",
        principal_id="senna", added_in=1,
    )  # fmt: skip
    assert automation.key_id == ADA.key_id
    by_passkey, by_automation = authenticator.sign_statement(STATEMENT), sign_text(STATEMENT, ADA)
    verify_signature(passkey, by_passkey, STATEMENT, rp_id=RP_ID, origins=(ORIGIN,))
    verify_signature(automation, by_automation, STATEMENT, rp_id=RP_ID, origins=(ORIGIN,))
    for key, text in [(passkey, by_automation), (automation, by_passkey)]:
        with pytest.raises(SignatureRefused, match="signature_malformed"):
            verify_signature(key, text, STATEMENT, rp_id=RP_ID, origins=(ORIGIN,))
    unknown = SigningKey(
        key_id="x", kind="rsa", public_key=automation.public_key, credential_id="", principal_id="senna", added_in=1
    )
    with pytest.raises(SignatureRefused, match="key_malformed"):
        verify_signature(unknown, by_automation, STATEMENT, rp_id=RP_ID, origins=(ORIGIN,))

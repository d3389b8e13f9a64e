"""Signatures of people and their automations over a statement's text: WebAuthn assertions and Ed25519. Pure; trusts no key by itself.

docs/spec/decision-format.md is normative. Who may sign what is the roster's matter.
"""

import hashlib
import hmac
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from openlockbox.grants.encoding import EnvelopeRefused, Fields, b64url, parse_b64url, parse_canonical
from openlockbox.grants.keys import KEY_ID_LENGTH, Signer, is_weak

MAX_SIGNATURE: Final = 8_192
STATEMENT_PREFIX: Final = b"OpenLockbox statement 1\x00"  # no other text of ours begins so
_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_RP_ID_HASH: Final = 32
_FLAGS: Final = 32  # after the hash of the site
_LEAST_DATA: Final = 37  # hash, flags, counter
_ED25519_SIGNATURE: Final = 64
_FIELDS: Final = ("authenticator_data", "client_data_json", "signature")

KeyKind = Literal["passkey", "ed25519"]
KINDS: Final = ("passkey", "ed25519")


class SignatureRefused(Exception):
    """The signature does not hold. `code` says which check failed; docs/spec/decision-format.md lists them."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that somebody signs with. `added_in` is the version of the roster that first lists it, 0 outside a roster."""

    key_id: str
    kind: str  # "passkey" | "ed25519"
    public_key: str  # base64url of the SPKI DER | of the raw 32 bytes
    credential_id: str  # base64url, "" for ed25519
    principal_id: str
    added_in: int


def name_key(public_key: bytes) -> str:
    """Return the id of a key, from its SPKI DER or its raw 32 bytes."""
    return hashlib.sha256(public_key).hexdigest()[:KEY_ID_LENGTH]


def load_spki(public_key_spki: bytes) -> EllipticCurvePublicKey | Ed25519PublicKey:
    """Load a passkey's key: P-256 or Ed25519, in the one spelling that DER gives it.

    Raises:
        SignatureRefused: `key_malformed`.
    """
    try:
        key = load_der_public_key(public_key_spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("key_malformed") from error
    if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
        raise SignatureRefused("key_malformed")
    if not isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey):
        raise SignatureRefused("key_malformed")
    if isinstance(key, Ed25519PublicKey) and is_weak(key):
        raise SignatureRefused("key_malformed")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_key_spki:
        raise SignatureRefused("key_malformed")
    return key


def verify_assertion(
    signature_text: str, *, statement: str, public_key_spki: bytes, rp_id: str, origins: Collection[str]
) -> None:
    """Check that a passkey signed the statement, on one of the sites, with its user verified. The counter is not looked at.

    Raises:
        SignatureRefused: `signature_malformed`, `key_malformed`, `assertion_type`, `assertion_challenge`, `assertion_origin`,
            `assertion_cross_origin`, `assertion_rp_id`, `assertion_user`, `signature_wrong`.
    """
    key = load_spki(public_key_spki)
    data, client_data_json, signature = _parts(signature_text)
    client_data = _client_data(client_data_json)
    # 1  It answers a request for a signature, not the making of a key.
    if client_data.get("type") != "webauthn.get":
        raise SignatureRefused("assertion_type")
    # 2  What was signed is this statement.
    challenge = client_data.get("challenge")
    expected = b64url(hashlib.sha256(statement.encode("utf-8")).digest())
    if not isinstance(challenge, str) or not hmac.compare_digest(
        challenge.encode("utf-8", "replace"), expected.encode()
    ):
        raise SignatureRefused("assertion_challenge")
    # 3  It was asked for by a page of ours, not from within somebody else's.
    if client_data.get("origin") not in tuple(origins):  # a set would stumble over what cannot be hashed
        raise SignatureRefused("assertion_origin")
    if client_data.get("crossOrigin", False) is not False:
        raise SignatureRefused("assertion_cross_origin")
    # 4  The authenticator made it for our site.
    if len(data) < _LEAST_DATA or data[:_RP_ID_HASH] != hashlib.sha256(rp_id.encode("utf-8")).digest():
        raise SignatureRefused("assertion_rp_id")
    # 5  Somebody was there, and it was the key's owner.
    if not data[_FLAGS] & _USER_PRESENT or not data[_FLAGS] & _USER_VERIFIED:
        raise SignatureRefused("assertion_user")
    # 6  The key signed all this.
    signed = data + hashlib.sha256(client_data_json).digest()
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature as error:
        raise SignatureRefused("signature_wrong") from error


def _malformed(error: Exception | None = None) -> NoReturn:
    raise SignatureRefused("signature_malformed") from error


def _parts(signature_text: str) -> tuple[bytes, bytes, bytes]:
    if len(signature_text) > MAX_SIGNATURE:
        _malformed()
    try:
        fields = Fields(parse_canonical(signature_text.encode("utf-8")), _FIELDS)
        data, client_data, signature = (parse_b64url(fields.long_text(name, limit=MAX_SIGNATURE)) for name in _FIELDS)
    except (EnvelopeRefused, UnicodeEncodeError) as error:
        _malformed(error)
    return data, client_data, signature


def _client_data(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        _malformed(error)
    if not isinstance(value, dict):
        _malformed()
    return value


def sign_text(statement: str, signer: Signer) -> str:
    """Sign a statement as an automation does. Return the signature's text."""
    return b64url(signer.sign(STATEMENT_PREFIX + statement.encode("utf-8")))


def verify_text(signature_text: str, statement: str, raw_public_key: bytes) -> None:
    """Check an automation's signature.

    Raises:
        SignatureRefused: `key_malformed`, `signature_malformed`, `signature_wrong`.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(raw_public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("key_malformed") from error
    try:
        signature = parse_b64url(signature_text)
    except EnvelopeRefused as error:
        _malformed(error)
    if len(signature) != _ED25519_SIGNATURE:
        _malformed()
    try:
        key.verify(signature, STATEMENT_PREFIX + statement.encode("utf-8"))
    except (InvalidSignature, UnicodeEncodeError) as error:
        raise SignatureRefused("signature_wrong") from error


def verify_signature(
    key: SigningKey, signature_text: str, statement: str, *, rp_id: str, origins: Collection[str]
) -> None:
    """Check a signature in the way of the key's kind.

    Raises:
        SignatureRefused: `key_malformed` also for an unknown kind; see `verify_assertion` and `verify_text`.
    """
    try:
        public_key = parse_b64url(key.public_key)
    except EnvelopeRefused as error:
        raise SignatureRefused("key_malformed") from error
    if key.kind == "passkey":
        verify_assertion(signature_text, statement=statement, public_key_spki=public_key, rp_id=rp_id, origins=origins)
    elif key.kind == "ed25519":
        verify_text(signature_text, statement, public_key)
    else:
        raise SignatureRefused("key_malformed")

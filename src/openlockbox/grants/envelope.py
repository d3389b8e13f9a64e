"""The one signed wrapper of every wire form: `olbx1.<kind>.<key id>.<payload>.<signature>`. No algorithm field.

Nothing of a payload is parsed before its signature holds, except by `peek`, whose result may only choose a key.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.grants.encoding import EnvelopeRefused, Json, b64url, canonical_bytes, parse_b64url, parse_canonical
from openlockbox.grants.keys import Ed25519Signer, Signer

__all__ = ["MAX_LENGTHS", "Ed25519Signer", "EnvelopeRefused", "Kind", "Signer", "open_envelope", "peek", "seal"]

PREFIX: Final = "olbx1"
_DOMAIN: Final = b"OpenLockbox envelope 1\x00"
_SIGNATURE_LENGTH: Final = 64
_KIND_FIELD, _KEY_FIELD, _PAYLOAD_FIELD, _SIGNATURE_FIELD = 1, 2, 3, 4
_FIELDS: Final = 5


class Kind(StrEnum):
    """What an envelope holds. It is signed too, so none passes for another."""

    GRANT = "grant"
    TOKEN = "token"  # noqa: S105  a word, not a secret
    REVOCATIONS = "revocations"
    GATEWAY_REQUEST = "gateway-request"
    RECORDING = "recording"
    SESSION_START = "session-start"


MAX_LENGTHS: Final[Mapping[Kind, int]] = {
    Kind.GRANT: 262_144,  # it carries the whole request as displayed
    Kind.TOKEN: 1_900,  # a preconnection blob of at most 4,096 bytes of UTF-16 must hold it
    Kind.REVOCATIONS: 4_194_304,  # about 30,000 entries
    Kind.GATEWAY_REQUEST: 4_096,
    Kind.RECORDING: 4_096,
    Kind.SESSION_START: 4_096,
}


def _signed_bytes(kind: Kind, key_id: str, payload: bytes) -> bytes:
    # Kind and key id hold no NUL, so two different triples never give the same bytes.
    return _DOMAIN + kind.value.encode() + b"\x00" + key_id.encode() + b"\x00" + payload


def seal(kind: Kind, payload: Mapping[str, object], signer: Signer) -> str:
    """Sign the canonical form of the payload.

    Raises:
        ValueError: the payload cannot be written canonically, or is too long for its kind.
    """
    data = canonical_bytes(payload)
    signature = signer.sign(_signed_bytes(kind, signer.key_id, data))
    text = f"{PREFIX}.{kind.value}.{signer.key_id}.{b64url(data)}.{b64url(signature)}"
    if len(text) > MAX_LENGTHS[kind]:
        message = f"too long for a {kind.value}: {len(text)}"
        raise ValueError(message)
    return text


def _split(kind: Kind, text: str) -> list[str]:
    if len(text) > MAX_LENGTHS[kind]:
        raise EnvelopeRefused("envelope_too_long")
    parts = text.split(".")
    if parts[0] != PREFIX:
        raise EnvelopeRefused("envelope_version")
    if len(parts) != _FIELDS:
        raise EnvelopeRefused("envelope_malformed")
    if parts[_KIND_FIELD] != kind.value:
        raise EnvelopeRefused("envelope_kind")
    return parts


def open_envelope(kind: Kind, text: str, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Json]:
    """Return the payload of an envelope of this kind that one of the keys signed.

    Raises:
        EnvelopeRefused: `envelope_too_long`, `envelope_version`, `envelope_malformed`, `envelope_kind`, `key_unknown`,
            `signature_wrong`, `payload_not_canonical`: the first that applies, in this order.
    """
    parts = _split(kind, text)
    payload, signature = parse_b64url(parts[_PAYLOAD_FIELD]), parse_b64url(parts[_SIGNATURE_FIELD])
    if len(signature) != _SIGNATURE_LENGTH:
        raise EnvelopeRefused("envelope_malformed", "signature")
    key_id = parts[_KEY_FIELD]
    if key_id not in keys:
        raise EnvelopeRefused("key_unknown")
    try:
        keys[key_id].verify(signature, _signed_bytes(kind, key_id, payload))
    except InvalidSignature as error:
        raise EnvelopeRefused("signature_wrong") from error
    return parse_canonical(payload)


def peek(kind: Kind, text: str) -> dict[str, Json]:
    """Return the payload WITHOUT checking the signature. Good for nothing but choosing the key to check it with.

    Raises:
        EnvelopeRefused: as `open_envelope`, without `key_unknown` and `signature_wrong`.
    """
    return parse_canonical(parse_b64url(_split(kind, text)[_PAYLOAD_FIELD]))

"""Ed25519 keys as they are named and written down. One algorithm, no choice; nothing here reads a key from a disk."""

import hashlib
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openlockbox.grants.encoding import EnvelopeRefused, b64url, parse_b64url

# Points of small order, without their sign bit: under such a key signatures of nobody's verify by luck.
_WEAK: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
KEY_ID_LENGTH: Final = 16  # names a key among the few that a bundle lists; the bundle, not the name, is what is trusted


class Signer(Protocol):
    """Signs with one key. Behind it may be a file, a token or a service; errors of those come through as they are."""

    @property
    def key_id(self) -> str:
        """The name of the key that verifies."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that verifies."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature."""


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """Return the 32 raw bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id_of(key: Ed25519PublicKey) -> str:
    """Name a key: the first 16 hex digits of the SHA-256 of its raw bytes."""
    return hashlib.sha256(public_bytes(key)).hexdigest()[:KEY_ID_LENGTH]


def is_weak(key: Ed25519PublicKey) -> bool:
    """Tell whether the key is a point of small order, which nobody makes by accident."""
    raw = public_bytes(key)
    return raw[:-1] + bytes([raw[-1] & 0x7F]) in _WEAK


def encode_public_key(key: Ed25519PublicKey) -> str:
    """Write the raw key as base64url."""
    return b64url(public_bytes(key))


def parse_public_key(text: str) -> Ed25519PublicKey:
    """Read what `encode_public_key` wrote.

    Raises:
        EnvelopeRefused: no such key, or a weak one (`payload_malformed`).
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(parse_b64url(text))
    except (ValueError, UnsupportedAlgorithm, EnvelopeRefused) as error:
        raise EnvelopeRefused("payload_malformed", "public key") from error
    if is_weak(key):
        raise EnvelopeRefused("payload_malformed", "weak public key")
    return key


class Ed25519Signer:
    """A signer over a key in memory."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key()
        self.key_id = key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Sign the message itself, not a digest of it."""
        return self._private_key.sign(message)

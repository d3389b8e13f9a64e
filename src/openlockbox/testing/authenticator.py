"""An authenticator in software: makes passkeys and uses them as a browser would. For tests; it never asks anybody anything."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn.helpers import encode_cbor

from openlockbox.grants.encoding import b64url, canonical_bytes, parse_b64url

UP: Final = 0x01  # somebody was there
UV: Final = 0x04  # it was the right somebody: fingerprint, face or PIN
_ATTESTED: Final = 0x40
_CURVES: Final = {"secp256r1": (32, 1), "secp384r1": (48, 2)}  # the second says that it makes ES256, and does not


@dataclass(kw_only=True)
class SoftAuthenticator:
    """One passkey in one browser. Change `origin`, `rp_id`, `flags`, `cross_origin` or `count` to misbehave."""

    origin: str = "http://localhost"
    rp_id: str = "localhost"
    flags: int = UP | UV
    cross_origin: bool = False
    count: int = 0  # an authenticator that does not count says 0 for ever
    key: EllipticCurvePrivateKey | Ed25519PrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential_id: str = field(default_factory=lambda: b64url(secrets.token_bytes(32)))

    @property
    def spki(self) -> bytes:
        """Return the public key as SPKI DER."""
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def create(self, options: str) -> str:
        """Answer registration options with what a browser would send."""
        asked = json.loads(options)
        credential_id = parse_b64url(self.credential_id)
        attested = bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + self._cose()
        data = self._data(self.flags | _ATTESTED) + attested
        return self._answer(
            {
                "clientDataJSON": b64url(self._client_data("webauthn.create", asked["challenge"])),
                "attestationObject": b64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal"],
            }
        )

    def get(self, options: str) -> str:
        """Answer authentication options with what a browser would send."""
        client_data = self._client_data("webauthn.get", json.loads(options)["challenge"])
        data = self._data(self.flags)
        return self._answer(
            {
                "clientDataJSON": b64url(client_data),
                "authenticatorData": b64url(data),
                "signature": b64url(self._sign(data + hashlib.sha256(client_data).digest())),
                "userHandle": None,
            }
        )

    def sign_statement(self, statement: str) -> str:
        """Return the signature text of a statement, as `assertStatement` of static/passkeys.js does."""
        client_data = self._client_data("webauthn.get", b64url(hashlib.sha256(statement.encode()).digest()))
        data = self._data(self.flags)
        return canonical_bytes(
            {
                "authenticator_data": b64url(data),
                "client_data_json": b64url(client_data),
                "signature": b64url(self._sign(data + hashlib.sha256(client_data).digest())),
            }
        ).decode()

    def _answer(self, response: Mapping[str, Any]) -> str:
        return json.dumps(
            {
                "id": self.credential_id,
                "rawId": self.credential_id,
                "type": "public-key",
                "clientExtensionResults": {},
                "response": dict(response),
            }
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        content = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(content, separators=(",", ":")).encode()

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA(SHA256()))

    def _cose(self) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return encode_cbor({1: 1, 3: -8, -1: 6, -2: raw})
        point = self.key.public_key().public_numbers()
        length, curve = _CURVES[self.key.curve.name]
        x, y = (number.to_bytes(length, "big") for number in (point.x, point.y))
        return encode_cbor({1: 2, 3: -7, -1: curve, -2: x, -3: y})

"""The connection token: one connection, one engineer, one gateway, one minute. Signed with the grants key. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.keys import Signer
from openlockbox.grants.trust import TrustBundle

FORMAT: Final = 1
FRONTS: Final = ("browser", "native")
_FIELDS: Final = (
    "format", "jti", "grant_id", "engineer_id", "gateway_id", "front", "issued_at", "expires_at", "password_sha256",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionToken:
    """The right to start the session `jti`. The native front also wants a one-time password, whose hash this holds."""

    jti: str
    grant_id: str
    engineer_id: str
    gateway_id: str
    front: str  # "browser" | "native"
    issued_at: datetime
    expires_at: datetime
    password_sha256: str | None


def _encode(token: ConnectionToken) -> dict[str, Json]:
    return {
        "format": FORMAT,
        "jti": token.jti,
        "grant_id": token.grant_id,
        "engineer_id": token.engineer_id,
        "gateway_id": token.gateway_id,
        "front": token.front,
        "issued_at": encode_instant(token.issued_at),
        "expires_at": encode_instant(token.expires_at),
        "password_sha256": token.password_sha256,
    }


def _decode(payload: Json) -> ConnectionToken:
    fields = Fields(payload, _FIELDS)
    fields.format(FORMAT)
    front = fields.choice("front", FRONTS)
    password = None if fields.value("password_sha256") is None else fields.sha256("password_sha256")
    if (front == "native") != (password is not None):
        raise EnvelopeRefused("payload_malformed", "the native front has a password, the browser has none")
    return ConnectionToken(
        jti=fields.name("jti"),
        grant_id=fields.name("grant_id"),
        engineer_id=fields.text("engineer_id"),
        gateway_id=fields.text("gateway_id"),
        front=front,
        issued_at=fields.instant("issued_at"),
        expires_at=fields.instant("expires_at"),
        password_sha256=password,
    )


def seal_token(token: ConnectionToken, signer: Signer) -> str:
    """Sign it.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    payload = _encode(token)
    _decode(payload)
    return seal(Kind.TOKEN, payload, signer)


def open_token(text: str, trust: TrustBundle) -> ConnectionToken:
    """Check the signature and read it. Times and uses are `verify_connection`'s to check.

    Raises:
        EnvelopeRefused: see `open_envelope`; `payload_malformed`, `format_unknown`.
    """
    return _decode(open_envelope(Kind.TOKEN, text, trust.grant_keys))

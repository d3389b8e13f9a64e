"""The gateway's signed word that a session starts. It stands in the customer's log before a byte goes upstream. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.grants.encoding import Fields, Json, encode_instant
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.keys import Signer
from openlockbox.grants.token import FRONTS

FORMAT: Final = 1
_FIELDS: Final = ("format", "session_id", "grant_id", "tenant_id", "gateway_id", "engineer_id", "front", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    """Who starts what, where and when, by the gateway's clock."""

    session_id: str
    grant_id: str
    tenant_id: str
    gateway_id: str
    engineer_id: str
    front: str  # "browser" | "native"
    at: datetime


def seal_session_start(start: SessionStart, signer: Signer) -> str:
    """Sign it with the gateway's key.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    payload: dict[str, Json] = {
        "format": FORMAT,
        "session_id": start.session_id,
        "grant_id": start.grant_id,
        "tenant_id": start.tenant_id,
        "gateway_id": start.gateway_id,
        "engineer_id": start.engineer_id,
        "front": start.front,
        "at": encode_instant(start.at),
    }
    _decode(payload)
    return seal(Kind.SESSION_START, payload, signer)


def _decode(payload: Json) -> SessionStart:
    fields = Fields(payload, _FIELDS)
    fields.format(FORMAT)
    return SessionStart(
        session_id=fields.name("session_id"),
        grant_id=fields.name("grant_id"),
        tenant_id=fields.text("tenant_id"),
        gateway_id=fields.text("gateway_id"),
        engineer_id=fields.text("engineer_id"),
        front=fields.choice("front", FRONTS),
        at=fields.instant("at"),
    )


def open_session_start(text: str, keys: Mapping[str, Ed25519PublicKey]) -> SessionStart:
    """Check the signature by one of these gateway keys and read it.

    Raises:
        EnvelopeRefused: see `open_envelope`; `payload_malformed`, `format_unknown`.
    """
    return _decode(open_envelope(Kind.SESSION_START, text, keys))

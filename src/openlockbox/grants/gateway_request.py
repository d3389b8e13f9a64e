"""How a gateway proves to the control plane that a request is its own: one signed header over all of it. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant
from openlockbox.grants.envelope import Kind, open_envelope, peek, seal
from openlockbox.grants.keys import Signer, key_id_of

SCHEME: Final = "OpenLockbox-Gateway"  # the header is `Authorization: OpenLockbox-Gateway <envelope>`
TOLERANCE: Final = timedelta(seconds=30)  # how far the two clocks and the way between may part
FORMAT: Final = 1
_FIELDS: Final = ("format", "gateway_id", "method", "path", "body_sha256", "at", "nonce")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """A request that a gateway signed. Whoever must act once keeps the nonce for twice the tolerance."""

    gateway_id: str
    method: str
    path: str
    body_sha256: str
    at: datetime
    nonce: str


def sign_request(
    *, gateway_id: str, method: str, path: str, body: bytes, at: datetime, nonce: str, signer: Signer
) -> str:
    """Return the value of the Authorization header. `path` is the request target as sent, with its query if any."""
    payload: dict[str, Json] = {
        "format": FORMAT,
        "gateway_id": gateway_id,
        "method": method,
        "path": path,
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "at": encode_instant(at),
        "nonce": nonce,
    }
    _decode(payload)
    return f"{SCHEME} {seal(Kind.GATEWAY_REQUEST, payload, signer)}"


def _decode(payload: Json) -> GatewayRequest:
    fields = Fields(payload, _FIELDS)
    fields.format(FORMAT)
    return GatewayRequest(
        gateway_id=fields.text("gateway_id"),
        method=fields.choice("method", ("GET", "POST")),
        path=fields.text("path"),
        body_sha256=fields.sha256("body_sha256"),
        at=fields.instant("at"),
        nonce=fields.name("nonce"),
    )


def _envelope_of(header: str) -> str:
    scheme, _, text = header.partition(" ")
    if scheme != SCHEME:
        raise EnvelopeRefused("envelope_malformed", "scheme")
    return text


def peek_gateway_id(header: str) -> str:
    """Return the gateway that the header names, unchecked: good for nothing but finding its key.

    Raises:
        EnvelopeRefused: the header cannot be read.
    """
    return _decode(peek(Kind.GATEWAY_REQUEST, _envelope_of(header))).gateway_id


def verify_request(
    header: str,
    *,
    method: str,
    path: str,
    body: bytes,
    public_key: Ed25519PublicKey,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> GatewayRequest:
    """Check that the gateway with this key signed exactly this request, just now.

    Raises:
        EnvelopeRefused: see `open_envelope`; `request_differs` for another method, path or body; `request_not_fresh`.
    """
    keys = {key_id_of(public_key): public_key}
    request = _decode(open_envelope(Kind.GATEWAY_REQUEST, _envelope_of(header), keys))
    if (request.method, request.path, request.body_sha256) != (method, path, hashlib.sha256(body).hexdigest()):
        raise EnvelopeRefused("request_differs")
    if abs(now - request.at) > tolerance:
        raise EnvelopeRefused("request_not_fresh")
    return request

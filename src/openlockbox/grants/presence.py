"""The engineer's presence: their own key signs what the gateway asks for one connection. A stolen web server has no such key. Pure."""

import secrets
from dataclasses import dataclass
from typing import Final

from openlockbox.grants.assertion import SignatureRefused, SigningKey, verify_signature
from openlockbox.grants.displayed import Displayed
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, b64url, canonical_bytes, parse_canonical
from openlockbox.grants.roster import Roster
from openlockbox.grants.verify import VerificationRefused, refuse_unless

TYPE: Final = "openlockbox.presence"
FORMAT: Final = 1
MAX_PRESENCE: Final = 4_096
NONCE_BYTES: Final = 32
_FIELDS: Final = ("type", "format", "gateway_id", "session_id", "grant_id", "nonce")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceStatement:
    """What is signed: this session of this grant at this gateway, and a number that the gateway just made."""

    gateway_id: str
    session_id: str
    grant_id: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceProof:
    """The statement as the gateway wrote it, and the signature as the engineer's browser or program sent it."""

    statement: str
    signature: str


def presence_statement(*, gateway_id: str, session_id: str, grant_id: str) -> str:
    """Write a statement with a fresh nonce.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    document: dict[str, Json] = {
        "type": TYPE,
        "format": FORMAT,
        "gateway_id": gateway_id,
        "session_id": session_id,
        "grant_id": grant_id,
        "nonce": b64url(secrets.token_bytes(NONCE_BYTES)),
    }
    text = canonical_bytes(document).decode("utf-8")
    open_presence(text)
    return text


def open_presence(text: str) -> PresenceStatement:
    """Read a statement strictly.

    Raises:
        EnvelopeRefused: `payload_not_canonical`, `payload_malformed`, `format_unknown`.
    """
    if len(text) > MAX_PRESENCE:
        raise EnvelopeRefused("payload_malformed", "presence too long")
    try:
        fields = Fields(parse_canonical(text.encode("utf-8")), _FIELDS)
    except UnicodeEncodeError as error:
        raise EnvelopeRefused("payload_not_canonical") from error
    fields.choice("type", (TYPE,))
    fields.format(FORMAT)
    return PresenceStatement(
        gateway_id=fields.text("gateway_id"),
        session_id=fields.name("session_id"),
        grant_id=fields.name("grant_id"),
        nonce=fields.text("nonce"),
    )


def check_presence(
    displayed: Displayed,
    roster: Roster | None,
    proof: PresenceProof | None,
    *,
    gateway_id: str,
    session_id: str,
    grant_id: str,
) -> None:
    """Do step 25: the engineer whose key was displayed is here. That the statement is this gateway's and fresh, the caller knows.

    Raises:
        VerificationRefused: `presence_key_missing`, `presence_missing`, `presence_wrong`.
    """
    key = displayed.requester_key
    if key is None:
        # 25.1  An engineer without a key: only where the tenant lets unsigned decisions count anyway.
        refuse_unless(roster is None or roster.unsigned_decisions, "presence_key_missing")
        return
    # 25.2  There is a proof.
    if proof is None:
        raise VerificationRefused("presence_missing")
    # 25.3  It is about this session of this grant at this gateway.
    try:
        statement = open_presence(proof.statement)
    except EnvelopeRefused as error:
        raise VerificationRefused("presence_wrong", str(error)) from error
    refuse_unless(statement.gateway_id == gateway_id, "presence_wrong", "gateway")
    refuse_unless(statement.session_id == session_id, "presence_wrong", "session")
    refuse_unless(statement.grant_id == grant_id, "presence_wrong", "grant")
    # 25.4  The displayed key signed it.
    signing = SigningKey(
        key_id=key.key_id,
        kind=key.kind,
        public_key=key.public_key,
        credential_id=key.credential_id,
        principal_id=displayed.requester_id,
        added_in=0,
    )
    try:
        verify_signature(signing, proof.signature, proof.statement, rp_id=key.rp_id, origins=key.origins)
    except SignatureRefused as error:
        raise VerificationRefused("presence_wrong", error.code) from error

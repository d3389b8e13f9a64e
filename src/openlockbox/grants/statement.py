"""The decision statement: what an approver confirmed, as one canonical text that a signature can cover. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from openlockbox.grants.encoding import (
    MAX_TEXT,
    EnvelopeRefused,
    Fields,
    canonical_bytes,
    encode_instant,
    parse_b64url,
    parse_canonical,
)

TYPE: Final = "openlockbox.decision"
FORMAT: Final = 1
MAX_REASON: Final = 4_000
MAX_STATEMENT: Final = 16_384
MAX_ROSTER_VERSION: Final = 2**53 - 1
NONCE_BYTES: Final = 16  # nobody guesses a denial's text from its digest in the log
MAX_GRANTED: Final = timedelta(days=7)  # far above the eight hours of W11; keeps a slip of units from becoming a year
_DECISIONS: Final = ("approve", "deny")
_FIELDS: Final = (
    "type", "format", "tenant_id", "request_id", "request_digest", "decision",
    "granted_seconds", "permission", "channels", "reason", "by", "at", "nonce", "roster_version",
)  # fmt: skip

Decision = Literal["approve", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatement:
    """A decision as it was confirmed. `granted_duration` is None for a denial, which names permission and channels as asked."""

    tenant_id: str
    request_id: str
    request_digest: str
    decision: Decision
    granted_duration: timedelta | None
    permission: str
    channels: tuple[str, ...]  # sorted
    reason: str
    by: str
    at: datetime
    nonce: str  # base64url of at least 128 random bits
    roster_version: int  # as displayed, 0 without a roster


def canonical(document: Mapping[str, object]) -> str:
    """Return the RFC 8785 text.

    Raises:
        ValueError: a value that JSON does not have.
    """
    return canonical_bytes(document).decode("utf-8")


def digest(canonical_text: str) -> str:
    """Return the lower-case hex SHA-256 of the text in UTF-8."""
    return hashlib.sha256(canonical_text.encode("utf-8")).hexdigest()


def decision_statement(
    *,
    tenant_id: str,
    request_id: str,
    request_digest: str,
    decision: Decision,
    granted_duration: timedelta | None,
    permission: str,
    channels: Collection[str],
    reason: str,
    by: str,
    at: datetime,
    nonce: str,
    roster_version: int,
) -> str:
    """Write the statement. A granted duration is whole seconds, and belongs to an approval only.

    Raises:
        ValueError: it would not be read back.
    """
    seconds = None if granted_duration is None else granted_duration // timedelta(seconds=1)
    if granted_duration is not None and granted_duration % timedelta(seconds=1):
        message = "a granted duration is whole seconds"
        raise ValueError(message)
    text = canonical(
        {
            "type": TYPE,
            "format": FORMAT,
            "tenant_id": tenant_id,
            "request_id": request_id,
            "request_digest": request_digest,
            "decision": decision,
            "granted_seconds": seconds,
            "permission": permission,
            "channels": sorted(channels),
            "reason": reason,
            "by": by,
            "at": encode_instant(at),
            "nonce": nonce,
            "roster_version": roster_version,
        }
    )
    try:
        open_statement(text)
    except EnvelopeRefused as error:
        raise ValueError(str(error)) from error
    return text


def open_statement(text: str) -> DecisionStatement:
    """Read a statement strictly.

    Raises:
        EnvelopeRefused: `payload_not_canonical`, `payload_malformed`, `format_unknown`.
    """
    if len(text) > MAX_STATEMENT:
        raise EnvelopeRefused("payload_malformed", "statement too long")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EnvelopeRefused("payload_not_canonical") from error
    fields = Fields(parse_canonical(data), _FIELDS)
    fields.choice("type", (TYPE,))
    fields.format(FORMAT)
    decision = cast("Decision", fields.choice("decision", _DECISIONS))
    granted = None
    if decision == "approve":
        most = int(MAX_GRANTED.total_seconds())
        granted = timedelta(seconds=fields.integer("granted_seconds", least=1, most=most))
    elif fields.value("granted_seconds") is not None:
        raise EnvelopeRefused("payload_malformed", "granted_seconds")
    return DecisionStatement(
        tenant_id=fields.text("tenant_id"),
        request_id=fields.text("request_id"),
        request_digest=fields.sha256("request_digest"),
        decision=decision,
        granted_duration=granted,
        permission=fields.text("permission"),
        channels=sorted_names(fields, "channels"),
        reason=fields.long_text("reason", limit=MAX_REASON),
        by=fields.text("by"),
        at=fields.instant("at"),
        nonce=_nonce(fields),
        roster_version=fields.integer("roster_version", least=0, most=MAX_ROSTER_VERSION),
    )


def _nonce(fields: Fields) -> str:
    text = fields.text("nonce")
    try:
        is_long = len(parse_b64url(text)) >= NONCE_BYTES
    except EnvelopeRefused as error:
        raise EnvelopeRefused("payload_malformed", "nonce") from error
    if not is_long:
        raise EnvelopeRefused("payload_malformed", "nonce")
    return text


def sorted_names(fields: Fields, field: str) -> tuple[str, ...]:
    """Read a list of names, sorted and each once.

    Raises:
        EnvelopeRefused: `payload_malformed`.
    """
    items = fields.array(field)
    names = tuple(item for item in items if isinstance(item, str) and 0 < len(item) <= MAX_TEXT)
    if len(names) != len(items) or list(names) != sorted(set(names)):
        raise EnvelopeRefused("payload_malformed", field)
    return names

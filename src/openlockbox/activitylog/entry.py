"""One line of a tenant's activity log and its canonical leaf. docs/spec/activity-log.md is normative.

A leaf is RFC 8785 JSON. What people wrote or are called never stands in it: the leaf carries a salted SHA-256 commitment
for each personal field, the opened value lies beside the leaf and can be erased while every proof still holds; so does the
document that an entry names by its digest. The leaf hash is RFC 6962's (0x00 prefix); `tree` builds on it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import rfc8785

from openlockbox.domain.canonical_json import find_plain_form
from openlockbox.domain.events import OPERATION_NAMES, Event
from openlockbox.domain.ids import TenantId

LEAF_VERSION = 1
SALT_BYTES = 16
MAX_LEAF = 65_535  # what two bytes of length in an entry bundle can say


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedField:
    """A personal field with the salt that opens its commitment. Salt is base64url without padding."""

    salt: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as stored and read. `index` counts from 0 without gaps in its tenant's log; `recorded_at` is aware UTC."""

    tenant_id: TenantId
    index: int
    recorded_at: datetime
    event: Event  # `personal` holds what has not been erased; `document` stays beside the log, see `document_sha256`
    opened: Mapping[str, OpenedField]
    leaf: bytes
    leaf_hash: bytes

    @property
    def operation_name(self) -> str:
        """Return the Azure-style operation name, or an empty string where none exists."""
        return OPERATION_NAMES.get(self.event.code, "")

    @property
    def document_sha256(self) -> str:
        """Return the digest of the document that the entry is about, or an empty string."""
        return str(json.loads(self.leaf)["document"])


def commitment(field: OpenedField) -> str:
    """Commit to a personal value: base64url SHA-256 over salt bytes, then UTF-8 value."""
    salt = base64.urlsafe_b64decode(field.salt + "==")
    return base64.urlsafe_b64encode(hashlib.sha256(salt + field.value.encode()).digest()).decode().rstrip("=")


def encode_leaf(event: Event, *, index: int, recorded_at: datetime, opened: Mapping[str, OpenedField]) -> bytes:
    """Encode the canonical leaf of an event at its place in the log. Times are RFC 3339 UTC with microseconds.

    Raises ValueError for a leaf that no entry bundle could hold.
    """
    at = recorded_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    leaf: dict[str, object] = {
        "v": LEAF_VERSION,
        "tenant": event.tenant_id,
        "index": index,
        "at": at,
        "action": event.code,
        "operation": OPERATION_NAMES.get(event.code, ""),
        "actor": event.actor,
        "subject": event.subject,
        "resource": event.resource_id or "",
        "correlation": event.correlation_id,
        "detail": dict(event.detail),
        "document": document_sha256(event.document),
        "personal": {name: commitment(field) for name, field in opened.items()},
    }
    plain = find_plain_form(leaf)
    encoded = rfc8785.dumps(leaf) if plain is None else plain  # type: ignore[arg-type]  # a dict of str, int and dicts of str is JSON
    if len(encoded) > MAX_LEAF:
        raise ValueError(f"the entry {event.code} is longer than {MAX_LEAF} bytes")
    return encoded


def document_sha256(document: str) -> str:
    """Return what names a document in its entry and beside the log: hex SHA-256, or "" for none."""
    return hashlib.sha256(document.encode()).hexdigest() if document else ""


def hash_leaf(leaf: bytes) -> bytes:
    """Return the RFC 6962 leaf hash."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def make_entry(event: Event, *, index: int, recorded_at: datetime, salt: bytes) -> Entry:
    """Make the entry that stands at `index`. `salt` is fresh randomness of SALT_BYTES for each personal field, concatenated."""
    names = sorted(event.personal)
    opened = {
        name: OpenedField(
            salt=base64.urlsafe_b64encode(salt[i * SALT_BYTES : (i + 1) * SALT_BYTES]).decode().rstrip("="),
            value=event.personal[name],
        )
        for i, name in enumerate(names)
    }
    leaf = encode_leaf(event, index=index, recorded_at=recorded_at, opened=opened)
    return Entry(
        tenant_id=event.tenant_id,
        index=index,
        recorded_at=recorded_at,
        event=event,
        opened=opened,
        leaf=leaf,
        leaf_hash=hash_leaf(leaf),
    )

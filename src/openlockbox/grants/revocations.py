"""The revocation list: what no longer counts, short-lived and numbered. Signed with the revocations key. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.keys import Signer
from openlockbox.grants.trust import MAX_VERSION, TrustBundle

FORMAT: Final = 1
_KINDS: Final = ("grant", "engineer", "resource", "tenant")
_FIELDS: Final = ("format", "list_version", "issued_at", "expires_at", "revoked")

RevokedKind = Literal["grant", "engineer", "resource", "tenant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One thing that is revoked: a grant, all of an engineer, all on a resource, or all of a tenant."""

    kind: RevokedKind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """All that is revoked at this version. The version only grows, and grows with each change."""

    version: int
    issued_at: datetime
    expires_at: datetime
    revoked: tuple[Revocation, ...]


def is_revoked(revocations: RevocationList, grant: GrantDocument) -> bool:
    """Tell whether the list names the grant, or its engineer, resource or tenant."""
    named = {
        Revocation(kind="grant", id=grant.grant_id),
        Revocation(kind="engineer", id=grant.engineer_id),
        Revocation(kind="resource", id=grant.resource_id),
        Revocation(kind="tenant", id=grant.tenant_id),
    }
    return any(entry in named for entry in revocations.revoked)


def _encode(revocations: RevocationList) -> dict[str, Json]:
    entries = sorted((entry.kind, entry.id) for entry in revocations.revoked)
    return {
        "format": FORMAT,
        "list_version": revocations.version,
        "issued_at": encode_instant(revocations.issued_at),
        "expires_at": encode_instant(revocations.expires_at),
        "revoked": [{"kind": kind, "id": id_} for kind, id_ in entries],
    }


def _decode(payload: Json) -> RevocationList:
    fields = Fields(payload, _FIELDS)
    fields.format(FORMAT)
    entries = []
    for item in fields.array("revoked"):
        entry = Fields(item, ("kind", "id"))
        entries.append(Revocation(kind=cast("RevokedKind", entry.choice("kind", _KINDS)), id=entry.text("id")))
    revocations = RevocationList(
        version=fields.integer("list_version", least=0, most=MAX_VERSION),
        issued_at=fields.instant("issued_at"),
        expires_at=fields.instant("expires_at"),
        revoked=tuple(entries),
    )
    if revocations.expires_at <= revocations.issued_at:
        raise EnvelopeRefused("payload_malformed", "expires before it is issued")
    return revocations


def seal_revocations(revocations: RevocationList, signer: Signer) -> str:
    """Sign it, entries sorted.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    payload = _encode(revocations)
    _decode(payload)
    return seal(Kind.REVOCATIONS, payload, signer)


def open_revocations(text: str, trust: TrustBundle) -> RevocationList:
    """Check the signature and read it. Freshness and order are the lease's to check.

    Raises:
        EnvelopeRefused: see `open_envelope`; `payload_malformed`, `format_unknown`.
    """
    return _decode(open_envelope(Kind.REVOCATIONS, text, trust.revocation_keys))

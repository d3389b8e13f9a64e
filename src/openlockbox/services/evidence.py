"""Evidence: everything about one Lockbox request in one file that proves itself. docs/spec/evidence-format.md is normative."""

import base64
from collections.abc import Iterator, Mapping

from openlockbox.activitylog.entry import Entry
from openlockbox.domain.events import Event
from openlockbox.domain.ids import CorrelationId, RequestId, TenantId, principal_actor
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.grants.encoding import Json, canonical_bytes, encode_instant
from openlockbox.services.authority import see_tenant
from openlockbox.services.log import sign_head
from openlockbox.services.ports import EntryFilter
from openlockbox.services.work import Work, command
from openlockbox.verification import evidence as form
from openlockbox.verification.leaves import read_leaf
from openlockbox.verification.stated import recordings_of, write_stated

PAGE = 500
EXPORTED = "evidence.exported"
ROSTER = "roster.changed"


@command("evidence.export", scope="activity.read")
def export(work: Work, *, request_id: RequestId) -> str:
    """Return the evidence on one request, for whoever may read the tenant's log. The export is recorded, and proved with the rest.

    Raises:
        NotFound: no such request, or another organization's.
        NotAllowed: of this organization, without a role.
    """
    request = work.uow.lockbox_requests.get(request_id)
    work.concerns(
        request.tenant_id,
        f"request:{request.id}",
        correlation_id=request.service_request_id,
        resource_id=request.elevation.resource_id,
    )
    see_tenant(work, request.tenant_id)
    entries = _entries(work, request)
    stated = _stated(work, request, entries)
    index = work.uow.activity.append_now(
        Event(
            code=EXPORTED,
            tenant_id=request.tenant_id,
            actor=principal_actor(work.principal.id),
            subject=f"request:{request.id}",
            resource_id=request.elevation.resource_id,
            correlation_id=CorrelationId(request.service_request_id),
            detail={"via": work.caller.via},
            personal={"actor_name": work.principal.name},
            document=stated,
        ),
        at=work.now,
    )
    entries.append(work.uow.activity.get(request.tenant_id, index))
    size = index + 1
    return canonical_bytes(
        {
            "type": form.TYPE,
            "format": form.FORMAT,
            "tenant_id": request.tenant_id,
            "request_id": request.id,
            "checkpoint": sign_head(work.lockbox, work.uow, request.tenant_id),
            "witnessed": _witnessed(work, request.tenant_id, size),
            "entries": [_entry(work, entry, size) for entry in entries],
            "documents": _documents(work, entries),
        }
    ).decode()


def _entries(work: Work, request: LockboxRequest) -> list[Entry]:
    """Return the entries about the request, its grant and sessions, and every version of the roster, in the log's order."""
    grant = work.uow.grants.find_of_request(request.id)
    subjects = {f"request:{request.id}", f"jit_request:{request.jit_request_id}"}
    subjects.add(f"service_request:{request.service_request_id}")
    if grant is not None:
        subjects.add(f"grant:{grant.id}")
        subjects |= {f"session:{session.id}" for session in work.uow.sessions.of_grant(grant.id)}
    about = EntryFilter(correlation_id=CorrelationId(request.service_request_id), limit=PAGE)
    found = [e for e in _pages(work, request.tenant_id, about) if e.event.subject in subjects]
    found += _pages(work, request.tenant_id, EntryFilter(codes=frozenset({ROSTER}), limit=PAGE))
    return sorted(found, key=lambda entry: entry.index)


def _pages(work: Work, tenant_id: TenantId, query: EntryFilter) -> Iterator[Entry]:
    while page := work.uow.activity.entries(tenant_id, query):
        yield from page
        query = EntryFilter(
            codes=query.codes,
            correlation_id=query.correlation_id,
            before_index=page[-1].index,
            limit=PAGE,
        )


def _entry(work: Work, entry: Entry, size: int) -> dict[str, Json]:
    proof = work.uow.activity.inclusion(entry.tenant_id, entry.index, size)
    return {
        "leaf": entry.leaf.decode(),
        "opened": {name: {"salt": field.salt, "value": field.value} for name, field in entry.opened.items()},
        "proof": [base64.b64encode(step).decode() for step in proof],
    }


def _documents(work: Work, entries: list[Entry]) -> dict[str, Json]:
    """Return what the entries carry, but for what earlier exports stated."""
    last = entries[-1]
    named = {e.document_sha256 for e in entries if e.event.code != EXPORTED or e is last} - {""}
    found = ((sha256, work.uow.activity.document(entries[0].tenant_id, sha256)) for sha256 in sorted(named))
    return {sha256: body for sha256, body in found if body is not None}


def _witnessed(work: Work, tenant_id: TenantId, size: int) -> dict[str, Json] | None:
    """Return the newest checkpoint that was cosigned, with the proof that this one extends it."""
    for cosigned_size, note in work.uow.activity.cosigned(tenant_id):
        if cosigned_size <= size:
            proof = work.uow.activity.consistency(tenant_id, cosigned_size, size)
            return {"checkpoint": note, "consistency": [base64.b64encode(step).decode() for step in proof]}
    return None


def _stated(work: Work, request: LockboxRequest, entries: list[Entry]) -> str:
    case = work.uow.service_requests.get(request.service_request_id)
    asked = work.uow.jit_requests.get(request.jit_request_id)
    names = work.uow.principals.many({m.author for m in work.uow.service_requests.messages(case.id)} | {case.opened_by})
    messages: list[Json] = [
        {
            "number": message.number,
            "author": message.author,
            "name": names[message.author].name if message.author in names else "",
            "at": encode_instant(message.sent_at),
            "body": message.body,
        }
        for message in work.uow.service_requests.messages(case.id)
    ]
    keys: Mapping[str, object] = work.lockbox.keys.trust()
    return write_stated(
        {
            "tenant_id": request.tenant_id,
            "request_id": request.id,
            "at": encode_instant(work.now),
            "service_request": {
                "id": case.id,
                "title": case.title,
                "description": case.description,
                "severity": case.severity.value,
                "opened_by": case.opened_by,
                "opened_at": encode_instant(case.opened_at),
                "messages": messages,
            },
            "verdict": {
                "policy": asked.policy_version,
                "reviewed_by": asked.reviewed_by or "",
                "reasons": [
                    {"rule": r.rule, "outcome": r.outcome, "texts": dict(r.texts)} for r in asked.verdict.reasons
                ],
            },
            "recordings": recordings_of([read_leaf(e.leaf) for e in entries]),
            "keys": {name: dict(keys[name]) for name in sorted(keys) if name.endswith("_keys")},  # type: ignore[call-overload]
        }
    )

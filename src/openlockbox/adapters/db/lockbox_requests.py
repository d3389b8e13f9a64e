"""Lockbox requests in rows; a decision is eight columns, all NULL until there is one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.elevations import elevation_of, elevation_row
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.domain.errors import IllegalTransition
from openlockbox.domain.ids import JitRequestId, PrincipalId, RequestId, ServiceRequestId, TenantId
from openlockbox.domain.lockbox_request import Decision, LockboxRequest, RequestState


def _row(request: LockboxRequest) -> dict[str, Any]:
    decision = request.decision
    return elevation_row(request.elevation) | {
        "id": request.id,
        "tenant_id": request.tenant_id,
        "subscription_id": request.subscription_id,
        "jit_request_id": request.jit_request_id,
        "service_request_id": request.service_request_id,
        "requester": request.requester,
        "requester_person": request.requester_person,
        "approvers": request.approvers,
        "displayed": request.displayed,
        "digest": request.digest,
        "created_at": request.created_at,
        "answer_by": request.answer_by,
        "state": request.state.value,
        "prior_state": request.prior_state,
        "decided_by": None if decision is None else decision.by,
        "decided_at": None if decision is None else decision.at,
        "decision_reason": None if decision is None else decision.reason,
        "granted_duration": None if decision is None else decision.granted_duration,
        "decision_statement": None if decision is None else decision.statement,
        "decision_method": None if decision is None else decision.method,
        "decision_key_id": None if decision is None else decision.key_id,
        "decision_signature": None if decision is None else decision.signature,
        "ended_at": request.ended_at,
        "ended_because": request.ended_because,
        "version": request.version,
    }


def _decision(row: Row[Any]) -> Decision | None:
    if row.decided_by is None:
        return None
    return Decision(
        by=row.decided_by,
        at=row.decided_at,
        reason=row.decision_reason,
        granted_duration=row.granted_duration,
        statement=row.decision_statement,
        method=row.decision_method,
        key_id=row.decision_key_id,
        signature=row.decision_signature,
    )


def _request(row: Row[Any]) -> LockboxRequest:
    return LockboxRequest(
        id=row.id,
        tenant_id=row.tenant_id,
        subscription_id=row.subscription_id,
        jit_request_id=row.jit_request_id,
        service_request_id=row.service_request_id,
        requester=row.requester,
        requester_person=row.requester_person,
        elevation=elevation_of(row),
        approvers=row.approvers,
        displayed=row.displayed,
        digest=row.digest,
        created_at=row.created_at,
        answer_by=row.answer_by,
        state=RequestState(row.state),
        prior_state=row.prior_state,
        decision=_decision(row),
        ended_at=row.ended_at,
        ended_because=row.ended_because,
        version=row.version,
    )


_C = t.lockbox_request.c
# What the customer was asked never changes: `replace` does not write it, and a trigger refuses whoever else tries.
_ASKED = frozenset({"jit_request_id", "displayed", "digest", "approvers", "created_at"})
_REQUESTS = Mapped(t.lockbox_request, row_of=_row, value_of=_request, kept=_ASKED)
_OF_JIT = select(t.lockbox_request).where(_C.jit_request_id == bindparam("jit_request_id"))
_NEWEST = select(t.lockbox_request).order_by(_C.created_at.desc(), _C.id.desc())
_OF_TENANT = _NEWEST.where(_C.tenant_id == bindparam("tenant_id")).limit(bindparam("limit"))
_OF_REQUESTER = _NEWEST.where(_C.requester == bindparam("requester")).limit(bindparam("limit"))
_OF_SERVICE_REQUEST = _NEWEST.where(_C.service_request_id == bindparam("service_request_id"))
_WAITS = in_state(_C.state, RequestState.CUSTOMER_NOTIFIED)
_WAITING = select(t.lockbox_request).where(_WAITS, _C.tenant_id == bindparam("tenant_id")).order_by(_C.answer_by, _C.id)
_OVERDUE = (
    select(t.lockbox_request)
    .where(_WAITS, _C.answer_by <= bindparam("now"))
    .order_by(_C.answer_by, _C.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class SqlLockboxRequests:
    """Implements `LockboxRequestStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, request_id: RequestId, *, lock: bool = False) -> LockboxRequest:
        return _REQUESTS.get(self._unit, request_id, lock=lock)

    def add(self, request: LockboxRequest) -> None:
        _REQUESTS.add(self._unit, request)

    def replace(self, old: LockboxRequest, new: LockboxRequest) -> None:
        if any(getattr(old, name) != getattr(new, name) for name in _ASKED):
            raise IllegalTransition
        _REQUESTS.replace(self._unit, new, old_version=old.version)

    def find_of_jit(self, jit_request_id: JitRequestId) -> LockboxRequest | None:
        return _REQUESTS.first(self._unit, _OF_JIT, jit_request_id=jit_request_id)

    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[LockboxRequest]:
        return _REQUESTS.list(self._unit, _OF_TENANT, tenant_id=tenant_id, limit=limit)

    def waiting(self, tenant_id: TenantId) -> Sequence[LockboxRequest]:
        return _REQUESTS.list(self._unit, _WAITING, tenant_id=tenant_id)

    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[LockboxRequest]:
        return _REQUESTS.list(self._unit, _OF_REQUESTER, requester=principal_id, limit=limit)

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[LockboxRequest]:
        return _REQUESTS.list(self._unit, _OF_SERVICE_REQUEST, service_request_id=service_request_id)

    def overdue(self, now: datetime, *, limit: int) -> Sequence[LockboxRequest]:
        return _REQUESTS.list(self._unit, _OVERDUE, now=now, limit=limit)

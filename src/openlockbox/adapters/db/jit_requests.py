"""JIT requests in rows; the verdict is JSON, because nothing is ever searched in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import Row, bindparam, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.elevations import elevation_of, elevation_row
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.adapters.db.types import MICROSECOND
from openlockbox.domain.ids import JitRequestId, PrincipalId, ServiceRequestId
from openlockbox.domain.jit_request import Allowed, JitRequest, JitState, Reason, Refused, Verdict
from openlockbox.domain.principal import Role


def _verdict_json(verdict: Verdict) -> dict[str, object]:
    reasons = [{"rule": r.rule, "outcome": r.outcome, "texts": dict(r.texts)} for r in verdict.reasons]
    match verdict:
        case Refused():
            return {"verdict": "refused", "reasons": reasons}
        case Allowed():
            return {
                "verdict": "allowed",
                "reasons": reasons,
                "internal_approval": sorted(role.value for role in verdict.internal_approval),
                "customer_approval": verdict.customer_approval,
                "maximum_duration": verdict.maximum_duration // MICROSECOND,
            }
        case _:
            assert_never(verdict)


def _verdict(json: Mapping[str, Any]) -> Verdict:
    reasons = tuple(Reason(rule=r["rule"], outcome=r["outcome"], texts=r["texts"]) for r in json["reasons"])
    match json["verdict"]:
        case "refused":
            return Refused(reasons=reasons)
        case "allowed":
            return Allowed(
                reasons=reasons,
                internal_approval=frozenset(Role(role) for role in json["internal_approval"]),
                customer_approval=json["customer_approval"],
                maximum_duration=timedelta(microseconds=json["maximum_duration"]),
            )
        case other:
            raise ValueError(f"unknown verdict {other!r}")


def _row(request: JitRequest) -> dict[str, Any]:
    return elevation_row(request.elevation) | {
        "id": request.id,
        "tenant_id": request.tenant_id,
        "subscription_id": request.subscription_id,
        "service_request_id": request.service_request_id,
        "requester": request.requester,
        "requester_person": request.requester_person,
        "verdict": _verdict_json(request.verdict),
        "policy_version": request.policy_version,
        "resource_digest": request.resource_digest,
        "mfa_at": request.mfa_at,
        "submitted_at": request.submitted_at,
        "expires_at": request.expires_at,
        "state": request.state.value,
        "prior_state": request.prior_state,
        "reviewed_by": request.reviewed_by,
        "reviewed_at": request.reviewed_at,
        "review_reason": request.review_reason,
        "version": request.version,
    }


def _request(row: Row[Any]) -> JitRequest:
    return JitRequest(
        id=row.id,
        tenant_id=row.tenant_id,
        subscription_id=row.subscription_id,
        service_request_id=row.service_request_id,
        requester=row.requester,
        requester_person=row.requester_person,
        elevation=elevation_of(row),
        verdict=_verdict(row.verdict),
        policy_version=row.policy_version,
        resource_digest=row.resource_digest,
        mfa_at=row.mfa_at,
        submitted_at=row.submitted_at,
        expires_at=row.expires_at,
        state=JitState(row.state),
        prior_state=row.prior_state,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
        review_reason=row.review_reason,
        version=row.version,
    )


_C = t.jit_request.c
_REQUESTS = Mapped(t.jit_request, row_of=_row, value_of=_request)
_NEWEST = select(t.jit_request).order_by(_C.submitted_at.desc(), _C.id.desc())
_OF_REQUESTER = _NEWEST.where(_C.requester == bindparam("requester")).limit(bindparam("limit"))
_OF_SERVICE_REQUEST = _NEWEST.where(_C.service_request_id == bindparam("service_request_id"))
_IN_REVIEW = (
    select(t.jit_request)
    .where(in_state(_C.state, JitState.INTERNAL_REVIEW))
    .order_by(_C.submitted_at, _C.id)
    .limit(bindparam("limit"))
)
_OVERDUE = (
    select(t.jit_request)
    .where(in_state(_C.state, JitState.SUBMITTED, JitState.INTERNAL_REVIEW), _C.expires_at <= bindparam("now"))
    .order_by(_C.expires_at, _C.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class SqlJitRequests:
    """Implements `JitRequestStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, jit_request_id: JitRequestId, *, lock: bool = False) -> JitRequest:
        return _REQUESTS.get(self._unit, jit_request_id, lock=lock)

    def add(self, request: JitRequest) -> None:
        _REQUESTS.add(self._unit, request)

    def replace(self, old: JitRequest, new: JitRequest) -> None:
        _REQUESTS.replace(self._unit, new, old_version=old.version)

    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[JitRequest]:
        return _REQUESTS.list(self._unit, _OF_REQUESTER, requester=principal_id, limit=limit)

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[JitRequest]:
        return _REQUESTS.list(self._unit, _OF_SERVICE_REQUEST, service_request_id=service_request_id)

    def in_review(self, *, limit: int = 200) -> Sequence[JitRequest]:
        return _REQUESTS.list(self._unit, _IN_REVIEW, limit=limit)

    def overdue(self, now: datetime, *, limit: int) -> Sequence[JitRequest]:
        return _REQUESTS.list(self._unit, _OVERDUE, now=now, limit=limit)

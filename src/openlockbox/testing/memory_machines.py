"""The in-memory stores of the four state machines. They refuse the same steps as the databases' triggers."""

from collections.abc import Callable, Sequence
from datetime import datetime

from openlockbox.domain.errors import GrantNotUsable, IllegalTransition
from openlockbox.domain.grant import Grant, GrantState
from openlockbox.domain.ids import (
    GatewayId,
    GrantId,
    JitRequestId,
    PrincipalId,
    RequestId,
    ServiceRequestId,
    SessionId,
    TenantId,
)
from openlockbox.domain.jit_request import JitRequest, JitState
from openlockbox.domain.lockbox_request import LockboxRequest, RequestState
from openlockbox.domain.lockdown import LockKind
from openlockbox.domain.session import Session, SessionState
from openlockbox.testing.memory_tables import MemoryUnit, Shelf

_ASKED = ("jit_request_id", "displayed", "digest", "approvers", "created_at")
_REVIEWABLE = frozenset({JitState.SUBMITTED, JitState.INTERNAL_REVIEW})
_UNENDED = frozenset({GrantState.ACTIVE, GrantState.REVOKING})


class MemoryJitRequests:
    """Implements `JitRequestStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._requests: Shelf[JitRequest] = Shelf(
            unit,
            "jit_request",
            key=lambda r: r.id,
            parents=[("service_request", lambda r: r.service_request_id)],
            machine="jit_request",
        )

    def get(self, jit_request_id: JitRequestId, *, lock: bool = False) -> JitRequest:  # noqa: ARG002  one writer at a time
        return self._requests.get(jit_request_id)

    def add(self, request: JitRequest) -> None:
        self._requests.add(request)

    def replace(self, old: JitRequest, new: JitRequest) -> None:
        self._requests.replace(old, new)

    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[JitRequest]:
        return self._requests.where(
            lambda r: r.requester == principal_id, by=lambda r: (r.submitted_at, r.id), newest=True
        )[:limit]

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[JitRequest]:
        return self._requests.where(
            lambda r: r.service_request_id == service_request_id, by=lambda r: (r.submitted_at, r.id), newest=True
        )

    def in_review(self, *, limit: int = 200) -> Sequence[JitRequest]:
        return self._requests.where(lambda r: r.state is JitState.INTERNAL_REVIEW, by=lambda r: (r.submitted_at, r.id))[
            :limit
        ]

    def overdue(self, now: datetime, *, limit: int) -> Sequence[JitRequest]:
        return self._requests.where(
            lambda r: r.state in _REVIEWABLE and r.expires_at <= now, by=lambda r: (r.expires_at, r.id)
        )[:limit]


class MemoryLockboxRequests:
    """Implements `LockboxRequestStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit
        self._requests: Shelf[LockboxRequest] = Shelf(
            unit,
            "lockbox_request",
            key=lambda r: r.id,
            unique=[lambda r: r.jit_request_id],
            parents=[("jit_request", lambda r: r.jit_request_id)],
            machine="lockbox_request",
        )

    def get(self, request_id: RequestId, *, lock: bool = False) -> LockboxRequest:  # noqa: ARG002  one writer at a time
        return self._requests.get(request_id)

    def add(self, request: LockboxRequest) -> None:
        self._requests.add(request)

    def replace(self, old: LockboxRequest, new: LockboxRequest) -> None:
        if any(getattr(old, name) != getattr(new, name) for name in _ASKED):
            raise IllegalTransition
        self._requests.replace(old, new)

    def find_of_jit(self, jit_request_id: JitRequestId) -> LockboxRequest | None:
        return next((r for r in self._requests.all() if r.jit_request_id == jit_request_id), None)

    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[LockboxRequest]:
        return self._requests.where(lambda r: r.tenant_id == tenant_id, by=lambda r: (r.created_at, r.id), newest=True)[
            :limit
        ]

    def waiting(self, tenant_id: TenantId) -> Sequence[LockboxRequest]:
        return self._requests.where(
            lambda r: r.tenant_id == tenant_id and r.state is RequestState.CUSTOMER_NOTIFIED,
            by=lambda r: (r.answer_by, r.id),
        )

    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[LockboxRequest]:
        return self._requests.where(
            lambda r: r.requester == principal_id, by=lambda r: (r.created_at, r.id), newest=True
        )[:limit]

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[LockboxRequest]:
        return self._requests.where(
            lambda r: r.service_request_id == service_request_id, by=lambda r: (r.created_at, r.id), newest=True
        )

    def overdue(self, now: datetime, *, limit: int) -> Sequence[LockboxRequest]:
        return self._requests.where(
            lambda r: r.state is RequestState.CUSTOMER_NOTIFIED and r.answer_by <= now,
            by=lambda r: (r.answer_by, r.id),
        )[:limit]


class MemoryGrants:
    """Implements `GrantStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit
        self._grants: Shelf[Grant] = Shelf(
            unit, "grant", key=lambda g: g.id, unique=[lambda g: g.request_id], machine="grant"
        )

    def get(self, grant_id: GrantId, *, lock: bool = False) -> Grant:  # noqa: ARG002  one writer at a time
        return self._grants.get(grant_id)

    def add(self, grant: Grant) -> None:
        request: LockboxRequest | None = self._unit.read("lockbox_request").get(grant.request_id)
        if request is None or request.state is not RequestState.APPROVED or request.tenant_id != grant.tenant_id:
            raise self._unit.refuse(GrantNotUsable())
        self._grants.add(grant)

    def replace(self, old: Grant, new: Grant) -> None:
        self._grants.replace(old, new)

    def find_of_request(self, request_id: RequestId) -> Grant | None:
        return next((g for g in self._grants.all() if g.request_id == request_id), None)

    def of_engineer(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[Grant]:
        return self._grants.where(lambda g: g.engineer == principal_id, by=lambda g: (g.not_before, g.id), newest=True)[
            :limit
        ]

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[Grant]:
        return self._grants.where(
            lambda g: g.service_request_id == service_request_id, by=lambda g: (g.not_before, g.id), newest=True
        )

    def unended(self, tenant_id: TenantId) -> Sequence[Grant]:
        return self._grants.where(
            lambda g: g.tenant_id == tenant_id and g.state in _UNENDED, by=lambda g: (g.not_before, g.id), newest=True
        )

    def overdue(self, now: datetime, *, limit: int) -> Sequence[Grant]:
        return self._grants.where(
            lambda g: g.state is GrantState.ACTIVE and g.not_after <= now, by=lambda g: (g.not_after, g.id)
        )[:limit]

    def active_of(self, kind: LockKind, subject_id: str) -> Sequence[Grant]:
        subject: dict[LockKind, Callable[[Grant], str]] = {
            LockKind.TENANT: lambda g: g.tenant_id,
            LockKind.RESOURCE: lambda g: g.elevation.resource_id,
            LockKind.ENGINEER: lambda g: g.engineer,
        }
        return self._grants.where(
            lambda g: g.state is GrantState.ACTIVE and subject[kind](g) == subject_id, by=lambda g: g.id
        )

    def revoked_by_list(self, version: int) -> Sequence[Grant]:
        return self._grants.where(lambda g: g.revocation_version == version, by=lambda g: g.id)

    def revoking(self, gateway_id: GatewayId, *, up_to_version: int) -> Sequence[Grant]:
        return self._grants.where(
            lambda g: (
                g.gateway_id == gateway_id
                and g.state is GrantState.REVOKING
                and g.revocation_version is not None
                and g.revocation_version <= up_to_version
            ),
            by=lambda g: g.id,
        )


class MemorySessions:
    """Implements `SessionStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit
        self._sessions: Shelf[Session] = Shelf(
            unit, "session", key=lambda s: s.id, parents=[("grant", lambda s: s.grant_id)], machine="session"
        )

    def get(self, session_id: SessionId, *, lock: bool = False) -> Session:  # noqa: ARG002  one writer at a time
        return self._sessions.get(session_id)

    def add(self, session: Session) -> None:
        self._sessions.add(session)

    def replace(self, old: Session, new: Session) -> None:
        self._sessions.replace(old, new)

    def of_grant(self, grant_id: GrantId) -> Sequence[Session]:
        return self._sessions.where(lambda s: s.grant_id == grant_id, by=lambda s: (s.offered_at, s.id), newest=True)

    def active(self, tenant_id: TenantId) -> Sequence[Session]:
        return self._sessions.where(
            lambda s: s.tenant_id == tenant_id and s.state is SessionState.ACTIVE,
            by=lambda s: (s.offered_at, s.id),
            newest=True,
        )

    def lapsed(self, now: datetime, *, limit: int) -> Sequence[Session]:
        return self._sessions.where(
            lambda s: s.state is SessionState.PENDING and s.offer_ends_at <= now, by=lambda s: (s.offer_ends_at, s.id)
        )[:limit]

    def unreported(self, before: datetime, *, limit: int) -> Sequence[Session]:
        over = {g.id for g in self._unit.read("grant").values() if g.not_after <= before}
        return self._sessions.where(
            lambda s: s.state is SessionState.ACTIVE and s.grant_id in over, by=lambda s: (s.offered_at, s.id)
        )[:limit]

"""The Lockbox request and the only rules that change its state. Pure: `now` is always an argument."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.errors import (
    AlreadyDecided,
    DecisionWidens,
    IllegalTransition,
    NoDesignatedApprover,
    NotAnApprover,
    RequestChanged,
    RequestExpired,
    SelfApproval,
)
from openlockbox.domain.ids import (
    JitRequestId,
    PersonId,
    PrincipalId,
    RequestId,
    ServiceRequestId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.principal import APPROVER_ROLES, Role

CUSTOMER_QUEUE_TIME: Final = timedelta(days=4)  # specification W8: four days
ACCESS_DURATION: Final = timedelta(hours=8)  # specification W11: eight hours by default


class RequestState(StrEnum):
    """States of a Lockbox request."""

    CUSTOMER_NOTIFIED = "customer_notified"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELED = "canceled"


class RequestCommand(StrEnum):
    """What can happen to a Lockbox request."""

    APPROVE = "approve"
    DENY = "deny"
    EXPIRE = "expire"
    CANCEL = "cancel"


S, C = RequestState, RequestCommand
REQUEST_TRANSITIONS: Final[Mapping[RequestState, Mapping[RequestCommand, RequestState]]] = MappingProxyType(
    {
        S.CUSTOMER_NOTIFIED: {C.APPROVE: S.APPROVED, C.DENY: S.DENIED, C.EXPIRE: S.EXPIRED, C.CANCEL: S.CANCELED},
        S.APPROVED: {},
        S.DENIED: {},
        S.EXPIRED: {},
        S.CANCELED: {},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An approver's answer. `granted_duration` is None for a denial; `statement` is what the approver confirmed, canonical JSON.

    `method` is "passkey" or "ed25519" where a key signed the statement, and "unsigned" for password and one-time code.
    """

    by: PrincipalId
    at: datetime
    reason: str
    granted_duration: timedelta | None
    statement: str
    method: str = "unsigned"
    key_id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockboxRequest:
    """What the customer is asked. `digest` is over `displayed`, the canonical JSON of all that the page shows."""

    id: RequestId
    tenant_id: TenantId
    subscription_id: SubscriptionId
    jit_request_id: JitRequestId
    service_request_id: ServiceRequestId
    requester: PrincipalId
    requester_person: PersonId
    elevation: Elevation
    approvers: frozenset[PrincipalId]  # fixed when the request enters customer_notified
    displayed: str
    digest: str  # lower-case hex SHA-256 of `displayed`
    created_at: datetime
    answer_by: datetime
    state: RequestState = RequestState.CUSTOMER_NOTIFIED
    prior_state: str = "new"
    decision: Decision | None = None
    ended_at: datetime | None = None
    ended_because: str = ""  # for canceled: a stable word
    version: int = 1


def check_submission(request: LockboxRequest) -> None:
    """Check what must hold before the customer is asked.

    Raises:
        NoDesignatedApprover: nobody could decide.
        InvalidInput: never; times are the caller's constants.
    """
    if not request.approvers:
        raise NoDesignatedApprover


def effective_state(request: LockboxRequest, now: datetime) -> RequestState:
    """Return the state as the clock has it: overdue is expired even when no worker wrote it down."""
    if request.state is RequestState.CUSTOMER_NOTIFIED and now >= request.answer_by:
        return RequestState.EXPIRED
    return request.state


def may_decide(request: LockboxRequest, *, by: PrincipalId, person: PersonId, roles: frozenset[Role]) -> None:
    """Check the authority to decide: in the snapshot, still in the role on the subscription, and another person.

    Authority comes before state, so that strangers learn nothing about the state.

    Raises:
        SelfApproval: the same person asked, through whatever account.
        NotAnApprover: not in the snapshot, or no longer in the role.
    """
    if person == request.requester_person:
        raise SelfApproval
    if by not in request.approvers or not roles & APPROVER_ROLES:
        raise NotAnApprover


def _step(request: LockboxRequest, command: RequestCommand, now: datetime) -> LockboxRequest:
    state = effective_state(request, now)
    if command is RequestCommand.EXPIRE:
        if state is not RequestState.EXPIRED or request.state is RequestState.EXPIRED:
            raise IllegalTransition
    elif state is RequestState.EXPIRED:
        raise RequestExpired
    to = REQUEST_TRANSITIONS[request.state].get(command)
    if to is None:
        raise AlreadyDecided(state=request.state)
    return replace(request, state=to, prior_state=request.state.value, ended_at=now, version=request.version + 1)


def approve(
    request: LockboxRequest,
    *,
    decision: Decision,
    permission: Permission,
    channels: frozenset[str],
    person: PersonId,
    roles: frozenset[Role],
    digest: str,
) -> LockboxRequest:
    """Approve, for at most what was asked.

    Raises:
        SelfApproval, NotAnApprover: see `may_decide`.
        RequestExpired, AlreadyDecided: too late.
        RequestChanged: the decision was made on something else than what stands here.
        DecisionWidens: longer than asked, or no time at all; a higher permission, or a channel that was not asked for.
    """
    moved = _decide(request, RequestCommand.APPROVE, decision, person=person, roles=roles, digest=digest)
    asked, granted = request.elevation, decision.granted_duration
    if granted is None or not timedelta(0) < granted <= asked.duration:
        raise DecisionWidens
    if permission.rank > asked.permission.rank or not channels <= asked.channels:
        raise DecisionWidens
    return moved


def _decide(
    request: LockboxRequest,
    command: RequestCommand,
    decision: Decision,
    *,
    person: PersonId,
    roles: frozenset[Role],
    digest: str,
) -> LockboxRequest:
    may_decide(request, by=decision.by, person=person, roles=roles)
    moved = _step(request, command, decision.at)
    if digest != request.digest:
        raise RequestChanged
    return replace(moved, decision=decision)


def deny(
    request: LockboxRequest,
    *,
    decision: Decision,
    person: PersonId,
    roles: frozenset[Role],
    digest: str,
) -> LockboxRequest:
    """Deny; nothing further happens.

    Raises:
        SelfApproval, NotAnApprover: see `may_decide`.
        RequestExpired, AlreadyDecided: too late.
        RequestChanged: the decision was made on something else than what stands here.
    """
    return _decide(request, RequestCommand.DENY, decision, person=person, roles=roles, digest=digest)


def cancel(request: LockboxRequest, *, because: str, now: datetime) -> LockboxRequest:
    """Take the question back: withdrawn, superseded, or its service request closed.

    Raises:
        RequestExpired, AlreadyDecided: too late.
    """
    return replace(_step(request, RequestCommand.CANCEL, now), ended_because=because)


def expire(request: LockboxRequest, *, now: datetime) -> LockboxRequest:
    """Write down what the clock made true.

    Raises:
        IllegalTransition: it is not overdue, or is not waiting.
    """
    return _step(request, RequestCommand.EXPIRE, now)

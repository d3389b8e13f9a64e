"""The elevation asked of the just-in-time service, its verdict, and the only rules that change its state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from openlockbox.domain.elevation import Elevation
from openlockbox.domain.errors import (
    AlreadyDecided,
    IllegalTransition,
    NotAnInternalApprover,
    RequestExpired,
    SelfApproval,
)
from openlockbox.domain.ids import JitRequestId, PersonId, PrincipalId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.principal import INTERNAL_APPROVER_ROLES, Role


class JitState(StrEnum):
    """States of a JIT request."""

    SUBMITTED = "submitted"
    INTERNAL_REVIEW = "internal_review"
    ALLOWED = "allowed"
    FORWARDED = "forwarded"
    REFUSED = "refused"
    CANCELED = "canceled"
    EXPIRED = "expired"


class JitCommand(StrEnum):
    """What can happen to a JIT request."""

    ASK_REVIEW = "ask_review"
    ALLOW = "allow"
    FORWARD = "forward"
    REFUSE = "refuse"
    CANCEL = "cancel"
    EXPIRE = "expire"


S, C = JitState, JitCommand
JIT_TRANSITIONS: Final[Mapping[JitState, Mapping[JitCommand, JitState]]] = MappingProxyType(
    {
        S.SUBMITTED: {
            C.ASK_REVIEW: S.INTERNAL_REVIEW,
            C.ALLOW: S.ALLOWED,
            C.FORWARD: S.FORWARDED,
            C.REFUSE: S.REFUSED,
            C.CANCEL: S.CANCELED,
            C.EXPIRE: S.EXPIRED,
        },
        S.INTERNAL_REVIEW: {
            C.ALLOW: S.ALLOWED,
            C.FORWARD: S.FORWARDED,
            C.REFUSE: S.REFUSED,
            C.CANCEL: S.CANCELED,
            C.EXPIRE: S.EXPIRED,
        },
        S.ALLOWED: {},
        S.FORWARDED: {},
        S.REFUSED: {},
        S.CANCELED: {},
        S.EXPIRED: {},
    }
)

REVIEW_TIME: Final = timedelta(days=4)  # an internal review nobody answers ends like a Lockbox request: without access


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a rule came out as it did, for a person. `texts` maps a language to a sentence; "en" is always there."""

    rule: str
    outcome: str  # "permit" | "approval" | "forbid" | "error" | "default"
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The JIT rules say no."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The JIT rules say yes, under conditions. `customer_approval` is the scenario's word; no rule can take it away."""

    reasons: tuple[Reason, ...]
    internal_approval: frozenset[Role]  # empty: none needed; otherwise one approval by any of these roles
    customer_approval: bool
    maximum_duration: timedelta


Verdict = Refused | Allowed


def is_stricter(new: Verdict, old: Allowed) -> bool:
    """Tell whether a later evaluation gives less than the one the request went out with."""
    if isinstance(new, Refused):
        return True
    return (
        new.maximum_duration < old.maximum_duration
        or (new.customer_approval and not old.customer_approval)
        or (
            bool(new.internal_approval)
            and (not old.internal_approval or not old.internal_approval <= new.internal_approval)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JitRequest:
    """One elevation asked for. `reviewed_by` is set by an internal approval or denial."""

    id: JitRequestId
    tenant_id: TenantId
    subscription_id: SubscriptionId
    service_request_id: ServiceRequestId
    requester: PrincipalId
    requester_person: PersonId
    elevation: Elevation
    verdict: Verdict
    policy_version: str  # digest of the policy set that gave the verdict
    resource_digest: str  # of resource and target as they were weighed; a change voids the question
    mfa_at: datetime | None
    submitted_at: datetime
    expires_at: datetime
    state: JitState = JitState.SUBMITTED
    prior_state: str = "new"
    reviewed_by: PrincipalId | None = None
    reviewed_at: datetime | None = None
    review_reason: str = ""
    version: int = 1


def effective_state(request: JitRequest, now: datetime) -> JitState:
    """Return the state as the clock has it: overdue is expired even when no worker wrote it down."""
    if JitCommand.EXPIRE in JIT_TRANSITIONS[request.state] and now >= request.expires_at:
        return JitState.EXPIRED
    return request.state


def _step(request: JitRequest, command: JitCommand, now: datetime) -> JitRequest:
    state = effective_state(request, now)
    if command is JitCommand.EXPIRE:
        if state is not JitState.EXPIRED or request.state is JitState.EXPIRED:
            raise IllegalTransition
    elif state is JitState.EXPIRED:
        raise RequestExpired
    to = JIT_TRANSITIONS[request.state].get(command)
    if to is None:
        raise AlreadyDecided(state=request.state)
    return replace(request, state=to, prior_state=request.state.value, version=request.version + 1)


def weigh(request: JitRequest, *, now: datetime) -> JitRequest:
    """Move a submitted request on as its verdict says: refused, to internal review, to the customer, or allowed.

    Raises:
        AlreadyDecided: it has been weighed before.
    """
    match request.verdict:
        case Refused():
            return _step(request, JitCommand.REFUSE, now)
        case Allowed(internal_approval=roles) if roles and request.state is JitState.SUBMITTED:
            return _step(request, JitCommand.ASK_REVIEW, now)
        case Allowed(customer_approval=True):
            return _step(request, JitCommand.FORWARD, now)
        case Allowed():
            return _step(request, JitCommand.ALLOW, now)
        case _:
            assert_never(request.verdict)


def may_review(request: JitRequest, *, person: PersonId, roles: frozenset[Role]) -> None:
    """Check the authority to review.

    Raises:
        SelfApproval: the same person asked, through whatever account.
        NotAnInternalApprover: none of the roles is one that the verdict asks for.
    """
    if person == request.requester_person:
        raise SelfApproval
    asked = request.verdict.internal_approval if isinstance(request.verdict, Allowed) else frozenset()
    if not roles & asked & INTERNAL_APPROVER_ROLES:
        raise NotAnInternalApprover


def review_approve(
    request: JitRequest, *, by: PrincipalId, person: PersonId, roles: frozenset[Role], reason: str, now: datetime
) -> JitRequest:
    """Give the internal approval; the request goes on to the customer, or is allowed where no customer data is touched.

    Raises:
        SelfApproval, NotAnInternalApprover: see `may_review`.
        RequestExpired, AlreadyDecided: too late.
    """
    may_review(request, person=person, roles=roles)
    customer = isinstance(request.verdict, Allowed) and request.verdict.customer_approval
    moved = _step(request, JitCommand.FORWARD if customer else JitCommand.ALLOW, now)
    return replace(moved, reviewed_by=by, reviewed_at=now, review_reason=reason)


def review_deny(
    request: JitRequest, *, by: PrincipalId, person: PersonId, roles: frozenset[Role], reason: str, now: datetime
) -> JitRequest:
    """Deny internally; the customer is never asked.

    Raises:
        SelfApproval, NotAnInternalApprover: see `may_review`.
        RequestExpired, AlreadyDecided: too late.
    """
    may_review(request, person=person, roles=roles)
    moved = _step(request, JitCommand.REFUSE, now)
    return replace(moved, reviewed_by=by, reviewed_at=now, review_reason=reason)


def cancel(request: JitRequest, *, now: datetime) -> JitRequest:
    """Withdraw it before it went on.

    Raises:
        RequestExpired, AlreadyDecided: too late.
    """
    return _step(request, JitCommand.CANCEL, now)


def expire(request: JitRequest, *, now: datetime) -> JitRequest:
    """Write down what the clock made true.

    Raises:
        IllegalTransition: it is not overdue, or is not waiting.
    """
    return _step(request, JitCommand.EXPIRE, now)

"""The time-limited result of an approval and the only rules that end it. The signed wire form lives in `openlockbox.grants`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from openlockbox.domain.elevation import Elevation
from openlockbox.domain.errors import AlreadyRevoked, GrantNotUsable, IllegalTransition, NotAllowedToRevoke
from openlockbox.domain.ids import (
    GatewayId,
    GrantId,
    PersonId,
    PrincipalId,
    RequestId,
    ServiceRequestId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.lockbox_request import Decision, LockboxRequest, RequestState
from openlockbox.domain.principal import APPROVER_ROLES, Role


class GrantState(StrEnum):
    """`ended` by time is a view of the clock (`is_over`), written down as ENDED once."""

    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"
    ENDED = "ended"


class GrantCommand(StrEnum):
    """What can happen to a grant."""

    REVOKE = "revoke"
    CONFIRM = "confirm"
    END = "end"


S, C = GrantState, GrantCommand
GRANT_TRANSITIONS: Final[Mapping[GrantState, Mapping[GrantCommand, GrantState]]] = MappingProxyType(
    {
        S.ACTIVE: {C.REVOKE: S.REVOKING, C.END: S.ENDED},
        S.REVOKING: {C.CONFIRM: S.REVOKED},
        S.REVOKED: {},
        S.ENDED: {},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One access. `wire` is the signed form that the gateway verifies by itself."""

    id: GrantId
    tenant_id: TenantId
    subscription_id: SubscriptionId
    request_id: RequestId
    service_request_id: ServiceRequestId
    engineer: PrincipalId
    engineer_person: PersonId
    gateway_id: GatewayId
    elevation: Elevation
    not_before: datetime
    not_after: datetime
    wire: str
    state: GrantState = GrantState.ACTIVE
    prior_state: str = "new"
    revoked_by: PrincipalId | None = None
    revoked_at: datetime | None = None
    revoke_reason: str = ""
    revocation_version: int | None = None  # the revocation list that first names it
    confirmed_at: datetime | None = None
    version: int = 1


def rests_on(request: LockboxRequest) -> tuple[Decision, timedelta]:
    """Return the decision that a grant may be made of, and for how long: only an approved request has one.

    Raises:
        GrantNotUsable: there is no approval to rest on.
    """
    decision = request.decision
    if request.state is not RequestState.APPROVED or decision is None or decision.granted_duration is None:
        raise GrantNotUsable
    return decision, decision.granted_duration


def is_over(grant: Grant, now: datetime) -> bool:
    """Tell whether the time is up, whatever the row says."""
    return now >= grant.not_after


def is_usable(grant: Grant, now: datetime) -> bool:
    """Tell whether a session may run under it at this instant."""
    return grant.state is GrantState.ACTIVE and grant.not_before <= now < grant.not_after


def check_usable(grant: Grant, *, engineer: PrincipalId, now: datetime) -> None:
    """Check that this engineer may open a session now.

    Raises:
        GrantNotUsable: ended, revoked, or somebody else's.
    """
    if grant.engineer != engineer or not is_usable(grant, now):
        raise GrantNotUsable


def may_revoke(
    grant: Grant,
    *,
    by: PrincipalId,
    person: PersonId,
    on_subscription: frozenset[Role],
    on_tenant: frozenset[Role],
    at_provider: frozenset[Role],
) -> None:
    """Check the authority to revoke: the customer's current deciders and administrators, operator, support lead, the engineer.

    Raises:
        NotAllowedToRevoke: none of these.
    """
    customer = bool(on_subscription & APPROVER_ROLES) or Role.TENANT_ADMINISTRATOR in on_tenant
    provider = bool(at_provider & {Role.OPERATOR, Role.SUPPORT_LEAD})
    if not (customer or provider or by == grant.engineer or person == grant.engineer_person):
        raise NotAllowedToRevoke


def revoke(grant: Grant, *, by: PrincipalId | None, reason: str, revocation_version: int, now: datetime) -> Grant:
    """Start the revocation; it is `revoked` only when the gateway says so. Authority is `may_revoke`'s.

    Raises:
        AlreadyRevoked: it has ended or is being revoked.
    """
    if is_over(grant, now) or GrantCommand.REVOKE not in GRANT_TRANSITIONS[grant.state]:
        raise AlreadyRevoked
    return replace(
        grant,
        state=GrantState.REVOKING,
        prior_state=grant.state.value,
        revoked_by=by,
        revoked_at=now,
        revoke_reason=reason,
        revocation_version=revocation_version,
        version=grant.version + 1,
    )


def confirm_revoked(grant: Grant, *, now: datetime) -> Grant:
    """Write down that the gateway has applied the revocation.

    Raises:
        IllegalTransition: it is not being revoked.
    """
    if grant.state is not GrantState.REVOKING:
        raise IllegalTransition
    return replace(
        grant, state=GrantState.REVOKED, prior_state=grant.state.value, confirmed_at=now, version=grant.version + 1
    )


def end(grant: Grant, *, now: datetime) -> Grant:
    """Write down that the time is up.

    Raises:
        IllegalTransition: it is not, or the grant was revoked.
    """
    if not is_over(grant, now) or grant.state is not GrantState.ACTIVE:
        raise IllegalTransition
    return replace(grant, state=GrantState.ENDED, prior_state=grant.state.value, version=grant.version + 1)

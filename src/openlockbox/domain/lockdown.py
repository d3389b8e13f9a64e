"""A lock: no access at all to a tenant or a resource, or for an engineer, until it is lifted. Pure: `now` is always an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from openlockbox.domain.errors import EngineerLocked, IllegalTransition, NotLocked, ResourceLocked, TenantLocked
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import LockId, PrincipalId, TenantId
from openlockbox.domain.principal import APPROVER_ROLES, Role

LOCK_ROLES: Final = APPROVER_ROLES | {Role.TENANT_ADMINISTRATOR}
LIFT_ROLES: Final = frozenset({Role.SUBSCRIPTION_OWNER, Role.TENANT_ADMINISTRATOR})
PROVIDER_LOCK_ROLES: Final = frozenset({Role.OPERATOR, Role.SUPPORT_LEAD})


class LockKind(StrEnum):
    """What is locked. The values are the kinds of the revocation list."""

    TENANT = "tenant"
    RESOURCE = "resource"
    ENGINEER = "engineer"


class LockState(StrEnum):
    """`locking` until every enrolled gateway has confirmed. It forbids access from its first moment until it is lifted."""

    LOCKING = "locking"
    LOCKED = "locked"
    LIFTED = "lifted"


class LockCommand(StrEnum):
    """What can happen to a lock."""

    CONFIRM = "confirm"
    LIFT = "lift"


S, C = LockState, LockCommand
LOCK_TRANSITIONS: Final[Mapping[LockState, Mapping[LockCommand, LockState]]] = MappingProxyType(
    {
        S.LOCKING: {C.CONFIRM: S.LOCKED, C.LIFT: S.LIFTED},
        S.LOCKED: {C.LIFT: S.LIFTED},
        S.LIFTED: {},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One lock. `tenant_id` is whose log it stands in: the customer's, or the provider's for an engineer."""

    id: LockId
    tenant_id: TenantId
    kind: LockKind
    subject_id: str
    side: str  # "customer" | "provider"
    ordered_by: PrincipalId | None  # None: the operator at the console
    ordered_at: datetime
    reason: str
    revocation_version: int  # the revocation list that first names it
    state: LockState = LockState.LOCKING
    prior_state: str = "new"
    confirmed_at: datetime | None = None
    lifted_by: PrincipalId | None = None
    lifted_at: datetime | None = None
    version: int = 1


def stands(lock: Lock) -> bool:
    """Tell whether it forbids access now."""
    return lock.state is not LockState.LIFTED


def check_unlocked(standing: Iterable[Lock]) -> None:
    """Check that none of the locks which concern an access stands.

    Raises:
        TenantLocked, ResourceLocked, EngineerLocked: the widest one that does.
    """
    kinds = {lock.kind for lock in standing if stands(lock)}
    if LockKind.TENANT in kinds:
        raise TenantLocked
    if LockKind.RESOURCE in kinds:
        raise ResourceLocked
    if LockKind.ENGINEER in kinds:
        raise EngineerLocked


def missing(lock: Lock, gateways: Iterable[Gateway]) -> tuple[Gateway, ...]:
    """Return the enrolled gateways that have not confirmed the lock yet."""
    return tuple(g for g in gateways if g.public_key and g.applied_version < lock.revocation_version)


def _step(lock: Lock, command: LockCommand) -> Lock:
    to = LOCK_TRANSITIONS[lock.state].get(command)
    if to is None:
        raise NotLocked if command is LockCommand.LIFT else IllegalTransition
    return replace(lock, state=to, prior_state=lock.state.value, version=lock.version + 1)


def confirm(lock: Lock, gateways: Iterable[Gateway], *, now: datetime) -> Lock:
    """Write down that every gateway has applied it.

    Raises:
        IllegalTransition: one has not, or it is not being locked.
    """
    if missing(lock, gateways):
        raise IllegalTransition
    return replace(_step(lock, LockCommand.CONFIRM), confirmed_at=now)


def lift(lock: Lock, *, by: PrincipalId, now: datetime) -> Lock:
    """Let access be asked for again. What the lock ended stays ended. Authority is the caller's to check.

    Raises:
        NotLocked: it was lifted before.
    """
    return replace(_step(lock, LockCommand.LIFT), lifted_by=by, lifted_at=now)

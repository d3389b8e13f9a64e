"""Lock everything of a tenant, one resource, or one engineer: what runs is cut, nothing opens, until somebody lifts it.

A lock revokes what it finds in the same transaction. Whoever opens access holds the three subjects (`hold_open`), so that no
grant is made beside a lock that is being set. Each enrolled gateway has to confirm; until then the lock is `locking`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from openlockbox.domain import grant as grants
from openlockbox.domain import lockdown as core
from openlockbox.domain.errors import NotAllowed, NotFound
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import (
    OPERATOR_COMMAND,
    CorrelationId,
    LockId,
    PrincipalId,
    ResourceId,
    TenantId,
    gateway_actor,
    principal_actor,
)
from openlockbox.domain.lockdown import LIFT_ROLES, LOCK_ROLES, PROVIDER_LOCK_ROLES, Lock, LockKind, LockState
from openlockbox.domain.principal import CUSTOMER_ROLES, Principal, PrincipalState, Role
from openlockbox.services.authority import at_provider, is_member, need, see_tenant
from openlockbox.services.ports import OutboxRow, UnitOfWork
from openlockbox.services.service_requests import REASON_LENGTH, clean
from openlockbox.services.work import Lockbox, Work, command, query

FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)  # a lock stays listed until it is lifted
REVOCATION_MARGIN: Final = timedelta(minutes=5)  # a grant that a lock ended stays listed a little past its own end


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """A lock with the names that its page shows, and the gateways that have not confirmed it."""

    lock: Lock
    subject_name: str
    ordered_by: str  # "" for the operator at the console
    missing: tuple[Gateway, ...]
    may_lift: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """The locks that stand in a customer's or the provider's log, and what the reader may lock."""

    standing: tuple[LockView, ...]
    may_lock: bool
    subjects: tuple[tuple[str, str], ...]  # id and name of each resource or engineer that could be locked alone
    open_grants: int  # what locking everything would end now
    now: datetime

    @property
    def whole(self) -> LockView | None:
        """Return the lock on everything, where it stands."""
        return next((v for v in self.standing if v.lock.kind is LockKind.TENANT), None)


# ---- for whoever opens access ---------------------------------------------------------------------------------------


def check_unlocked(
    uow: UnitOfWork, *, tenant_id: TenantId, resource_id: ResourceId, engineer: PrincipalId, hold: bool = False
) -> None:
    """Check that no lock forbids such an access; with `hold`, and that none can be set before this transaction ends.

    Raises:
        TenantLocked, ResourceLocked, EngineerLocked: one does.
    """
    core.check_unlocked(uow.locks.over(tenant_id=tenant_id, resource_id=resource_id, engineer=engineer, hold=hold))


# ---- set ------------------------------------------------------------------------------------------------------------


@command("lock.set", scope="grants.revoke")
def lock_tenant(work: Work, *, tenant_id: TenantId, reason: str) -> Lock:
    """Lock everything of the caller's organization. Idempotent: a lock that stands already is returned as it is.

    Raises:
        NotFound, NotAllowed: not the caller's organization; neither Owner nor approver nor administrator of it.
    """
    work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    _need_customer(work, tenant_id, work.roles.on_tenant(tenant_id) & LOCK_ROLES)
    return _set_by_caller(work, LockKind.TENANT, tenant_id, reason)


@command("lock.set", scope="grants.revoke")
def lock_resource(work: Work, *, resource_id: ResourceId, reason: str) -> Lock:
    """Lock one resource of the caller's organization. Idempotent.

    Raises:
        NotFound, NotAllowed: as `lock_tenant`, with Owner and approver of the resource's subscription.
    """
    resource = work.uow.resources.get(resource_id)
    work.concerns(resource.tenant_id, f"resource:{resource.id}", correlation_id=resource.id, resource_id=resource.id)
    roles = work.roles.on_subscription(resource.subscription_id) | work.roles.on_tenant(resource.tenant_id) & {
        Role.TENANT_ADMINISTRATOR
    }
    _need_customer(work, resource.tenant_id, roles & LOCK_ROLES)
    return _set_by_caller(work, LockKind.RESOURCE, resource.id, reason)


@command("lock.set", scope="grants.revoke")
def lock_engineer(work: Work, *, principal_id: PrincipalId, reason: str) -> Lock:
    """Lock one of the provider's people out of all customers, as operator or support lead. Idempotent.

    Raises:
        NotAllowed: neither.
        NotFound: nobody of the provider.
    """
    need(work, *PROVIDER_LOCK_ROLES)
    engineer = work.uow.principals.get(principal_id)
    if engineer.tenant_id != work.principal.tenant_id:
        raise NotFound
    work.concerns(engineer.tenant_id, f"principal:{engineer.id}", correlation_id=engineer.id)
    return _set_by_caller(work, LockKind.ENGINEER, engineer.id, reason)


def _need_customer(work: Work, tenant_id: TenantId, roles: frozenset[Role]) -> None:
    if not is_member(work, tenant_id):
        raise NotFound
    if not roles & CUSTOMER_ROLES:
        raise NotAllowed


def _set_by_caller(work: Work, kind: LockKind, subject_id: str, reason: str) -> Lock:
    said = clean("reason", reason, at_most=REASON_LENGTH, required=False)
    standing = work.uow.locks.claim(kind, subject_id)
    work.locked()
    if standing is not None:
        return standing
    by, via = work.principal, work.caller.via
    return set_lock(
        work.lockbox, work.uow, kind, subject_id, tenant_id=work.tenant_id, by=by, reason=said, via=via, now=work.now
    )


def lock_disabled(lockbox: Lockbox, uow: UnitOfWork, disabled: Principal) -> None:
    """Lock out somebody of the provider whom the operator disables, in that transaction; for others there is nothing to lock."""
    if disabled.tenant_id != uow.tenants.provider().id or uow.locks.claim(LockKind.ENGINEER, disabled.id) is not None:
        return
    set_lock(
        lockbox,
        uow,
        LockKind.ENGINEER,
        disabled.id,
        tenant_id=disabled.tenant_id,
        by=None,
        reason="",
        via="console",
        now=lockbox.clock(),
    )


def set_lock(
    lockbox: Lockbox,
    uow: UnitOfWork,
    kind: LockKind,
    subject_id: str,
    *,
    tenant_id: TenantId,
    by: Principal | None,
    reason: str,
    via: str,
    now: datetime,
) -> Lock:
    """Add the lock to the list, revoke what is open under it, record and tell. The subject is claimed; nothing stands on it."""
    ending = [g for g in uow.grants.active_of(kind, subject_id) if not grants.is_over(g, now)]
    version = uow.gateways.add_revocation(kind.value, subject_id, until=FOR_EVER)
    lock = Lock(
        id=LockId(lockbox.new_id("LCK")),
        tenant_id=tenant_id,
        kind=kind,
        subject_id=subject_id,
        side="provider" if kind is LockKind.ENGINEER else "customer",
        ordered_by=None if by is None else by.id,
        ordered_at=now,
        reason=reason,
        revocation_version=version,
    )
    uow.locks.add(lock)
    actor = OPERATOR_COMMAND if by is None else principal_actor(by.id)
    personal = ({} if by is None else {"actor_name": by.name}) | ({"reason": reason} if reason else {})
    told = {"side": lock.side, "lock": lock.id, "revocation_version": str(version), "via": via}
    event = replace(
        _event("lock.set", lock), actor=actor, detail=told | {"kind": kind.value, "ended": str(len(ending))}
    )
    uow.activity.append(replace(event, personal=personal), at=now)
    for grant in ending:
        revoking = grants.revoke(grant, by=lock.ordered_by, reason=reason, revocation_version=version, now=now)
        uow.grants.replace(grant, revoking)
        uow.activity.append(
            Event(
                code="grant.revoking",
                tenant_id=grant.tenant_id,
                actor=actor,
                subject=f"grant:{grant.id}",
                resource_id=grant.elevation.resource_id,
                correlation_id=CorrelationId(grant.service_request_id),
                detail=told | {"request": grant.request_id},
                personal=personal,
            ),
            at=now,
        )
    _tell(lockbox, uow, lock, "access_locked", "" if by is None else by.name, ending, now)
    gateways = uow.gateways.all()
    if core.missing(lock, gateways):
        return lock
    locked = core.confirm(lock, gateways, now=now)  # no gateway is enrolled yet: nobody has to confirm
    uow.locks.replace(lock, locked)
    return locked


# ---- confirm, by the gateways ---------------------------------------------------------------------------------------


def confirm(uow: UnitOfWork, gateway: Gateway, *, applied_version: int, now: datetime) -> None:
    """Write down the locks that every enrolled gateway has confirmed, now that this one has applied a list."""
    for locking in uow.locks.locking(applied_version):
        gateways = uow.gateways.all()  # after the row lock: of two last confirmations one sees the other
        if core.missing(locking, gateways):
            continue
        confirmed = core.confirm(locking, gateways, now=now)
        uow.locks.replace(locking, confirmed)
        took = str(int((now - locking.ordered_at) / timedelta(milliseconds=1)))
        event = replace(_event("lock.confirmed", locking), detail={"lock": locking.id, "milliseconds": took})
        uow.activity.append(replace(event, actor=gateway_actor(gateway.id)), at=now)


# ---- lift -----------------------------------------------------------------------------------------------------------


@command("lock.lift", scope="locks.lift")
def lift(work: Work, *, lock_id: LockId) -> Lock:
    """Lift a lock. What it ended stays ended, and stays on the revocation list until its own time is over.

    Raises:
        NotFound: not the caller's organization's.
        NotAllowed: neither Owner nor administrator; of an engineer: neither operator nor support lead, or the engineer's own.
        NotLocked: it was lifted before.
    """
    lock = work.uow.locks.get(lock_id, lock=True)
    work.locked()
    work.concerns(lock.tenant_id, _subject(lock), correlation_id=lock.subject_id, resource_id=_resource(lock))
    if not is_member(work, lock.tenant_id):
        raise NotFound
    if not _may_lift(work, lock):
        raise NotAllowed
    lifted = core.lift(lock, by=work.principal.id, now=work.now)
    ended = [g for g in work.uow.grants.revoked_by_list(lock.revocation_version) if not grants.is_over(g, work.now)]
    for grant in ended:
        work.uow.gateways.add_revocation("grant", grant.id, until=grant.not_after + REVOCATION_MARGIN)
    version = work.uow.gateways.end_revocation(lock.revocation_version)
    work.uow.locks.replace(lock, lifted)
    work.record("lock.lifted", detail={"kind": lock.kind.value, "lock": lock.id, "revocation_version": str(version)})
    _tell(work.lockbox, work.uow, lifted, "access_unlocked", work.principal.name, [], work.now)
    return lifted


def _may_lift(work: Work, lock: Lock) -> bool:
    if lock.kind is LockKind.ENGINEER:
        own = work.uow.principals.get(PrincipalId(lock.subject_id)).person_id == work.principal.person_id
        return not own and bool(at_provider(work) & PROVIDER_LOCK_ROLES)
    roles = work.roles.on_tenant(lock.tenant_id)
    if lock.kind is LockKind.RESOURCE:
        resource = work.uow.resources.find(ResourceId(lock.subject_id))
        on_it = frozenset() if resource is None else work.roles.on_subscription(resource.subscription_id)
        roles = roles & {Role.TENANT_ADMINISTRATOR} | on_it
    return bool(roles & LIFT_ROLES)


# ---- read -----------------------------------------------------------------------------------------------------------


@query("lock.read", scope="requests.read")
def locks_of_tenant(work: Work, *, tenant_id: TenantId) -> Locks:
    """Return the locks that stand in an organization, to its role holders. Raises NotFound, NotAllowed."""
    work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    see_tenant(work, tenant_id)
    unended = work.uow.grants.unended(tenant_id)
    return Locks(
        standing=_views(work, work.uow.locks.standing(tenant_id)),
        may_lock=bool(work.roles.on_tenant(tenant_id) & LOCK_ROLES),
        subjects=tuple((r.id, r.name) for r in work.uow.resources.of_tenant(tenant_id)),
        open_grants=sum(grants.is_usable(g, work.now) for g in unended),
        now=work.now,
    )


@query("lock.read", scope="grants.read")
def locks_of_engineers(work: Work) -> Locks:
    """Return the engineers' locks that stand, to operators and support leads. Raises NotAllowed."""
    need(work, *PROVIDER_LOCK_ROLES)
    provider = work.principal.tenant_id
    engineers = work.uow.principals.holders(frozenset({Role.SUPPORT_ENGINEER}), provider)
    return Locks(
        standing=_views(work, work.uow.locks.standing(provider)),
        may_lock=True,
        subjects=tuple((e.id, e.name) for e in engineers),
        open_grants=0,
        now=work.now,
    )


def _views(work: Work, locks: Iterable[Lock]) -> tuple[LockView, ...]:
    gateways = work.uow.gateways.all()
    return tuple(
        LockView(
            lock=lock,
            subject_name=_name(work.uow, lock),
            ordered_by="" if lock.ordered_by is None else work.uow.principals.get(lock.ordered_by).name,
            missing=core.missing(lock, gateways) if lock.state is LockState.LOCKING else (),
            may_lift=_may_lift(work, lock),
            now=work.now,
        )
        for lock in locks
    )


# ---- words ----------------------------------------------------------------------------------------------------------


def _subject(lock: Lock) -> str:
    return f"{'principal' if lock.kind is LockKind.ENGINEER else lock.kind.value}:{lock.subject_id}"


def _resource(lock: Lock) -> ResourceId | None:
    return ResourceId(lock.subject_id) if lock.kind is LockKind.RESOURCE else None


def _name(uow: UnitOfWork, lock: Lock) -> str:
    if lock.kind is LockKind.TENANT:
        return uow.tenants.get(TenantId(lock.subject_id)).name
    if lock.kind is LockKind.ENGINEER:
        return uow.principals.get(PrincipalId(lock.subject_id)).name
    resource = uow.resources.find(ResourceId(lock.subject_id))
    return lock.subject_id.rsplit("/", 1)[-1] if resource is None else resource.name


def _event(code: str, lock: Lock) -> Event:
    return Event(
        code=code,
        tenant_id=lock.tenant_id,
        actor=OPERATOR_COMMAND,
        subject=_subject(lock),
        resource_id=_resource(lock),
        correlation_id=CorrelationId(lock.subject_id),
    )


def _tell(  # noqa: PLR0917  what a mail is made of
    lockbox: Lockbox, uow: UnitOfWork, lock: Lock, template: str, by: str, ended: Iterable[Grant], now: datetime
) -> None:
    """Queue mails: to those who may lock and lift, and to the engineers whose access it ended."""
    provider = lock.kind is LockKind.ENGINEER
    holders = uow.principals.holders(PROVIDER_LOCK_ROLES if provider else LOCK_ROLES, lock.tenant_id)
    base = lockbox.rules.base_url
    values = {
        "tenant_name": uow.tenants.get(lock.tenant_id).name,
        "kind": lock.kind.value,
        "subject_name": _name(uow, lock),
        "locked_by": by,
        "reason": lock.reason,
        "at": now.isoformat(),
    }
    links = {h.id: f"{base}/provider/access" if provider else f"{base}/t/{lock.tenant_id}/lock" for h in holders}
    engineers = uow.principals.many({g.engineer for g in ended})
    links |= {e: f"{base}/engineer/elevations" for e in engineers if e not in links and _is_active(engineers[e])}
    for recipient, link in links.items():
        uow.outbox.add(
            OutboxRow(
                key=f"{template}-{lock.id}-{recipient}",
                tenant_id=lock.tenant_id,
                recipient=recipient,
                template=template,
                values=values | {"link": link},
                due_at=now,
            )
        )


def _is_active(principal: Principal) -> bool:
    return principal.state is PrincipalState.ACTIVE

"""First installation and what comes after: organizations, people, roles, resources, gateways.

For the operator's console, except for roles, which the customer's own administrator gives once there is one.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, ParamSpec, TypeVar

from openlockbox.domain.errors import InvalidInput, LockboxError, NotAllowed, NotFound
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import (
    OPERATOR_COMMAND,
    CorrelationId,
    GatewayId,
    PersonId,
    PrincipalId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.principal import (
    CUSTOMER_ROLES,
    PROVIDER_ROLES,
    SUBSCRIPTION_ROLES,
    Principal,
    PrincipalState,
    Role,
    RoleAssignment,
)
from openlockbox.domain.resource import Resource, Target
from openlockbox.domain.tenant import Subscription, SupportPlan, Tenant, TenantKind
from openlockbox.services.authority import administer_tenant
from openlockbox.services.lockdown import lock_disabled
from openlockbox.services.ports import UnitOfWork
from openlockbox.services.resource_ids import parse_resource
from openlockbox.services.service_requests import clean
from openlockbox.services.work import Lockbox, Work, command

ENROLMENT_TIME: Final = timedelta(hours=24)
MAIL_LENGTH: Final = 254  # RFC 5321
SLUG_LENGTH: Final = 64

P = ParamSpec("P")
T = TypeVar("T")


def console(action: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Write an operator's refused command down in the provider's log, as `action`.refused, and raise it again.

    Before `lockbox init` there is no provider, so no log, and the refusal is only told.
    """

    def wrap(body: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            lockbox = args[0]
            if not isinstance(lockbox, Lockbox):
                raise TypeError("the first argument of a console command is the lockbox")
            try:
                return body(*args, **kwargs)
            except LockboxError as refusal:
                with lockbox.database.unit_of_work() as uow:
                    provider = next((t for t in uow.tenants.all() if t.kind is TenantKind.PROVIDER), None)
                    if provider is not None:
                        _record(uow, lockbox, f"{action}.refused", provider.id, "console", reason=refusal.code)
                        uow.commit()
                raise

        return run

    return wrap


def _record(uow: UnitOfWork, lockbox: Lockbox, code: str, tenant_id: TenantId, subject: str, **detail: str) -> None:
    uow.activity.append(
        Event(
            code=code,
            tenant_id=tenant_id,
            actor=OPERATOR_COMMAND,
            subject=subject,
            correlation_id=CorrelationId(subject),
            detail=detail,
        ),
        at=lockbox.clock(),
    )


@console("tenant.add")
def add_tenant(
    lockbox: Lockbox, *, tenant_id: TenantId, name: str, kind: TenantKind, support_plan: SupportPlan
) -> Tenant:
    """Add an organization; the provider's own comes first, and there is one.

    Raises:
        AlreadyExists, InvalidInput: the id is taken; there is a provider already; the name.
    """
    tenant = Tenant(
        id=TenantId(_slug("tenant", tenant_id)),
        name=clean("name", name, at_most=80),
        kind=kind,
        support_plan=support_plan,
    )
    with lockbox.database.unit_of_work() as uow:
        if kind is TenantKind.PROVIDER and any(t.kind is TenantKind.PROVIDER for t in uow.tenants.all()):
            raise InvalidInput(field="kind", problem="there is a provider already")
        uow.tenants.add(tenant)
        subject = f"tenant:{tenant.id}"
        _record(uow, lockbox, "tenant.added", tenant.id, subject, support_plan=support_plan.value)
        if kind is TenantKind.CUSTOMER:
            _record(uow, lockbox, "tenant.added", uow.tenants.provider().id, subject)
        uow.commit()
    return tenant


@console("tenant.change")
def change_tenant(
    lockbox: Lockbox,
    *,
    tenant_id: TenantId,
    support_plan: SupportPlan | None = None,
    preview: frozenset[str] | None = None,
) -> Tenant:
    """Change an organization's support plan or the previews it has signed up for."""
    with lockbox.database.unit_of_work() as uow:
        tenant = uow.tenants.get(tenant_id)
        changed = replace(
            tenant,
            support_plan=support_plan or tenant.support_plan,
            preview_scenarios=tenant.preview_scenarios if preview is None else preview,
        )
        uow.tenants.save(changed)
        detail = {"support_plan": changed.support_plan.value, "previews": ",".join(sorted(changed.preview_scenarios))}
        _record(uow, lockbox, "tenant.changed", tenant_id, f"tenant:{tenant_id}", **detail)
        uow.commit()
    return changed


@console("subscription.add")
def add_subscription(
    lockbox: Lockbox, *, tenant_id: TenantId, subscription_id: SubscriptionId, name: str
) -> Subscription:
    """Add a subscription to an organization.

    Raises:
        AlreadyExists, NotFound, InvalidInput.
    """
    subscription = Subscription(
        id=SubscriptionId(_slug("subscription", subscription_id)),
        tenant_id=tenant_id,
        name=clean("name", name, at_most=80),
    )
    with lockbox.database.unit_of_work() as uow:
        uow.tenants.get(tenant_id)
        uow.tenants.add_subscription(subscription)
        _record(uow, lockbox, "subscription.added", tenant_id, f"subscription:{subscription.id}")
        uow.commit()
    return subscription


@console("principal.add")
def add_person(
    lockbox: Lockbox,
    *,
    tenant_id: TenantId,
    principal_id: PrincipalId,
    person_id: PersonId | None,
    name: str,
    mail: str,
    title: str = "",
    language: str = "",
    time_zone: str = "UTC",
    isolated_identity: bool = False,
) -> Principal:
    """Add an account. Give `person_id` for a second account of somebody who has one already.

    Raises:
        AlreadyExists, NotFound, InvalidInput.
    """
    address = mail.strip().lower()
    if (
        address.count("@") != 1
        or any(c.isspace() or not c.isprintable() for c in address)
        or len(address) > MAIL_LENGTH
    ):
        raise InvalidInput(field="mail", problem="it is no mail address")
    principal = Principal(
        id=PrincipalId(_slug("id", principal_id)),
        person_id=person_id or PersonId(principal_id),
        tenant_id=tenant_id,
        name=clean("name", name, at_most=80),
        mail=address,
        title=clean("title", title, at_most=80, required=False),
        language=language,
        time_zone=time_zone,
        isolated_identity=isolated_identity,
    )
    with lockbox.database.unit_of_work() as uow:
        uow.tenants.get(tenant_id)
        uow.principals.add(principal)
        _record(uow, lockbox, "principal.added", tenant_id, f"principal:{principal.id}", person=principal.person_id)
        uow.commit()
    return principal


@console("principal.disable")
def disable_person(lockbox: Lockbox, *, principal_id: PrincipalId) -> Principal:
    """Disable an account: it can do nothing from now on, its sign-ins and tokens end, and an engineer's sessions are cut.

    Raises:
        NotFound: no such account.
    """
    with lockbox.database.unit_of_work() as uow:
        disabled = replace(uow.principals.get(principal_id), state=PrincipalState.DISABLED)
        uow.principals.save(disabled)
        uow.identity.remove_sign_ins_of(principal_id)
        uow.identity.revoke_tokens_of(principal_id, at=lockbox.clock())
        detail = {"state": disabled.state.value}
        _record(uow, lockbox, "principal.changed", disabled.tenant_id, f"principal:{principal_id}", **detail)
        lock_disabled(lockbox, uow, disabled)
        uow.commit()
    return disabled


@console("role.assign")
def give_role(
    lockbox: Lockbox,
    *,
    principal_id: PrincipalId,
    role: Role,
    tenant_id: TenantId,
    subscription_id: SubscriptionId | None,
) -> RoleAssignment:
    """Give a role from the operator's console. Once a customer has an administrator, its roles are the administrator's.

    Raises:
        NotAllowed: a customer role where the customer has its own administrator.
        InvalidInput: role and scope or side do not fit.
        AlreadyExists, NotFound.
    """
    with lockbox.database.unit_of_work() as uow:
        if role in CUSTOMER_ROLES and uow.principals.holders(frozenset({Role.TENANT_ADMINISTRATOR}), tenant_id):
            raise NotAllowed
        assignment = _assignment(
            uow, lockbox, principal_id=principal_id, role=role, tenant_id=tenant_id, subscription_id=subscription_id
        )
        uow.principals.add_role(assignment)
        _record(uow, lockbox, "role.assigned", tenant_id, f"principal:{principal_id}", **_role_detail(assignment))
        uow.commit()
    return assignment


@console("role.remove")
def take_provider_role(lockbox: Lockbox, *, principal_id: PrincipalId, role: Role) -> None:
    """Take a provider role away from the operator's console; it counts at once.

    Raises:
        InvalidInput: a customer's role, which is its administrator's to take.
        NotFound: it is not held.
    """
    if role not in PROVIDER_ROLES:
        raise InvalidInput(field="role", problem="it is the customer's own")
    with lockbox.database.unit_of_work() as uow:
        provider = uow.tenants.provider()
        assignment = RoleAssignment(
            principal_id=principal_id, role=role, tenant_id=provider.id, assigned_at=lockbox.clock()
        )
        uow.principals.remove_role(assignment)
        _record(uow, lockbox, "role.removed", provider.id, f"principal:{principal_id}", **_role_detail(assignment))
        uow.commit()


@command("role.assign", scope="tenant.administer")
def assign_role(
    work: Work, *, tenant_id: TenantId, principal_id: PrincipalId, role: Role, subscription_id: SubscriptionId | None
) -> RoleAssignment:
    """Give a customer role, as the customer's administrator. It does not count for requests that already wait.

    Raises:
        NotFound, NotAllowed: the caller does not administer this organization.
        InvalidInput: a provider role, or role and scope do not fit.
    """
    administer_tenant(work, tenant_id)
    work.concerns(tenant_id, f"principal:{principal_id}", correlation_id=principal_id)
    if role not in CUSTOMER_ROLES:
        raise InvalidInput(field="role", problem="it is not a role of your organization")
    assignment = _assignment(
        work.uow,
        work.lockbox,
        principal_id=principal_id,
        role=role,
        tenant_id=tenant_id,
        subscription_id=subscription_id,
    )
    work.uow.principals.add_role(assignment)
    work.record("role.assigned", detail=_role_detail(assignment))
    return assignment


@command("role.remove", scope="tenant.administer")
def remove_role(
    work: Work, *, tenant_id: TenantId, principal_id: PrincipalId, role: Role, subscription_id: SubscriptionId | None
) -> None:
    """Take a customer role away, as the customer's administrator. It counts at once, for waiting requests too.

    Raises:
        NotFound, NotAllowed: the caller does not administer this organization; the role is not held.
        InvalidInput: the last administrator would be gone.
    """
    administer_tenant(work, tenant_id)
    work.concerns(tenant_id, f"principal:{principal_id}", correlation_id=principal_id)
    administrators = work.uow.principals.holders(frozenset({Role.TENANT_ADMINISTRATOR}), tenant_id)
    if role is Role.TENANT_ADMINISTRATOR and [p.id for p in administrators] == [principal_id]:
        raise InvalidInput(field="role", problem="the last administrator stays")
    assignment = RoleAssignment(
        principal_id=principal_id,
        role=role,
        tenant_id=tenant_id,
        subscription_id=subscription_id,
        assigned_at=work.now,
    )
    work.uow.principals.remove_role(assignment)
    work.record("role.removed", detail=_role_detail(assignment))


def _assignment(
    uow: UnitOfWork,
    lockbox: Lockbox,
    *,
    principal_id: PrincipalId,
    role: Role,
    tenant_id: TenantId,
    subscription_id: SubscriptionId | None,
) -> RoleAssignment:
    tenant = uow.tenants.get(tenant_id)
    principal = uow.principals.get(principal_id)
    side = PROVIDER_ROLES if tenant.kind is TenantKind.PROVIDER else CUSTOMER_ROLES
    if role not in side:
        raise InvalidInput(field="role", problem="it belongs to the other side")
    if principal.tenant_id != tenant.id:
        raise NotFound  # whoever is not of this organization does not exist here; no answer tells the two apart
    if (role in SUBSCRIPTION_ROLES) != (subscription_id is not None):
        raise InvalidInput(field="subscription", problem="this role is given on a subscription, others are not")
    if subscription_id is not None and uow.tenants.get_subscription(subscription_id).tenant_id != tenant_id:
        raise NotFound
    return RoleAssignment(
        principal_id=principal_id,
        role=role,
        tenant_id=tenant_id,
        subscription_id=subscription_id,
        assigned_at=lockbox.clock(),
    )


def _role_detail(assignment: RoleAssignment) -> Mapping[str, str]:
    return {"role": assignment.role.value, "subscription": assignment.subscription_id or ""}


@console("resource.put")
def put_resource(
    lockbox: Lockbox,
    *,
    tenant_id: TenantId,
    resource_id: str,
    operating_system: str,
    description: str,
    target: Target | None,
) -> Resource:
    """Add a resource, or change its description or target; a change supersedes requests that wait on it.

    Raises:
        InvalidInput, NotFound: the id; no such subscription in the organization.
    """
    parsed_id, subscription_id, type_, name, model = parse_resource(resource_id)
    resource = Resource(
        id=parsed_id,
        tenant_id=tenant_id,
        subscription_id=subscription_id,
        name=name,
        type=type_,
        operating_system=operating_system,
        description=clean("description", description, at_most=300, required=False),
        deployment_model=model,
        target=target,
    )
    with lockbox.database.unit_of_work() as uow:
        if uow.tenants.get_subscription(subscription_id).tenant_id != tenant_id:
            raise NotFound
        old = uow.resources.find(parsed_id)
        if target is not None:
            uow.gateways.get(target.gateway_id)
            if len({ref for _, ref in target.secret_refs}) != len(target.secret_refs):
                raise InvalidInput(field="secret", problem="two permission levels may not share an account")
        if old is None:
            uow.resources.add(resource)
        else:
            uow.resources.save(resource)
        uow.activity.append(
            Event(
                code="resource.added" if old is None else "resource.changed",
                tenant_id=tenant_id,
                actor=OPERATOR_COMMAND,
                subject=f"resource:{parsed_id}",
                resource_id=parsed_id,
                correlation_id=CorrelationId(parsed_id),
                detail={}
                if target is None
                else {"gateway": target.gateway_id, "certificate_sha256": target.certificate_sha256},
            ),
            at=lockbox.clock(),
        )
        uow.commit()
    return resource


@console("gateway.invite")
def invite_gateway(lockbox: Lockbox, *, gateway_id: GatewayId, name: str) -> tuple[Gateway, str]:
    """Invite a gateway and return it with its one-time code, good for a day. Inviting again makes a new code and forgets the key.

    Raises:
        InvalidInput: the id or name.
    """
    code = lockbox.new_secret()
    with lockbox.database.unit_of_work() as uow:
        known = {g.id: g for g in uow.gateways.all()}.get(gateway_id)
        invited = Gateway(
            id=GatewayId(_slug("gateway", gateway_id)),
            name=clean("name", name, at_most=80),
            enrolment_code_sha256=hashlib.sha256(code.encode()).hexdigest(),
            enrolment_ends_at=lockbox.clock() + ENROLMENT_TIME,
            version=1 if known is None else known.version + 1,
        )
        if known is None:
            uow.gateways.add(invited)
        else:
            uow.gateways.replace(known, invited)
        _record(uow, lockbox, "gateway.invited", uow.tenants.provider().id, f"gateway:{invited.id}")
        uow.commit()
    return invited, code


def _slug(field: str, text: str) -> str:
    if not (1 <= len(text) <= SLUG_LENGTH) or not all(
        c.isascii() and (c.islower() or c.isdigit() or c in "-_.") for c in text
    ):
        raise InvalidInput(field=field, problem="use lower-case letters, digits, '-', '_' and '.', at most 64")
    return text

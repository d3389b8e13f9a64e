"""The in-memory stores of tenants, resources, people and service requests."""

from collections.abc import Iterable, Mapping, Sequence

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId, ResourceId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.principal import APPROVER_ROLES, Principal, PrincipalState, Role, RoleAssignment
from openlockbox.domain.resource import Resource
from openlockbox.domain.service_request import Message, ServiceRequest, ServiceRequestState
from openlockbox.domain.tenant import Subscription, Tenant, TenantKind
from openlockbox.testing.memory_tables import MemoryUnit, Shelf


class MemoryTenants:
    """Implements `TenantStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._tenants: Shelf[Tenant] = Shelf(
            unit,
            "tenant",
            key=lambda t: t.id,
            unique=[lambda t: "provider" if t.kind is TenantKind.PROVIDER else None],
        )
        self._subscriptions: Shelf[Subscription] = Shelf(
            unit, "subscription", key=lambda s: s.id, parents=[("tenant", lambda s: s.tenant_id)]
        )

    def get(self, tenant_id: TenantId) -> Tenant:
        return self._tenants.get(tenant_id)

    def add(self, tenant: Tenant) -> None:
        self._tenants.add(tenant)

    def save(self, tenant: Tenant) -> None:
        self._tenants.save(tenant)

    def all(self) -> Sequence[Tenant]:
        return self._tenants.where(lambda _: True, by=lambda t: (t.name, t.id))

    def provider(self) -> Tenant:
        for tenant in self._tenants.all():
            if tenant.kind is TenantKind.PROVIDER:
                return tenant
        raise NotFound

    def get_subscription(self, subscription_id: SubscriptionId) -> Subscription:
        return self._subscriptions.get(subscription_id)

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions.add(subscription)

    def subscriptions(self, tenant_id: TenantId) -> Sequence[Subscription]:
        return self._subscriptions.where(lambda s: s.tenant_id == tenant_id, by=lambda s: (s.name, s.id))


class MemoryResources:
    """Implements `ResourceStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._resources: Shelf[Resource] = Shelf(
            unit, "resource", key=lambda r: r.id, parents=[("subscription", lambda r: r.subscription_id)]
        )

    def find(self, resource_id: ResourceId) -> Resource | None:
        return self._resources.find(resource_id)

    def get(self, resource_id: ResourceId) -> Resource:
        return self._resources.get(resource_id)

    def add(self, resource: Resource) -> None:
        self._resources.add(resource)

    def save(self, resource: Resource) -> None:
        self._resources.save(resource)

    def of_tenant(self, tenant_id: TenantId) -> Sequence[Resource]:
        return self._resources.where(lambda r: r.tenant_id == tenant_id, by=lambda r: (r.name, r.id))


def _scope(assignment: RoleAssignment) -> tuple[str, str, str, str]:
    return (assignment.principal_id, assignment.role, assignment.tenant_id, assignment.subscription_id or "")


class MemoryPrincipals:
    """Implements `PrincipalStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._principals: Shelf[Principal] = Shelf(
            unit,
            "principal",
            key=lambda p: p.id,
            unique=[lambda p: p.mail.lower()],
            parents=[("tenant", lambda p: p.tenant_id)],
        )
        self._roles: Shelf[RoleAssignment] = Shelf(
            unit, "role_assignment", key=_scope, parents=[("principal", lambda a: a.principal_id)]
        )

    def get(self, principal_id: PrincipalId) -> Principal:
        return self._principals.get(principal_id)

    def find_by_mail(self, mail: str) -> Principal | None:
        return next((p for p in self._principals.all() if p.mail.lower() == mail.lower()), None)

    def add(self, principal: Principal) -> None:
        self._principals.add(principal)

    def save(self, principal: Principal) -> None:
        self._principals.save(principal)

    def of_tenant(self, tenant_id: TenantId) -> Sequence[Principal]:
        return self._principals.where(lambda p: p.tenant_id == tenant_id, by=lambda p: (p.name, p.id))

    def many(self, ids: Iterable[PrincipalId]) -> Mapping[PrincipalId, Principal]:
        found = (self._principals.find(principal_id) for principal_id in set(ids))
        return {principal.id: principal for principal in found if principal is not None}

    def roles(
        self,
        principal_id: PrincipalId,
        *,
        lock: bool = False,  # noqa: ARG002  one writer at a time
    ) -> tuple[RoleAssignment, ...]:
        return tuple(self._roles.where(lambda a: a.principal_id == principal_id, by=_scope))

    def roles_of_tenant(self, tenant_id: TenantId) -> tuple[RoleAssignment, ...]:
        return tuple(self._roles.where(lambda a: a.tenant_id == tenant_id, by=_scope))

    def add_role(self, assignment: RoleAssignment) -> None:
        self._roles.add(assignment)

    def remove_role(self, assignment: RoleAssignment) -> None:
        if not self._roles.remove(_scope(assignment)):
            raise NotFound

    def approvers(self, subscription_id: SubscriptionId) -> Sequence[Principal]:
        return self._active(
            a.principal_id
            for a in self._roles.all()
            if a.subscription_id == subscription_id and a.role in APPROVER_ROLES
        )

    def holders(self, roles: frozenset[Role], tenant_id: TenantId) -> Sequence[Principal]:
        return self._active(a.principal_id for a in self._roles.all() if a.tenant_id == tenant_id and a.role in roles)

    def _active(self, ids: Iterable[PrincipalId]) -> Sequence[Principal]:
        found = [p for p in self.many(ids).values() if p.state is PrincipalState.ACTIVE]
        return sorted(found, key=lambda p: (p.name, p.id))


class MemoryServiceRequests:
    """Implements `ServiceRequestStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._requests: Shelf[ServiceRequest] = Shelf(
            unit, "service_request", key=lambda s: s.id, parents=[("subscription", lambda s: s.subscription_id)]
        )
        self._messages: Shelf[Message] = Shelf(
            unit,
            "service_message",
            key=lambda m: (m.service_request_id, m.number),
            parents=[("service_request", lambda m: m.service_request_id)],
        )

    def get(self, service_request_id: ServiceRequestId, *, lock: bool = False) -> ServiceRequest:  # noqa: ARG002  one writer at a time
        return self._requests.get(service_request_id)

    def add(self, service_request: ServiceRequest) -> None:
        self._requests.add(service_request)

    def replace(self, old: ServiceRequest, new: ServiceRequest) -> None:
        self._requests.replace(old, new)

    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[ServiceRequest]:
        return self._requests.where(lambda s: s.tenant_id == tenant_id, by=lambda s: (s.opened_at, s.id), newest=True)[
            :limit
        ]

    def open(self, *, limit: int = 500) -> Sequence[ServiceRequest]:
        return self._requests.where(
            lambda s: s.state is ServiceRequestState.OPEN, by=lambda s: (s.opened_at, s.id), newest=True
        )[:limit]

    def add_message(self, message: Message) -> None:
        self._messages.add(message)

    def messages(self, service_request_id: ServiceRequestId) -> Sequence[Message]:
        return self._messages.where(lambda m: m.service_request_id == service_request_id, by=lambda m: m.number)

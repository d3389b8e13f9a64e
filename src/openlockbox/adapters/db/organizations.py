"""Tenants, subscriptions and resources in rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import GatewayId, ResourceId, SubscriptionId, TenantId
from openlockbox.domain.resource import DeploymentModel, Resource, Target, TargetSecurity
from openlockbox.domain.tenant import Subscription, SupportPlan, Tenant, TenantKind


def _tenant_row(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "kind": tenant.kind.value,
        "support_plan": tenant.support_plan.value,
        "preview_scenarios": tenant.preview_scenarios,
    }


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(
        id=row.id,
        name=row.name,
        kind=TenantKind(row.kind),
        support_plan=SupportPlan(row.support_plan),
        preview_scenarios=row.preview_scenarios,
    )


def _subscription_row(subscription: Subscription) -> dict[str, Any]:
    return {"id": subscription.id, "tenant_id": subscription.tenant_id, "name": subscription.name}


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(id=row.id, tenant_id=row.tenant_id, name=row.name)


def _target_json(target: Target) -> dict[str, object]:
    return {
        "gateway_id": target.gateway_id,
        "address": target.address,
        "port": target.port,
        "security": target.security.value,
        "certificate_sha256": target.certificate_sha256,
        "secret_refs": [[permission.value, name] for permission, name in target.secret_refs],
    }


def _target(json: Mapping[str, Any]) -> Target:
    return Target(
        gateway_id=GatewayId(json["gateway_id"]),
        address=json["address"],
        port=json["port"],
        security=TargetSecurity(json["security"]),
        certificate_sha256=json["certificate_sha256"],
        secret_refs=tuple((Permission(permission), name) for permission, name in json["secret_refs"]),
    )


def _resource_row(resource: Resource) -> dict[str, Any]:
    return {
        "id": resource.id,
        "tenant_id": resource.tenant_id,
        "subscription_id": resource.subscription_id,
        "name": resource.name,
        "type": resource.type,
        "operating_system": resource.operating_system,
        "description": resource.description,
        "deployment_model": resource.deployment_model.value,
        "target": None if resource.target is None else _target_json(resource.target),
    }


def _resource(row: Row[Any]) -> Resource:
    return Resource(
        id=row.id,
        tenant_id=row.tenant_id,
        subscription_id=row.subscription_id,
        name=row.name,
        type=row.type,
        operating_system=row.operating_system,
        description=row.description,
        deployment_model=DeploymentModel(row.deployment_model),
        target=None if row.target is None else _target(row.target),
    )


_TENANTS = Mapped(t.tenant, row_of=_tenant_row, value_of=_tenant)
_SUBSCRIPTIONS = Mapped(t.subscription, row_of=_subscription_row, value_of=_subscription)
_RESOURCES = Mapped(t.resource, row_of=_resource_row, value_of=_resource)

_ALL_TENANTS = select(t.tenant).order_by(t.tenant.c.name, t.tenant.c.id)
_PROVIDER = select(t.tenant).where(t.tenant.c.kind == TenantKind.PROVIDER.value)
_SUBSCRIPTIONS_OF = (
    select(t.subscription)
    .where(t.subscription.c.tenant_id == bindparam("tenant_id"))
    .order_by(t.subscription.c.name, t.subscription.c.id)
)
_RESOURCES_OF = (
    select(t.resource)
    .where(t.resource.c.tenant_id == bindparam("tenant_id"))
    .order_by(t.resource.c.name, t.resource.c.id)
)


class SqlTenants:
    """Implements `TenantStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, tenant_id: TenantId) -> Tenant:
        return _TENANTS.get(self._unit, tenant_id)

    def add(self, tenant: Tenant) -> None:
        _TENANTS.add(self._unit, tenant)

    def save(self, tenant: Tenant) -> None:
        _TENANTS.save(self._unit, tenant)

    def all(self) -> Sequence[Tenant]:
        return _TENANTS.list(self._unit, _ALL_TENANTS)

    def provider(self) -> Tenant:
        provider = _TENANTS.first(self._unit, _PROVIDER)
        if provider is None:
            raise NotFound
        return provider

    def get_subscription(self, subscription_id: SubscriptionId) -> Subscription:
        return _SUBSCRIPTIONS.get(self._unit, subscription_id)

    def add_subscription(self, subscription: Subscription) -> None:
        _SUBSCRIPTIONS.add(self._unit, subscription)

    def subscriptions(self, tenant_id: TenantId) -> Sequence[Subscription]:
        return _SUBSCRIPTIONS.list(self._unit, _SUBSCRIPTIONS_OF, tenant_id=tenant_id)


class SqlResources:
    """Implements `ResourceStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def find(self, resource_id: ResourceId) -> Resource | None:
        return _RESOURCES.find(self._unit, resource_id)

    def get(self, resource_id: ResourceId) -> Resource:
        return _RESOURCES.get(self._unit, resource_id)

    def add(self, resource: Resource) -> None:
        _RESOURCES.add(self._unit, resource)

    def save(self, resource: Resource) -> None:
        _RESOURCES.save(self._unit, resource)

    def of_tenant(self, tenant_id: TenantId) -> Sequence[Resource]:
        return _RESOURCES.list(self._unit, _RESOURCES_OF, tenant_id=tenant_id)

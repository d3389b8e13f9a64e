"""The organizations: one provider and its customers, their subscriptions and support plans."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from openlockbox.domain.ids import SubscriptionId, TenantId


class TenantKind(StrEnum):
    """The provider has a tenant, and an activity log, of its own."""

    PROVIDER = "provider"
    CUSTOMER = "customer"


class SupportPlan(StrEnum):
    """Support plans, lowest first."""

    NONE = "none"
    BASIC = "basic"
    DEVELOPER = "developer"
    STANDARD = "standard"
    PROFESSIONAL_DIRECT = "professional_direct"
    PREMIER = "premier"


QUALIFYING_PLANS: Final = frozenset(SupportPlan) - {SupportPlan.NONE, SupportPlan.BASIC}  # specification P1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One organization."""

    id: TenantId
    name: str
    kind: TenantKind
    support_plan: SupportPlan = SupportPlan.NONE
    preview_scenarios: frozenset[str] = frozenset()  # signed up for, each on its own (specification P2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A billing and role scope inside a tenant."""

    id: SubscriptionId
    tenant_id: TenantId
    name: str

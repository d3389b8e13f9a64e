"""People, the accounts they act through, and the roles they hold at a scope. Never decides what a role may do to a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from openlockbox.domain.ids import PersonId, PrincipalId, SubscriptionId, TenantId


class Role(StrEnum):
    """Customer-side and provider-side roles; `CUSTOMER_ROLES` and `PROVIDER_ROLES` keep them apart."""

    SUBSCRIPTION_OWNER = "subscription_owner"
    LOCKBOX_APPROVER = "lockbox_approver"  # "Lockbox Approver for Subscription"
    TENANT_ADMINISTRATOR = "tenant_administrator"
    READER = "reader"
    SUPPORT_ENGINEER = "support_engineer"
    SUPPORT_LEAD = "support_lead"
    DEVOPS_MANAGER = "devops_manager"
    OPERATOR = "operator"


APPROVER_ROLES: Final = frozenset({Role.SUBSCRIPTION_OWNER, Role.LOCKBOX_APPROVER})  # specification W7
SUBSCRIPTION_ROLES: Final = APPROVER_ROLES
CUSTOMER_ROLES: Final = APPROVER_ROLES | {Role.TENANT_ADMINISTRATOR, Role.READER}
INTERNAL_APPROVER_ROLES: Final = frozenset({Role.SUPPORT_LEAD, Role.DEVOPS_MANAGER})  # specification W5
PROVIDER_ROLES: Final = INTERNAL_APPROVER_ROLES | {Role.SUPPORT_ENGINEER, Role.OPERATOR}


class PrincipalState(StrEnum):
    """A disabled principal can do nothing, whatever roles it still holds."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One account. Two accounts of one human being share a `person_id`, so that nobody is a second person to themselves."""

    id: PrincipalId
    person_id: PersonId
    tenant_id: TenantId
    name: str
    mail: str
    title: str = ""
    language: str = ""  # BCP 47; empty: the browser's choice
    time_zone: str = "UTC"  # IANA name
    isolated_identity: bool = False  # an account used for customer access only
    state: PrincipalState = PrincipalState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role at a scope: a subscription for the approver roles, the whole tenant otherwise (`subscription_id` None)."""

    principal_id: PrincipalId
    role: Role
    tenant_id: TenantId
    subscription_id: SubscriptionId | None = None
    assigned_at: datetime


@dataclass(frozen=True, slots=True)
class Roles:
    """The assignments of one principal, read in the transaction that relies on them."""

    assignments: tuple[RoleAssignment, ...]

    def has(self, *roles: Role) -> bool:
        """Tell whether any of the roles is held at any scope."""
        return any(a.role in roles for a in self.assignments)

    def on_subscription(self, subscription_id: SubscriptionId) -> frozenset[Role]:
        """Return the roles that hold on this subscription itself; tenant-wide roles are not among them."""
        return frozenset(a.role for a in self.assignments if a.subscription_id == subscription_id)

    def on_tenant(self, tenant_id: TenantId) -> frozenset[Role]:
        """Return the roles held in this tenant, at any scope of it."""
        return frozenset(a.role for a in self.assignments if a.tenant_id == tenant_id)

"""The customer's resources and how a gateway reaches them. Holds references to secrets, never a secret."""

from dataclasses import dataclass
from enum import StrEnum

from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import GatewayId, ResourceId, SubscriptionId, TenantId


class DeploymentModel(StrEnum):
    """Classic resources are not supported (specification V4)."""

    RESOURCE_MANAGER = "resource_manager"
    CLASSIC = "classic"


class TargetSecurity(StrEnum):
    """How an RDP target wants to be spoken to."""

    TLS = "tls"
    NLA = "nla"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A network address behind one gateway. Part of the request digest, so part of what the approver decides on."""

    gateway_id: GatewayId
    address: str
    port: int
    security: TargetSecurity
    certificate_sha256: str  # lower-case hex of the DER certificate the target must present
    secret_refs: tuple[tuple[Permission, str], ...]  # which secret of the gateway serves which permission level

    def secret_ref(self, permission: Permission) -> str | None:
        """Return the name of the gateway's secret for this permission level, or None where the target has no such account."""
        return dict(self.secret_refs).get(permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The thing accessed. `id` is the lower-cased ARM-style path; `name` is its last part as the customer writes it."""

    id: ResourceId
    tenant_id: TenantId
    subscription_id: SubscriptionId
    name: str
    type: str  # lower-cased "microsoft.compute/virtualmachines"
    operating_system: str = ""  # "Windows" | "Linux" | ""
    description: str = ""
    deployment_model: DeploymentModel = DeploymentModel.RESOURCE_MANAGER
    target: Target | None = None

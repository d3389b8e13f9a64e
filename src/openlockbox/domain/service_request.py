"""The customer's support case and its conversation: the only ground on which access may be asked for (specification P3)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from openlockbox.domain.errors import ServiceRequestClosed
from openlockbox.domain.ids import PrincipalId, ResourceId, ServiceRequestId, SubscriptionId, TenantId


class ServiceRequestState(StrEnum):
    """A closed service request stays closed; the customer opens a new one."""

    OPEN = "open"
    CLOSED = "closed"


class Severity(StrEnum):
    """How bad it is, as the customer says; A is worst."""

    A = "a"
    B = "b"
    C = "c"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """One support case. `engineers` holds everybody it is assigned or escalated to, the one in charge last."""

    id: ServiceRequestId
    tenant_id: TenantId
    subscription_id: SubscriptionId
    resource_id: ResourceId | None
    title: str
    description: str
    severity: Severity
    state: ServiceRequestState
    opened_by: PrincipalId
    opened_at: datetime
    engineers: tuple[PrincipalId, ...] = ()
    closed_at: datetime | None = None
    version: int = 1

    @property
    def assigned_to(self) -> PrincipalId | None:
        """Return who is in charge now."""
        return self.engineers[-1] if self.engineers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the conversation, by either side."""

    service_request_id: ServiceRequestId
    tenant_id: TenantId
    number: int  # 1, 2, … within the service request
    author: PrincipalId
    body: str
    sent_at: datetime


def assign(service_request: ServiceRequest, *, to: PrincipalId) -> ServiceRequest:
    """Put an engineer in charge; those before stay on it, so an escalation does not lock anybody out.

    Raises:
        ServiceRequestClosed: nothing happens on a closed one.
    """
    if service_request.state is ServiceRequestState.CLOSED:
        raise ServiceRequestClosed
    others = tuple(e for e in service_request.engineers if e != to)
    return replace(service_request, engineers=(*others, to), version=service_request.version + 1)


def close(service_request: ServiceRequest, *, now: datetime) -> ServiceRequest:
    """Close it. What is pending under it is the caller's to cancel in the same transaction.

    Raises:
        ServiceRequestClosed: it is closed already.
    """
    if service_request.state is ServiceRequestState.CLOSED:
        raise ServiceRequestClosed
    return replace(
        service_request, state=ServiceRequestState.CLOSED, closed_at=now, version=service_request.version + 1
    )

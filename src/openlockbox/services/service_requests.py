"""The support case: open, reply, take, escalate, close (specification W1 to W4)."""

import unicodedata

from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain import service_request as cases
from openlockbox.domain.errors import (
    ForeignResource,
    InvalidInput,
    NotAllowed,
    NotFound,
    ServiceRequestClosed,
    ServiceRequestInUse,
    ServiceRequestNotOpenedByCustomer,
)
from openlockbox.domain.grant import is_over, is_usable
from openlockbox.domain.ids import PrincipalId, ResourceId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.principal import APPROVER_ROLES, Role, Roles
from openlockbox.domain.service_request import Message, ServiceRequest, ServiceRequestState, Severity
from openlockbox.domain.tenant import TenantKind
from openlockbox.services.authority import at_provider, in_tenant, is_member, need, see_service_request
from openlockbox.services.work import Work, command

TITLE_LENGTH = 120
BODY_LENGTH = 8000
REASON_LENGTH = 500


def clean(field: str, value: str, *, at_most: int, required: bool = True) -> str:
    """Take a text from outside: trimmed, without control characters, of sane length.

    Raises:
        InvalidInput: empty though required, too long, or with control characters.
    """
    text = value.replace("\r\n", "\n").strip()
    if required and not text:
        raise InvalidInput(field=field, problem="it is empty")
    if len(text) > at_most:
        raise InvalidInput(field=field, problem=f"it is longer than {at_most} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in text):
        raise InvalidInput(field=field, problem="it holds control characters")
    return text


@command("service_request.open", scope="service_requests.write")
def open_service_request(
    work: Work,
    *,
    tenant_id: TenantId,
    subscription_id: SubscriptionId,
    resource_id: ResourceId | None,
    title: str,
    description: str,
    severity: Severity,
) -> ServiceRequest:
    """Open a service request; anybody of the customer's organization may.

    Raises:
        NotFound: not the caller's organization, or no such subscription in it.
        ServiceRequestNotOpenedByCustomer: the provider never opens one.
        ForeignResource: the resource is not of this organization and subscription.
        InvalidInput: title or description.
    """
    tenant = work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    if not is_member(work, tenant_id):
        raise NotFound
    if tenant.kind is TenantKind.PROVIDER:
        raise ServiceRequestNotOpenedByCustomer
    if work.uow.tenants.get_subscription(subscription_id).tenant_id != tenant_id:
        raise NotFound
    if resource_id is not None:
        resource = work.uow.resources.find(resource_id)
        if resource is None or resource.tenant_id != tenant_id or resource.subscription_id != subscription_id:
            raise ForeignResource
    service_request = ServiceRequest(
        id=ServiceRequestId(work.lockbox.new_id("SR")),
        tenant_id=tenant_id,
        subscription_id=subscription_id,
        resource_id=resource_id,
        title=clean("title", title, at_most=TITLE_LENGTH),
        description=clean("description", description, at_most=BODY_LENGTH),
        severity=severity,
        state=ServiceRequestState.OPEN,
        opened_by=work.principal.id,
        opened_at=work.now,
    )
    work.concerns(
        tenant_id, f"service_request:{service_request.id}", correlation_id=service_request.id, resource_id=resource_id
    )
    work.uow.service_requests.add(service_request)
    work.record(
        "service_request.opened", detail={"severity": severity.value}, personal={"title": service_request.title}
    )
    return service_request


def load(work: Work, service_request_id: ServiceRequestId) -> ServiceRequest:
    """Load and lock one that the caller may see, and say that the command concerns it."""
    service_request = work.uow.service_requests.get(service_request_id, lock=True)
    work.locked()
    work.concerns(
        service_request.tenant_id,
        f"service_request:{service_request.id}",
        correlation_id=service_request.id,
        resource_id=service_request.resource_id,
    )
    see_service_request(work, service_request)
    return service_request


@command("service_request.reply", scope="service_requests.write")
def reply(work: Work, *, service_request_id: ServiceRequestId, body: str) -> Message:
    """Add a message to the conversation.

    Raises:
        ServiceRequestClosed: nothing is added to a closed one.
        InvalidInput: the message.
    """
    service_request = load(work, service_request_id)
    if service_request.state is ServiceRequestState.CLOSED:
        raise ServiceRequestClosed
    message = Message(
        service_request_id=service_request.id,
        tenant_id=service_request.tenant_id,
        number=len(work.uow.service_requests.messages(service_request.id)) + 1,
        author=work.principal.id,
        body=clean("message", body, at_most=BODY_LENGTH),
        sent_at=work.now,
    )
    work.uow.service_requests.add_message(message)
    work.record("service_request.replied", detail={"message": str(message.number)})
    return message


@command("service_request.take", scope="service_requests.write")
def take(work: Work, *, service_request_id: ServiceRequestId) -> ServiceRequest:
    """Put oneself in charge, as a support engineer.

    Raises:
        NotAllowed: no support engineer.
        ServiceRequestClosed: it is closed.
    """
    service_request = load(work, service_request_id)
    need(work, Role.SUPPORT_ENGINEER)
    taken = cases.assign(service_request, to=work.principal.id)
    work.uow.service_requests.replace(service_request, taken)
    work.record("service_request.assigned", detail={"engineer": work.principal.id})
    return taken


@command("service_request.escalate", scope="service_requests.write")
def escalate(work: Work, *, service_request_id: ServiceRequestId, to: PrincipalId) -> ServiceRequest:
    """Hand the case to another engineer of the provider (specification W4); whoever had it keeps seeing it.

    Raises:
        NotAllowed: the caller is neither on the case nor a support lead.
        InvalidInput: the other one is no active support engineer.
        ServiceRequestClosed: it is closed.
    """
    service_request = load(work, service_request_id)
    if work.principal.id not in service_request.engineers and Role.SUPPORT_LEAD not in at_provider(work):
        raise NotAllowed
    provider = work.uow.tenants.provider()
    if to not in {p.id for p in work.uow.principals.holders(frozenset({Role.SUPPORT_ENGINEER}), provider.id)}:
        raise InvalidInput(field="to", problem="this is no support engineer")
    escalated = cases.assign(service_request, to=to)
    work.uow.service_requests.replace(service_request, escalated)
    work.record("service_request.escalated", detail={"engineer": to})
    return escalated


@command("service_request.close", scope="service_requests.write")
def close(work: Work, *, service_request_id: ServiceRequestId) -> ServiceRequest:
    """Close the case; what is pending under it is canceled in the same transaction.

    Raises:
        NotAllowed: neither the opener, nor an approver or administrator of the customer, nor an engineer on the case.
        ServiceRequestInUse: somebody still has access for it.
        ServiceRequestClosed: it is closed already.
    """
    service_request = load(work, service_request_id)
    customer = in_tenant(work, service_request.tenant_id) & (APPROVER_ROLES | {Role.TENANT_ADMINISTRATOR})
    if not (
        work.principal.id == service_request.opened_by or work.principal.id in service_request.engineers or customer
    ):
        raise NotAllowed
    if any(
        is_usable(g, work.now) or (g.state.value == "revoking" and not is_over(g, work.now))
        for g in work.uow.grants.of_service_request(service_request.id)
    ):
        raise ServiceRequestInUse
    closed = cases.close(service_request, now=work.now)
    work.uow.service_requests.replace(service_request, closed)
    work.record("service_request.closed")
    cancel_pending(work, service_request, because="service_request_closed")
    return closed


def cancel_pending(work: Work, service_request: ServiceRequest, *, because: str) -> None:
    """Cancel every waiting JIT and Lockbox request under a service request; overdue ones are left to their expiry."""
    for waiting in work.uow.jit_requests.of_service_request(service_request.id):
        if jit.effective_state(waiting, work.now) is jit.JitState.INTERNAL_REVIEW:
            work.uow.jit_requests.replace(waiting, jit.cancel(waiting, now=work.now))
            work.record("jit_request.canceled", subject=f"jit_request:{waiting.id}", detail={"because": because})
    for request in work.uow.lockbox_requests.of_service_request(service_request.id):
        if core.effective_state(request, work.now) is core.RequestState.CUSTOMER_NOTIFIED:
            canceled = core.cancel(request, because=because, now=work.now)
            work.uow.lockbox_requests.replace(request, canceled)
            work.record("request.canceled", subject=f"request:{request.id}", detail={"because": because})


def roles_of(work: Work, principal_id: PrincipalId) -> Roles:
    """Read another principal's roles in this transaction."""
    return Roles(work.uow.principals.roles(principal_id))

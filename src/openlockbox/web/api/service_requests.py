"""Service requests: the customer's side (open, read, reply, close) and the engineer's (queue, take, escalate)."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId, ServiceRequestId, SubscriptionId
from openlockbox.services import service_requests, views
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import EscalateBody, OpenBody, ReplyBody
from openlockbox.web.api.callers import (
    CallerArgument,
    LockboxArgument,
    as_resource,
    as_tenant,
    under,
)

ITEM = "/tenants/{tenant_id:str}/service-requests/{service_request_id:str}"


@get("/tenants/{tenant_id:str}/service-requests", sync_to_thread=True)
def list_service_requests(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str]
) -> list[d.ServiceRequestPart]:
    """Return an organization's service requests, newest first: all for role holders, their own for other members."""
    found = views.service_requests_of_tenant(lockbox, caller, tenant_id=as_tenant(tenant_id))
    return [rendering.service_request(s) for s in found]


@get("/tenants/{tenant_id:str}/resources", sync_to_thread=True)
def list_choices(lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str]) -> d.ChoicesDocument:
    """Return the subscriptions and resources that a service request of this organization may be opened on."""
    found = views.new_service_request(lockbox, caller, tenant_id=as_tenant(tenant_id))
    return d.ChoicesDocument(
        subscriptions=[rendering.subscription(s) for s in found.subscriptions],
        resources=[rendering.resource(r) for r in found.resources],
    )


@post("/tenants/{tenant_id:str}/service-requests", sync_to_thread=True)
def open_service_request(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[OpenBody]
) -> d.ServiceRequestPart:
    """Open a service request, as a member of the customer's organization."""
    opened = service_requests.open_service_request(
        lockbox,
        caller,
        tenant_id=as_tenant(tenant_id),
        subscription_id=SubscriptionId(data.subscription_id.lower()),
        resource_id=None if data.resource_id is None else as_resource(data.resource_id),
        title=data.title,
        description=data.description,
        severity=data.severity,
    )
    return rendering.service_request(opened)


@get(ITEM, sync_to_thread=True)
def read_service_request(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], service_request_id: FromPath[str]
) -> d.ServiceRequestDocument:
    """Return a service request with its conversation and the elevations asked under it."""
    view = views.service_request_view(lockbox, caller, service_request_id=ServiceRequestId(service_request_id))
    if view.service_request.tenant_id != tenant_id:
        raise NotFound
    return d.ServiceRequestDocument(
        service_request=rendering.service_request(view.service_request),
        tenant=rendering.tenant(view.tenant),
        subscription=rendering.subscription(view.subscription),
        people=sorted((rendering.person(p) for p in view.people.values()), key=lambda p: p.id),
        messages=[
            d.MessageDocument(
                number=m.number, author=rendering.named(view.people, m.author), body=m.body, sent_at=m.sent_at
            )
            for m in view.messages
        ],
        elevations=[rendering.elevation(e) for e in view.elevations],
        resources=[rendering.resource(r) for r in view.resources],
        scenarios={type_: [rendering.scenario(s) for s in ways] for type_, ways in view.scenarios.items()},
        engineers=[rendering.person(p) for p in view.engineers],
    )


@post(f"{ITEM}/reply", sync_to_thread=True)
def reply(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    service_request_id: FromPath[str],
    data: JSONBody[ReplyBody],
) -> d.MessageDocument:
    """Add a message to the conversation."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    sent = service_requests.reply(lockbox, caller, service_request_id=found, body=data.body)
    return d.MessageDocument(
        number=sent.number, author=rendering.named({}, sent.author), body=sent.body, sent_at=sent.sent_at
    )


@post(f"{ITEM}/take", sync_to_thread=True, status_code=200)
def take(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], service_request_id: FromPath[str]
) -> d.ServiceRequestPart:
    """Put oneself in charge, as a support engineer."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    return rendering.service_request(service_requests.take(lockbox, caller, service_request_id=found))


@post(f"{ITEM}/escalate", sync_to_thread=True, status_code=200)
def escalate(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    service_request_id: FromPath[str],
    data: JSONBody[EscalateBody],
) -> d.ServiceRequestPart:
    """Hand the case to another support engineer, as one who is on it or as a support lead."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    escalated = service_requests.escalate(lockbox, caller, service_request_id=found, to=PrincipalId(data.to))
    return rendering.service_request(escalated)


@post(f"{ITEM}/close", sync_to_thread=True, status_code=200)
def close(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], service_request_id: FromPath[str]
) -> d.ServiceRequestPart:
    """Close the case; what is pending under it is canceled."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    return rendering.service_request(service_requests.close(lockbox, caller, service_request_id=found))


@get("/queue", sync_to_thread=True)
def read_queue(lockbox: LockboxArgument, caller: CallerArgument) -> list[d.QueueDocument]:
    """Return the provider's open service requests, the caller's first."""
    return [
        d.QueueDocument(
            service_request=rendering.service_request(item.service_request),
            tenant=rendering.tenant(item.tenant),
            is_mine=item.is_mine,
            latest=None if item.latest is None else rendering.elevation(item.latest),
        )
        for item in views.engineer_queue(lockbox, caller)
    ]

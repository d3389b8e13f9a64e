"""Lockbox requests: what the customer is asked, and the two answers. No endpoint writes a field of one."""

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import RequestId
from openlockbox.domain.lockbox_request import LockboxRequest, RequestState
from openlockbox.services import decisions, views
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import ApproveBody, DenyBody, parse_duration
from openlockbox.web.api.callers import CallerArgument, LockboxArgument, as_tenant, request_at


@get("/tenants/{tenant_id:str}/requests", sync_to_thread=True)
def list_requests(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    effective_state: FromQuery[RequestState | None] = None,
) -> list[d.RequestDocument]:
    """Return an organization's Lockbox requests, newest first. `customer_notified` by the clock is pending."""
    found = views.requests_of_tenant(lockbox, caller, tenant_id=as_tenant(tenant_id))
    return [rendering.request(view) for view in found if effective_state is None or view.state is effective_state]


@get("/tenants/{tenant_id:str}/requests/{request_id:str}", sync_to_thread=True)
def read_request(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], request_id: FromPath[str]
) -> d.RequestDocument:
    """Return one Lockbox request with all that an approver is shown."""
    view = views.request_view(lockbox, caller, request_id=RequestId(request_id))
    if view.request.tenant_id != tenant_id:
        raise NotFound
    return rendering.request(view)


@post("/tenants/{tenant_id:str}/requests/{request_id:str}/approve", sync_to_thread=True, status_code=200)
def approve_request(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[ApproveBody],
) -> d.DecidedDocument:
    """Approve exactly what `digest` names, for at most as long as was asked. Access begins at once."""
    approved = decisions.approve(
        lockbox,
        caller,
        request_id=request_at(lockbox, caller, "request.approve", tenant_id=tenant_id, request_id=request_id),
        digest=data.digest,
        granted_duration=parse_duration(data.duration),
        reason=data.reason,
    )
    return _decided(approved)


@post("/tenants/{tenant_id:str}/requests/{request_id:str}/deny", sync_to_thread=True, status_code=200)
def deny_request(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[DenyBody],
) -> d.DecidedDocument:
    """Deny exactly what `digest` names. Nothing further happens."""
    denied = decisions.deny(
        lockbox,
        caller,
        request_id=request_at(lockbox, caller, "request.deny", tenant_id=tenant_id, request_id=request_id),
        digest=data.digest,
        reason=data.reason,
    )
    return _decided(denied)


def _decided(request: LockboxRequest) -> d.DecidedDocument:
    made = request.decision
    return d.DecidedDocument(
        id=request.id,
        state=request.state.value,
        decided_at=None if made is None else made.at,
        granted_duration=None if made is None else made.granted_duration,
    )

"""Lockbox requests: what the customer is asked, and the two answers. No endpoint writes a field of one."""

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import RequestId
from openlockbox.domain.lockbox_request import LockboxRequest, RequestState
from openlockbox.services import decisions, evidence, statements, views
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import ApproveBody, DenyBody, SignedDecisionBody, StatementBody, parse_duration
from openlockbox.web.api.callers import CallerArgument, LockboxArgument, as_tenant, under
from openlockbox.web.api.signing_documents import StatementDocument


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
        under(caller, tenant_id),
        request_id=RequestId(request_id),
        digest=data.digest,
        granted_duration=parse_duration(data.duration),
        reason=data.reason,
        permission=data.permission,
        channels=None if data.channels is None else frozenset(data.channels),
    )
    return _decided(approved)


@post("/tenants/{tenant_id:str}/requests/{request_id:str}/statement", sync_to_thread=True, status_code=200)
def prepare_statement(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[StatementBody],
) -> StatementDocument:
    """Write down the decision that the caller would sign now; it counts for five minutes. Decides nothing."""
    offer = statements.prepare(
        lockbox,
        under(caller, tenant_id),
        request_id=RequestId(request_id),
        digest=data.digest,
        choice=statements.Choice(
            answer=data.answer,
            granted_duration=parse_duration(data.duration),
            permission=data.permission,
            channels=None if data.channels is None else frozenset(data.channels),
            reason=data.reason,
        ),
    )
    return StatementDocument(
        statement=offer.statement,
        is_signature_required=offer.is_required,
        key_ids=[key.key_id for key in offer.keys],
        hindrance=offer.hindrance,
    )


@post("/tenants/{tenant_id:str}/requests/{request_id:str}/decision", sync_to_thread=True, status_code=200)
def decide_signed(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[SignedDecisionBody],
) -> d.DecidedDocument:
    """Approve or deny as the signed statement says. An approval's access begins at once."""
    signed = statements.Signed(statement=data.statement, signature=data.signature, key_id=data.key_id)
    act = decisions.deny_signed if statements.answer_of(signed) == "deny" else decisions.approve_signed
    return _decided(act(lockbox, under(caller, tenant_id), request_id=RequestId(request_id), signed=signed))


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
        under(caller, tenant_id),
        request_id=RequestId(request_id),
        digest=data.digest,
        reason=data.reason,
    )
    return _decided(denied)


@post("/tenants/{tenant_id:str}/requests/{request_id:str}/evidence", sync_to_thread=True, status_code=200)
def export_evidence(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], request_id: FromPath[str]
) -> Response[str]:
    """Return everything about one request as a file that can be verified offline. The export is recorded in the log."""
    text = evidence.export(lockbox, under(caller, tenant_id), request_id=RequestId(request_id))
    return Response(text, media_type="application/json")


def _decided(request: LockboxRequest) -> d.DecidedDocument:
    made = request.decision
    return d.DecidedDocument(
        id=request.id,
        state=request.state.value,
        decided_at=None if made is None else made.at,
        granted_duration=None if made is None else made.granted_duration,
        method=None if made is None else made.method,
        key_id="" if made is None else made.key_id,
    )

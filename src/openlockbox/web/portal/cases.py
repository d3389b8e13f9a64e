"""Service requests as the customer sees them: list, open, read, reply, close (specification W2, W10)."""

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import ResourceId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.service_request import Severity
from openlockbox.services import service_requests, views
from openlockbox.services.service_requests import BODY_LENGTH, TITLE_LENGTH
from openlockbox.services.views import ServiceRequestView
from openlockbox.web.portal.decide import UNPROCESSABLE
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor


@get("/t/{tenant:str}/service-requests", sync_to_thread=True)
def service_request_list(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show the organization's service requests, or the visitor's own where they hold no role."""
    tenant_id = TenantId(parse_id(tenant))
    found = views.service_requests_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page("customer/service_requests.html", tenant=tenant_id, service_requests=found)


@get("/t/{tenant:str}/service-requests/new", sync_to_thread=True)
def new_page(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show the form for a new service request."""
    return _new(visitor, TenantId(parse_id(tenant)), Form(), OK)


def _new(visitor: Visitor, tenant_id: TenantId, form: Form, status: int) -> Response[str]:
    view = views.new_service_request(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page("customer/new_service_request.html", status=status, tenant=tenant_id, view=view, form=form)


@post("/t/{tenant:str}/service-requests/new", sync_to_thread=True)
def open_service_request(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Open a service request."""
    tenant_id = TenantId(parse_id(tenant))
    title = form.text("title", at_most=TITLE_LENGTH)
    description = form.text("description", at_most=BODY_LENGTH)
    severity = form.choice("severity", Severity, Severity.B)
    offered = views.new_service_request(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    scopes = {f"{s.id}|" for s in offered.subscriptions} | {f"{r.subscription_id}|{r.id}" for r in offered.resources}
    subscription, _, resource = form.one_of("scope", scopes).partition("|")
    if form.errors:
        return _new(visitor, tenant_id, form, UNPROCESSABLE)

    def done() -> str:
        opened = service_requests.open_service_request(
            visitor.lockbox,
            visitor.caller,
            tenant_id=tenant_id,
            subscription_id=SubscriptionId(subscription),
            resource_id=ResourceId(resource) if resource else None,
            title=title,
            description=description,
            severity=severity,
        )
        return f"/t/{tenant_id}/service-requests/{opened.id}"

    return visitor.act(
        done, said="service_request_opened", back=lambda refusal: _new(visitor, tenant_id, form, form.refuse(refusal))
    )


@get("/t/{tenant:str}/service-requests/{case:str}", sync_to_thread=True)
def service_request(visitor: Signed, tenant: FromPath[str], case: FromPath[str]) -> Response[str]:
    """Show why support is engaged and what happened so far."""
    return _case(visitor, tenant, case, Form(), OK)


def _load(visitor: Visitor, tenant: str, case: str) -> ServiceRequestView:
    view = views.service_request_view(
        visitor.lockbox, visitor.caller, service_request_id=ServiceRequestId(parse_id(case))
    )
    if view.tenant.id != tenant:
        raise NotFound
    return view


def _case(visitor: Visitor, tenant: str, case: str, form: Form, status: int) -> Response[str]:
    view = _load(visitor, tenant, case)
    # After a refused POST the address is the act's; links and forms need the page's own.
    return visitor.page(
        "customer/service_request.html",
        status=status,
        tenant=view.tenant.id,
        view=view,
        form=form,
        path=f"/t/{tenant}/service-requests/{case}",
    )


@post("/t/{tenant:str}/service-requests/{case:str}/reply", sync_to_thread=True)
def reply(visitor: Signed, form: Filled, tenant: FromPath[str], case: FromPath[str]) -> Response[str]:
    """Add a message."""
    view = _load(visitor, tenant, case)
    body = form.text("message", at_most=BODY_LENGTH)
    if form.errors:
        return _case(visitor, tenant, case, form, UNPROCESSABLE)

    def done() -> str:
        service_requests.reply(visitor.lockbox, visitor.caller, service_request_id=view.service_request.id, body=body)
        return f"/t/{tenant}/service-requests/{case}"

    return visitor.act(
        done, said="reply_sent", back=lambda refusal: _case(visitor, tenant, case, form, form.refuse(refusal))
    )


@post("/t/{tenant:str}/service-requests/{case:str}/close", sync_to_thread=True)
def close(visitor: Signed, form: Filled, tenant: FromPath[str], case: FromPath[str]) -> Response[str]:
    """Close it; what is pending under it is canceled."""
    view = _load(visitor, tenant, case)

    def done() -> str:
        service_requests.close(visitor.lockbox, visitor.caller, service_request_id=view.service_request.id)
        return f"/t/{tenant}/service-requests/{case}"

    return visitor.act(
        done,
        said="service_request_closed",
        back=lambda refusal: _case(visitor, tenant, case, form, form.refuse(refusal)),
    )

"""The customer's requests: overview, list, one request, and ending an access. Decisions are in `decide`."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError, NotFound
from openlockbox.domain.ids import GrantId, RequestId, TenantId
from openlockbox.services import access, evidence, lockdown, views
from openlockbox.services.service_requests import REASON_LENGTH
from openlockbox.services.views import RequestView
from openlockbox.web.portal import security
from openlockbox.web.portal.displayed import read_displayed
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor
from openlockbox.web.portal.security import local_path

SHORTER: Final = (*(timedelta(hours=h) for h in (24, 8, 4, 2, 1)), timedelta(minutes=30))
MOST_CHOICES: Final = 4


@get("/t/{tenant:str}", sync_to_thread=True)
def overview(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show who waits for an answer and who has access now (specification W8)."""
    tenant_id = TenantId(parse_id(tenant))
    view = views.overview(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    locks = lockdown.locks_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page("customer/overview.html", tenant=tenant_id, view=view, locks=locks)


@get("/t/{tenant:str}/requests", sync_to_thread=True)
def requests(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show all requests, newest first."""
    tenant_id = TenantId(parse_id(tenant))
    found = views.requests_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    locks = lockdown.locks_of_tenant(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    return visitor.page("customer/requests.html", tenant=tenant_id, requests=found, locks=locks)


@get("/t/{tenant:str}/requests/{request_id:str}", sync_to_thread=True)
def request(visitor: Signed, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Show one request in full (specification W9)."""
    return request_page(visitor, load(visitor, tenant, request_id), Form(), OK)


def load(visitor: Visitor, tenant: str, request_id: str) -> RequestView:
    """Load a request of the organization that the address names.

    Raises:
        NotFound: another organization's.
    """
    view = views.request_view(visitor.lockbox, visitor.caller, request_id=RequestId(parse_id(request_id)))
    if view.tenant.id != tenant:
        raise NotFound
    return view


def choices_for(asked: timedelta) -> tuple[timedelta, ...]:
    """Return the lengths that an approver is offered: as asked, and shorter ones."""
    return (asked, *(length for length in SHORTER if length < asked))[:MOST_CHOICES]


def request_page(visitor: Visitor, view: RequestView, form: Form, status: int) -> Response[str]:
    """Render a request's page, with what was typed and refused."""
    return visitor.page(
        "customer/request.html",
        status=status,
        tenant=view.tenant.id,
        view=view,
        shown=read_displayed(view.request),
        choices=choices_for(view.request.elevation.duration),
        form=form,
        path=f"/t/{view.tenant.id}/requests/{view.request.id}",  # after a refused POST the address is the act's
    )


@post("/grants/{grant_id:str}/end", sync_to_thread=True)
def end_access(visitor: Signed, form: Filled, grant_id: FromPath[str]) -> Response[str]:
    """End an access at once: one click, no confirm step, from whichever page the button stood on."""
    grant = GrantId(parse_id(grant_id))
    reason = form.text("reason", at_most=REASON_LENGTH, required=False)
    access.end_access(visitor.lockbox, visitor.caller, grant_id=grant, reason=reason)
    return visitor.go(local_path(form.typed("back")), said="access_ending")


@post("/t/{tenant:str}/requests/{request_id:str}/evidence", sync_to_thread=True, status_code=OK)
def download_evidence(visitor: Signed, tenant: FromPath[str], request_id: FromPath[str]) -> Response[bytes]:
    """Hand out everything about one request in one file. A POST, because the export is recorded."""
    wanted = RequestId(parse_id(request_id))
    caller = replace(visitor.caller, addressed=TenantId(parse_id(tenant)))
    text = evidence.export(visitor.lockbox, caller, request_id=wanted)
    disposition = {"Content-Disposition": f'attachment; filename="evidence-{wanted}.json"'}
    return Response(text.encode(), media_type="application/json", headers=security.headers() | disposition)


def refused(visitor: Visitor, tenant: str, request_id: str, form: Form, refusal: LockboxError) -> Response[str]:
    """Show the request as it stands now, with the refusal above it."""
    return request_page(visitor, load(visitor, tenant, request_id), form, form.refuse(refusal))

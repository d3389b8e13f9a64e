"""Elevation: the engineer's question to the JIT service, and the internal approver's answer."""

from datetime import timedelta
from typing import TypedDict

from litestar import get, post
from litestar.params import FromPath, JSONBody

from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import JitRequestId, ResourceId, ServiceRequestId
from openlockbox.domain.jit_request import JitRequest
from openlockbox.services import elevation, views
from openlockbox.services.work import Lockbox
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import ElevationBody, ReasonBody, parse_duration
from openlockbox.web.api.callers import (
    CallerArgument,
    LockboxArgument,
    as_resource,
    lockbox_request_of,
    under,
)

UNDER = "/tenants/{tenant_id:str}/service-requests/{service_request_id:str}/elevations"


class _Question(TypedDict):
    resource_id: ResourceId
    scenario: str
    permission: Permission
    channels: frozenset[str]
    duration: timedelta | None
    justification: str


def _question(data: ElevationBody) -> _Question:
    return _Question(
        resource_id=as_resource(data.resource_id),
        scenario=data.scenario,
        permission=data.permission,
        channels=frozenset(data.channels),
        duration=parse_duration(data.duration),
        justification=data.justification,
    )


def _asked(lockbox: Lockbox, asked: JitRequest) -> d.AskedDocument:
    return d.AskedDocument(
        id=asked.id,
        state=asked.state.value,
        verdict=rendering.verdict(asked.verdict),
        request_id=lockbox_request_of(lockbox, asked.id),
    )


@post(UNDER, sync_to_thread=True)
def request_elevation(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    service_request_id: FromPath[str],
    data: JSONBody[ElevationBody],
) -> d.AskedDocument:
    """Ask for elevation on one resource. The JIT rules answer at once; `refused` is an answer too, with its reasons."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    return _asked(lockbox, elevation.request_elevation(lockbox, caller, service_request_id=found, **_question(data)))


@post(f"{UNDER}/preview", sync_to_thread=True, status_code=200)
def preview_elevation(
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    service_request_id: FromPath[str],
    data: JSONBody[ElevationBody],
) -> d.VerdictDocument:
    """Tell what the JIT rules would say now. Changes nothing."""
    caller, found = under(caller, tenant_id), ServiceRequestId(service_request_id)
    return rendering.verdict(elevation.preview_elevation(lockbox, caller, service_request_id=found, **_question(data)))


@get("/elevations", sync_to_thread=True)
def list_elevations(lockbox: LockboxArgument, caller: CallerArgument) -> list[d.ElevationDocument]:
    """Return what the caller asked for and what came of it, newest first."""
    return [rendering.elevation(view) for view in views.my_elevations(lockbox, caller)]


@post("/elevations/{jit_request_id:str}/withdraw", sync_to_thread=True, status_code=200)
def withdraw(lockbox: LockboxArgument, caller: CallerArgument, jit_request_id: FromPath[str]) -> d.AskedDocument:
    """Take one's own question back, in internal review or already before the customer."""
    return _asked(lockbox, elevation.withdraw(lockbox, caller, jit_request_id=JitRequestId(jit_request_id)))


@get("/reviews", sync_to_thread=True)
def list_reviews(lockbox: LockboxArgument, caller: CallerArgument) -> list[d.ElevationDocument]:
    """Return the elevations that wait for the caller's internal approval, oldest first."""
    return [rendering.elevation(view) for view in views.review_queue(lockbox, caller)]


@get("/reviews/{jit_request_id:str}", sync_to_thread=True)
def read_review(lockbox: LockboxArgument, caller: CallerArgument, jit_request_id: FromPath[str]) -> d.ElevationDocument:
    """Return one elevation, as an internal approver."""
    return rendering.elevation(views.review_view(lockbox, caller, jit_request_id=JitRequestId(jit_request_id)))


@post("/reviews/{jit_request_id:str}/approve", sync_to_thread=True, status_code=200)
def approve_review(
    lockbox: LockboxArgument, caller: CallerArgument, jit_request_id: FromPath[str], data: JSONBody[ReasonBody]
) -> d.AskedDocument:
    """Give the internal approval; the request goes to the customer."""
    approved = elevation.approve_internally(
        lockbox, caller, jit_request_id=JitRequestId(jit_request_id), reason=data.reason
    )
    return _asked(lockbox, approved)


@post("/reviews/{jit_request_id:str}/deny", sync_to_thread=True, status_code=200)
def deny_review(
    lockbox: LockboxArgument, caller: CallerArgument, jit_request_id: FromPath[str], data: JSONBody[ReasonBody]
) -> d.AskedDocument:
    """Deny internally; the customer is never asked."""
    denied = elevation.deny_internally(lockbox, caller, jit_request_id=JitRequestId(jit_request_id), reason=data.reason)
    return _asked(lockbox, denied)

"""The support engineer's pages: queue, one service request, requesting elevation, one's elevations (specification W3, W4)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.connectors.api import Scenario
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import JitRequestId, PrincipalId, ResourceId, ServiceRequestId
from openlockbox.domain.jit_request import Verdict
from openlockbox.domain.resource import Resource
from openlockbox.services import elevation, service_requests, views
from openlockbox.services.elevation import JUSTIFICATION_LENGTH
from openlockbox.services.service_requests import BODY_LENGTH
from openlockbox.services.views import ServiceRequestView
from openlockbox.web.portal.customer import SHORTER
from openlockbox.web.portal.decide import UNPROCESSABLE
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor

MOST_LENGTHS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An elevation as the form asks for it."""

    service_request_id: ServiceRequestId
    resource_id: ResourceId
    scenario: str
    permission: Permission
    channels: frozenset[str]
    duration: timedelta
    justification: str


@get("/engineer", sync_to_thread=True)
def queue(visitor: Signed) -> Response[str]:
    """Show the open service requests, one's own first."""
    return visitor.page("engineer/queue.html", items=views.engineer_queue(visitor.lockbox, visitor.caller))


@get("/engineer/service-requests/{case:str}", sync_to_thread=True)
def case_page(visitor: Signed, case: FromPath[str]) -> Response[str]:
    """Show one service request with its elevations."""
    return _page(visitor, _load(visitor, case), Form(), OK)


def _load(visitor: Visitor, case: str) -> ServiceRequestView:
    return views.service_request_view(
        visitor.lockbox, visitor.caller, service_request_id=ServiceRequestId(parse_id(case))
    )


def _page(
    visitor: Visitor, view: ServiceRequestView, form: Form, status: int, verdict: Verdict | None = None
) -> Response[str]:
    ways = _ways(view)
    scenarios = list({s.name: s for _, _, s in ways}.values())
    own = next((value for value, r, _ in ways if r.id == view.service_request.resource_id), "")
    longest = visitor.lockbox.rules.access_duration
    base = f"/engineer/service-requests/{view.service_request.id}"
    return visitor.page(
        "engineer/service_request.html",
        status=status,
        view=view,
        form=form,
        verdict=verdict,
        base=base,
        path=base,
        ways=ways,
        first_way=own or (ways[0][0] if ways else ""),
        levels=dict(sorted({level: text for s in scenarios for level, text in s.permissions}.items(), key=_by_rank)),
        channels={name: text for s in scenarios for name, text in s.channels},
        lengths=sorted((longest, *(length for length in SHORTER if length < longest)))[-MOST_LENGTHS:],
    )


def _by_rank(level: tuple[Permission, str]) -> int:
    return level[0].rank


def _ways(view: ServiceRequestView) -> list[tuple[str, Resource, Scenario]]:
    return [(f"{r.id}|{s.name}", r, s) for r in view.resources for s in view.scenarios.get(r.type, ())]


def _act(
    visitor: Visitor, case: str, form: Form, *, said: str, act: Callable[[ServiceRequestId], object]
) -> Response[str]:
    """Do something with a service request and show it again, with the refusal if there was one."""
    service_request_id = ServiceRequestId(parse_id(case))

    def done() -> str:
        act(service_request_id)
        return f"/engineer/service-requests/{case}"

    def back(refusal: LockboxError) -> Response[str]:
        return _page(visitor, _load(visitor, case), form, form.refuse(refusal, body="message"))

    if form.errors:
        return _page(visitor, _load(visitor, case), form, UNPROCESSABLE)
    return visitor.act(done, said=said, back=back)


@post("/engineer/service-requests/{case:str}/reply", sync_to_thread=True)
def reply(visitor: Signed, form: Filled, case: FromPath[str]) -> Response[str]:
    """Add a message to the conversation."""
    body = form.text("message", at_most=BODY_LENGTH)

    def act(service_request_id: ServiceRequestId) -> object:
        return service_requests.reply(visitor.lockbox, visitor.caller, service_request_id=service_request_id, body=body)

    return _act(visitor, case, form, said="reply_sent", act=act)


@post("/engineer/service-requests/{case:str}/take", sync_to_thread=True)
def take(visitor: Signed, form: Filled, case: FromPath[str]) -> Response[str]:
    """Put oneself in charge."""

    def act(service_request_id: ServiceRequestId) -> object:
        return service_requests.take(visitor.lockbox, visitor.caller, service_request_id=service_request_id)

    return _act(visitor, case, form, said="service_request_taken", act=act)


@post("/engineer/service-requests/{case:str}/escalate", sync_to_thread=True)
def escalate(visitor: Signed, form: Filled, case: FromPath[str]) -> Response[str]:
    """Hand the service request on."""
    to = PrincipalId(form.text("to", at_most=100))

    def act(service_request_id: ServiceRequestId) -> object:
        return service_requests.escalate(visitor.lockbox, visitor.caller, service_request_id=service_request_id, to=to)

    return _act(visitor, case, form, said="service_request_escalated", act=act)


@post("/engineer/service-requests/{case:str}/close", sync_to_thread=True)
def close(visitor: Signed, form: Filled, case: FromPath[str]) -> Response[str]:
    """Close the service request."""

    def act(service_request_id: ServiceRequestId) -> object:
        return service_requests.close(visitor.lockbox, visitor.caller, service_request_id=service_request_id)

    return _act(visitor, case, form, said="service_request_closed", act=act)


@post("/engineer/service-requests/{case:str}/elevation", sync_to_thread=True)
def request_elevation(visitor: Signed, form: Filled, case: FromPath[str]) -> Response[str]:
    """Request elevation, or only tell what the rules would say."""
    view = _load(visitor, case)
    question = _question(view, form)
    if form.errors:
        return _page(visitor, view, form, UNPROCESSABLE)
    if form.typed("preview"):
        return _preview(visitor, view, form, question)

    def act(_: ServiceRequestId) -> object:
        return elevation.request_elevation(
            visitor.lockbox,
            visitor.caller,
            service_request_id=question.service_request_id,
            resource_id=question.resource_id,
            scenario=question.scenario,
            permission=question.permission,
            channels=question.channels,
            duration=question.duration,
            justification=question.justification,
        )

    return _act(visitor, case, form, said="elevation_requested", act=act)


def _question(view: ServiceRequestView, form: Form) -> Question:
    resource, _, scenario = form.one_of("way", [value for value, _, _ in _ways(view)]).partition("|")
    return Question(
        service_request_id=view.service_request.id,
        resource_id=ResourceId(resource),
        scenario=scenario,
        permission=form.choice("permission", Permission, Permission.READ),
        channels=form.all("channels"),
        duration=form.duration("duration"),
        justification=form.text("justification", at_most=JUSTIFICATION_LENGTH, required=not form.typed("preview")),
    )


def _preview(visitor: Visitor, view: ServiceRequestView, form: Form, question: Question) -> Response[str]:
    try:
        verdict = elevation.preview_elevation(
            visitor.lockbox,
            visitor.caller,
            service_request_id=question.service_request_id,
            resource_id=question.resource_id,
            scenario=question.scenario,
            permission=question.permission,
            channels=question.channels,
            duration=question.duration,
            justification=question.justification,
        )
    except LockboxError as refusal:
        return _page(visitor, view, form, form.refuse(refusal))
    return _page(visitor, view, form, OK, verdict)


@get("/engineer/elevations", sync_to_thread=True)
def elevations(visitor: Signed) -> Response[str]:
    """Show what one asked for and what came of it."""
    return visitor.page("engineer/elevations.html", elevations=views.my_elevations(visitor.lockbox, visitor.caller))


@post("/engineer/elevations/{asked:str}/withdraw", sync_to_thread=True)
def withdraw(visitor: Signed, asked: FromPath[str]) -> Response[str]:
    """Take one's own question back."""
    request = elevation.withdraw(visitor.lockbox, visitor.caller, jit_request_id=JitRequestId(parse_id(asked)))
    return visitor.go(f"/engineer/service-requests/{request.service_request_id}", said="elevation_withdrawn")

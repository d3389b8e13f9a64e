"""The internal approver's pages: what waits, and one elevation with the answer to it (specification W5)."""

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import JitRequestId
from openlockbox.services import elevation, views
from openlockbox.services.service_requests import REASON_LENGTH
from openlockbox.web.portal.decide import UNPROCESSABLE, Answer
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor


@get("/review", sync_to_thread=True)
def review_queue(visitor: Signed) -> Response[str]:
    """Show the elevations that wait for the visitor."""
    return visitor.page("review/queue.html", elevations=views.review_queue(visitor.lockbox, visitor.caller))


@get("/review/{asked:str}", sync_to_thread=True)
def review_page(visitor: Signed, asked: FromPath[str]) -> Response[str]:
    """Show one elevation with the rules' verdict."""
    return _page(visitor, asked, Form(), OK)


def _page(visitor: Visitor, asked: str, form: Form, status: int) -> Response[str]:
    view = views.review_view(visitor.lockbox, visitor.caller, jit_request_id=JitRequestId(parse_id(asked)))
    scenario = visitor.lockbox.registry.get(view.asked.elevation.scenario)
    return visitor.page(
        "review/detail.html", status=status, view=view, scenario=scenario, form=form, path_base=f"/review/{asked}"
    )


@post("/review/{asked:str}", sync_to_thread=True)
def review(visitor: Signed, form: Filled, asked: FromPath[str]) -> Response[str]:
    """Give or deny the internal approval."""
    answer = form.choice("decision", Answer, Answer.DENY)
    reason = form.text("reason", at_most=REASON_LENGTH, required=False)
    if form.errors:
        return _page(visitor, asked, form, UNPROCESSABLE)
    act = elevation.approve_internally if answer is Answer.APPROVE else elevation.deny_internally

    def done() -> str:
        act(visitor.lockbox, visitor.caller, jit_request_id=JitRequestId(parse_id(asked)), reason=reason)
        return "/review"

    def back(refusal: LockboxError) -> Response[str]:
        return _page(visitor, asked, form, form.refuse(refusal))

    return visitor.act(done, said="review_approved" if answer is Answer.APPROVE else "review_denied", back=back)

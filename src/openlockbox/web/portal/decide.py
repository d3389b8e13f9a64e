"""The two steps of a decision: write it, then confirm exactly what is shown (specification W11).

The first step only carries what was chosen, in a sealed cookie, to a page that shows it. The second sends it again and is
judged by the service like any other call: nothing that came from the first step is trusted.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import RequestId
from openlockbox.services import decisions
from openlockbox.services.service_requests import REASON_LENGTH
from openlockbox.services.views import RequestView
from openlockbox.web.portal import security
from openlockbox.web.portal.customer import load, refused, request_page
from openlockbox.web.portal.displayed import read_displayed
from openlockbox.web.portal.forms import Filled, Form, write_duration
from openlockbox.web.portal.page import OK, Signed, Visitor, redirect

UNPROCESSABLE: Final = 422
DIGEST_LENGTH: Final = 64


class Answer(StrEnum):
    """The two answers."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A decision that is written and not confirmed."""

    decision: Answer
    duration: timedelta
    reason: str
    digest: str


def read_draft(form: Form) -> Draft:
    """Read the fields of a decision; what is wrong stands in the form."""
    return Draft(
        decision=form.choice("decision", Answer, Answer.DENY),
        duration=form.duration("duration"),
        reason=form.text("reason", at_most=REASON_LENGTH, required=False),
        digest=form.text("digest", at_most=DIGEST_LENGTH),
    )


@post("/t/{tenant:str}/requests/{request_id:str}/decide", sync_to_thread=True)
def decide(visitor: Signed, form: Filled, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Take what was chosen to the confirm step. Decides nothing."""
    view = load(visitor, tenant, request_id)
    draft = read_draft(form)
    if form.errors:
        return request_page(visitor, view, form, UNPROCESSABLE)
    content = {"decision": draft.decision, "duration": write_duration(draft.duration), "reason": draft.reason}
    sealed = security.seal(visitor.web, "draft", visitor.secret, request_id, content | {"digest": draft.digest})
    carried = security.make_cookie(visitor.web, security.DRAFT_COOKIE, sealed, seconds=security.DRAFT_SECONDS)
    return visitor.go(f"/t/{tenant}/requests/{request_id}/confirm", cookies=[carried])


@get("/t/{tenant:str}/requests/{request_id:str}/confirm", sync_to_thread=True)
def confirm_page(visitor: Signed, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Show exactly what would be confirmed. Without a draft of this request, back to reading it."""
    view = load(visitor, tenant, request_id)
    sealed = security.read_cookie(visitor.request, security.DRAFT_COOKIE)
    carried = security.unseal(visitor.web, "draft", visitor.secret, request_id, sealed)
    form = Form({name: [value] for name, value in carried.items()})
    draft = read_draft(form)
    if form.errors or not view.may_decide:
        return redirect(f"/t/{tenant}/requests/{request_id}")
    return _statement(visitor, view, draft)


def _statement(visitor: Visitor, view: RequestView, draft: Draft) -> Response[str]:
    return visitor.page(
        "customer/confirm.html",
        status=OK,
        tenant=view.tenant.id,
        view=view,
        shown=read_displayed(view.request),
        draft=draft,
        form=Form(),
    )


@post("/t/{tenant:str}/requests/{request_id:str}/confirm", sync_to_thread=True)
def confirm(visitor: Signed, form: Filled, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Decide."""
    view = load(visitor, tenant, request_id)
    draft = read_draft(form)
    if form.errors:
        return request_page(visitor, view, form, UNPROCESSABLE)
    try:
        _send(visitor, view.request.id, draft)
    except LockboxError as refusal:
        return refused(visitor, tenant, request_id, form, refusal)
    forget = security.make_cookie(visitor.web, security.DRAFT_COOKIE, "", seconds=0)
    said = "approved" if draft.decision is Answer.APPROVE else "denied"
    return visitor.go(f"/t/{tenant}/requests/{request_id}", said=said, cookies=[forget])


def _send(visitor: Visitor, request_id: RequestId, draft: Draft) -> None:
    if draft.decision is Answer.DENY:
        decisions.deny(visitor.lockbox, visitor.caller, request_id=request_id, digest=draft.digest, reason=draft.reason)
        return
    decisions.approve(
        visitor.lockbox,
        visitor.caller,
        request_id=request_id,
        digest=draft.digest,
        granted_duration=draft.duration,
        reason=draft.reason,
    )

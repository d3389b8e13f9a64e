"""The two steps of a decision: write it, then confirm and sign exactly what is shown (specification W11).

The first step only carries what was chosen, in a sealed cookie, to a page that shows it. The second sends it again, signed or
not, and is judged by the service like any other call: nothing that came from the first step is trusted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import RequestId
from openlockbox.grants.statement import Decision as Said
from openlockbox.grants.statement import open_statement
from openlockbox.services import decisions, statements
from openlockbox.services.service_requests import REASON_LENGTH
from openlockbox.services.statements import Choice
from openlockbox.services.statements import Signed as SignedStatement
from openlockbox.services.views import RequestView
from openlockbox.web.portal import security
from openlockbox.web.portal.customer import load, refused, request_page
from openlockbox.web.portal.displayed import read_displayed
from openlockbox.web.portal.forms import Filled, Form, write_duration
from openlockbox.web.portal.page import OK, Signed, Visitor, redirect

UNPROCESSABLE: Final = 422
DIGEST_LENGTH: Final = 64
CHANNELS_LENGTH: Final = 200


class Answer(StrEnum):
    """The two answers."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A decision that is written and not confirmed."""

    decision: Answer
    duration: timedelta
    permission: Permission | None
    channels: frozenset[str] | None
    reason: str
    digest: str

    @property
    def choice(self) -> Choice:
        """Return it as the service takes it."""
        answer: Said = "approve" if self.decision is Answer.APPROVE else "deny"
        return Choice(
            answer=answer,
            granted_duration=self.duration,
            permission=self.permission,
            channels=self.channels,
            reason=self.reason,
        )


def read_draft(form: Form) -> Draft:
    """Read the fields of a decision; what is wrong stands in the form. A page without choices means: as asked."""
    return Draft(
        decision=form.choice("decision", Answer, Answer.DENY),
        duration=form.duration("duration"),
        permission=form.choice("permission", Permission, Permission.READ) if form.typed("permission") else None,
        channels=_channels(form) if "channels" in form.values else None,
        reason=form.text("reason", at_most=REASON_LENGTH, required=False),
        digest=form.text("digest", at_most=DIGEST_LENGTH),
    )


def _channels(form: Form) -> frozenset[str]:
    """Return the channels that are left on, ticked or carried by the draft. The empty value only says that some were offered."""
    form.text("channels", at_most=CHANNELS_LENGTH, required=False)
    return frozenset(name for value in form.all("channels") for name in value.split(",") if name)


def _carried(draft: Draft) -> dict[str, str]:
    """Return the draft's fields as the sealed cookie carries them, and the confirm page's form."""
    content = {
        "decision": draft.decision.value,
        "duration": write_duration(draft.duration),
        "reason": draft.reason,
        "digest": draft.digest,
    }
    if draft.permission is not None:
        content["permission"] = draft.permission.value
    if draft.channels is not None:
        content["channels"] = ",".join(sorted(draft.channels))
    return content


@post("/t/{tenant:str}/requests/{request_id:str}/decide", sync_to_thread=True)
def decide(visitor: Signed, form: Filled, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Take what was chosen to the confirm step. Decides nothing."""
    view = load(visitor, tenant, request_id)
    draft = read_draft(form)
    if form.errors:
        return request_page(visitor, view, form, UNPROCESSABLE)
    sealed = security.seal(visitor.web, "draft", visitor.secret, request_id, _carried(draft))
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
    try:
        offer = statements.prepare(
            visitor.lockbox, visitor.caller, request_id=view.request.id, digest=draft.digest, choice=draft.choice
        )
    except LockboxError as refusal:
        return refused(visitor, tenant, request_id, form, refusal)
    return visitor.page(
        "customer/confirm.html",
        status=OK,
        tenant=view.tenant.id,
        view=view,
        shown=read_displayed(view.request),
        draft=draft,
        carried=_carried(draft),
        offer=offer,
        said_in_it=open_statement(offer.statement),
        passkeys=[key for key in offer.keys if key.kind == "passkey"],
        form=Form(),
    )


@post("/t/{tenant:str}/requests/{request_id:str}/confirm", sync_to_thread=True)
def confirm(visitor: Signed, form: Filled, tenant: FromPath[str], request_id: FromPath[str]) -> Response[str]:
    """Decide: with the signed statement where there is one, otherwise as the fields say."""
    view = load(visitor, tenant, request_id)
    decision = form.choice("decision", Answer, Answer.DENY)
    send = _signed(visitor, form, view, decision) if form.typed("statement") else _unsigned(visitor, form, view)
    if form.errors:
        return request_page(visitor, view, form, UNPROCESSABLE)
    try:
        send()
    except LockboxError as refusal:
        return refused(visitor, tenant, request_id, form, refusal)
    forget = security.make_cookie(visitor.web, security.DRAFT_COOKIE, "", seconds=0)
    said = "approved" if decision is Answer.APPROVE else "denied"
    return visitor.go(f"/t/{tenant}/requests/{request_id}", said=said, cookies=[forget])


def _signed(visitor: Visitor, form: Form, view: RequestView, decision: Answer) -> Callable[[], object]:
    signed = SignedStatement(statement=form.typed("statement"), signature=form.typed("signature"))
    act = decisions.approve_signed if decision is Answer.APPROVE else decisions.deny_signed
    request_id: RequestId = view.request.id
    return lambda: act(visitor.lockbox, visitor.caller, request_id=request_id, signed=signed)


def _unsigned(visitor: Visitor, form: Form, view: RequestView) -> Callable[[], object]:
    draft = read_draft(form)
    lockbox, caller, request_id = visitor.lockbox, visitor.caller, view.request.id
    if draft.decision is Answer.DENY:
        return lambda: decisions.deny(lockbox, caller, request_id=request_id, digest=draft.digest, reason=draft.reason)
    return lambda: decisions.approve(
        lockbox,
        caller,
        request_id=request_id,
        digest=draft.digest,
        granted_duration=draft.duration,
        reason=draft.reason,
        permission=draft.permission,
        channels=draft.channels,
    )

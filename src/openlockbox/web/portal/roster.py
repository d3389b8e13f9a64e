"""The approver roster of an organization: read it, write a change, sign it. Only the last step changes anything.

Who cannot sign with a passkey in this browser takes the text away and brings it back signed: recovery keys, a second signer.
"""

import json
from typing import Final

from litestar import Response, get, post
from litestar.enums import MediaType
from litestar.params import FromPath

from openlockbox.domain.errors import InvalidInput, LockboxError, RosterChangeRefused, StepUpRequired
from openlockbox.domain.ids import TenantId
from openlockbox.grants.assertion import SigningKey
from openlockbox.grants.roster import RosterRefused, SignedBy, open_signed, unwrap
from openlockbox.services import roster
from openlockbox.services.roster import Change, Proposal
from openlockbox.web.portal import security
from openlockbox.web.portal.forms import Filled, Form, parse_id
from openlockbox.web.portal.page import OK, Signed, Visitor
from openlockbox.web.portal.passkeys import step_up_path

GROUP: Final = 4
LARGEST_QUORUM: Final = 200
LONGEST_LIST: Final = 8_000  # characters of a list of witnesses


def grouped(digest: str) -> str:
    """Return a fingerprint in groups of four, to be read out on the telephone."""
    return " ".join(digest[i : i + GROUP] for i in range(0, len(digest), GROUP))


@get("/t/{tenant:str}/roster", sync_to_thread=True)
def roster_page(visitor: Signed, tenant: FromPath[str]) -> Response[str]:
    """Show which keys decide, and what can be changed."""
    return _page(visitor, TenantId(parse_id(tenant)), Form(), OK)


def _page(visitor: Visitor, tenant_id: TenantId, form: Form, status: int) -> Response[str]:
    view = roster.read(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    listed = set() if view.roster is None else {key.key_id for key in view.roster.keys}
    return visitor.page(
        "customer/roster.html",
        status=status,
        tenant=tenant_id,
        view=view,
        form=form,
        root=grouped(view.root),
        newest=grouped(view.roster.digest) if view.roster else "",
        can_sign=any(key.key_id in listed for key in view.mine),
        path_base=f"/t/{tenant_id}/roster",
    )


@post("/t/{tenant:str}/roster/change", sync_to_thread=True, status_code=OK)
def write_change(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Take what was chosen to the page that shows and signs it. Changes nothing."""
    tenant_id = TenantId(parse_id(tenant))
    try:
        change = _read_change(form)
        proposal = roster.propose(visitor.lockbox, visitor.caller, tenant_id=tenant_id, change=change)
    except StepUpRequired:
        return visitor.go(step_up_path(f"/t/{tenant_id}/roster"))
    except (InvalidInput, RosterChangeRefused) as refusal:
        return _page(visitor, tenant_id, form, form.refuse(refusal))
    return _sign_page(visitor, proposal, (), Form(), OK)


def _read_change(form: Form) -> Change:
    lists = {"recovery_keys": form.typed("recovery_keys"), "witnesses": form.typed("witnesses")}
    if any(len(text) > LONGEST_LIST for text in lists.values()):
        raise InvalidInput(field="witnesses", problem="it is too long")
    named = {name: tuple(text.split()) for name, text in lists.items() if name in form.values}
    switch = form.typed("unsigned_decisions")
    return Change(
        add=form.all("add"),
        remove=form.all("remove"),
        unsigned_decisions={"yes": True, "no": False}.get(switch),
        quorum=_number(form, "quorum"),
        recovery_keys=named.get("recovery_keys"),
        witnesses=named.get("witnesses"),
        witness_quorum=_number(form, "witness_quorum"),
        renew_site=form.typed("renew_site") == "yes",
    )


def _number(form: Form, name: str) -> int | None:
    text = form.typed(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(LARGEST_QUORUM)) + 1):
        raise InvalidInput(field=name, problem="it is no number")
    return int(text)


@post("/t/{tenant:str}/roster/review", sync_to_thread=True, status_code=OK)
def review(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Show a change that was written elsewhere, signed by some or by nobody. Changes nothing."""
    tenant_id = TenantId(parse_id(tenant))
    try:
        proposal, others = _brought(visitor, tenant_id, form.typed("brought").strip())
    except RosterChangeRefused as refusal:
        return _page(visitor, tenant_id, form, form.refuse(refusal))
    return _sign_page(visitor, proposal, others, Form(), OK)


def _brought(visitor: Visitor, tenant_id: TenantId, text: str) -> tuple[Proposal, tuple[SignedBy, ...]]:
    """Read a roster's text, or its signed form."""
    try:
        text, others = unwrap(text)
    except RosterRefused as error:
        raise RosterChangeRefused(problem=error.code) from error
    return roster.review(visitor.lockbox, visitor.caller, tenant_id=tenant_id, text=text), others


def _sign_page(
    visitor: Visitor, proposal: Proposal, others: tuple[SignedBy, ...], form: Form, status: int
) -> Response[str]:
    tenant_id = TenantId(proposal.new.tenant_id)
    view = roster.read(visitor.lockbox, visitor.caller, tenant_id=tenant_id)
    before = {} if proposal.old is None else {key.key_id: key for key in proposal.old.keys}
    after = {key.key_id: key for key in proposal.new.keys}
    signed = {other.key_id for other in others}
    passkeys: list[SigningKey] = [k for k in proposal.signers if k.kind == "passkey" and k.key_id not in signed]
    return visitor.page(
        "customer/roster_sign.html",
        status=status,
        tenant=tenant_id,
        view=view,
        proposal=proposal,
        old=proposal.old,
        new=proposal.new,
        added=[key for key_id, key in after.items() if key_id not in before],
        removed=[key for key_id, key in before.items() if key_id not in after],
        others=others,
        so_far=roster.put_together(proposal, "", others) if others else "",
        passkeys=passkeys,
        digest=grouped(proposal.new.digest),
        form=form,
        path_base=f"/t/{tenant_id}/roster",
    )


@post("/t/{tenant:str}/roster", sync_to_thread=True)
def submit(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[str]:
    """Take a signed change. What is signed and not enough goes back to the page, for the next signer."""
    tenant_id = TenantId(parse_id(tenant))
    try:
        proposal, others = _brought(visitor, tenant_id, form.typed("statement"))  # the text alone
    except RosterChangeRefused as refusal:
        return _page(visitor, tenant_id, form, form.refuse(refusal))
    try:
        signed = roster.put_together(proposal, form.typed("signature"), _others(form))
        others = open_signed(signed).signatures
        code = form.typed("code")
        roster.submit(visitor.lockbox, visitor.caller, tenant_id=tenant_id, signed=signed, code=code)
    except StepUpRequired:
        return visitor.go(step_up_path(f"/t/{tenant_id}/roster"))
    except (LockboxError, RosterRefused) as refusal:
        if not isinstance(refusal, LockboxError):
            refusal = RosterChangeRefused(problem=refusal.code)
        return _sign_page(visitor, proposal, others, form, form.refuse(refusal))
    return visitor.go(f"/t/{tenant_id}/roster", said="roster_changed")


def _others(form: Form) -> tuple[SignedBy, ...]:
    """Return what others signed, where the form carries it beside the text."""
    brought = form.typed("so_far")
    return open_signed(brought).signatures if brought else ()


@post("/t/{tenant:str}/roster/download", sync_to_thread=True, status_code=OK)
def download(visitor: Signed, form: Filled, tenant: FromPath[str]) -> Response[bytes]:
    """Hand a change out as a file, to be signed elsewhere: with a recovery key, or by the next person."""
    tenant_id = TenantId(parse_id(tenant))
    proposal, others = _brought(visitor, tenant_id, form.typed("brought"))
    text = roster.put_together(proposal, "", others) if others else proposal.text
    name = f"roster-{tenant_id}-{proposal.new.version}.json"
    disposition = {"Content-Disposition": f"attachment; filename={json.dumps(name)}"}
    return Response(text.encode(), media_type=MediaType.JSON, headers=security.headers() | disposition)

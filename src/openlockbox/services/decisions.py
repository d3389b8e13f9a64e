"""The customer's answer: approve or deny, once, in time, by a designated approver (W8 to W11), signed where the roster asks."""

from datetime import timedelta
from typing import NoReturn

from openlockbox.domain import lockbox_request as core
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import NotFound, RequestSuperseded, SignatureWrong, StatementDiffers
from openlockbox.domain.ids import RequestId
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.grants.grant import signed_decision
from openlockbox.grants.statement import Decision as Answer
from openlockbox.grants.statement import DecisionStatement, open_statement
from openlockbox.services.authority import is_member
from openlockbox.services.granting import decision_document, issue_grant
from openlockbox.services.lockbox_requests import (
    Basis,
    latest_roster,
    load_basis,
    mail,
    request_values,
    still_holds,
)
from openlockbox.services.lockdown import check_unlocked
from openlockbox.services.statements import (
    Choice,
    Signed,
    check_signed,
    check_unsigned,
    decide,
    read_statement,
    unsigned,
    write_statement,
)
from openlockbox.services.work import Work, command


def load(work: Work, request_id: RequestId) -> LockboxRequest:
    """Load and lock a request of the caller's own organization, and say that the command concerns it.

    Raises:
        NotFound: no such request, or another organization's.
    """
    request = work.uow.lockbox_requests.get(request_id, lock=True)
    work.locked()
    work.concerns(
        request.tenant_id,
        f"request:{request.id}",
        correlation_id=request.service_request_id,
        resource_id=request.elevation.resource_id,
    )
    if not is_member(work, request.tenant_id):
        raise NotFound
    return request


@command("request.approve", scope="requests.decide")
def approve(
    work: Work,
    *,
    request_id: RequestId,
    digest: str,
    granted_duration: timedelta | None,
    reason: str,
    permission: Permission | None = None,
    channels: frozenset[str] | None = None,
) -> LockboxRequest:
    """Approve without a signature. The grant is made in the same transaction. None grants what was asked.

    Raises:
        NotFound, SelfApproval, NotAnApprover: the caller may not decide.
        RequestExpired, AlreadyDecided: too late; the state is told.
        TenantLocked, ResourceLocked, EngineerLocked: a lock stands.
        RequestChanged: the digest is another request's.
        DecisionWidens: longer than asked, a higher permission, or another channel.
        SignatureRequired: the roster lets no unsigned decision count.
        ResourceNotReachable: the machine has no account of the permission level.
        RequestSuperseded: resource, target or rules changed; the request is now canceled.
    """
    request = _load_unlocked(work, request_id)
    choice = Choice(
        answer="approve", granted_duration=granted_duration, permission=permission, channels=channels, reason=reason
    )
    return _approve(work, request, unsigned(write_statement(work, request, choice)), digest)


@command("request.approve", scope="requests.decide")
def approve_signed(work: Work, *, request_id: RequestId, signed: Signed) -> LockboxRequest:
    """Approve with a statement that a key on the roster signed; it says for how long, as what and with which channels.

    Raises:
        StatementDiffers, StatementTooOld, KeyNotOnRoster, SignatureWrong, KeyAddedLater: see `statements.check_signed`.
        NotFound, SelfApproval and so on: as `approve`.
    """
    request = _load_unlocked(work, request_id)
    return _approve(work, request, signed, _answers(signed, "approve").request_digest)


@command("request.deny", scope="requests.decide")
def deny(work: Work, *, request_id: RequestId, digest: str, reason: str) -> LockboxRequest:
    """Deny without a signature; nothing further happens.

    Raises:
        NotFound, SelfApproval, NotAnApprover: the caller may not decide.
        RequestExpired, AlreadyDecided: too late; the state is told.
        RequestChanged: the digest is another request's.
        SignatureRequired: the roster lets no unsigned decision count.
    """
    request = load(work, request_id)
    return _deny(work, request, unsigned(write_statement(work, request, Choice(answer="deny", reason=reason))), digest)


@command("request.deny", scope="requests.decide")
def deny_signed(work: Work, *, request_id: RequestId, signed: Signed) -> LockboxRequest:
    """Deny with a statement that a key on the roster signed.

    Raises:
        StatementDiffers, StatementTooOld, KeyNotOnRoster, SignatureWrong, KeyAddedLater: see `statements.check_signed`.
        NotFound, SelfApproval and so on: as `deny`.
    """
    request = load(work, request_id)
    return _deny(work, request, signed, _answers(signed, "deny").request_digest)


def _load_unlocked(work: Work, request_id: RequestId) -> LockboxRequest:
    request = load(work, request_id)
    check_unlocked(
        work.uow,
        tenant_id=request.tenant_id,
        resource_id=request.elevation.resource_id,
        engineer=request.requester,
        hold=True,
    )
    work.locked()
    return request


def _answers(signed: Signed, answer: Answer) -> DecisionStatement:
    """Read a statement that comes from outside. Without a signature it is nobody's, also where unsigned decisions count."""
    if not signed.signature:
        raise SignatureWrong
    said = read_statement(signed.statement)
    if said.decision != answer:
        raise StatementDiffers
    return said


def _decided(work: Work, request: LockboxRequest, decision: Signed, digest: str) -> LockboxRequest:
    """Check authority, state and width first, then the signature: strangers learn nothing about the roster."""
    said = open_statement(decision.statement)
    decide(work, request, said, digest=digest, decision=decision)
    roster = latest_roster(work, request.tenant_id, lock=True)
    work.locked()
    if decision.signature:
        key = check_signed(work, request, said, decision, roster)
        return decide(work, request, said, digest=digest, decision=decision, key=key)
    check_unsigned(roster)
    return decide(work, request, said, digest=digest, decision=decision)


def _approve(work: Work, request: LockboxRequest, decision: Signed, digest: str) -> LockboxRequest:
    approved = _decided(work, request, decision, digest)
    basis = load_basis(work, request)
    asked = basis.asked
    mfa_age = None if asked.mfa_at is None else asked.submitted_at - asked.mfa_at
    if basis.resource is None or not still_holds(work, request, basis, mfa_age=mfa_age):
        _supersede(work, request, basis)
    work.uow.lockbox_requests.replace(request, approved)
    _tell_requester(work, approved, basis)
    issue_grant(work, approved, basis.resource)
    return approved


def _deny(work: Work, request: LockboxRequest, decision: Signed, digest: str) -> LockboxRequest:
    denied = _decided(work, request, decision, digest)
    made = denied.decision
    assert made is not None  # noqa: S101  just made; for the type checker
    work.uow.lockbox_requests.replace(request, denied)
    work.record(
        "request.denied",
        detail={
            "digest": request.digest,
            "requester": request.requester,
            "method": made.method,
            "key_id": made.key_id,
        },
        personal={"reason": made.reason} if made.reason else None,
        document=signed_decision(decision_document(made)),
    )
    _tell_requester(work, denied, load_basis(work, denied))
    return denied


def _supersede(work: Work, request: LockboxRequest, basis: Basis) -> NoReturn:
    canceled = core.cancel(request, because="superseded", now=work.now)
    work.uow.lockbox_requests.replace(request, canceled)
    work.record("request.canceled", detail={"because": "superseded"})
    _tell_requester(work, canceled, basis)
    work.uow.commit()
    raise RequestSuperseded


def _tell_requester(work: Work, request: LockboxRequest, basis: Basis) -> None:
    values = request_values(
        work,
        request,
        resource=basis.resource,
        tenant=basis.tenant,
        provider=work.uow.tenants.provider(),
        service_request=basis.service_request,
        requester=basis.requester,
    )
    values |= {
        "state": request.state.value,
        "reason": request.decision.reason if request.decision else "",
        "link": f"{work.lockbox.rules.base_url}/engineer/service-requests/{request.service_request_id}",
    }
    mail(work, key=f"decided-{request.id}", to=request.requester, template="request_decided", values=values)

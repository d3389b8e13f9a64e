"""The customer's answer: approve or deny, once, in time, by a designated approver (specification W8 to W11)."""

from datetime import timedelta
from typing import Literal, NoReturn

from openlockbox.domain import lockbox_request as core
from openlockbox.domain.errors import NotFound, RequestSuperseded
from openlockbox.domain.grant import Grant, rests_on
from openlockbox.domain.ids import GrantId, RequestId, principal_actor
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.resource import Resource
from openlockbox.grants.grant import DecisionDocument, GrantDocument, TargetDocument, seal_grant
from openlockbox.grants.statement import decision_statement
from openlockbox.services.authority import is_member
from openlockbox.services.lockbox_requests import Basis, load_basis, mail, reachable, request_values, still_holds
from openlockbox.services.service_requests import REASON_LENGTH, clean
from openlockbox.services.work import Work, command

UNSIGNED = "unsigned"  # password and TOTP; passkey signatures come with the trust core


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
    work: Work, *, request_id: RequestId, digest: str, granted_duration: timedelta | None, reason: str
) -> LockboxRequest:
    """Approve. The grant is made and signed in the same transaction. `granted_duration` None grants what was asked.

    Raises:
        NotFound, SelfApproval, NotAnApprover: the caller may not decide.
        RequestExpired, AlreadyDecided: too late; the state is told.
        RequestChanged: the digest is another request's.
        DecisionWidens: longer than asked.
        RequestSuperseded: resource, target or rules changed; the request is now canceled.
    """
    request = load(work, request_id)
    duration = request.elevation.duration if granted_duration is None else granted_duration
    said = clean("reason", reason, at_most=REASON_LENGTH, required=False)
    approved = core.approve(
        request,
        by=work.principal.id,
        person=work.principal.person_id,
        roles=work.roles.on_subscription(request.subscription_id),
        digest=digest,
        granted_duration=duration,
        reason=said,
        statement=_statement(work, request, "approve", duration, said),
        now=work.now,
    )
    basis = load_basis(work, request)
    asked = basis.asked
    mfa_age = None if asked.mfa_at is None else asked.submitted_at - asked.mfa_at
    if basis.resource is None or not still_holds(work, request, basis, mfa_age=mfa_age):
        _supersede(work, request, basis)
    work.uow.lockbox_requests.replace(request, approved)
    work.record(
        "request.approved",
        detail={
            "digest": request.digest,
            "duration_s": str(int(duration.total_seconds())),
            "requester": request.requester,
            "method": UNSIGNED,
        },
        personal={"reason": said} if said else None,
    )
    _issue_grant(work, approved, basis.resource)
    _tell_requester(work, approved, basis)
    return approved


@command("request.deny", scope="requests.decide")
def deny(work: Work, *, request_id: RequestId, digest: str, reason: str) -> LockboxRequest:
    """Deny; nothing further happens.

    Raises:
        NotFound, SelfApproval, NotAnApprover: the caller may not decide.
        RequestExpired, AlreadyDecided: too late; the state is told.
        RequestChanged: the digest is another request's.
    """
    request = load(work, request_id)
    said = clean("reason", reason, at_most=REASON_LENGTH, required=False)
    denied = core.deny(
        request,
        by=work.principal.id,
        person=work.principal.person_id,
        roles=work.roles.on_subscription(request.subscription_id),
        digest=digest,
        reason=said,
        statement=_statement(work, request, "deny", None, said),
        now=work.now,
    )
    work.uow.lockbox_requests.replace(request, denied)
    work.record(
        "request.denied",
        detail={"digest": request.digest, "requester": request.requester, "method": UNSIGNED},
        personal={"reason": said} if said else None,
    )
    _tell_requester(work, denied, load_basis(work, denied))
    return denied


def _statement(
    work: Work, request: LockboxRequest, decision: Literal["approve", "deny"], duration: timedelta | None, reason: str
) -> str:
    return decision_statement(
        tenant_id=request.tenant_id,
        request_id=request.id,
        request_digest=request.digest,
        decision=decision,
        granted_duration=duration,
        permission=request.elevation.permission.value,
        reason=reason,
        by=work.principal.id,
        at=work.now,
    )


def _supersede(work: Work, request: LockboxRequest, basis: Basis) -> NoReturn:
    canceled = core.cancel(request, because="superseded", now=work.now)
    work.uow.lockbox_requests.replace(request, canceled)
    work.record("request.canceled", detail={"because": "superseded"})
    _tell_requester(work, canceled, basis)
    work.uow.commit()
    raise RequestSuperseded


def _issue_grant(work: Work, request: LockboxRequest, resource: Resource) -> Grant:
    decision, granted_duration = rests_on(request)
    elevation = request.elevation
    target, secret_ref = reachable(resource, elevation.permission)
    grant_id = GrantId(work.lockbox.new_id("GRT"))
    not_after = work.now + granted_duration
    wire = seal_grant(
        GrantDocument(
            grant_id=grant_id,
            tenant_id=request.tenant_id,
            request_id=request.id,
            correlation_id=request.service_request_id,
            engineer_id=request.requester,
            resource_id=resource.id,
            resource_name=resource.name,
            gateway_id=target.gateway_id,
            scenario=elevation.scenario,
            permission=elevation.permission.value,
            channels=tuple(sorted(elevation.channels)),
            target=TargetDocument(
                address=target.address,
                port=target.port,
                security=target.security.value,
                certificate_sha256=target.certificate_sha256,
                secret_ref=secret_ref,
            ),
            request_digest=request.digest,
            decision=DecisionDocument(statement=decision.statement, method=UNSIGNED),
            issued_at=work.now,
            not_before=work.now,
            not_after=not_after,
        ),
        work.lockbox.keys.signer("grants"),
    )
    grant = Grant(
        id=grant_id,
        tenant_id=request.tenant_id,
        subscription_id=request.subscription_id,
        request_id=request.id,
        service_request_id=request.service_request_id,
        engineer=request.requester,
        engineer_person=request.requester_person,
        gateway_id=target.gateway_id,
        elevation=elevation,
        not_before=work.now,
        not_after=not_after,
        wire=wire,
    )
    work.uow.grants.add(grant)
    work.record(
        "grant.issued",
        subject=f"grant:{grant.id}",
        detail={
            "request": request.id,
            "engineer": grant.engineer,
            "gateway": grant.gateway_id,
            "not_after": not_after.isoformat(),
            "decided_by": principal_actor(decision.by),
        },
    )
    return grant


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

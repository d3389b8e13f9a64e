"""Making the grant of an approval, in the transaction of the approval: logged first, then proved, then signed."""

from dataclasses import replace

from openlockbox.domain.elevation import Elevation
from openlockbox.domain.grant import Grant, rests_on
from openlockbox.domain.ids import GrantId, principal_actor
from openlockbox.domain.lockbox_request import Decision, LockboxRequest
from openlockbox.domain.resource import Resource
from openlockbox.grants.grant import (
    DecisionDocument,
    GrantDocument,
    LogDocument,
    TargetDocument,
    seal_grant,
    signed_decision,
)
from openlockbox.grants.statement import open_statement
from openlockbox.services.lockbox_requests import reachable
from openlockbox.services.log import sign_head
from openlockbox.services.statements import permission_of
from openlockbox.services.work import Work


def decision_document(decision: Decision) -> DecisionDocument:
    """Return a decision as it travels and stands beside the log."""
    return DecisionDocument(
        statement=decision.statement, method=decision.method, key_id=decision.key_id, signature=decision.signature
    )


def log_approval(work: Work, approved: LockboxRequest) -> LogDocument:
    """Append the approval to the customer's log now, and return the proof that it is there.

    The log's head stays locked to the end of the transaction, so do this last.

    Raises:
        GrantNotUsable: it is not approved.
    """
    decision, granted = rests_on(approved)
    tenant_id, log = approved.tenant_id, work.uow.activity
    index = log.append_now(
        work.event(
            "request.approved",
            detail={
                "digest": approved.digest,
                "duration_s": str(int(granted.total_seconds())),
                "requester": approved.requester,
                "method": decision.method,
                "key_id": decision.key_id,
            },
            personal={"reason": decision.reason} if decision.reason else None,
            document=signed_decision(decision_document(decision)),
        ),
        at=work.now,
    )
    (leaf,) = log.leaves(tenant_id, index, index + 1)
    return LogDocument(
        index=index,
        leaf=leaf,
        checkpoint=sign_head(work.lockbox, work.uow, tenant_id),
        proof=tuple(log.inclusion(tenant_id, index, log.head(tenant_id).size)),
    )


def issue_grant(work: Work, request: LockboxRequest, resource: Resource) -> Grant:
    """Log the approval, make and sign the grant, and store it: for no more than the statement says.

    Raises:
        GrantNotUsable: the request is not approved.
        ResourceNotReachable: the machine has no account of the granted permission level.
    """
    decision, granted_duration = rests_on(request)
    said = open_statement(decision.statement)
    elevation: Elevation = replace(request.elevation, permission=permission_of(said), channels=frozenset(said.channels))
    target, secret_ref = reachable(resource, elevation.permission)
    logged = log_approval(work, request)
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
            displayed=request.displayed,
            decision=decision_document(decision),
            log=logged,
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
        document=wire,
    )
    return grant

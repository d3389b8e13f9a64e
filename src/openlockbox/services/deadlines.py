"""Write down what the clock has made true: expiries, ended grants, unused and lost connections. Decides nothing."""

from datetime import timedelta

from openlockbox.domain import grant as grants
from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain import session as sessions
from openlockbox.domain.events import Event
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import CLOCK, CorrelationId
from openlockbox.domain.jit_request import JitRequest
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.session import EndReason
from openlockbox.services.ports import OutboxRow
from openlockbox.services.work import Lockbox

BATCH = 50  # rows a transaction: small enough that nobody waits for the worker
LOST_AFTER = timedelta(
    minutes=10
)  # a gateway that runs reports an end within seconds; one that restarts, within minutes


def sweep(lockbox: Lockbox) -> int:
    """Write down one batch of each kind and return how many rows were due; 0 means that nothing is left.

    Safe to run in any number of workers at once: rows are claimed, and each transition is written once.
    """
    return (
        _expire_requests(lockbox)
        + _expire_reviews(lockbox)
        + _end_grants(lockbox)
        + _lapse_sessions(lockbox)
        + _give_up_sessions(lockbox)
    )


def _event(code: str, about: LockboxRequest | JitRequest | Grant, subject: str, **detail: str) -> Event:
    return Event(
        code=code,
        tenant_id=about.tenant_id,
        actor=CLOCK,
        subject=subject,
        resource_id=about.elevation.resource_id,
        correlation_id=CorrelationId(about.service_request_id),
        detail=detail,
    )


def _expire_requests(lockbox: Lockbox) -> int:
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        due = uow.lockbox_requests.overdue(now, limit=BATCH)
        for request in due:
            uow.lockbox_requests.replace(request, core.expire(request, now=now))
            subject = f"request:{request.id}"
            uow.activity.append(
                _event("request.expired", request, subject, answer_by=request.answer_by.isoformat()), at=now
            )
            resource_id = request.elevation.resource_id
            resource = uow.resources.find(resource_id)
            tenant = uow.tenants.get(request.tenant_id)
            values = {
                "request_id": request.id,
                "state": core.RequestState.EXPIRED.value,
                "reason": "",
                "requester_name": uow.principals.get(request.requester).name,
                "provider_name": uow.tenants.provider().name,
                "tenant_name": tenant.name,
                "resource_name": resource.name if resource else resource_id.rsplit("/", 1)[-1],
                "scenario_label": lockbox.registry.get(request.elevation.scenario).label,
                "permission": request.elevation.permission.value,
                "duration_hours": f"{request.elevation.duration.total_seconds() / 3600:g}",
                "answer_by": request.answer_by.isoformat(),
                "service_request_id": request.service_request_id,
                "service_request_title": uow.service_requests.get(request.service_request_id).title,
            }
            base = lockbox.rules.base_url
            mails = [
                (request.requester, "request_decided", f"{base}/engineer/service-requests/{request.service_request_id}")
            ]
            mails += [
                (approver, "request_expired", f"{base}/t/{tenant.id}/requests/{request.id}")
                for approver in sorted(request.approvers)
            ]
            for recipient, template, link in mails:
                uow.outbox.add(
                    OutboxRow(
                        key=f"expired-{request.id}-{recipient}",
                        tenant_id=request.tenant_id,
                        recipient=recipient,
                        template=template,
                        values=values | {"link": link},
                        due_at=now,
                    )
                )
        uow.commit()
    return len(due)


def _expire_reviews(lockbox: Lockbox) -> int:
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        due = uow.jit_requests.overdue(now, limit=BATCH)
        for request in due:
            uow.jit_requests.replace(request, jit.expire(request, now=now))
            uow.activity.append(_event("jit_request.expired", request, f"jit_request:{request.id}"), at=now)
        uow.commit()
    return len(due)


def _end_grants(lockbox: Lockbox) -> int:
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        due = uow.grants.overdue(now, limit=BATCH)
        for grant in due:
            uow.grants.replace(grant, grants.end(grant, now=now))
            uow.activity.append(
                _event("grant.ended", grant, f"grant:{grant.id}", not_after=grant.not_after.isoformat()), at=now
            )
        uow.commit()
    return len(due)


def _lapse_sessions(lockbox: Lockbox) -> int:
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        due = uow.sessions.lapsed(now, limit=BATCH)
        for session in due:
            uow.sessions.replace(session, sessions.terminate(session, reason=EndReason.NEVER_CONNECTED, at=now))
            grant = uow.grants.get(session.grant_id)
            uow.activity.append(_event("session.lapsed", grant, f"session:{session.id}", grant=grant.id), at=now)
        uow.commit()
    return len(due)


def _give_up_sessions(lockbox: Lockbox) -> int:
    """Write down as ended what no gateway has reported: its access is over, so it lasted no longer than that."""
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        due = uow.sessions.unreported(now - LOST_AFTER, limit=BATCH)
        for session in due:
            grant = uow.grants.get(session.grant_id)
            ended = sessions.terminate(session, reason=EndReason.GATEWAY_LOST, at=grant.not_after)
            uow.sessions.replace(session, ended)
            detail = {"reason": EndReason.GATEWAY_LOST.value, "ended_at": grant.not_after.isoformat()}
            uow.activity.append(
                _event("session.terminated", grant, f"session:{session.id}", grant=grant.id, **detail), at=now
            )
        uow.commit()
    return len(due)

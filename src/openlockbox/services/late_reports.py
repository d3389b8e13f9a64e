"""What a gateway tells of a session after it was given up as lost. Changes no state: a final one stays as it is."""

from datetime import datetime

from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import CorrelationId, SessionId, gateway_actor
from openlockbox.domain.session import EndReason, Session
from openlockbox.services import gateways
from openlockbox.services.ports import EntryFilter
from openlockbox.services.work import Lockbox

REPORTED = "session.reported"


def end_session(
    lockbox: Lockbox,
    gateway: Gateway,
    *,
    session_id: SessionId,
    at: datetime,
    reason: EndReason,
    recording_sha256: str,
    recording_bytes: int,
    recording_chunks: int,
) -> Session:
    """Record that a session ended, as `gateways.end_session` does; of one given up as lost, record what is told now. Idempotent.

    Raises:
        NotFound: not a session of this gateway.
    """
    session = gateways.end_session(
        lockbox,
        gateway,
        session_id=session_id,
        at=at,
        reason=reason,
        recording_sha256=recording_sha256,
        recording_bytes=recording_bytes,
        recording_chunks=recording_chunks,
    )
    if session.end_reason is not EndReason.GATEWAY_LOST or session.recording_sha256:
        return session
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        uow.sessions.get(session.id, lock=True)  # of two reports at once, the second one sees the first one's entry
        subject = f"session:{session.id}"
        known = EntryFilter(codes=frozenset({REPORTED}), subject=subject)
        if uow.activity.entries(session.tenant_id, known):
            return session
        grant = uow.grants.get(session.grant_id)
        uow.activity.append(
            Event(
                code=REPORTED,
                tenant_id=session.tenant_id,
                actor=gateway_actor(gateway.id),
                subject=subject,
                resource_id=grant.elevation.resource_id,
                correlation_id=CorrelationId(grant.service_request_id),
                detail={
                    "grant": grant.id,
                    "reason": reason.value,
                    "ended_at": min(max(at, session.started_at or session.offered_at), now).isoformat(),
                    "recording_sha256": recording_sha256,
                    "recording_bytes": str(recording_bytes),
                    "recording_chunks": str(recording_chunks),
                },
            ),
            at=now,
        )
        uow.commit()
    return session

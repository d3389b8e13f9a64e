"""Sessions in rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.domain.ids import GrantId, SessionId, TenantId
from openlockbox.domain.session import EndReason, Session, SessionState


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "tenant_id": session.tenant_id,
        "grant_id": session.grant_id,
        "gateway_id": session.gateway_id,
        "engineer": session.engineer,
        "front": session.front,
        "offered_at": session.offered_at,
        "offer_ends_at": session.offer_ends_at,
        "state": session.state.value,
        "started_at": session.started_at,
        "client_address": session.client_address,
        "ended_at": session.ended_at,
        "end_reason": None if session.end_reason is None else session.end_reason.value,
        "recording_sha256": session.recording_sha256,
        "recording_bytes": session.recording_bytes,
        "recording_chunks": session.recording_chunks,
        "prior_state": session.prior_state,
        "version": session.version,
    }


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        tenant_id=row.tenant_id,
        grant_id=row.grant_id,
        gateway_id=row.gateway_id,
        engineer=row.engineer,
        front=row.front,
        offered_at=row.offered_at,
        offer_ends_at=row.offer_ends_at,
        state=SessionState(row.state),
        started_at=row.started_at,
        client_address=row.client_address,
        ended_at=row.ended_at,
        end_reason=None if row.end_reason is None else EndReason(row.end_reason),
        recording_sha256=row.recording_sha256,
        recording_bytes=row.recording_bytes,
        recording_chunks=row.recording_chunks,
        prior_state=row.prior_state,
        version=row.version,
    )


_C = t.session.c
_SESSIONS = Mapped(t.session, row_of=_row, value_of=_session)
_NEWEST = select(t.session).order_by(_C.offered_at.desc(), _C.id.desc())
_OF_GRANT = _NEWEST.where(_C.grant_id == bindparam("grant_id"))
_ACTIVE = _NEWEST.where(in_state(_C.state, SessionState.ACTIVE), _C.tenant_id == bindparam("tenant_id"))
_LAPSED = (
    select(t.session)
    .where(in_state(_C.state, SessionState.PENDING), _C.offer_ends_at <= bindparam("now"))
    .order_by(_C.offer_ends_at, _C.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_UNREPORTED = (
    select(t.session)
    .where(
        in_state(_C.state, SessionState.ACTIVE),
        _C.grant_id.in_(select(t.access_grant.c.id).where(t.access_grant.c.not_after <= bindparam("before"))),
    )
    .order_by(_C.offered_at, _C.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class SqlSessions:
    """Implements `SessionStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, session_id: SessionId, *, lock: bool = False) -> Session:
        return _SESSIONS.get(self._unit, session_id, lock=lock)

    def add(self, session: Session) -> None:
        _SESSIONS.add(self._unit, session)

    def replace(self, old: Session, new: Session) -> None:
        _SESSIONS.replace(self._unit, new, old_version=old.version)

    def of_grant(self, grant_id: GrantId) -> Sequence[Session]:
        return _SESSIONS.list(self._unit, _OF_GRANT, grant_id=grant_id)

    def active(self, tenant_id: TenantId) -> Sequence[Session]:
        return _SESSIONS.list(self._unit, _ACTIVE, tenant_id=tenant_id)

    def lapsed(self, now: datetime, *, limit: int) -> Sequence[Session]:
        return _SESSIONS.list(self._unit, _LAPSED, now=now, limit=limit)

    def unreported(self, before: datetime, *, limit: int) -> Sequence[Session]:
        return _SESSIONS.list(self._unit, _UNREPORTED, before=before, limit=limit)

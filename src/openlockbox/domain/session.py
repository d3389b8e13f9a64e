"""One connection made under a grant, and why it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from openlockbox.domain.errors import IllegalTransition
from openlockbox.domain.ids import GatewayId, GrantId, PrincipalId, SessionId, TenantId
from openlockbox.domain.text import N_

CONNECT_TIME: Final = timedelta(seconds=60)  # how long a connection token lives; attacks.md row 8


class SessionState(StrEnum):
    """A session is pending while its token waits, active while bytes may flow."""

    PENDING = "pending"
    ACTIVE = "active"
    TERMINATED = "terminated"


SESSION_TRANSITIONS: Final[Mapping[SessionState, frozenset[SessionState]]] = MappingProxyType(
    {
        SessionState.PENDING: frozenset({SessionState.ACTIVE, SessionState.TERMINATED}),
        SessionState.ACTIVE: frozenset({SessionState.TERMINATED}),
        SessionState.TERMINATED: frozenset(),
    }
)


class EndReason(StrEnum):
    """Why a session ended; a stable word each, used by gateway, log and pages alike."""

    DEADLINE = "deadline"
    REVOKED = "revoked"
    LEASE_LOST = "lease_lost"
    CLIENT_CLOSED = "client_closed"
    TARGET_CLOSED = "target_closed"
    TARGET_UNREACHABLE = "target_unreachable"
    TARGET_CERTIFICATE = "target_certificate"
    TARGET_SIGN_IN = "target_sign_in"
    RECORDING_FAILED = "recording_failed"
    PROTOCOL_ERROR = "protocol_error"
    LIMIT_EXCEEDED = "limit_exceeded"
    GATEWAY_STOPPED = "gateway_stopped"
    LOG_UNPROVED = "log_unproved"
    NEVER_CONNECTED = "never_connected"
    GATEWAY_LOST = "gateway_lost"  # said by the clock: the gateway never told of an end


END_SENTENCES: Final[Mapping[EndReason, str]] = MappingProxyType(
    {
        EndReason.DEADLINE: N_("The time of this access is up."),
        EndReason.REVOKED: N_("The access was ended before its time."),
        EndReason.LEASE_LOST: N_("The gateway lost contact with the control plane and closed the session to be safe."),
        EndReason.CLIENT_CLOSED: N_("The connection was closed on the engineer's side."),
        EndReason.TARGET_CLOSED: N_("The machine closed the connection."),
        EndReason.TARGET_UNREACHABLE: N_("The machine could not be reached."),
        EndReason.TARGET_CERTIFICATE: N_("The machine showed another certificate than the one on record."),
        EndReason.TARGET_SIGN_IN: N_("The machine refused the account that the gateway used."),
        EndReason.RECORDING_FAILED: N_("The session could not be recorded, so it was closed."),
        EndReason.PROTOCOL_ERROR: N_("One side spoke something that is not a remote desktop."),
        EndReason.LIMIT_EXCEEDED: N_("One side sent more than the gateway takes."),
        EndReason.GATEWAY_STOPPED: N_("The gateway was stopped."),
        EndReason.LOG_UNPROVED: N_(
            "The customer's activity log did not prove the session's start, so the gateway opened nothing."
        ),
        EndReason.NEVER_CONNECTED: N_("The prepared connection was not used within a minute."),
        EndReason.GATEWAY_LOST: N_("The gateway did not report the end of this session. It is over with the access."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One connection. Its id is the `jti` of the single token that may start it."""

    id: SessionId
    tenant_id: TenantId
    grant_id: GrantId
    gateway_id: GatewayId
    engineer: PrincipalId
    front: str  # "browser" | "native"
    offered_at: datetime
    offer_ends_at: datetime
    state: SessionState = SessionState.PENDING
    started_at: datetime | None = None
    client_address: str = ""
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    recording_sha256: str = ""  # head of the recording's hash chain
    recording_bytes: int = 0
    recording_chunks: int = 0
    prior_state: str = "new"
    version: int = 1


def start(session: Session, *, client_address: str, now: datetime) -> Session:
    """Begin it, once, while its offer stands.

    Raises:
        IllegalTransition: it was started before, or the offer is over.
    """
    if session.state is not SessionState.PENDING or now >= session.offer_ends_at:
        raise IllegalTransition
    return replace(
        session,
        state=SessionState.ACTIVE,
        prior_state=session.state.value,
        started_at=now,
        client_address=client_address,
        version=session.version + 1,
    )


def terminate(
    session: Session,
    *,
    reason: EndReason,
    at: datetime,
    recording_sha256: str = "",
    recording_bytes: int = 0,
    recording_chunks: int = 0,
) -> Session:
    """End it.

    Raises:
        IllegalTransition: it has ended already.
    """
    if SessionState.TERMINATED not in SESSION_TRANSITIONS[session.state]:
        raise IllegalTransition
    return replace(
        session,
        state=SessionState.TERMINATED,
        prior_state=session.state.value,
        ended_at=at,
        end_reason=reason,
        recording_sha256=recording_sha256,
        recording_bytes=recording_bytes,
        recording_chunks=recording_chunks,
        version=session.version + 1,
    )

"""What gateways ask of the control plane: enrol, renew the lease, fetch a grant, report sessions.

They prove themselves by signature, which the edge has checked before it calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from openlockbox.domain import grant as grants
from openlockbox.domain import session as sessions
from openlockbox.domain.errors import GatewayRefused, GrantNotUsable, LockboxError, NotFound
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import Grant, is_usable
from openlockbox.domain.ids import NOBODY, CorrelationId, GatewayId, GrantId, SessionId, gateway_actor
from openlockbox.domain.session import EndReason, Session
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.keys import key_id_of, parse_public_key
from openlockbox.grants.revocations import Revocation, RevocationList, seal_revocations
from openlockbox.grants.session_start import open_session_start
from openlockbox.services import lockdown
from openlockbox.services.gateway_evidence import evidence_of, prove_entry
from openlockbox.services.ports import EntryFilter, UnitOfWork
from openlockbox.services.work import Lockbox

UNPROVEN: Final = "unproven gateway calls"
UNPROVEN_WINDOW: Final = timedelta(minutes=1)
LEASE_TIME: Final = timedelta(seconds=8)  # a gateway without a fresh list for so long closes everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a gateway tells about itself when it enrols."""

    public_key: str
    browser_url: str
    native_address: str
    native_certificate_sha256: str


def enrol(lockbox: Lockbox, *, code_sha256: str, enrolment: Enrolment) -> tuple[Gateway, Mapping[str, object]]:
    """Enrol an invited gateway with its one-time code; return it with the trust bundle.

    Raises:
        GatewayRefused: unknown, used or overdue code.
    """
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        found = uow.gateways.find_by_code(code_sha256) if code_sha256 else None
        if found is None or found.enrolment_ends_at is None or now >= found.enrolment_ends_at or found.public_key:
            subject = "unknown code" if found is None else f"gateway:{found.id}"
            _append_refusal(uow, "gateway.enrol.refused", subject, now)
            uow.commit()
            raise GatewayRefused
        enrolled = replace(
            found,
            enrolment_code_sha256="",
            enrolment_ends_at=None,
            public_key=enrolment.public_key,
            browser_url=enrolment.browser_url,
            native_address=enrolment.native_address,
            native_certificate_sha256=enrolment.native_certificate_sha256,
            version=found.version + 1,
        )
        uow.gateways.replace(found, enrolled)
        uow.activity.append(
            Event(
                code="gateway.enrolled",
                tenant_id=uow.tenants.provider().id,
                actor=gateway_actor(found.id),
                subject=f"gateway:{found.id}",
                correlation_id=CorrelationId(found.id),
                detail={"public_key": enrolment.public_key, "browser_url": enrolment.browser_url},
            ),
            at=now,
        )
        uow.commit()
    return enrolled, lockbox.keys.trust()


def find_gateway(lockbox: Lockbox, gateway_id: GatewayId) -> Gateway:
    """Return an enrolled gateway, whose key the caller checks the request against.

    Raises:
        GatewayRefused: unknown or not enrolled.
    """
    with lockbox.database.unit_of_work(read_only=True) as uow:
        try:
            gateway = uow.gateways.get(gateway_id)
        except NotFound:
            raise GatewayRefused from None
    if not gateway.public_key:
        raise GatewayRefused
    return gateway


def revocation_version(lockbox: Lockbox) -> int:
    """Return the present version of the revocation list; cheap enough to be polled many times a second."""
    with lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.gateways.revocation_version()


def record_unproven(lockbox: Lockbox) -> None:
    """Record that somebody called as a gateway without being one; once a minute, because anybody can call."""
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        if uow.identity.count_attempt(UNPROVEN, at=now, window=UNPROVEN_WINDOW) == 1:
            _append_refusal(uow, "gateway.request.refused", "unknown gateway", now)
        uow.commit()


def _append_refusal(uow: UnitOfWork, code: str, subject: str, now: datetime) -> None:
    uow.activity.append(
        Event(
            code=code,
            tenant_id=uow.tenants.provider().id,
            actor=NOBODY,
            subject=subject,
            correlation_id=CorrelationId(subject),
            detail={"code": GatewayRefused.code},
        ),
        at=now,
    )


def renew_lease(lockbox: Lockbox, gateway: Gateway, *, applied_version: int) -> None:
    """Note what the gateway has applied, and write down the revocations that are thereby confirmed.

    Raises:
        GatewayRefused: it claims a list that was never issued.
    """
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        if applied_version > uow.gateways.revocation_version():
            _append_refusal(uow, "gateway.lease.refused", f"gateway:{gateway.id}", now)
            uow.commit()
            raise GatewayRefused
        uow.gateways.renew(gateway.id, applied_version=applied_version, at=now)
        for revoking in uow.grants.revoking(gateway.id, up_to_version=applied_version):
            _confirm(uow, revoking, gateway, now)
        lockdown.confirm(uow, gateway, applied_version=applied_version, now=now)
        uow.commit()


def _confirm(uow: UnitOfWork, revoking: Grant, gateway: Gateway, now: datetime) -> None:
    uow.grants.replace(revoking, grants.confirm_revoked(revoking, now=now))
    took = "" if revoking.revoked_at is None else str(int((now - revoking.revoked_at) / timedelta(milliseconds=1)))
    uow.activity.append(
        _event("grant.revoked", revoking, gateway, subject=f"grant:{revoking.id}", detail={"milliseconds": took}),
        at=now,
    )


def signed_revocations(lockbox: Lockbox) -> str:
    """Return the present list, signed, good for one lease."""
    now = lockbox.clock()
    with lockbox.database.unit_of_work(read_only=True) as uow:
        version, revoked = uow.gateways.revocations(now)
    return seal_revocations(
        RevocationList(
            version=version,
            issued_at=now,
            expires_at=now + LEASE_TIME,
            revoked=tuple(Revocation(kind=kind, id=subject) for kind, subject in revoked),
        ),
        lockbox.keys.signer("revocations"),
    )


def fetch_grant(lockbox: Lockbox, gateway: Gateway, grant_id: GrantId) -> str:
    """Return the signed grant to the gateway that it names.

    Raises:
        NotFound: no such grant, or another gateway's.
    """
    return _load_grant(lockbox, gateway, grant_id).wire


def fetch_evidence(
    lockbox: Lockbox, gateway: Gateway, *, grant_id: GrantId, roster_version: int, log_size: int
) -> dict[str, object]:
    """Return what proves a grant to the gateway that it names, which has seen so much of the tenant's roster and log.

    Raises:
        NotFound: no such grant, or another gateway's.
    """
    grant = _load_grant(lockbox, gateway, grant_id)
    return evidence_of(lockbox, grant, roster_version=roster_version, log_size=log_size)


def _load_grant(lockbox: Lockbox, gateway: Gateway, grant_id: GrantId) -> Grant:
    with lockbox.database.unit_of_work(read_only=True) as uow:
        grant = uow.grants.get(grant_id)
    if grant.gateway_id != gateway.id:
        with lockbox.database.unit_of_work() as uow:
            detail = {"code": NotFound.code}
            event = _event("grant.fetch.refused", grant, gateway, subject=f"grant:{grant.id}", detail=detail)
            uow.activity.append(event, at=lockbox.clock())
            uow.commit()
        raise NotFound
    return grant


def start_session(
    lockbox: Lockbox,
    gateway: Gateway,
    *,
    session_id: SessionId,
    grant_id: GrantId,
    front: str,
    client_address: str,
    statement: str,
    log_size: int,
) -> tuple[Session, dict[str, object]]:
    """Record that a session starts, with the gateway's signed word, and return the proof that it stands in the log.

    The gateway lets no byte through before it has checked that. `log_size` is how much of the log it has seen.

    Raises:
        NotFound: not a session of this gateway.
        GatewayRefused: grant or front differ from what was offered, or the gateway's statement says otherwise.
        GrantNotUsable: ended or revoked meanwhile.
        IllegalTransition: started before, or the offer is over.
    """
    now = lockbox.clock()  # read again below: the locks may be waited for
    about: list[tuple[Grant, str]] = []
    try:
        with lockbox.database.unit_of_work() as uow:
            offered = uow.sessions.get(session_id, lock=True)
            grant = uow.grants.get(offered.grant_id, lock=True)
            now = lockbox.clock()
            about.append((grant, f"session:{offered.id}"))
            if offered.gateway_id != gateway.id:
                raise NotFound
            if offered.grant_id != grant_id or offered.front != front:
                raise GatewayRefused
            _check_statement(statement, gateway, offered, grant)
            if not is_usable(grant, now):
                raise GrantNotUsable
            started = sessions.start(offered, client_address=client_address, now=now)
            uow.sessions.replace(offered, started)
            event = _event(
                "session.started",
                grant,
                gateway,
                subject=f"session:{started.id}",
                detail={
                    "grant": grant.id,
                    "engineer": grant.engineer,
                    "front": front,
                    "gateway_key": gateway.public_key,
                },
                personal={"client_address": client_address},
            )
            index = uow.activity.append_now(replace(event, document=statement), at=now)
            proof = prove_entry(lockbox, uow, grant.tenant_id, index=index, log_size=log_size)
            uow.commit()
            return started, proof
    except LockboxError as refusal:
        for grant, subject in about:
            with lockbox.database.unit_of_work() as uow:
                uow.activity.append(
                    _event("session.start.refused", grant, gateway, subject=subject, detail={"code": refusal.code}),
                    at=now,
                )
                uow.commit()
        raise


def _check_statement(statement: str, gateway: Gateway, offered: Session, grant: Grant) -> None:
    """Check that the gateway signed the start of just this session; what stands in the log must hold for anybody.

    Raises:
        GatewayRefused: it did not.
    """
    try:
        key = parse_public_key(gateway.public_key)
        said = open_session_start(statement, {key_id_of(key): key})
    except EnvelopeRefused as error:
        raise GatewayRefused from error
    meant = (offered.id, grant.id, grant.tenant_id, gateway.id, grant.engineer, offered.front)
    if (said.session_id, said.grant_id, said.tenant_id, said.gateway_id, said.engineer_id, said.front) != meant:
        raise GatewayRefused


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
    """Record that a session ended and what its recording's digest is. Idempotent: a repeated report changes nothing.

    Raises:
        NotFound: not a session of this gateway.
    """
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        session = uow.sessions.get(session_id, lock=True)
        grant = uow.grants.get(session.grant_id)
        if session.gateway_id != gateway.id:
            detail = {"code": NotFound.code}
            event = _event("session.end.refused", grant, gateway, subject=f"session:{session.id}", detail=detail)
            uow.activity.append(event, at=now)
            uow.commit()
            raise NotFound
        if session.state is sessions.SessionState.TERMINATED:
            return session
        ended_at = min(max(at, session.started_at or session.offered_at), now)  # a gateway's clock rewrites no history
        ended = sessions.terminate(
            session,
            reason=reason,
            at=ended_at,
            recording_sha256=recording_sha256,
            recording_bytes=recording_bytes,
            recording_chunks=recording_chunks,
        )
        uow.sessions.replace(session, ended)
        uow.activity.append(
            _event(
                "session.terminated",
                grant,
                gateway,
                subject=f"session:{session.id}",
                detail={
                    "grant": grant.id,
                    "reason": reason.value,
                    "ended_at": ended_at.isoformat(),
                    "recording_sha256": recording_sha256,
                    "recording_bytes": str(recording_bytes),
                    "recording_chunks": str(recording_chunks),
                },
            ),
            at=now,
        )
        uow.commit()
    return ended


def record_refused_connection(
    lockbox: Lockbox, gateway: Gateway, *, session_id: SessionId, code: str, client_address: str
) -> None:
    """Record that the gateway refused a connection for this offer, with the gateway's own stable code.

    Raises:
        NotFound: not a session of this gateway.
    """
    now = lockbox.clock()
    with lockbox.database.unit_of_work() as uow:
        session = uow.sessions.get(session_id)
        if session.gateway_id != gateway.id:
            raise NotFound
        subject, action = f"session:{session.id}", "session.connect.refused"
        known = EntryFilter(codes=frozenset({action}), subject=subject)
        if any(e.event.detail.get("code") == code for e in uow.activity.entries(session.tenant_id, known)):
            return  # each reason once a session: a replayed token does not grow the customer's log
        event = _event(
            action,
            uow.grants.get(session.grant_id),
            gateway,
            subject=subject,
            detail={"code": code},
            personal={"client_address": client_address} if client_address else {},
        )
        uow.activity.append(event, at=now)
        uow.commit()


def _event(
    code: str,
    grant: Grant,
    gateway: Gateway,
    *,
    subject: str,
    detail: Mapping[str, str],
    personal: Mapping[str, str] | None = None,
) -> Event:
    return Event(
        code=code,
        tenant_id=grant.tenant_id,
        actor=gateway_actor(gateway.id),
        subject=subject,
        resource_id=grant.elevation.resource_id,
        correlation_id=CorrelationId(grant.service_request_id),
        detail=detail,
        personal=personal or {},
    )

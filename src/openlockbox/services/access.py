"""Use a grant and end it: connect, and revoke by the customer, the provider or the engineer."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from openlockbox.connectors.builtin.rdp_file import render_rdp_file
from openlockbox.domain import grant as grants
from openlockbox.domain import session as sessions
from openlockbox.domain.errors import GrantNotUsable, InvalidInput, NotFound, RequestSuperseded, ResourceNotReachable
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import CorrelationId, GrantId, SessionId
from openlockbox.domain.session import CONNECT_TIME, Session
from openlockbox.grants.token import ConnectionToken, seal_token
from openlockbox.services.authority import at_provider, is_member
from openlockbox.services.lockbox_requests import load_basis, mail, still_holds
from openlockbox.services.lockdown import check_unlocked
from openlockbox.services.ports import EntryFilter
from openlockbox.services.service_requests import REASON_LENGTH, clean
from openlockbox.services.work import Work, command, query

ONE_TIME_LENGTH: Final = 16
ONE_TIME_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that looks like another; 79 bits in 16
REVOCATION_MARGIN: Final = timedelta(minutes=5)  # a revocation stays listed a little past the grant's own end


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Connection:
    """What one connection needs. No repr: token and password are secrets for a minute."""

    session: Session
    token: str
    browser_url: str
    native_password: str | None
    rdp_file: str | None


def _load(work: Work, grant_id: GrantId) -> Grant:
    grant = work.uow.grants.get(grant_id, lock=True)
    work.locked()
    work.concerns(
        grant.tenant_id,
        f"grant:{grant.id}",
        correlation_id=grant.service_request_id,
        resource_id=grant.elevation.resource_id,
    )
    return grant


@command("grant.connect", scope="grants.connect")
def connect(work: Work, *, grant_id: GrantId, front: str) -> Connection:
    """Prepare one connection: a token that lives a minute and works once, bound to grant, engineer and gateway.

    What the grant rests on is checked again, with the engineer's present second factor.

    Raises:
        NotFound: another engineer's grant.
        TenantLocked, ResourceLocked, EngineerLocked: a lock stands.
        GrantNotUsable: ended or revoked.
        RequestSuperseded: resource, target, engineer or rules changed since the approval.
        ResourceNotReachable: the gateway has no address for this front.
    """
    grant = _load(work, grant_id)
    if grant.engineer != work.principal.id:
        raise NotFound
    if front not in {"browser", "native"}:
        raise InvalidInput(field="front", problem="it is neither browser nor native")
    check_unlocked(
        work.uow, tenant_id=grant.tenant_id, resource_id=grant.elevation.resource_id, engineer=grant.engineer
    )
    grants.check_usable(grant, engineer=work.principal.id, now=work.now)
    mfa_age = None if work.caller.mfa_at is None else work.now - work.caller.mfa_at
    request = work.uow.lockbox_requests.get(grant.request_id)
    if not still_holds(work, request, load_basis(work, request), mfa_age=mfa_age):
        raise RequestSuperseded
    gateway = work.uow.gateways.get(grant.gateway_id)
    if not gateway.public_key or not (gateway.browser_url if front == "browser" else gateway.native_address):
        raise ResourceNotReachable
    ends_at = min(work.now + CONNECT_TIME, grant.not_after)
    session = Session(
        id=SessionId(work.lockbox.new_id("SES")),
        tenant_id=grant.tenant_id,
        grant_id=grant.id,
        gateway_id=grant.gateway_id,
        engineer=grant.engineer,
        front=front,
        offered_at=work.now,
        offer_ends_at=ends_at,
    )
    password = "".join(secrets.choice(ONE_TIME_LETTERS) for _ in range(ONE_TIME_LENGTH)) if front == "native" else None
    token = seal_token(
        ConnectionToken(
            jti=session.id,
            grant_id=grant.id,
            engineer_id=grant.engineer,
            gateway_id=grant.gateway_id,
            front=front,
            issued_at=work.now,
            expires_at=ends_at,
            password_sha256=None if password is None else hashlib.sha256(password.encode()).hexdigest(),
        ),
        work.lockbox.keys.signer("grants"),
    )
    work.uow.sessions.add(session)
    work.record("session.offered", subject=f"session:{session.id}", detail={"grant": grant.id, "front": front})
    rdp_file = None
    if front == "native":
        host, _, port = gateway.native_address.rpartition(":")
        resource = work.uow.resources.get(grant.elevation.resource_id)
        rdp_file = render_rdp_file(host, int(port), token, resource.name)
    return Connection(
        session=session,
        token=token,
        browser_url=gateway.browser_url,
        native_password=password,
        rdp_file=rdp_file,
    )


@command("grant.revoke", scope="grants.revoke")
def end_access(work: Work, *, grant_id: GrantId, reason: str) -> Grant:
    """Revoke a grant. It is `revoking` until its gateway has confirmed, then `revoked`.

    Raises:
        NotFound: the caller has nothing to do with it.
        NotAllowedToRevoke: may see it but not end it.
        AlreadyRevoked: it has ended or is being revoked.
    """
    grant = _load(work, grant_id)
    customer = work.roles.on_tenant(grant.tenant_id)
    provider = at_provider(work)
    own = work.principal.id == grant.engineer or work.principal.person_id == grant.engineer_person
    if not (own or customer or provider or work.principal.tenant_id == grant.tenant_id):
        raise NotFound
    grants.may_revoke(
        grant,
        by=work.principal.id,
        person=work.principal.person_id,
        on_subscription=work.roles.on_subscription(grant.subscription_id),
        on_tenant=customer,
        at_provider=provider,
    )
    said = clean("reason", reason, at_most=REASON_LENGTH, required=False)
    if not grants.is_usable(grant, work.now):
        grants.revoke(grant, by=work.principal.id, reason=said, revocation_version=0, now=work.now)  # raises
        raise GrantNotUsable
    version = work.uow.gateways.add_revocation("grant", grant.id, until=grant.not_after + REVOCATION_MARGIN)
    revoking = grants.revoke(grant, by=work.principal.id, reason=said, revocation_version=version, now=work.now)
    work.uow.grants.replace(grant, revoking)
    side = "customer" if customer else "engineer" if work.principal.id == grant.engineer else "provider"
    work.record(
        "grant.revoking",
        detail={"side": side, "request": grant.request_id, "revocation_version": str(version)},
        personal={"reason": said} if said else None,
    )
    if work.principal.id != grant.engineer:
        _tell_engineer(work, revoking)
    return revoking


def end_what_rests_on(work: Work, key_ids: Collection[str]) -> None:
    """End the tenant's accesses whose approval one of these keys signed: a removed key counts no more, also where it counted before."""
    for found in work.uow.grants.unended(work.tenant_id):
        decision = work.uow.lockbox_requests.get(found.request_id).decision
        if decision is None or decision.key_id not in key_ids:
            continue
        grant = work.uow.grants.get(found.id, lock=True)
        if not grants.is_usable(grant, work.now):
            continue
        version = work.uow.gateways.add_revocation("grant", grant.id, until=grant.not_after + REVOCATION_MARGIN)
        revoking = grants.revoke(grant, by=work.principal.id, reason="", revocation_version=version, now=work.now)
        work.uow.grants.replace(grant, revoking)
        detail = {"side": "customer", "request": grant.request_id, "revocation_version": str(version)}
        event = work.event(
            "grant.revoking", subject=f"grant:{grant.id}", detail=detail | {"removed_key": decision.key_id}
        )
        correlation = CorrelationId(grant.service_request_id)
        work.uow.activity.append(
            replace(event, resource_id=grant.elevation.resource_id, correlation_id=correlation), at=work.now
        )
        _tell_engineer(work, revoking)


def _tell_engineer(work: Work, grant: Grant) -> None:
    resource = work.uow.resources.find(grant.elevation.resource_id)
    values = {
        "request_id": grant.request_id,
        "tenant_name": work.uow.tenants.get(grant.tenant_id).name,
        "resource_name": resource.name if resource else grant.elevation.resource_id.rsplit("/", 1)[-1],
        "revoked_by": work.principal.name,
        "reason": grant.revoke_reason,
        "service_request_id": grant.service_request_id,
        "link": f"{work.lockbox.rules.base_url}/engineer/service-requests/{grant.service_request_id}",
    }
    mail(work, key=f"revoked-{grant.id}", to=grant.engineer, template="grant_revoked", values=values)


@query("session.read", scope="grants.connect")
def refused_because(work: Work, *, session_id: SessionId) -> str:
    """Return the code with which the gateway last refused a connection for this offer, or "".

    Raises:
        NotFound: not of a grant that the caller may see.
    """
    session = work.uow.sessions.get(session_id)
    if session.engineer != work.principal.id and not (at_provider(work) or is_member(work, session.tenant_id)):
        raise NotFound
    wanted = EntryFilter(codes=frozenset({"session.connect.refused"}), subject=f"session:{session.id}")
    newest_first = work.uow.activity.entries(session.tenant_id, wanted)
    return newest_first[0].event.detail.get("code", "") if newest_first else ""


@command("session.report", scope="grants.connect")
def abandon_offer(work: Work, *, session_id: SessionId) -> Session:
    """Give back a prepared connection that will not be used. Idempotent: an ended one is returned as it is.

    Raises:
        NotFound: another engineer's.
    """
    session = work.uow.sessions.get(session_id, lock=True)
    _load(work, session.grant_id)
    if session.engineer != work.principal.id:
        raise NotFound
    if session.state is not sessions.SessionState.PENDING:
        return session
    ended = sessions.terminate(session, reason=sessions.EndReason.CLIENT_CLOSED, at=work.now)
    work.uow.sessions.replace(session, ended)
    work.record("session.lapsed", subject=f"session:{session.id}")
    return ended

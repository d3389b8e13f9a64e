"""The gateway's one decision: may this connection start now? All steps in their order; docs/spec/grant-format.md is normative. Pure."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openlockbox.grants.approval import check_displayed, check_signature, check_statement, follow_roster
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.presence import PresenceProof, check_presence
from openlockbox.grants.revocations import RevocationList
from openlockbox.grants.token import ConnectionToken
from openlockbox.grants.trust import TrustBundle
from openlockbox.grants.verify import (
    VerificationRefused,
    check_in_force,
    check_pair,
    check_token,
    read_grant,
    read_token,
)
from openlockbox.verification.logged import Witnessed, check_approval_logged


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the control plane shows beside a grant. Nothing of it is believed for being shown.

    `rosters` are signed texts from the pinned version on; `consistency` lies between the pinned log and the grant's checkpoint.
    """

    rosters: tuple[str, ...] = ()
    consistency: tuple[bytes, ...] = ()
    witnessed: Witnessed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the gateway itself holds: whom it trusts, what is revoked, what it saw of this tenant, which tokens are used."""

    gateway_id: str
    trust: TrustBundle
    pin: TenantPin | None
    revocations: RevocationList | None
    lease_age: timedelta | None
    started_at: datetime
    used: Container[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Everything holds. The caller burns the token and keeps the pin."""

    token: ConnectionToken
    grant: GrantDocument
    pin: TenantPin


def verify_connection(
    token_text: str,
    grant_text: str,
    *,
    held: Held,
    evidence: Evidence,
    presence: PresenceProof | None,
    front: str,
    now: datetime,
) -> Verified:
    """Check everything that must hold before a connection starts.

    Raises:
        VerificationRefused: with the code of the first step that failed.
    """
    # 1, 2  The token's form, and its signature by a grants key.
    token = read_token(token_text, held.trust)
    # 3 to 8  It is for this gateway and front, of this minute, and unused.
    check_token(token, gateway_id=held.gateway_id, front=front, now=now, started_at=held.started_at, used=held.used)
    # 9, 10  The grant's form, and its signature by a grants key.
    grant = read_grant(grant_text, held.trust)
    # 11  Token, grant and gateway belong together.
    check_pair(token, grant, gateway_id=held.gateway_id)
    # 12  The tenant is pinned, or may be at this first contact; and the pin is this tenant's.
    if held.pin is None or held.pin.tenant_id != grant.tenant_id:
        raise VerificationRefused("tenant_not_pinned")
    # 13  The tenant's roster, from the pinned version to the newest.
    pin, roster = follow_roster(held.pin, evidence.rosters)
    # 14, 15  The request as it was displayed.
    displayed = check_displayed(grant)
    # 16 to 18  The approver's statement.
    statement = check_statement(grant, displayed)
    # 19  The approver's signature.
    check_signature(grant, statement, roster)
    # 20 to 24  The approval is in the customer's log.
    pin = check_approval_logged(
        grant,
        trust=held.trust,
        pin=pin,
        roster=roster,
        consistency=evidence.consistency,
        witnessed=evidence.witnessed,
    )
    # 25  The engineer is here.
    check_presence(
        displayed, roster, presence, gateway_id=held.gateway_id, session_id=token.jti, grant_id=grant.grant_id
    )
    # 26 to 29  Times, lease, revocations.
    check_in_force(grant, revocations=held.revocations, lease_age=held.lease_age, now=now)
    return Verified(token=token, grant=grant, pin=pin)

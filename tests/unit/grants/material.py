"""A token, a grant and all around them that verify; tests change one thing and see which step refuses."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.grants.envelope import Ed25519Signer
from openlockbox.grants.grant import DecisionDocument, GrantDocument, TargetDocument, seal_grant
from openlockbox.grants.revocations import RevocationList
from openlockbox.grants.statement import Decision, decision_statement
from openlockbox.grants.token import ConnectionToken, seal_token
from openlockbox.grants.trust import TrustBundle, bundle_of
from openlockbox.grants.verify import verify_connection

NOW = datetime(2026, 5, 4, 9, 30, 0, 123456, tzinfo=UTC)
DIGEST = "ab" * 32
GATEWAY = "gw-1"


def signer(seed: int) -> Ed25519Signer:
    """Return the same key each time, so that vectors are stable. Test keys, worth nothing."""
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


GRANTS, REVOCATIONS, STRANGER = signer(1), signer(2), signer(3)
TRUST = bundle_of(version=1, grant_keys=[GRANTS.public_key], revocation_keys=[REVOCATIONS.public_key])


def statement(
    *,
    decision: Decision = "approve",
    granted: timedelta | None = timedelta(hours=8),
    tenant_id: str = "contoso",
    request_id: str = "lr-1",
    request_digest: str = DIGEST,
    permission: str = "operate",
    by: str = "principal-ada",
    at: datetime = NOW - timedelta(hours=1),
) -> str:
    return decision_statement(
        tenant_id=tenant_id,
        request_id=request_id,
        request_digest=request_digest,
        decision=decision,
        granted_duration=granted,
        permission=permission,
        reason="Please fix the printer.",
        by=by,
        at=at,
    )


def grant(**changes: object) -> GrantDocument:
    plain = GrantDocument(
        grant_id="gr-1",
        tenant_id="contoso",
        request_id="lr-1",
        correlation_id="co-1",
        engineer_id="principal-eng",
        resource_id="/subscriptions/s1/resourcegroups/rg/providers/microsoft.compute/virtualmachines/vm1",
        resource_name="vm1",
        gateway_id=GATEWAY,
        scenario="remote_desktop",
        permission="operate",
        channels=("clipboard", "drive"),
        target=TargetDocument(
            address="127.0.0.1", port=3389, security="tls", certificate_sha256="cd" * 32, secret_ref="vm1.operate"
        ),
        request_digest=DIGEST,
        decision=DecisionDocument(statement=statement(), method="unsigned"),
        issued_at=NOW - timedelta(hours=1),
        not_before=NOW - timedelta(hours=1),
        not_after=NOW + timedelta(hours=7),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def decided(text: str, **changes: object) -> GrantDocument:
    return grant(decision=DecisionDocument(statement=text, method="unsigned"), **changes)


def token(**changes: object) -> ConnectionToken:
    plain = ConnectionToken(
        jti="se-1",
        grant_id="gr-1",
        engineer_id="principal-eng",
        gateway_id=GATEWAY,
        front="browser",
        issued_at=NOW - timedelta(seconds=5),
        expires_at=NOW + timedelta(seconds=55),
        password_sha256=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # as above


def revocation_list(**changes: object) -> RevocationList:
    plain = RevocationList(
        version=7, issued_at=NOW - timedelta(seconds=1), expires_at=NOW + timedelta(seconds=9), revoked=()
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # as above


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that one verification looks at."""

    token_text: str = field(default_factory=lambda: seal_token(token(), GRANTS))
    grant_text: str = field(default_factory=lambda: seal_grant(grant(), GRANTS))
    trust: TrustBundle = TRUST
    revocations: RevocationList | None = field(default_factory=revocation_list)
    lease_age: timedelta | None = timedelta(seconds=2)
    gateway_id: str = GATEWAY
    front: str = "browser"
    now: datetime = NOW
    started_at: datetime = NOW - timedelta(minutes=10)
    used: frozenset[str] = frozenset()

    def verify(self) -> tuple[ConnectionToken, GrantDocument]:
        return verify_connection(
            self.token_text,
            self.grant_text,
            trust=self.trust,
            revocations=self.revocations,
            lease_age=self.lease_age,
            gateway_id=self.gateway_id,
            front=self.front,
            now=self.now,
            started_at=self.started_at,
            used=self.used,
        )

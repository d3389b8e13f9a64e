"""The gateway's one decision: may this connection start now? Numbered as in docs/spec/grant-format.md. Pure."""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.grant import GrantDocument, open_grant
from openlockbox.grants.revocations import RevocationList, is_revoked
from openlockbox.grants.statement import open_statement
from openlockbox.grants.token import ConnectionToken, open_token
from openlockbox.grants.trust import UNSIGNED, TrustBundle

TOKEN_LIFE: Final = timedelta(seconds=60)  # design.md section 5; attacks.md row 8
CLOCK_SKEW: Final = timedelta(seconds=5)  # a control plane's clock may run ahead of the gateway's by this, not more
LEASE_LIFE: Final = timedelta(seconds=8)  # without a fresh list for so long, nothing opens and nothing stays open

_SIGNATURE_CODES: Final = frozenset({"key_unknown", "signature_wrong"})


class VerificationRefused(Exception):
    """The connection may not start. `code` is that of the first step that failed."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(f"{code}: {detail}" if detail else code)


def _refuse_unless(holds: bool, code: str, detail: str = "") -> None:  # noqa: FBT001  the check itself
    if not holds:
        raise VerificationRefused(code, detail)


def read_token(text: str, trust: TrustBundle) -> ConnectionToken:
    """Do steps 1 and 2: form and signature of the token.

    Raises:
        VerificationRefused: `token_malformed`, `token_signature`.
    """
    try:
        return open_token(text, trust)
    except EnvelopeRefused as error:
        code = "token_signature" if error.code in _SIGNATURE_CODES else "token_malformed"
        raise VerificationRefused(code, str(error)) from error


def read_grant(text: str, trust: TrustBundle) -> GrantDocument:
    """Do steps 9 and 10: form and signature of the grant.

    Raises:
        VerificationRefused: `grant_malformed`, `grant_signature`.
    """
    try:
        return open_grant(text, trust)
    except EnvelopeRefused as error:
        code = "grant_signature" if error.code in _SIGNATURE_CODES else "grant_malformed"
        raise VerificationRefused(code, str(error)) from error


def check_decision(grant: GrantDocument, trust: TrustBundle) -> None:
    """Do step 12: the grant rests on the customer's approval, of this request, for this permission and no longer.

    Raises:
        VerificationRefused: `grant_without_decision`.
    """
    code = "grant_without_decision"
    # 12.1  The method is one that the trust bundle admits for this tenant. An empty list of methods admits none.
    _refuse_unless(grant.decision.method in trust.decision_methods(grant.tenant_id), code, "method")
    # 12.2  The signature fits the method: "unsigned" has none. No other method is known to this version.
    _refuse_unless(grant.decision.method == UNSIGNED and grant.decision.signature == "", code, "signature")
    # 12.3  The statement can be read and is canonical.
    try:
        statement = open_statement(grant.decision.statement)
    except EnvelopeRefused as error:
        raise VerificationRefused(code, str(error)) from error
    # 12.4  It approves.
    _refuse_unless(statement.decision == "approve" and statement.granted_duration is not None, code, "not an approval")
    assert statement.granted_duration is not None  # noqa: S101  said in 12.4; for the type checker
    # 12.5  It is about this tenant, this request as displayed, and this permission.
    _refuse_unless(statement.tenant_id == grant.tenant_id, code, "tenant")
    _refuse_unless(statement.request_id == grant.request_id, code, "request")
    _refuse_unless(statement.request_digest == grant.request_digest, code, "digest")
    _refuse_unless(statement.permission == grant.permission, code, "permission")
    # 12.6  The engineer did not decide on their own request.
    _refuse_unless(statement.by != grant.engineer_id, code, "decided by the engineer")
    # 12.7  The grant begins at or after the decision and ends within the granted duration from it.
    _refuse_unless(grant.not_before >= statement.at, code, "begins before the decision")
    _refuse_unless(grant.not_after - statement.at <= statement.granted_duration, code, "longer than granted")


def check_in_force(
    grant: GrantDocument, *, revocations: RevocationList | None, lease_age: timedelta | None, now: datetime
) -> None:
    """Do steps 13 to 16: begun, not over, the revocation list is fresh, and does not name it.

    Raises:
        VerificationRefused: `grant_not_yet`, `grant_over`, `lease_stale`, `grant_revoked`.
    """
    # 13  The grant has begun. No tolerance: the token was made by the same clock as the grant.
    _refuse_unless(now >= grant.not_before, "grant_not_yet")
    # 14  The grant is not over.
    _refuse_unless(now < grant.not_after, "grant_over")
    # 15  There is a revocation list, it has not expired, and its lease is fresh by the monotonic clock.
    if revocations is None or lease_age is None:
        raise VerificationRefused("lease_stale", "no list")
    _refuse_unless(timedelta(0) <= lease_age < LEASE_LIFE and now < revocations.expires_at, "lease_stale")
    # 16  The list names neither grant, engineer, resource nor tenant.
    _refuse_unless(not is_revoked(revocations, grant), "grant_revoked")


def verify_connection(
    token_text: str,
    grant_text: str,
    *,
    trust: TrustBundle,
    revocations: RevocationList | None,
    lease_age: timedelta | None,
    gateway_id: str,
    front: str,
    now: datetime,
    started_at: datetime,
    used: Container[str],
) -> tuple[ConnectionToken, GrantDocument]:
    """Check everything that must hold before a connection starts. The caller then burns the token.

    Raises:
        VerificationRefused: with the code of the first step that failed.
    """
    # 1, 2  The token's form, and its signature by a grants key.
    token = read_token(token_text, trust)
    # 3  It is for this gateway.
    _refuse_unless(token.gateway_id == gateway_id, "token_for_other_gateway")
    # 4  It is for this front.
    _refuse_unless(token.front == front, "token_front")
    # 5  It lives at most 60 s, and more than none.
    _refuse_unless(timedelta(0) < token.expires_at - token.issued_at <= TOKEN_LIFE, "token_lifetime")
    # 6  It is not from the future (5 s of skew) and not expired (no tolerance).
    _refuse_unless(token.issued_at <= now + CLOCK_SKEW, "token_not_yet")
    _refuse_unless(now < token.expires_at, "token_expired")
    # 7  It was issued after this gateway started, because the memory of used tokens begins there.
    _refuse_unless(token.issued_at >= started_at, "token_before_start")
    # 8  It was not used before.
    _refuse_unless(token.jti not in used, "token_reused")
    # 9, 10  The grant's form, and its signature by a grants key.
    grant = read_grant(grant_text, trust)
    # 11  Token and grant belong together, and to this gateway.
    _refuse_unless(grant.grant_id == token.grant_id, "grant_mismatch", "grant")
    _refuse_unless(grant.engineer_id == token.engineer_id, "grant_mismatch", "engineer")
    _refuse_unless(grant.gateway_id == gateway_id, "grant_mismatch", "gateway")
    # 12  The customer's decision.
    check_decision(grant, trust)
    # 13 to 16  Times, lease, revocations.
    check_in_force(grant, revocations=revocations, lease_age=lease_age, now=now)
    return token, grant

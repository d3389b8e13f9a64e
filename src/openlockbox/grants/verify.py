"""May this connection start now? Here the steps about token, grant and time; numbered as in docs/spec/grant-format.md. Pure.

The others: grants/approval.py (the customer's decision), grants/presence.py (the engineer), verification/logged.py (the log). All
of them, in their order: verification/connection.py.
"""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.grant import GrantDocument, open_grant
from openlockbox.grants.revocations import RevocationList, is_revoked
from openlockbox.grants.token import ConnectionToken, open_token
from openlockbox.grants.trust import TrustBundle

TOKEN_LIFE: Final = timedelta(seconds=60)  # design.md section 5; attacks.md row 8
CLOCK_SKEW: Final = timedelta(seconds=5)  # a control plane's clock may run ahead of the gateway's by this, not more
LEASE_LIFE: Final = timedelta(seconds=8)  # without a fresh list for so long, nothing opens and nothing stays open

_SIGNATURE_CODES: Final = frozenset({"key_unknown", "signature_wrong"})


class VerificationRefused(Exception):
    """The connection may not start. `code` is that of the first step that failed."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(f"{code}: {detail}" if detail else code)


def refuse_unless(holds: bool, code: str, detail: str = "") -> None:  # noqa: FBT001  the check itself
    """Refuse where a check does not hold.

    Raises:
        VerificationRefused: with this code.
    """
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


def check_in_force(
    grant: GrantDocument, *, revocations: RevocationList | None, lease_age: timedelta | None, now: datetime
) -> None:
    """Do steps 26 to 29: begun, not over, the revocation list is fresh, and does not name it.

    Raises:
        VerificationRefused: `grant_not_yet`, `grant_over`, `lease_stale`, `grant_revoked`.
    """
    # 26  The grant has begun. No tolerance: the token was made by the same clock as the grant.
    refuse_unless(now >= grant.not_before, "grant_not_yet")
    # 27  The grant is not over.
    refuse_unless(now < grant.not_after, "grant_over")
    # 28  There is a revocation list, it has not expired, and its lease is fresh by the monotonic clock.
    if revocations is None or lease_age is None:
        raise VerificationRefused("lease_stale", "no list")
    refuse_unless(timedelta(0) <= lease_age < LEASE_LIFE and now < revocations.expires_at, "lease_stale")
    # 29  The list names neither grant, engineer, resource nor tenant.
    refuse_unless(not is_revoked(revocations, grant), "grant_revoked")


def check_token(
    token: ConnectionToken,
    *,
    gateway_id: str,
    front: str,
    now: datetime,
    started_at: datetime,
    used: Container[str],
) -> None:
    """Do steps 3 to 8: the token is for this gateway and front, of this minute, and was not used.

    Raises:
        VerificationRefused: `token_for_other_gateway`, `token_front`, `token_lifetime`, `token_not_yet`, `token_expired`,
            `token_before_start`, `token_reused`.
    """
    # 3  It is for this gateway.
    refuse_unless(token.gateway_id == gateway_id, "token_for_other_gateway")
    # 4  It is for this front.
    refuse_unless(token.front == front, "token_front")
    # 5  It lives at most 60 s, and more than none.
    refuse_unless(timedelta(0) < token.expires_at - token.issued_at <= TOKEN_LIFE, "token_lifetime")
    # 6  It is not from the future (5 s of skew) and not expired (no tolerance).
    refuse_unless(token.issued_at <= now + CLOCK_SKEW, "token_not_yet")
    refuse_unless(now < token.expires_at, "token_expired")
    # 7  It was issued after this gateway started, because the memory of used tokens begins there.
    refuse_unless(token.issued_at >= started_at, "token_before_start")
    # 8  It was not used before.
    refuse_unless(token.jti not in used, "token_reused")


def check_pair(token: ConnectionToken, grant: GrantDocument, *, gateway_id: str) -> None:
    """Do step 11: token and grant belong together, and to this gateway.

    Raises:
        VerificationRefused: `grant_mismatch`.
    """
    # 11  Token and grant belong together, and to this gateway.
    refuse_unless(grant.grant_id == token.grant_id, "grant_mismatch", "grant")
    refuse_unless(grant.engineer_id == token.engineer_id, "grant_mismatch", "engineer")
    refuse_unless(grant.gateway_id == gateway_id, "grant_mismatch", "gateway")

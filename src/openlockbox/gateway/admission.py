"""Admission: one verification, then the token is burnt. No I/O; the grant's text was fetched before."""

from collections import OrderedDict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import Admitted, ConnectionRefused, Front
from openlockbox.gateway.lease import Lease
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.token import ConnectionToken
from openlockbox.grants.trust import TrustBundle
from openlockbox.grants.verify import VerificationRefused, check_in_force, read_token, verify_connection

MEMORY_TIME: Final = timedelta(minutes=10)  # a token lives 60 s; the rest covers a clock that is set back
MAX_GRANTS: Final = 256  # texts kept for a reconnect; all of them are verified at each use


class UsedTokens:
    """The tokens that were burnt lately, by the monotonic clock."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._burnt_at: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, jti: object) -> bool:
        return jti in self._burnt_at

    def burn(self, jti: str) -> None:
        """Remember it, and forget those that can no longer be valid."""
        now = self._clocks.monotonic()
        while self._burnt_at and now - next(iter(self._burnt_at.values())) > MEMORY_TIME.total_seconds():
            self._burnt_at.popitem(last=False)
        self._burnt_at[jti] = now


def _refused(error: VerificationRefused) -> ConnectionRefused:
    if error.code.startswith("token_"):
        return ConnectionRefused(error.code, http_status=HTTPStatus.UNAUTHORIZED)
    if error.code == "lease_stale":
        return ConnectionRefused(error.code, http_status=HTTPStatus.SERVICE_UNAVAILABLE)
    return ConnectionRefused(error.code, http_status=HTTPStatus.FORBIDDEN)


class Admission:
    """Verifies with what this gateway holds: trust, lease, clock, burnt tokens, and the grants' texts."""

    def __init__(
        self, trust: TrustBundle, lease: Lease, clocks: Clocks, *, gateway_id: str, started_at: datetime
    ) -> None:
        self._trust, self._lease, self._clocks = trust, lease, clocks
        self._gateway_id, self._started_at = gateway_id, started_at
        self._used = UsedTokens(clocks)
        self._grants: OrderedDict[str, str] = OrderedDict()

    def read_token(self, text: str) -> ConnectionToken:
        """Check form and signature only, to learn which grant to fetch.

        Raises:
            ConnectionRefused: `token_malformed`, `token_signature`.
        """
        try:
            return read_token(text, self._trust)
        except VerificationRefused as error:
            raise _refused(error) from error

    def has_grant(self, grant_id: str) -> bool:
        """Tell whether its text is at hand."""
        return grant_id in self._grants

    def keep_grant(self, grant_id: str, text: str) -> None:
        """Keep a text; that it is this grant's is checked at admission."""
        self._grants[grant_id] = text
        self._grants.move_to_end(grant_id)
        while len(self._grants) > MAX_GRANTS:
            self._grants.popitem(last=False)

    def admit(self, token_text: str, *, front: Front) -> Admitted:
        """Verify everything and burn the token.

        Raises:
            ConnectionRefused: the first step that failed; `grant_unavailable` without the grant's text.
        """
        token = self.read_token(token_text)
        grant_text = self._grants.get(token.grant_id)
        if grant_text is None:
            raise ConnectionRefused("grant_unavailable", http_status=HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            token, grant = verify_connection(
                token_text,
                grant_text,
                trust=self._trust,
                revocations=self._lease.revocations,
                lease_age=self._lease.age(),
                gateway_id=self._gateway_id,
                front=front,
                now=self._clocks.now(),
                started_at=self._started_at,
                used=self._used,
            )
        except VerificationRefused as error:
            if error.code in {"grant_malformed", "grant_signature", "grant_mismatch"}:
                self._grants.pop(token.grant_id, None)  # a wrong text must not stay in the way of the right one
            raise _refused(error) from error
        self._used.burn(token.jti)
        return Admitted(session_id=token.jti, grant=grant, front=front, password_sha256=token.password_sha256)

    def check_in_force(self, grant: GrantDocument) -> None:
        """Check times, lease and revocations again, right before the session exists.

        Raises:
            ConnectionRefused: `grant_not_yet`, `grant_over`, `lease_stale`, `grant_revoked`.
        """
        try:
            check_in_force(
                grant, revocations=self._lease.revocations, lease_age=self._lease.age(), now=self._clocks.now()
            )
        except VerificationRefused as error:
            raise _refused(error) from error

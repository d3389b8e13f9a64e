"""Admission: one verification, then the token is burnt. Only the pins' files are touched; grant and evidence were fetched before."""

from collections import OrderedDict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import Admitted, ConnectionRefused, Front
from openlockbox.gateway.lease import Lease
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.pins import Pins
from openlockbox.grants.approval import check_displayed, follow_roster
from openlockbox.grants.displayed import Displayed
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.presence import PresenceProof
from openlockbox.grants.session_start import SessionStart
from openlockbox.grants.token import ConnectionToken
from openlockbox.grants.trust import TrustBundle
from openlockbox.grants.verify import (
    TOKEN_LIFE,
    VerificationRefused,
    check_in_force,
    check_pair,
    check_token,
    read_grant,
    read_token,
)
from openlockbox.verification.connection import Evidence, Held, verify_connection
from openlockbox.verification.logged import Recorded, StartEntry, check_start_logged

log = FieldLogger(__name__)

MEMORY_TIME: Final = timedelta(minutes=10)  # a token lives 60 s; the rest covers a clock that is set back
MAX_GRANTS: Final = 256  # texts kept for a reconnect; all of them are verified at each use
MAX_PROOFS: Final = 1_024
_UNAVAILABLE: Final = frozenset({"lease_stale", "pin_unusable", "evidence_unavailable"})


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


class Proofs:
    """The engineers' proofs of presence, each for one session and a minute. They are verified again at admission."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._kept: OrderedDict[str, tuple[float, PresenceProof]] = OrderedDict()

    def keep(self, session_id: str, proof: PresenceProof) -> None:
        """Keep a proof for this session, in place of one before."""
        self._kept.pop(session_id, None)
        self._kept[session_id] = (self._clocks.monotonic(), proof)
        while len(self._kept) > MAX_PROOFS:
            self._kept.popitem(last=False)

    def find(self, session_id: str) -> PresenceProof | None:
        """Return the session's proof if it is younger than a minute."""
        kept_at, proof = self._kept.get(session_id, (0.0, None))
        return proof if self._clocks.monotonic() - kept_at < TOKEN_LIFE.total_seconds() else None


def refusal(error: VerificationRefused) -> ConnectionRefused:
    """Word a refused step for the fronts."""
    if error.code.startswith("token_"):
        return ConnectionRefused(error.code, http_status=HTTPStatus.UNAUTHORIZED)
    unavailable = error.code in _UNAVAILABLE
    return ConnectionRefused(
        error.code, http_status=HTTPStatus.SERVICE_UNAVAILABLE if unavailable else HTTPStatus.FORBIDDEN
    )


class Admission:
    """Verifies with what this gateway holds: trust, pins, lease, clock, burnt tokens, and what it was shown of each grant."""

    def __init__(
        self,
        trust: TrustBundle,
        lease: Lease,
        clocks: Clocks,
        *,
        pins: Pins,
        proofs: Proofs,
        gateway_id: str,
        started_at: datetime,
    ) -> None:
        self._trust, self._lease, self._clocks, self._pins, self._proofs = trust, lease, clocks, pins, proofs
        self._gateway_id, self._started_at = gateway_id, started_at
        self._used = UsedTokens(clocks)
        self._grants: OrderedDict[str, str] = OrderedDict()
        self._evidence: dict[str, Evidence] = {}  # of the grants above

    def read_token(self, text: str) -> ConnectionToken:
        """Check form and signature only, to learn which grant to fetch.

        Raises:
            ConnectionRefused: `token_malformed`, `token_signature`.
        """
        try:
            return read_token(text, self._trust)
        except VerificationRefused as error:
            raise refusal(error) from error

    def check_token(self, token: ConnectionToken) -> None:
        """Check what the token alone must be, so that a used or an old one costs nobody a call. Admission checks it again.

        Raises:
            ConnectionRefused: `token_…`: the first step that failed.
        """
        try:
            check_token(
                token,
                gateway_id=self._gateway_id,
                front=token.front,
                now=self._clocks.now(),
                started_at=self._started_at,
                used=self._used,
            )
        except VerificationRefused as error:
            raise refusal(error) from error

    def has_grant(self, grant_id: str) -> bool:
        """Tell whether its text is at hand."""
        return grant_id in self._grants

    def keep_grant(self, grant_id: str, text: str) -> None:
        """Keep a text; that it is this grant's is checked at admission."""
        self._grants[grant_id] = text
        self._grants.move_to_end(grant_id)
        while len(self._grants) > MAX_GRANTS:
            forgotten, _ = self._grants.popitem(last=False)
            self._evidence.pop(forgotten, None)

    def keep_evidence(self, grant_id: str, evidence: Evidence | None) -> None:
        """Keep what was shown for the grant just now; None where nothing was."""
        self._evidence.pop(grant_id, None)
        if evidence is not None:
            self._evidence[grant_id] = evidence

    def tenant_of(self, grant_id: str) -> str | None:
        """Tell whose grant it is by its signed text; None where that does not hold, which admission words."""
        try:
            return read_grant(self._grants[grant_id], self._trust).tenant_id
        except VerificationRefused:
            return None

    def find_pin(self, tenant_id: str) -> TenantPin | None:
        """Return the tenant's pin, None where no contact is allowed.

        Raises:
            ConnectionRefused: `pin_unusable`.
        """
        try:
            return self._pins.find(tenant_id)
        except OSError as error:
            raise ConnectionRefused("pin_unusable", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error

    def load_pin(self, tenant_id: str) -> TenantPin:
        """Return the tenant's pin.

        Raises:
            ConnectionRefused: `pin_unusable`; `tenant_not_pinned`, when it was taken away since admission.
        """
        pin = self.find_pin(tenant_id)
        if pin is None:
            raise ConnectionRefused("tenant_not_pinned")
        return pin

    def is_lease_lost(self) -> bool:
        """Tell whether nothing may open anyway."""
        return self._lease.is_lost()

    def admit(self, token_text: str, *, front: Front) -> Admitted:
        """Verify everything, keep the pin, and burn the token.

        Raises:
            ConnectionRefused: the first step that failed; `grant_unavailable` without the grant's text, `evidence_unavailable`
                without evidence, `pin_unusable`.
        """
        token = self.read_token(token_text)
        grant_text = self._grants.get(token.grant_id)
        if grant_text is None:
            raise ConnectionRefused("grant_unavailable", http_status=HTTPStatus.SERVICE_UNAVAILABLE)
        tenant_id = self.tenant_of(token.grant_id)
        held = Held(
            gateway_id=self._gateway_id,
            trust=self._trust,
            pin=None if tenant_id is None else self.find_pin(tenant_id),
            revocations=self._lease.revocations,
            lease_age=self._lease.age(),
            started_at=self._started_at,
            used=self._used,
        )
        evidence = self._evidence.pop(token.grant_id, None)  # for this one time: the next connection is shown anew
        try:
            verified = verify_connection(
                token_text,
                grant_text,
                held=held,
                evidence=evidence or Evidence(),
                presence=self._proofs.find(token.jti),
                front=front,
                now=self._clocks.now(),
            )
            if evidence is None:
                raise VerificationRefused("evidence_unavailable")  # noqa: TRY301  worded like the others
            self._pins.keep(verified.pin)
        except VerificationRefused as error:
            if error.code in {"grant_malformed", "grant_signature", "grant_mismatch"}:
                self._grants.pop(token.grant_id, None)  # a wrong text must not stay in the way of the right one
            self._keep_seen_roster(held.pin, evidence)
            raise refusal(error) from error
        except OSError as error:
            raise ConnectionRefused("pin_unusable", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error
        self._used.burn(token.jti)
        return Admitted(session_id=token.jti, grant=verified.grant, front=front, password_sha256=token.password_sha256)

    def _keep_seen_roster(self, pin: TenantPin | None, evidence: Evidence | None) -> None:
        """Keep a newer roster that was shown, also where its connection is refused: a removed key must not come back."""
        if pin is None or evidence is None or not pin.roster_root:
            return
        try:
            self._pins.keep(follow_roster(pin, evidence.rosters)[0])
        except (VerificationRefused, OSError) as error:
            log.warning("roster.not_kept", tenant_id=pin.tenant_id, detail=error)

    def read_for_presence(self, token_text: str) -> tuple[ConnectionToken, Displayed]:
        """Check the token, unburnt, and read from its grant whose presence is to be proved. Admission checks all of it again.

        Raises:
            ConnectionRefused: `grant_unavailable`, or the step that failed.
        """
        token = self.read_token(token_text)
        grant_text = self._grants.get(token.grant_id)
        if grant_text is None:
            raise ConnectionRefused("grant_unavailable", http_status=HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            check_token(
                token,
                gateway_id=self._gateway_id,
                front=token.front,
                now=self._clocks.now(),
                started_at=self._started_at,
                used=self._used,
            )
            grant = read_grant(grant_text, self._trust)
            check_pair(token, grant, gateway_id=self._gateway_id)
            return token, check_displayed(grant)
        except VerificationRefused as error:
            raise refusal(error) from error

    def check_start(
        self, recorded: Recorded, *, pin: TenantPin, start: SessionStart, statement: str, about: StartEntry
    ) -> None:
        """Check that the start stands in the tenant's log, and keep the pin. Blocks for the disk.

        Raises:
            ConnectionRefused: the step that failed; `pin_unusable`.
        """
        try:
            self._pins.keep(
                check_start_logged(recorded, trust=self._trust, pin=pin, start=start, statement=statement, about=about)
            )
        except VerificationRefused as error:
            raise refusal(error) from error
        except OSError as error:
            raise ConnectionRefused("pin_unusable", http_status=HTTPStatus.SERVICE_UNAVAILABLE) from error

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
            raise refusal(error) from error

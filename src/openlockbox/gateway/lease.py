"""The lease: the last good revocation list and how old it is. Fails closed; a list that is old, late or older than one seen is none."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.control_plane import ControlPlane, ControlPlaneRefused, ControlPlaneUnavailable
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.private_files import read_private, write_private_json
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.revocations import RevocationList, open_revocations
from openlockbox.grants.trust import TrustBundle
from openlockbox.grants.verify import CLOCK_SKEW, LEASE_LIFE

log = FieldLogger(__name__)

NOTHING_KNOWN: Final = 0  # on the wire; the first call is held only while the list has never changed
RETRY_TIME: Final = timedelta(milliseconds=200)
CUT_TIME: Final = timedelta(
    milliseconds=500
)  # how long an acknowledgement waits for cut sessions before it goes without


class LeaseRefused(Exception):
    """A list that does not renew the lease: `revocations_signature`, `_malformed`, `_rolled_back`, `_clock`, `_expired`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class HighestVersion:
    """The highest list version ever seen, kept over restarts: a control plane that was rolled back is noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.version = 0
        if path.exists():
            version = json.loads(read_private(path))["version"]
            if isinstance(version, bool) or not isinstance(version, int):
                raise ValueError(f"{path}: no version")
            self.version = version

    def raise_to(self, version: int) -> None:
        """Write down a version if it is higher."""
        if version > self.version:
            write_private_json(self._path, {"version": version})
            self.version = version


class Lease:
    """State only: what was last accepted, and when it was asked for."""

    def __init__(self, trust: TrustBundle, clocks: Clocks, highest: HighestVersion) -> None:
        self._trust, self._clocks, self._highest = trust, clocks, highest
        self._asked_at: float | None = None
        self.revocations: RevocationList | None = None

    def age(self) -> timedelta | None:
        """Tell how long ago the call was SENT that brought the last good list; None before the first."""
        if self._asked_at is None:
            return None
        return timedelta(seconds=self._clocks.monotonic() - self._asked_at)

    def is_lost(self) -> bool:
        """Tell whether everything must be closed."""
        age = self.age()
        return age is None or age >= LEASE_LIFE

    @property
    def known_version(self) -> int:
        """The version in force, for the next call."""
        return NOTHING_KNOWN if self.revocations is None else self.revocations.version

    def accept(self, text: str, *, asked_at: float) -> RevocationList:
        """Take a list that came in answer to a call sent at `asked_at`, monotonic.

        Raises:
            LeaseRefused: the list in force and its age stay as they are.
        """
        # 1  A revocations key signed it.
        try:
            revocations = open_revocations(text, self._trust)
        except EnvelopeRefused as error:
            signature = error.code in {"key_unknown", "signature_wrong"}
            raise LeaseRefused("revocations_signature" if signature else "revocations_malformed") from error
        # 2  Its version is none below the highest ever seen.
        if revocations.version < self._highest.version:
            raise LeaseRefused("revocations_rolled_back")
        # 3  It was made just now: the two clocks agree, and it is no old list.
        now = self._clocks.now()
        if abs(now - revocations.issued_at) > CLOCK_SKEW:
            raise LeaseRefused("revocations_clock")
        # 4  It has not expired.
        if now >= revocations.expires_at:
            raise LeaseRefused("revocations_expired")
        self._highest.raise_to(revocations.version)
        self.revocations, self._asked_at = revocations, asked_at
        return revocations


class Sessions(Protocol):
    """What the lease needs of the live sessions."""

    def apply(self, revocations: RevocationList) -> None:
        """Cut what the list names."""

    async def wait_for_cuts(self, *, longest: timedelta) -> None:
        """Wait until every session that was cut is closed, or the time is up."""

    @property
    def applied_version(self) -> int:
        """The newest list whose named sessions are all closed."""

    def ids(self) -> Sequence[str]:
        """Name the live sessions."""


class LeaseLoop:
    """Renews without pause: the next call goes out as soon as the last came back and its cuts are made."""

    def __init__(
        self,
        lease: Lease,
        control_plane: ControlPlane,
        sessions: Sessions,
        clocks: Clocks,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lease, self._control_plane, self._sessions, self._clocks = lease, control_plane, sessions, clocks
        self._pause = pause

    async def run(self) -> None:
        """Renew until canceled."""
        while True:
            began = self._clocks.monotonic()
            known = self._lease.known_version
            renewed = await self.renew()
            # A control plane that does not hold the call must not be asked in a tight circle.
            at_once = timedelta(seconds=self._clocks.monotonic() - began) < RETRY_TIME
            if not renewed or (at_once and known == self._lease.known_version):
                await self._pause(RETRY_TIME.total_seconds())

    async def renew(self) -> bool:
        """Ask once; tell whether the lease was renewed."""
        asked_at = self._clocks.monotonic()  # before the call: the answer may have waited on the way
        try:
            text = await self._control_plane.lease(
                applied_version=self._sessions.applied_version,
                known_version=self._lease.known_version,
                live_sessions=self._sessions.ids(),
            )
            revocations = self._lease.accept(text, asked_at=asked_at)
        except (ControlPlaneUnavailable, ControlPlaneRefused, LeaseRefused, OSError) as error:
            code = getattr(error, "code", type(error).__name__)
            log.warning("lease.not_renewed", code=code, detail=error, age=self._lease.age())
            return False
        self._sessions.apply(revocations)
        await self._sessions.wait_for_cuts(longest=CUT_TIME)
        return True

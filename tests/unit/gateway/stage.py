"""A gateway's parts around a directory and two clocks that stand still until a test moves them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import Front
from openlockbox.gateway.journal import Journal
from openlockbox.gateway.lease import HighestVersion, Lease
from openlockbox.gateway.live_sessions import LiveSessions, RunningSession
from openlockbox.gateway.recording import SUFFIX, RecordingSubject, RecordingWriter
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.revocations import Revocation, seal_revocations
from tests.unit.grants.material import GATEWAY, NOW, REVOCATIONS, TRUST, grant, revocation_list, signer

GATEWAY_SIGNER = signer(9)
RECORDING_KEY = bytes(range(32))


@dataclass
class HandClocks:
    """Moved by hand."""

    wall: datetime = NOW
    seconds: float = 1000.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(now=lambda: self.wall, monotonic=lambda: self.seconds)

    def pass_time(self, by: timedelta) -> None:
        self.wall += by
        self.seconds += by.total_seconds()


@dataclass
class Stage:
    """What a test needs of a gateway."""

    root: Path
    hand: HandClocks = field(default_factory=HandClocks)

    def __post_init__(self) -> None:
        self.root.chmod(0o700)
        self.recordings = self.root / "recordings"
        self.recordings.mkdir(mode=0o700, exist_ok=True)
        self.journal = Journal(self.root / "journal")
        self.clocks = self.hand.clocks
        self.lease = Lease(TRUST, self.clocks, HighestVersion(self.root / "revocations.json"))

    def sessions(self) -> LiveSessions:
        return LiveSessions(self.clocks, lease_age=self.lease.age)

    def sealed_list(self, *revoked: Revocation, version: int = 7, **changes: object) -> str:
        now = self.hand.wall
        fields = {"issued_at": now, "expires_at": now + timedelta(seconds=10), **changes}
        return seal_revocations(revocation_list(version=version, revoked=revoked, **fields), REVOCATIONS)

    def renew(self, *revoked: Revocation, version: int = 7):
        return self.lease.accept(self.sealed_list(*revoked, version=version), asked_at=self.hand.seconds)

    def recorder(self, session_id: str = "se-1") -> RecordingWriter:
        subject = RecordingSubject(
            session_id=session_id, grant_id="gr-1", gateway_id=GATEWAY, started_at=self.hand.wall
        )
        return RecordingWriter(
            self.path(session_id), subject, recording_key=RECORDING_KEY, monotonic=self.clocks.monotonic
        )

    def path(self, session_id: str = "se-1") -> Path:
        return self.recordings / f"{session_id}{SUFFIX}"

    def session(
        self, session_id: str = "se-1", document: GrantDocument | None = None, front: Front = "browser"
    ) -> RunningSession:
        """Make a running session, journaled and recorded; needs a running event loop."""
        document = document or grant()
        self.journal.begin(session_id, grant_id=document.grant_id, at=self.hand.wall)
        return RunningSession(
            session_id,
            document,
            front=front,
            recorder=self.recorder(session_id),
            journal=self.journal,
            signer=GATEWAY_SIGNER,
            clocks=self.clocks,
        )

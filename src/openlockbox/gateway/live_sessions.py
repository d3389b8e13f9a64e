"""The sessions that run here, and the one task that cuts them: deadline, revocation, lost lease, shutdown, failed recording.

A cut sets the session's `ended`; the front drops its connections and calls `close`. From the cut on the recorder
refuses bytes, so that a front that is slow passes nothing on.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, cast

from openlockbox.domain.session import EndReason
from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.contract import Front, Recorder
from openlockbox.gateway.journal import EndEvent, Journal
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.recording import RecordingWriter
from openlockbox.grants.grant import GrantDocument
from openlockbox.grants.keys import Signer
from openlockbox.grants.revocations import RevocationList, is_revoked
from openlockbox.grants.verify import LEASE_LIFE

log = FieldLogger(__name__)

LONGEST_WAIT: Final = timedelta(seconds=1)  # clocks may be stepped: read them again at least so often
CLOSE_TIME: Final = timedelta(seconds=5)  # a front that has not closed by then is closed from here


class RunningSession:
    """One session; implements the contract's `LiveSession`."""

    def __init__(
        self,
        session_id: str,
        grant: GrantDocument,
        *,
        front: Front,
        recorder: RecordingWriter,
        journal: Journal,
        signer: Signer,
        clocks: Clocks,
    ) -> None:
        self.session_id, self.grant, self.front = session_id, grant, front
        self.recording, self.recorder = recorder, cast("Recorder", recorder)
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self.closing, self.closed = asyncio.Event(), asyncio.Event()
        self.reason: EndReason | None = None
        self.cut_at: float | None = None
        # The wall clock may be set back while a session runs; the monotonic one then still ends it in time.
        self.deadline = clocks.monotonic() + (grant.not_after - clocks.now()).total_seconds()
        self.on_closing: list[Callable[[RunningSession], None]] = []
        self.on_closed: list[Callable[[RunningSession], None]] = []
        self._journal, self._signer, self._clocks = journal, signer, clocks
        self._finishing: asyncio.Task[None] | None = None

    def cut(self, reason: EndReason) -> None:
        """End it at once. The first reason stands."""
        if self.reason is not None:
            return
        self.reason, self.cut_at = reason, self._clocks.monotonic()
        self.recording.stop()
        if not self.ended.done():  # a front may have canceled it; the reason above is what counts
            self.ended.set_result(reason)
        log.info("session.cut", session_id=self.session_id, grant_id=self.grant.grant_id, reason=reason.value)

    async def close(self, reason: EndReason) -> EndReason:
        """End it, seal the recording and write down the end to report. Idempotent: the first reason stands."""
        self.cut(reason)
        first = self.reason or reason
        if self._finishing is None:
            self.closing.set()
            for tell in self.on_closing:
                tell(self)
            self._finishing = asyncio.get_running_loop().create_task(self._finish(first, self._clocks.now()))
        await asyncio.shield(self._finishing)
        return first

    async def _finish(self, reason: EndReason, at: datetime) -> None:
        try:
            await asyncio.to_thread(self._write_end, reason, at)
        except OSError:
            # The session's journal entry is still there, so a restart seals and reports it.
            log.exception("session.end_not_written", session_id=self.session_id)
        log.info("session.ended", session_id=self.session_id, grant_id=self.grant.grant_id, reason=reason.value)
        self.closed.set()
        for tell in self.on_closed:
            tell(self)

    def _write_end(self, reason: EndReason, at: datetime) -> None:
        summary = self.recording.seal(reason=reason.value, ended_at=at, signer=self._signer)
        self._journal.end(EndEvent(session_id=self.session_id, at=at, reason=reason.value, recording=summary))


class LiveSessions:
    """The registry and its watchdog. Everything runs on one event loop; no step between a check and `add` may await."""

    def __init__(self, clocks: Clocks, *, lease_age: Callable[[], timedelta | None]) -> None:
        self._clocks, self._lease_age = clocks, lease_age
        self._sessions: dict[str, RunningSession] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[EndReason]] = set()
        self._seen_version = 0
        self._applied_version = 0
        self._pending_cuts: set[str] = set()  # cut by the list of _seen_version or before, not yet closed

    def __len__(self) -> int:
        return len(self._sessions)

    def ids(self) -> list[str]:
        """Name them."""
        return sorted(self._sessions)

    def per_grant(self) -> Counter[str]:
        """Count them by grant."""
        return Counter(session.grant.grant_id for session in self._sessions.values())

    def add(self, session: RunningSession) -> None:
        """Watch it from now on."""
        self._sessions[session.session_id] = session
        session.on_closing.append(self._closing)
        session.on_closed.append(self._closed)
        self._changed.set()

    def _closing(self, session: RunningSession) -> None:
        self._pending_cuts.discard(session.session_id)
        self._note_applied()

    def _closed(self, session: RunningSession) -> None:
        self._sessions.pop(session.session_id, None)
        self._changed.set()

    # ---- revocation ----

    @property
    def applied_version(self) -> int:
        """The newest list whose named sessions are all closed by their fronts."""
        return self._applied_version

    def apply(self, revocations: RevocationList) -> None:
        """Cut every session that the list names."""
        for session in self._sessions.values():
            if is_revoked(revocations, session.grant):
                session.cut(EndReason.REVOKED)
                if not session.closing.is_set():
                    self._pending_cuts.add(session.session_id)
        self._seen_version = max(self._seen_version, revocations.version)
        self._note_applied()
        self._changed.set()

    def _note_applied(self) -> None:
        if not self._pending_cuts:
            self._applied_version = self._seen_version

    async def wait_for_cuts(self, *, longest: timedelta) -> None:
        """Wait until the fronts have closed what a list cut, or the time is up."""
        waiting = [self._sessions[id_].closing.wait() for id_ in self._pending_cuts if id_ in self._sessions]
        if waiting:
            tasks = [asyncio.ensure_future(wait) for wait in waiting]
            _, late = await asyncio.wait(tasks, timeout=longest.total_seconds())
            for task in late:
                task.cancel()

    # ---- the watchdog ----

    async def watch(self) -> None:
        """Cut what is due until canceled."""
        while True:
            pause = self.check()
            self._changed.clear()
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def check(self) -> timedelta:
        """Read both clocks, cut what is due, write down what waits in recorders; return how long nothing can be due."""
        now, monotonic, age = self._clocks.now(), self._clocks.monotonic(), self._lease_age()
        pause = LONGEST_WAIT
        for session in list(self._sessions.values()):
            if session.cut_at is not None:
                if monotonic - session.cut_at >= CLOSE_TIME.total_seconds() and not session.closing.is_set():
                    log.warning("session.front_did_not_close", session_id=session.session_id)
                    self._close_soon(session, session.reason or EndReason.GATEWAY_STOPPED)
                continue
            left = min(session.grant.not_after - now, timedelta(seconds=session.deadline - monotonic))
            lease_left = timedelta(0) if age is None else LEASE_LIFE - age
            if left <= timedelta(0):
                session.cut(EndReason.DEADLINE)
            elif lease_left <= timedelta(0):
                session.cut(EndReason.LEASE_LOST)
            else:
                pause = min(pause, left, lease_left)
                self._flush(session)
        return pause

    def _flush(self, session: RunningSession) -> None:
        try:
            session.recording.flush_if_due()
        except OSError:
            log.exception("recording.failed", session_id=session.session_id)
            session.cut(EndReason.RECORDING_FAILED)

    def _close_soon(self, session: RunningSession, reason: EndReason) -> None:
        task = asyncio.get_running_loop().create_task(session.close(reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, *, longest: timedelta) -> None:
        """Cut everything because the gateway stops; close what the fronts do not close in time."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.cut(EndReason.GATEWAY_STOPPED)
        if sessions:
            waits = [asyncio.ensure_future(session.closed.wait()) for session in sessions]
            _, late = await asyncio.wait(waits, timeout=longest.total_seconds())
            for wait in late:
                wait.cancel()
        await asyncio.gather(*(session.close(EndReason.GATEWAY_STOPPED) for session in sessions))

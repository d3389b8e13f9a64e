"""Delivers ended sessions to the control plane until it has taken each, and finds after a crash what must be ended."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from openlockbox.domain.session import EndReason
from openlockbox.gateway.control_plane import ControlPlane, ControlPlaneRefused, ControlPlaneUnavailable
from openlockbox.gateway.journal import EndEvent, Journal
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.recording import NO_RECORDING, SUFFIX, RecordingSummary
from openlockbox.gateway.recording_file import RecordingBroken, RecordingDamaged, recover_recording
from openlockbox.grants.keys import Signer

log = FieldLogger(__name__)

FIRST_PAUSE: Final = timedelta(milliseconds=200)
LONGEST_PAUSE: Final = timedelta(seconds=5)


def recover_sessions(journal: Journal, recordings: Path, *, at: datetime, signer: Signer) -> list[str]:
    """Write an end for every session that a crash cut, and seal its recording. Run before anything starts.

    Recordings of sessions that have an end are not touched: the log holds their heads. Returns the sessions. Idempotent,
    so a crash in here is harmless.
    """
    reason = EndReason.GATEWAY_STOPPED.value
    begun = journal.begun()
    for session_id in begun:
        summary = _recovered(recordings / f"{session_id}{SUFFIX}", reason=reason, at=at, signer=signer)
        journal.end(EndEvent(session_id=session_id, at=at, reason=reason, recording=summary))
        log.warning("session.recovered", session_id=session_id, chunks=summary.chunks)
    return begun


def _recovered(path: Path, *, reason: str, at: datetime, signer: Signer) -> RecordingSummary:
    """Recover one recording. Whatever is wrong with it is logged, and the session's end names what holds."""
    try:
        return recover_recording(path, reason=reason, ended_at=at, signer=signer)
    except FileNotFoundError:  # the crash came between the journal and the recording
        log.warning("recording.missing", path=path)
    except RecordingDamaged as damaged:
        log.exception("recording.damaged", path=path, chunk=damaged.chunk)
        return damaged.whole
    except (RecordingBroken, OSError):
        log.exception("recording.not_recovered", path=path)
    return NO_RECORDING


class Spool:
    """The delivery loop."""

    def __init__(self, journal: Journal, control_plane: ControlPlane) -> None:
        self._journal, self._control_plane = journal, control_plane
        self._wake = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._deliveries: set[asyncio.Task[bool]] = set()

    def wake(self) -> None:
        """Tell it that there may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until canceled, with back-off while the control plane does not take something."""
        pause = FIRST_PAUSE
        while True:
            self._wake.clear()
            if await self.deliver():
                pause = FIRST_PAUSE
                await self._wake.wait()
            else:
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, LONGEST_PAUSE)

    async def deliver(self) -> bool:
        """Try each waiting end once; tell whether none is left.

        A caller that is canceled does not stop it: between the answer and the journal's unlink that would send an
        end twice. The next delivery waits for it.
        """
        delivery = asyncio.get_running_loop().create_task(self._deliver())
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return await asyncio.shield(delivery)

    async def _deliver(self) -> bool:
        async with self._one_at_a_time:
            return await self._deliver_each()

    async def _deliver_each(self) -> bool:
        left = False
        try:
            events = await asyncio.to_thread(self._journal.unreported)
        except (OSError, ValueError):
            log.exception("journal.unreadable")
            return False
        for event in events:
            try:
                await self._control_plane.end_session(event)
                await asyncio.to_thread(self._journal.reported, event.session_id)
            except ControlPlaneRefused as error:
                # Kept: the operator sees it here, and an end must never be lost because of a mistake over there.
                log.warning("session.end_refused", session_id=event.session_id, code=error.code)
                left = True
            except (ControlPlaneUnavailable, OSError) as error:
                log.warning("session.end_not_taken", session_id=event.session_id, detail=error)
                return False
        return not left

"""What a gateway owes the control plane, on disk until it is paid: one file a running session, one an unreported end.

A session's file is there before the control plane hears of it and goes only when its end is written: kill -9 loses none.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from openlockbox.gateway.private_files import make_private_directory, read_private, sync_directory, write_private_json
from openlockbox.gateway.recording import RecordingSummary
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant

_OPEN: Final = ".open.json"
_END: Final = ".end.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MAX_BYTES: Final = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EndEvent:
    """The end of one session, as the control plane must learn it."""

    session_id: str
    at: datetime
    reason: str
    recording: RecordingSummary

    def body(self) -> dict[str, object]:
        """Return what is posted."""
        recording = {"sha256": self.recording.sha256, "bytes": self.recording.bytes, "chunks": self.recording.chunks}
        return {"at": encode_instant(self.at), "reason": self.reason, "recording": recording}


class Journal:
    """A directory. Its calls block for an fsync; asyncio callers use a thread."""

    def __init__(self, directory: Path) -> None:
        make_private_directory(directory)
        self._directory = directory

    def _path(self, session_id: str, suffix: str) -> Path:
        if _NAME.fullmatch(session_id) is None:
            raise ValueError(session_id)
        return self._directory / f"{session_id}{suffix}"

    def begin(self, session_id: str, *, grant_id: str, at: datetime) -> None:
        """Write down that a session is about to be reported as started.

        Raises:
            FileExistsError: there was such a session.
        """
        document = {"session_id": session_id, "grant_id": grant_id, "at": encode_instant(at)}
        path = self._path(session_id, _OPEN)
        if path.exists() or self._path(session_id, _END).exists():
            raise FileExistsError(path)
        write_private_json(path, document)

    def forget(self, session_id: str) -> None:
        """Drop a session that the control plane refused to start."""
        self._remove(self._path(session_id, _OPEN))

    def end(self, event: EndEvent) -> None:
        """Write down an end to report. The first stands: a second would tell another story."""
        path = self._path(event.session_id, _END)
        if not path.exists():
            write_private_json(path, event.body())
        self._remove(self._path(event.session_id, _OPEN))

    def reported(self, session_id: str) -> None:
        """Drop an end that the control plane has."""
        self._remove(self._path(session_id, _END))

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_directory(self._directory)

    def begun(self) -> list[str]:
        """Name the sessions that began and have no end: after a restart, those that a crash cut."""
        return self._names(_OPEN)

    def unreported(self) -> list[EndEvent]:
        """Read the ends to report, oldest first.

        Raises:
            ValueError: a file that this journal did not write.
        """
        return sorted((self._read(session_id) for session_id in self._names(_END)), key=lambda event: event.at)

    def _names(self, suffix: str) -> list[str]:
        names = (path.name.removesuffix(suffix) for path in self._directory.glob(f"*{suffix}"))
        return sorted(name for name in names if _NAME.fullmatch(name))

    def _read(self, session_id: str) -> EndEvent:
        try:
            document = cast("Json", json.loads(read_private(self._path(session_id, _END))))
            fields = Fields(document, ("at", "reason", "recording"))
            recording = Fields(fields.value("recording"), ("sha256", "bytes", "chunks"))
            return EndEvent(
                session_id=session_id,
                at=fields.instant("at"),
                reason=fields.text("reason"),
                recording=RecordingSummary(
                    sha256=recording.long_text("sha256", limit=64),
                    bytes=recording.integer("bytes", least=0, most=_MAX_BYTES),
                    chunks=recording.integer("chunks", least=0, most=_MAX_BYTES),
                ),
            )
        except EnvelopeRefused as error:
            raise ValueError(f"journal: {session_id}: {error}") from error

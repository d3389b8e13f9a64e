"""The recording of one session while it runs: encrypted chunks, each hash chained to the one before. docs/spec/recording.md.

It must never lose a byte that was passed on, beyond the second that a chunk may wait, and never take a byte after the end.
"""

import errno
import hashlib
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.private_files import PRIVATE_FILE, sync_directory
from openlockbox.grants.encoding import b64url, canonical_bytes, encode_instant
from openlockbox.grants.envelope import Kind, seal
from openlockbox.grants.keys import Signer

log = FieldLogger(__name__)

MAGIC: Final = b"OLBXREC1"
FORMAT: Final = 1
SUFFIX: Final = ".olbxrec"
CHUNK_BYTES: Final = 65_536  # a chunk is written when it holds so much
CHUNK_AGE: Final = timedelta(seconds=1)  # or when its first byte is so old
MAX_CHUNK: Final = 67_108_864  # a reader's bound; one write of a front is far smaller
KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
FROM_SERVER: Final = 0  # direction; the engineer's input would be 1 and is not recorded

LENGTH: Final = struct.Struct(">I")
CHUNK_HEAD: Final = struct.Struct(">cII")  # b"C", index, length of the ciphertext
BLOCK_HEAD: Final = struct.Struct(">cI")  # b"I" or b"S", length
INDEX_ENTRY: Final = struct.Struct(">QQ32s")  # offset of the chunk, µs of its first record, its hash
RECORD_HEAD: Final = struct.Struct(">QBI")  # µs since the start, direction, length


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSummary:
    """What the control plane keeps: the head of the chain, and how much there is."""

    sha256: str
    bytes: int  # header and chunks as they lie on the disk
    chunks: int


NO_RECORDING: Final = RecordingSummary(sha256="", bytes=0, chunks=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSubject:
    """Whose session is recorded."""

    session_id: str
    grant_id: str
    gateway_id: str
    started_at: datetime


def genesis_of(header: bytes) -> bytes:
    """Hash the header: the chain begins with whose session it is."""
    return hashlib.sha256(b"OpenLockbox recording 1\x00" + header).digest()


def chain(previous: bytes, index: int, ciphertext: bytes) -> bytes:
    """Hash a chunk together with the hash before it."""
    return hashlib.sha256(b"\x01" + previous + LENGTH.pack(index) + ciphertext).digest()


def nonce_of(index: int) -> bytes:
    """Return the chunk's nonce; the key belongs to this recording alone, so the index never repeats under it."""
    return index.to_bytes(12, "big")


def seal_blocks(
    subject: RecordingSubject,
    *,
    entries: bytes,
    summary: RecordingSummary,
    reason: str,
    ended_at: datetime,
    signer: Signer,
) -> bytes:
    """Return index and seal, which end the file."""
    text = seal(
        Kind.RECORDING,
        {
            "format": FORMAT,
            "session_id": subject.session_id,
            "grant_id": subject.grant_id,
            "gateway_id": subject.gateway_id,
            "started_at": encode_instant(subject.started_at),
            "ended_at": encode_instant(ended_at),
            "reason": reason,
            "head": summary.sha256,
            "bytes": summary.bytes,
            "chunks": summary.chunks,
            "index_sha256": hashlib.sha256(entries).hexdigest(),
        },
        signer,
    ).encode("ascii")
    return BLOCK_HEAD.pack(b"I", len(entries)) + entries + BLOCK_HEAD.pack(b"S", len(text)) + text


class RecordingWriter:
    """A recording that is being made. Not for two threads at once; `seal` may run in another after `stop`."""

    def __init__(
        self, path: Path, subject: RecordingSubject, *, recording_key: bytes, monotonic: Callable[[], float]
    ) -> None:
        self._subject, self._path, self._monotonic = subject, path, monotonic
        key = os.urandom(KEY_BYTES)
        self._cipher = AESGCM(key)
        header = canonical_bytes(
            {
                "format": FORMAT,
                "session_id": subject.session_id,
                "grant_id": subject.grant_id,
                "gateway_id": subject.gateway_id,
                "started_at": encode_instant(subject.started_at),
                "wrapped_key": b64url(aes_key_wrap(recording_key, key)),
            }
        )
        self._head = genesis_of(header)
        self._entries = bytearray()
        self._chunks = 0
        self._buffer = bytearray()
        self._began = monotonic()
        self._first_at = 0  # µs of the first record in the buffer
        self._stopped = self._failed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, PRIVATE_FILE)
        self._end = 0  # of the last whole block; whatever lies behind it is a failed write
        try:
            self._write(MAGIC + LENGTH.pack(len(header)) + header)
            os.fsync(self._descriptor)
            sync_directory(path.parent)
        except OSError:
            self.discard()
            raise

    def _write(self, data: bytes) -> None:
        offset, view = self._end, memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            offset, view = offset + written, view[written:]
        self._end = offset

    def _micros(self) -> int:
        return int((self._monotonic() - self._began) * 1_000_000)

    def server_bytes(self, data: bytes) -> None:
        """Append what the target sent. After `stop` nothing is taken, so that nothing can be passed on.

        Raises:
            OSError: it cannot be written, or the session has ended.
        """
        if self._stopped:
            raise OSError(errno.ESHUTDOWN, "the session has ended")
        at = self._micros()
        if not self._buffer:
            self._first_at = at
        self._buffer += RECORD_HEAD.pack(at, FROM_SERVER, len(data))
        self._buffer += data
        if len(self._buffer) >= CHUNK_BYTES:
            self._write_chunk()

    def flush_if_due(self) -> None:
        """Write the waiting chunk when it is old enough.

        Raises:
            OSError: it cannot be written.
        """
        if (
            self._buffer
            and not self._stopped
            and self._micros() - self._first_at >= CHUNK_AGE / timedelta(microseconds=1)
        ):
            self._write_chunk()

    def _write_chunk(self) -> None:
        index, offset = self._chunks, self._end
        # The chain's head is authenticated with the chunk: a chunk of another place or recording does not decrypt.
        ciphertext = self._cipher.encrypt(nonce_of(index), bytes(self._buffer), self._head)
        digest = chain(self._head, index, ciphertext)
        try:
            self._write(CHUNK_HEAD.pack(b"C", index, len(ciphertext)) + ciphertext + digest)
        except OSError:
            # No second try: it would put other content under the same nonce.
            self._failed = self._stopped = True
            raise
        self._entries += INDEX_ENTRY.pack(offset, self._first_at, digest)
        self._head, self._chunks = digest, index + 1
        self._buffer.clear()

    def stop(self) -> None:
        """Take no more bytes."""
        self._stopped = True

    def discard(self) -> None:
        """Remove the file: the session it was made for never started."""
        self.stop()
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)

    def seal(self, *, reason: str, ended_at: datetime, signer: Signer) -> RecordingSummary:
        """Write what waits, the index and the seal, and close the file. What cannot be written is not counted.

        A recording that cannot be sealed keeps its whole chunks; its summary stands, and the log's head still proves them.
        """
        self.stop()
        if self._buffer and not self._failed:
            with suppress(OSError):
                self._write_chunk()
        summary = RecordingSummary(sha256=self._head.hex(), bytes=self._end, chunks=self._chunks)
        blocks = seal_blocks(
            self._subject,
            entries=bytes(self._entries),
            summary=summary,
            reason=reason,
            ended_at=ended_at,
            signer=signer,
        )
        try:
            os.ftruncate(self._descriptor, self._end)
            self._write(blocks)
            os.fsync(self._descriptor)
        except OSError:
            log.exception("recording.not_sealed", session_id=self._subject.session_id)
        finally:
            os.close(self._descriptor)
        return summary

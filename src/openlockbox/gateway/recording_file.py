"""Recordings as they lie on the disk: check the chain, read the content, seal what a crash left open. Trusts no length in them."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from openlockbox.gateway.recording import (
    BLOCK_HEAD,
    CHUNK_HEAD,
    FORMAT,
    HASH_BYTES,
    INDEX_ENTRY,
    LENGTH,
    MAGIC,
    MAX_CHUNK,
    RECORD_HEAD,
    RecordingSubject,
    RecordingSummary,
    chain,
    genesis_of,
    nonce_of,
    seal_blocks,
)
from openlockbox.grants.encoding import EnvelopeRefused, Fields, parse_b64url, parse_canonical
from openlockbox.grants.envelope import MAX_LENGTHS, PREFIX, Kind, open_envelope
from openlockbox.grants.keys import Signer, key_id_of

MAX_HEADER: Final = 4_096
MAX_CHUNKS: Final = 2**31
_MOST_REST: Final = CHUNK_HEAD.size + MAX_CHUNK + HASH_BYTES  # recovery looks at no more behind the last whole chunk
_HEADER: Final = ("format", "session_id", "grant_id", "gateway_id", "started_at", "wrapped_key")
_SEAL: Final = (
    "format", "session_id", "grant_id", "gateway_id", "started_at", "ended_at", "reason",
    "head", "bytes", "chunks", "index_sha256",
)  # fmt: skip


class RecordingBroken(Exception):
    """The recording is not what the gateway sealed. `chunk` is the first that is wrong, where one can be named."""

    def __init__(self, code: str, *, chunk: int | None = None) -> None:
        self.code = code
        self.chunk = chunk
        super().__init__(code if chunk is None else f"{code}: chunk {chunk}")


class RecordingDamaged(RecordingBroken):
    """Recovery found damage that no crash leaves, and left the file as it is. `whole` is what holds before it."""

    def __init__(self, whole: RecordingSummary) -> None:
        self.whole = whole
        super().__init__("chunk_broken", chunk=whole.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Bytes of one moment."""

    after: timedelta  # since the start
    direction: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """A recording that holds."""

    subject: RecordingSubject
    summary: RecordingSummary
    ended_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    index: int
    offset: int
    ciphertext: bytes
    previous: bytes
    digest: bytes  # as computed; `stored` is what the file says
    stored: bytes

    @property
    def end(self) -> int:
        return self.offset + CHUNK_HEAD.size + len(self.ciphertext) + HASH_BYTES


def _exactly(file: BinaryIO, length: int) -> bytes | None:
    data = file.read(length)
    return data if len(data) == length else None


def _read_header(file: BinaryIO) -> tuple[RecordingSubject, bytes, bytes]:
    """Return subject, wrapped key and genesis hash."""
    start = _exactly(file, len(MAGIC) + LENGTH.size)
    if start is None or not start.startswith(MAGIC):
        raise RecordingBroken("recording_malformed")
    (length,) = LENGTH.unpack(start[len(MAGIC) :])
    header = _exactly(file, length) if length <= MAX_HEADER else None
    if header is None:
        raise RecordingBroken("recording_malformed")
    try:
        fields = Fields(parse_canonical(header), _HEADER)
        fields.format(FORMAT)
        subject = RecordingSubject(
            session_id=fields.name("session_id"),
            grant_id=fields.name("grant_id"),
            gateway_id=fields.text("gateway_id"),
            started_at=fields.instant("started_at"),
        )
        return subject, parse_b64url(fields.text("wrapped_key")), genesis_of(header)
    except EnvelopeRefused as error:
        raise RecordingBroken("recording_malformed") from error


def _read_chunks(file: BinaryIO, genesis: bytes) -> Iterator[_Chunk]:
    """Yield whole chunks as they stand, checked or not; stop before whatever is none."""
    previous = genesis
    for index in range(MAX_CHUNKS):
        offset = file.tell()
        head = _exactly(file, CHUNK_HEAD.size)
        tag, stated, length = CHUNK_HEAD.unpack(head) if head else (b"", 0, 0)
        ciphertext = _exactly(file, length) if tag == b"C" and stated == index and length <= MAX_CHUNK else None
        stored = None if ciphertext is None else _exactly(file, HASH_BYTES)
        if ciphertext is None or stored is None:
            file.seek(offset)
            return
        digest = chain(previous, index, ciphertext)
        yield _Chunk(index=index, offset=offset, ciphertext=ciphertext, previous=previous, digest=digest, stored=stored)
        previous = digest


def _read_block(file: BinaryIO, tag: bytes, most: int) -> bytes | None:
    head = _exactly(file, BLOCK_HEAD.size)
    if head is None:
        return None
    found, length = BLOCK_HEAD.unpack(head)
    return _exactly(file, length) if found == tag and length <= most else None


def _open_seal(text: bytes, public_key: Ed25519PublicKey) -> tuple[RecordingReport, str]:
    """Return what is sealed, and the digest of the index."""
    try:
        keys = {key_id_of(public_key): public_key}
        fields = Fields(open_envelope(Kind.RECORDING, text.decode("ascii"), keys), _SEAL)
        fields.format(FORMAT)
        report = RecordingReport(
            subject=RecordingSubject(
                session_id=fields.name("session_id"),
                grant_id=fields.name("grant_id"),
                gateway_id=fields.text("gateway_id"),
                started_at=fields.instant("started_at"),
            ),
            summary=RecordingSummary(
                sha256=fields.sha256("head"),
                bytes=fields.integer("bytes", least=0, most=2**53 - 1),
                chunks=fields.integer("chunks", least=0, most=MAX_CHUNKS),
            ),
            ended_at=fields.instant("ended_at"),
            reason=fields.text("reason"),
        )
        return report, fields.sha256("index_sha256")
    except (EnvelopeRefused, UnicodeDecodeError) as error:
        raise RecordingBroken("seal_wrong") from error


def verify_recording(path: Path, *, public_key: Ed25519PublicKey, head: str | None = None) -> RecordingReport:
    """Check a sealed recording without any secret: 1 chain, 2 index and seal, 3 signature, 4 all three agree, 5 the log's head.

    Raises:
        RecordingBroken: `recording_malformed`, `chunk_broken` (with the first such chunk), `recording_not_sealed`,
            `seal_wrong`, `head_differs` (from the one that the activity log holds).
    """
    with path.open("rb") as file:
        subject, _, current = _read_header(file)
        digests: list[bytes] = []
        end = file.tell()
        # 1  Each chunk hashes to what stands behind it.
        for chunk in _read_chunks(file, current):
            if chunk.digest != chunk.stored:
                raise RecordingBroken("chunk_broken", chunk=chunk.index)
            digests.append(chunk.digest)
            current, end = chunk.digest, chunk.end
        # 2  Index and seal follow at once, and nothing follows them.
        rest = file.read(1)
        file.seek(end)
        entries = _read_block(file, b"I", INDEX_ENTRY.size * MAX_CHUNKS)
        text = None if entries is None else _read_block(file, b"S", MAX_LENGTHS[Kind.RECORDING])
        if entries is None or text is None or file.read(1):
            damaged = rest == b"C"  # it wants to be a chunk, and is none
            raise RecordingBroken(
                "chunk_broken" if damaged else "recording_not_sealed", chunk=len(digests) if damaged else None
            )
    # 3  The gateway signed the seal, for this recording and this index.
    report, index_sha256 = _open_seal(text, public_key)
    if report.subject != subject or hashlib.sha256(entries).hexdigest() != index_sha256:
        raise RecordingBroken("seal_wrong")
    # 4  The index names exactly these chunks, and the chain ends at the sealed head.
    sealed = (
        [digest for _, _, digest in INDEX_ENTRY.iter_unpack(entries)] if len(entries) % INDEX_ENTRY.size == 0 else []
    )
    for index in range(max(len(sealed), len(digests))):
        if sealed[index : index + 1] != digests[index : index + 1]:
            raise RecordingBroken("chunk_broken", chunk=index)
    if report.summary != RecordingSummary(sha256=current.hex(), bytes=end, chunks=len(digests)):
        raise RecordingBroken("seal_wrong")
    # 5  It is the recording that the activity log speaks of.
    if head is not None and head != report.summary.sha256:
        raise RecordingBroken("head_differs")
    return report


def read_records(path: Path, *, recording_key: bytes) -> Iterator[Record]:
    """Yield what was recorded, decrypted; of an unsealed recording, its whole chunks.

    Raises:
        RecordingBroken: `recording_malformed`, `key_wrong`, `chunk_broken`.
    """
    with path.open("rb") as file:
        _, wrapped, genesis = _read_header(file)
        try:
            cipher = AESGCM(aes_key_unwrap(recording_key, wrapped))
        except (InvalidUnwrap, ValueError) as error:
            raise RecordingBroken("key_wrong") from error
        for chunk in _read_chunks(file, genesis):
            try:
                plain = cipher.decrypt(nonce_of(chunk.index), chunk.ciphertext, chunk.previous)
            except InvalidTag as error:
                raise RecordingBroken("chunk_broken", chunk=chunk.index) from error
            yield from _split_records(plain, chunk.index)


def _split_records(plain: bytes, chunk: int) -> Iterator[Record]:
    at = 0
    while at < len(plain):
        if len(plain) - at < RECORD_HEAD.size:
            raise RecordingBroken("chunk_broken", chunk=chunk)
        micros, direction, length = RECORD_HEAD.unpack_from(plain, at)
        at += RECORD_HEAD.size
        if len(plain) - at < length:
            raise RecordingBroken("chunk_broken", chunk=chunk)
        yield Record(after=timedelta(microseconds=micros), direction=direction, data=plain[at : at + length])
        at += length


def _is_sealed(rest: bytes, *, chunks: int) -> bool:
    """Tell whether this is an index of so many chunks and a seal, and nothing else. The signature is not checked."""
    file = BytesIO(rest)
    entries = _read_block(file, b"I", INDEX_ENTRY.size * chunks)
    seal = None if entries is None else _read_block(file, b"S", MAX_LENGTHS[Kind.RECORDING])
    return entries is not None and len(entries) == INDEX_ENTRY.size * chunks and seal is not None and not file.read(1)


def _is_torn(rest: bytes, *, chunks: int) -> bool:
    """Tell whether a crash can have left this behind the last whole chunk: the next block, begun and cut by the end."""
    next_chunk = b"C" + LENGTH.pack(chunks)
    index = BLOCK_HEAD.pack(b"I", INDEX_ENTRY.size * chunks)
    if next_chunk.startswith(rest[: len(next_chunk)]):
        stated = rest[len(next_chunk) : CHUNK_HEAD.size]
        length = int.from_bytes(stated, "big") if len(stated) == LENGTH.size else 0
        # A length that damage made longer would swallow what follows: neither the chunk after it nor a seal may be in there.
        return (
            length <= MAX_CHUNK
            and len(rest) < CHUNK_HEAD.size + length + HASH_BYTES
            and b"C" + LENGTH.pack(chunks + 1) not in rest
            and PREFIX.encode("ascii") not in rest
        )
    if index.startswith(rest[: len(index)]):
        seal = rest[len(index) + INDEX_ENTRY.size * chunks :]
        length = int.from_bytes(seal[1 : BLOCK_HEAD.size], "big") if len(seal) >= BLOCK_HEAD.size else 0
        return (
            seal[:1] in {b"", b"S"}
            and length <= MAX_LENGTHS[Kind.RECORDING]
            and len(seal) < BLOCK_HEAD.size + max(length, 1)
        )
    return False


def recover_recording(path: Path, *, reason: str, ended_at: datetime, signer: Signer) -> RecordingSummary:
    """Seal what a crash left open, without its torn last block; a sealed one is left as it is. Returns what holds.

    Nothing is ever written to a file that is damaged anywhere else: it is evidence, and a seal would make it look whole.

    Raises:
        RecordingDamaged: it is neither sealed nor what a crash leaves; says what holds. Nothing was written.
        RecordingBroken: not even the header can be read.
        OSError: it cannot be read or written.
    """
    with path.open("r+b") as file:
        subject, _, current = _read_header(file)
        entries, end, chunks = bytearray(), file.tell(), 0
        for chunk in _read_chunks(file, current):
            if chunk.digest != chunk.stored:
                raise RecordingDamaged(RecordingSummary(sha256=current.hex(), bytes=end, chunks=chunks))
            # The time of its first record is inside the ciphertext; recovery needs no key and writes none.
            entries += INDEX_ENTRY.pack(chunk.offset, 0, chunk.digest)
            current, end, chunks = chunk.digest, chunk.end, chunk.index + 1
        summary = RecordingSummary(sha256=current.hex(), bytes=end, chunks=chunks)
        file.seek(end)
        rest = file.read(_MOST_REST + 1)
        if _is_sealed(rest, chunks=chunks):
            return summary
        if len(rest) > _MOST_REST or not _is_torn(rest, chunks=chunks):
            raise RecordingDamaged(summary)
        file.seek(end)
        file.truncate()
        file.write(
            seal_blocks(
                subject, entries=bytes(entries), summary=summary, reason=reason, ended_at=ended_at, signer=signer
            )
        )
        file.flush()
        os.fsync(file.fileno())
    return summary

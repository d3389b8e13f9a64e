"""Signed checkpoints of a log: C2SP signed-note, tlog-checkpoint and tlog-cosignature v1, Ed25519 alone. Keeps no keys, no clock.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openlockbox.activitylog.tree import HASH_BYTES, MAX_SIZE

ORIGIN: Final = "openlockbox.log/"
LOG_KEY: Final = 0x01  # signed-note's Ed25519
WITNESS_KEY: Final = 0x04  # tlog-cosignature's Ed25519 with a time
MAX_NOTE: Final = 65_536
MAX_SIGNATURES: Final = 100
_DASH: Final = "\u2014 "
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_LINES: Final = 3


class NoteRefused(Exception):
    """A note or a verifier key that is not what it should be. `code` is stable."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code}: {detail}" if detail else code)


class NoteSigner(Protocol):
    """Signs with one Ed25519 key."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that verifies."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of a signature."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log is at one moment."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A parsed vkey. `key_id` is the four bytes that name it in a signature line."""

    name: str
    kind: int
    key_id: bytes
    public_key: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    key_id: bytes
    signature: bytes


def origin_of(tenant_id: str) -> str:
    """Name a tenant's log; also the name of the keys that sign it."""
    return f"{ORIGIN}{tenant_id}"


def verifier_key(name: str, public_key: bytes) -> str:
    """Write a log's raw public key as a vkey. Raises NoteRefused: `vkey_malformed`."""
    return _vkey(name, LOG_KEY, public_key)


def witness_key(name: str, public_key: bytes) -> str:
    """Write a witness's raw public key as a vkey. Raises NoteRefused: `vkey_malformed`."""
    return _vkey(name, WITNESS_KEY, public_key)


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey of a log or a witness.

    Raises:
        NoteRefused: `vkey_malformed`.
    """
    parts = text.split("+", 2)
    try:
        name, key_id, data = parts[0], parts[1], base64.b64decode(parts[2], validate=True)
        key = Ed25519PublicKey.from_public_bytes(data[1:])
    except (IndexError, ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise NoteRefused("vkey_malformed", "no Ed25519 key") from error
    kind = data[0]
    if kind not in {LOG_KEY, WITNESS_KEY} or text != _vkey(name, kind, data[1:]):
        raise NoteRefused("vkey_malformed", "the key does not fit its name and hash")
    return VerifierKey(name=name, kind=kind, key_id=bytes.fromhex(key_id), public_key=key)


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """Return the signed note. The key's name is the checkpoint's origin."""
    body = _body(checkpoint)
    key_id = _key_id(checkpoint.origin, LOG_KEY, signer.public_key.public_bytes_raw())
    return f"{body}\n{_line(checkpoint.origin, key_id, signer.sign(body.encode()))}"


def peek_checkpoint(note_text: str) -> Checkpoint:
    """Return the checkpoint WITHOUT looking at a signature: good for knowing how much there is to read, and nothing else.

    Raises:
        NoteRefused: `note_malformed`, `checkpoint_malformed`.
    """
    return _parse_body(_split(note_text)[0])


def open_checkpoint(note_text: str, vkeys: Sequence[str]) -> Checkpoint:
    """Return the checkpoint that one of these log keys signed. A key counts where its name is the checkpoint's origin.

    Raises:
        NoteRefused: `note_malformed`, `checkpoint_malformed`, `vkey_malformed`, `signature_missing` (by none of them),
            `signature_wrong` (one of them is named, and it is not its signature).
    """
    body, lines = _split(note_text)
    checkpoint = _parse_body(body)
    keys = [key for key in map(parse_vkey, vkeys) if key.kind == LOG_KEY and key.name == checkpoint.origin]
    signed = False
    for key in keys:
        for line in lines:
            if (line.name, line.key_id) == (key.name, key.key_id):
                if not _verifies(key, line.signature, body.encode()):
                    raise NoteRefused("signature_wrong", key.name)
                signed = True
    if not signed:
        raise NoteRefused("signature_missing", checkpoint.origin)
    return checkpoint


def cosign(note_text: str, name: str, signer: NoteSigner, at: datetime) -> str:
    """Return a witness's signature line, which ends the note when added; it says that the log was seen so at this time.

    Raises:
        NoteRefused: `note_malformed`, `checkpoint_malformed`, `vkey_malformed` (a name that cannot be).
    """
    body, _ = _split(note_text)
    _parse_body(body)
    seconds = int(at.timestamp())
    key = parse_vkey(witness_key(name, signer.public_key.public_bytes_raw()))
    signature = signer.sign(_cosigned(body, seconds))
    return _line(name, key.key_id, seconds.to_bytes(_TIME_BYTES, "big") + signature)


def cosignatures(note_text: str, witness_vkeys: Sequence[str]) -> list[tuple[str, datetime]]:
    """Return the names of the witnesses that cosigned, each once, with the time of its newest valid signature.

    What is no note has none, and what is no witness's key counts for nothing: the caller needs so many, and gets fewer.
    """
    try:
        body, lines = _split(note_text)
        _parse_body(body)
    except NoteRefused:
        return []
    seen: dict[str, datetime] = {}
    for key in _witnesses(witness_vkeys):
        for line in lines:
            if (line.name, line.key_id) == (key.name, key.key_id):
                at = _cosigned_at(key, line.signature, body)
                if at is not None:
                    seen[key.name] = max(at, seen.get(key.name, at))
    return list(seen.items())


def add_signature(note_text: str, line: str) -> str:
    """Return the note with one more signature line; with the same one it is what it was.

    Raises:
        NoteRefused: `note_malformed`.
    """
    _split(note_text)
    line = line.removesuffix("\n")
    _parse_line(line)
    if line in signature_lines(note_text):
        return note_text
    longer = f"{note_text}{line}\n"
    _split(longer)
    return longer


def merge_cosigned(notes: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Join notes of one text into one with the signature lines of all, in the order in which the texts first come.

    Raises:
        NoteRefused: `note_malformed`.
    """
    merged: dict[tuple[int, str], str] = {}
    for size, note in notes:
        whole = merged.setdefault((size, note_body(note)), note)
        for line in signature_lines(note):
            try:
                whole = add_signature(whole, line)
            except NoteRefused:
                break  # it has as many as a note can have; those that stand in it count
        merged[size, note_body(note)] = whole
    return [(size, note) for (size, _), note in merged.items()]


def signature_lines(note_text: str) -> list[str]:
    """Return the signature lines of a note, without line ends. Raises NoteRefused: `note_malformed`."""
    _, lines = _split(note_text)
    return note_text.split("\n")[-len(lines) - 1 : -1]


def note_body(note_text: str) -> str:
    """Return what the signatures of a note are over. Raises NoteRefused: `note_malformed`."""
    return _split(note_text)[0]


def _vkey(name: str, kind: int, public_key: bytes) -> str:
    if not _is_name(name) or len(public_key) != _KEY_BYTES:
        raise NoteRefused("vkey_malformed", "name or length of the key")
    data = base64.b64encode(bytes([kind]) + public_key).decode()
    return f"{name}+{_key_id(name, kind, public_key).hex()}+{data}"


def _key_id(name: str, kind: int, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:_ID_BYTES]


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and "+" not in name and not any(letter.isspace() for letter in name)


def _line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"{_DASH}{name} {base64.b64encode(key_id + signature).decode()}\n"


def _body(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def _parse_body(body: str) -> Checkpoint:
    """Read the three lines. Extension lines would be signed words that nobody here understands: refused."""
    lines = body.removesuffix("\n").split("\n")
    try:
        origin, size, root = lines
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error) as error:
        raise NoteRefused("checkpoint_malformed", f"{_LINES} lines are needed") from error
    fits = _is_name(origin) and 0 <= checkpoint.size <= MAX_SIZE and len(checkpoint.root) == HASH_BYTES
    if not fits or _body(checkpoint) != body:  # one spelling: no sign, no leading zero, no loose base64
        raise NoteRefused("checkpoint_malformed", "origin, size or root")
    return checkpoint


def _split(note_text: str) -> tuple[str, list[_Line]]:
    """Take a note apart into what is signed and its signature lines."""
    if len(note_text) > MAX_NOTE or any(letter < " " and letter != "\n" for letter in note_text):
        raise NoteRefused("note_malformed", "too long, or control characters")
    body, gap, signatures = note_text.rpartition("\n\n")
    if not gap or not body or not signatures.endswith("\n"):
        raise NoteRefused("note_malformed", "no signatures")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteRefused("note_malformed", "too many signatures")
    return f"{body}\n", [_parse_line(line) for line in lines]


def _parse_line(line: str) -> _Line:
    try:
        name, data = line.removeprefix(_DASH).split(" ")
        raw = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error) as error:
        raise NoteRefused("note_malformed", "signature line") from error
    if not line.startswith(_DASH) or "\n" in line or not _is_name(name) or len(raw) <= _ID_BYTES:
        raise NoteRefused("note_malformed", "signature line")
    return _Line(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _witnesses(vkeys: Sequence[str]) -> list[VerifierKey]:
    keys: list[VerifierKey] = []
    for text in vkeys:
        try:
            key = parse_vkey(text)
        except NoteRefused:
            continue
        if key.kind == WITNESS_KEY:
            keys.append(key)
    return keys


def _cosigned(body: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()


def _cosigned_at(key: VerifierKey, signature: bytes, body: str) -> datetime | None:
    if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES:
        return None
    seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
    if not _verifies(key, signature[_TIME_BYTES:], _cosigned(body, seconds)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # signed, but no year that a calendar has
        return None


def _verifies(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    try:
        key.public_key.verify(signature, message)
    except InvalidSignature:
        return False
    return True

"""A witness: cosigns checkpoints of one log after seeing that each extends the last it cosigned. C2SP tlog-cosignature v1.

What it cosigned is on disk before the signature leaves, so that no crash makes it sign two histories.
"""

import base64
import binascii
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.activitylog.note import (
    NoteRefused,
    add_signature,
    cosign,
    cosignatures,
    open_checkpoint,
    origin_of,
    witness_key,
)
from openlockbox.activitylog.tree import ProofRefused, consistency_proof, verify_consistency
from openlockbox.auditor.notes import MirrorRefused
from openlockbox.auditor.server import LogServer
from openlockbox.auditor.tiles import hash_reader
from openlockbox.gateway.private_files import read_private, write_private, write_private_json
from openlockbox.grants.keys import Ed25519Signer, public_bytes

KIND: Final = "openlockbox.witness_key"
SEED: Final = 32


class WitnessRefused(Exception):
    """A key file that cannot be used."""

    code = "witness_key"


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's key, its name, and the file of what it cosigned last, by origin."""

    name: str
    signer: Ed25519Signer
    state: Path

    @property
    def vkey(self) -> str:
        """Return the verifier key for the roster."""
        return witness_key(self.name, public_bytes(self.signer.public_key))

    def cosigned(self) -> dict[str, str]:
        """Return the checkpoints cosigned last, by origin.

        Raises:
            WitnessRefused: the file is gone: a witness without memory would sign any history.
        """
        try:
            read = json.loads(read_private(self.state))
            return {str(origin): str(note) for origin, note in read.items()}
        except (FileNotFoundError, ValueError, AttributeError) as error:
            raise WitnessRefused(f"{self.state}: what was cosigned last cannot be read") from error


def load_witness(file: Path, *, name: str) -> Witness:
    """Load a key, or make one (mode 0600) where there is none; then `name` is its name for ever.

    Raises:
        WitnessRefused: the file holds no key.
        UnsafeFile: others may read it.
    """
    state = file.with_name(f"{file.name}.cosigned")
    if not file.exists():
        if state.exists():
            raise WitnessRefused(f"{state} belongs to a key that is gone")
        write_private_json(state, {})
        seed = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()
        write_private(file, f"{KIND} {name} {seed}\n".encode())
    try:
        kind, known_as, seed = read_private(file).decode().split()
        raw = base64.b64decode(seed, validate=True)
    except (ValueError, binascii.Error) as error:
        raise WitnessRefused(f"{file} holds no witness's key") from error
    if kind != KIND or len(raw) != SEED:
        raise WitnessRefused(f"{file} holds no witness's key")
    return Witness(known_as, Ed25519Signer(Ed25519PrivateKey.from_private_bytes(raw)), state)


def witness_once(server: LogServer, witness: Witness, *, log_keys: Sequence[str], now: datetime) -> int | None:
    """Cosign the newest checkpoint and hand the cosignature in; return its size, None where it was cosigned before.

    Raises:
        MirrorRefused: `checkpoint_refused`, `rolled_back`, `split_view`: nothing was signed.
        ServerRefused, WitnessRefused: see there.
    """
    with _alone(witness.state):
        note = server.checkpoint()
        cosigned = witness.cosigned()
        origin = origin_of(server.tenant_id)
        try:
            new = open_checkpoint(note, log_keys)
            if new.origin != origin:
                raise MirrorRefused("origin_differs", f"The checkpoint is of another log, {new.origin}.")
            old = open_checkpoint(cosigned[origin], log_keys) if origin in cosigned else None
        except NoteRefused as error:
            raise MirrorRefused(
                "checkpoint_refused", f"The checkpoint is not signed by the log's key ({error})."
            ) from error
        if old is not None:
            if new.size < old.size:
                raise MirrorRefused("rolled_back", f"The server shows {new.size} entries; {old.size} were cosigned.")
            if new == old and _has_word(server.witnessed(), note, witness):
                return None
            try:
                proof = consistency_proof(old.size, new.size, hash_reader(new.size, server.tile))
                verify_consistency(old.size, old.root, new.size, new.root, proof)
            except (ProofRefused, ValueError) as error:
                raise MirrorRefused(
                    "split_view", f"The server's log does not extend the cosigned one ({error})."
                ) from error
        write_private_json(witness.state, cosigned | {origin: note})
        server.submit_cosignature(add_signature(note, cosign(note, witness.name, witness.signer, now)))
    return new.size


def _has_word(witnessed: str, note: str, witness: Witness) -> bool:
    """Tell whether the server has this witness's word on just this checkpoint; a word that was not taken is handed in again."""
    return witnessed.startswith(note.partition("\n\n")[0] + "\n\n") and bool(cosignatures(witnessed, [witness.vkey]))


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Let one process at a time use a key: two could sign two histories."""
    descriptor = os.open(state.with_name(f"{state.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

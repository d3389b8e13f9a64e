"""A customer's log in a list, and its proofs by the recursion of RFC 6962 as it stands there: slow, short, and not our own code."""

import base64
import hashlib
from dataclasses import dataclass, field

from openlockbox.activitylog.entry import LEAF_VERSION
from openlockbox.grants.encoding import canonical_bytes, encode_instant
from openlockbox.grants.envelope import Ed25519Signer
from openlockbox.grants.keys import public_bytes


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _half(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = _half(len(leaves))
    return hashlib.sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) <= 1:
        return []
    k = _half(len(leaves))
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def consistency(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = _half(len(leaves))
    if old <= k:
        return [*consistency(old, leaves[:k], whole=whole), root(leaves[k:])]
    return [*consistency(old - k, leaves[k:], whole=False), root(leaves[:k])]


def key_hash(name: str, kind: int, signer: Ed25519Signer) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_bytes(signer.public_key)).digest()[:4]


def vkey(name: str, kind: int, signer: Ed25519Signer) -> str:
    data = base64.b64encode(bytes([kind]) + public_bytes(signer.public_key)).decode()
    return f"{name}+{key_hash(name, kind, signer).hex()}+{data}"


@dataclass
class NaiveLog:
    """One tenant's log."""

    tenant_id: str = "contoso"
    leaves: list[bytes] = field(default_factory=list)

    def append(self, action: str, subject: str, *, at, document: str = "", **changes: object) -> int:
        leaf = {
            "v": LEAF_VERSION,
            "tenant": self.tenant_id,
            "index": len(self.leaves),
            "at": encode_instant(at),
            "action": action,
            "operation": "",
            "actor": "system",
            "subject": subject,
            "resource": "",
            "correlation": "sr-1",
            "detail": {},
            "document": digest_of(document) if document else "",
            "personal": {},
        }
        self.leaves.append(canonical_bytes(leaf | changes))
        return len(self.leaves) - 1

    def root(self, size: int | None = None) -> bytes:
        return root(self.leaves[:size])

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return inclusion(index, self.leaves[:size])

    def consistency(self, old: int, new: int) -> list[bytes]:
        return [] if old in {0, new} else consistency(old, self.leaves[:new])

    def checkpoint(self, signer: Ed25519Signer, size: int | None = None) -> str:
        size = len(self.leaves) if size is None else size
        name = f"openlockbox.log/{self.tenant_id}"
        body = f"{name}\n{size}\n{base64.b64encode(self.root(size)).decode()}\n"
        signature = key_hash(name, 1, signer) + signer.sign(body.encode())
        return f"{body}\n— {name} {base64.b64encode(signature).decode()}\n"


def cosigned(note: str, name: str, signer: Ed25519Signer, *, at: int) -> str:
    """Return the note with a witness's tlog-cosignature under it."""
    body = note.partition("\n\n")[0] + "\n"
    message = f"cosignature/v1\ntime {at}\n{body}".encode()
    signature = key_hash(name, 4, signer) + at.to_bytes(8, "big") + signer.sign(message)
    return f"{note}— {name} {base64.b64encode(signature).decode()}\n"

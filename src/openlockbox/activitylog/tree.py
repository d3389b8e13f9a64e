"""The Merkle tree of RFC 6962 over a log's leaf hashes: roots, proofs and their verification. Pure hashing; stores nothing.

Proofs are made from hashes of complete subtrees, which never change once written; the verification follows RFC 9162, section 2.1.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
MAX_SIZE: Final = 2**63 - 1  # what the databases and the eight bytes of `encode` hold
_SIZE_BYTES: Final = 8

ReadSubtree = Callable[[int, int], bytes]  # (level, index) -> hash of the complete subtree of 2**level leaves


class ProofRefused(Exception):
    """A proof does not prove what it is shown for. `code` is stable."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code}: {detail}" if detail else code)


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The right edge of a tree: enough to append to it and to tell its root. `hashes` has one for each set bit of `size`.

    Raises ValueError for a number of hashes that does not fit the size.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= MAX_SIZE or len(hashes) != size.bit_count() or any(len(h) != HASH_BYTES for h in hashes):
            raise ValueError("no compact range of this size")
        self.size = size
        self.hashes = list(hashes)  # the largest complete subtree first

    def append(self, leaf_hash: bytes) -> list[bytes]:
        """Append a leaf. Return the roots of the complete subtrees that it ends, by level; the first is the leaf hash itself."""
        completed = [leaf_hash]
        rest = self.size
        while rest & 1:
            completed.append(hash_children(self.hashes.pop(), completed[-1]))
            rest >>= 1
        self.hashes.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return _fold(self.hashes)

    def encode(self) -> bytes:
        """Write it down: the size in eight bytes, the greatest first, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote. Raises ValueError."""
        if len(data) < _SIZE_BYTES:
            raise ValueError("no compact range")
        hashes = [data[at : at + HASH_BYTES] for at in range(_SIZE_BYTES, len(data), HASH_BYTES)]
        return cls(int.from_bytes(data[:_SIZE_BYTES], "big"), hashes)


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of a tree with these leaf hashes."""
    tree = CompactRange()
    for leaf_hash in leaf_hashes:
        tree.append(leaf_hash)
    return tree.root()


def root_at(size: int, read: ReadSubtree) -> bytes:
    """Return the root that a tree had when it had `size` leaves."""
    return _range_root(0, size, read)


def inclusion_proof(index: int, size: int, read: ReadSubtree) -> list[bytes]:
    """Prove that the leaf at `index` is in the tree of `size` leaves. Raises ValueError where there is no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: ReadSubtree) -> list[bytes]:
    """Prove that the tree of `new` leaves begins with that of `old`; empty where that needs no proof. Raises ValueError."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not extend one of {old}")
    if old in {0, new}:
        return []
    proof: list[bytes] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start:  # otherwise it is the old root, which the verifier has
        proof.append(_range_root(start, end, read))
    return proof[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that the leaf with this hash stands at `index` in the tree of `size` leaves with this root.

    Raises:
        ProofRefused: `index_outside`, `proof_malformed`, `proof_length`, `root_differs`.
    """
    _check_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofRefused("index_outside", f"{index} of {size}")
    computed = leaf_hash
    for sibling, stands_left in _ascend(index, size - 1, proof):
        computed = hash_children(sibling, computed) if stands_left else hash_children(computed, sibling)
    if computed != root:
        raise ProofRefused("root_differs")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the tree of `new_size` begins with the leaves of the tree of `old_size`. An empty tree begins every tree.

    Raises:
        ProofRefused: `size_went_back`, `proof_malformed`, `proof_length`, `old_root_differs`, `root_differs`.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProofRefused("size_went_back", f"{old_size} to {new_size}")
    if old_size in {0, new_size}:
        _verify_trivial(old_size, old_root, new_size, new_root, proof)
        return
    is_node = old_size & (old_size - 1) == 0  # a power of two: the old root is itself a node of the new tree
    path = [old_root, *proof] if is_node else list(proof)
    if not path:
        raise ProofRefused("proof_length", "empty")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling, stands_left in _ascend(node, last, path[1:]):
        if stands_left:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
        else:
            new = hash_children(new, sibling)
    if old != old_root:
        raise ProofRefused("old_root_differs")
    if new != new_root:
        raise ProofRefused("root_differs")


def _ascend(node: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each hash on the way up from `node` to the root, and whether it stands left; `last` is the level's last node.

    Raises:
        ProofRefused: `proof_length`: the way has another length.
    """
    for sibling in proof:
        if last == 0:
            raise ProofRefused("proof_length", "longer than the tree is high")
        stands_left = bool(node & 1) or node == last
        yield sibling, stands_left
        while stands_left and node and not node & 1:  # the last node, without a sibling: it goes up as it is
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofRefused("proof_length", "shorter than the tree is high")


def _verify_trivial(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ProofRefused("proof_length", "nothing is to be proved")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofRefused("old_root_differs", "a tree without leaves has one root")
    if old_size == new_size and old_root != new_root:
        raise ProofRefused("root_differs", "one size, two roots")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise ProofRefused("proof_malformed", "a hash has 32 bytes")


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Join the roots of adjacent complete subtrees, the largest first."""
    return reduce(lambda right, left: hash_children(left, right), reversed(hashes)) if hashes else EMPTY_ROOT


def _range_root(start: int, end: int, read: ReadSubtree) -> bytes:
    """Return the root over the leaves from `start`, where a subtree large enough for them begins, to before `end`."""
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(read(level, start >> level))
        start += 1 << level
    return _fold(parts)

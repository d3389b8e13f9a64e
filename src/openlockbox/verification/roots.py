"""Roots of the tree over a log that is read once from its beginning: 256 leaves a step, 32 bytes kept of each. Pure."""

import hashlib
from collections.abc import Sequence

from openlockbox.activitylog.tree import EMPTY_ROOT

WIDTH = 256
_sha256 = hashlib.sha256


class LogTree:
    """Takes leaf hashes in order. Only the last step may have fewer than 256."""

    def __init__(self, *, wanted: frozenset[int] = frozenset()) -> None:
        """`wanted` are sizes whose roots will be asked for besides the last."""
        self.size = 0
        self._full: list[bytes] = []  # roots of complete steps
        self._last: Sequence[bytes] = ()
        self._wanted = wanted
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT}

    @property
    def steps(self) -> Sequence[bytes]:
        """Return the roots of the complete steps."""
        return self._full

    def add(self, hashes: Sequence[bytes]) -> None:
        """Take the next leaves. Raises ValueError where a step before was not full."""
        if self._last or len(hashes) > WIDTH:
            raise ValueError("only the last step may be short")
        for size in self._wanted:
            if self.size < size < self.size + len(hashes):
                self._roots[size] = _root(self._full, hashes[: size - self.size])
        self.size += len(hashes)
        if len(hashes) == WIDTH:
            self._full.append(_complete(hashes))
            if self.size in self._wanted:
                self._roots[self.size] = _root(self._full, ())
        else:
            self._last = hashes

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree as it is, or as it was at a wanted size. Raises KeyError for another size."""
        if size is None or size == self.size:
            return _root(self._full, self._last)
        return self._roots[size]


def _complete(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def _root(full: Sequence[bytes], last: Sequence[bytes]) -> bytes:
    peaks = [*_peaks(full), *_peaks(last)]
    if not peaks:
        return EMPTY_ROOT
    root = peaks.pop()
    while peaks:
        root = _sha256(b"\x01" + peaks.pop() + root).digest()
    return root


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the largest complete trees over the hashes, the largest first."""
    peaks: list[bytes] = []
    while hashes:
        width = 1 << (len(hashes).bit_length() - 1)
        peaks.append(_complete(hashes[:width]))
        hashes = hashes[width:]
    return peaks

"""Paths and contents of C2SP tlog-tiles, as a reader needs them. No I/O of its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from openlockbox.activitylog.tree import hash_children

WIDTH: Final = 256
HASH: Final = 32


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return the path of a tile, or with level `entries` of a bundle: three digits a part, all but the last behind an x."""
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(parts)}{partial}"


def bundles_of(size: int) -> Iterator[tuple[int, int]]:
    """Yield number and width of every bundle of a log."""
    for index in range((size + WIDTH - 1) // WIDTH):
        yield index, min(WIDTH, size - index * WIDTH)


def hash_reader(size: int, fetch: Callable[[str], bytes]) -> Callable[[int, int], bytes]:
    """Return a reader of complete subtrees for `tree.consistency_proof`, which fetches the tiles of a log of this size."""
    kept: dict[str, bytes] = {}

    def read(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, 8)
        first = index << above
        tile, offset = divmod(first, WIDTH)
        width = min(WIDTH, (size >> (8 * tile_level)) - tile * WIDTH)
        path = tile_path(tile_level, tile, width)
        if path not in kept:
            kept[path] = fetch(path)
        hashes = split_hashes(kept[path])[offset : offset + (1 << above)]
        if len(hashes) != 1 << above:
            raise ValueError(f"{path} is too short")
        return complete(hashes)

    return read


def split_hashes(data: bytes) -> list[bytes]:
    """Take a tile apart."""
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def complete(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [hash_children(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]

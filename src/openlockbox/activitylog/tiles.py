"""How a log's hashes and leaves are cut into tiles of 256, as C2SP tlog-tiles serves them. Pure; knows neither HTTP nor rows.

https://c2sp.org/tlog-tiles
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from openlockbox.activitylog.tree import ReadSubtree, hash_children

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
STORED_LEVELS: Final = (8, 16, 24)  # of complete subtrees; those between follow from at most 128 of the level below
_INDEX: Final = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/(?P<width>[1-9][0-9]{0,2}))?", re.ASCII)
_LENGTH_BYTES: Final = 2

FetchHashes = Callable[
    [int, int, int], Sequence[bytes]
]  # (tile level, start, end) -> hashes of complete subtrees there


def parse_tile_path(path: str) -> tuple[int, int] | None:
    """Read index and width of a tile from what stands behind its level; None for no such path.

    The index has three digits a part, all but the last behind an x: 1,234,067 is `x001/x234/067`. `.p/W` ends a partial tile's.
    """
    found = _INDEX.fullmatch(path)
    if found is None:
        return None
    width = int(found["width"] or TILE_WIDTH)
    digits = path.partition(".p/")[0].replace("x", "").split("/")
    if (found["width"] and width >= TILE_WIDTH) or (len(digits) > 1 and digits[0] == "000"):
        return None
    return int("".join(digits)), width


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """Write an entry bundle: each leaf behind its length in two bytes, the greater first."""
    return b"".join(len(leaf).to_bytes(_LENGTH_BYTES, "big") + leaf for leaf in leaves)


def subtree_reader(fetch: FetchHashes) -> ReadSubtree:
    """Return a reader of complete subtrees that fetches each tile once. Where `fetch` brings too few, it raises LookupError."""
    tiles: dict[tuple[int, int], Sequence[bytes]] = {}
    top = STORED_LEVELS[-1] // TILE_HEIGHT

    def read(level: int, index: int) -> bytes:
        tile_level = min(level // TILE_HEIGHT, top)
        width = 1 << (level - tile_level * TILE_HEIGHT)
        start = index * width
        if width > TILE_WIDTH:  # above the last stored level: as many tiles as it takes
            return _complete(_all(fetch(tile_level, start, start + width), width))
        number, offset = divmod(start, TILE_WIDTH)
        if (tile_level, number) not in tiles:
            tiles[tile_level, number] = fetch(tile_level, number * TILE_WIDTH, (number + 1) * TILE_WIDTH)
        return _complete(_all(tiles[tile_level, number][offset : offset + width], width))

    return read


def _all(hashes: Sequence[bytes], width: int) -> Sequence[bytes]:
    if len(hashes) != width:
        raise LookupError("the subtree is not complete")
    return hashes


def _complete(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [hash_children(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]

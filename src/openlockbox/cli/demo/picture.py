"""Pictures of a virtual screen: reads what `xwd` writes and makes PNG of it. Knows the one kind that Xvfb has."""

import struct
import zlib
from typing import Final

from openlockbox.testing.desktops import ColourPatch

HEADER: Final = struct.Struct(">25I")
COLOUR_ENTRY: Final = 12
NEAR: Final = 12  # codecs may be off by a few steps
STEP: Final = 8  # every eighth pixel both ways tells enough


def _rows(xwd: bytes) -> tuple[int, int, list[bytes]]:
    """Return width, height and the rows as BGRX. Xvfb with depth 24 has 32 bits a pixel, least significant byte first."""
    fields = HEADER.unpack_from(xwd)
    header_size, width, height, bits, line, colours = (
        fields[0],
        fields[4],
        fields[5],
        fields[11],
        fields[12],
        fields[19],
    )
    if bits != 32 or fields[7] != 0:  # noqa: PLR2004  bits a pixel
        raise ValueError("not a picture with 32 bits a pixel, least significant byte first")
    start = header_size + colours * COLOUR_ENTRY
    return width, height, [xwd[start + y * line : start + y * line + 4 * width] for y in range(height)]


def share_of_patch(xwd: bytes, patch: ColourPatch) -> float:
    """Return which part of the picture has the patch's colour."""
    _, _, rows = _rows(xwd)
    pixels = [row[x : x + 3] for row in rows[::STEP] for x in range(0, len(row), 4 * STEP)]
    wanted = (patch.blue, patch.green, patch.red)
    near = sum(all(abs(have - want) < NEAR for have, want in zip(p, wanted, strict=True)) for p in pixels)
    return near / len(pixels)


def png_of_xwd(xwd: bytes) -> bytes:
    """Write the picture as PNG."""
    width, height, rows = _rows(xwd)
    lines = bytearray()
    for row in rows:
        rgb = bytearray(3 * width)
        rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
        lines += b"\0" + rgb
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(bytes(lines))), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

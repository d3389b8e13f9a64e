"""Share control PDUs: capability downgrade of Confirm Active, and the few PDUs that the gateway sends itself."""

import struct
from collections.abc import Callable
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu

DEMAND_ACTIVE, CONFIRM_ACTIVE, DATA, REDIRECT = 1, 3, 7, 10
FONT_LIST: Final = 39
_REFRESH_RECT: Final = 33
_ERROR_INFO: Final = 47
_ERRINFO_RPC_DISCONNECT: Final = 1  # "disconnected by an administrative tool on the server"
_CONTROL: Final = struct.Struct("<HHH")
_CONFIRM: Final = struct.Struct("<IHHH")  # shareId, originatorId, lengthSourceDescriptor, lengthCombinedCapabilities
_REMOTEFX: Final = bytes.fromhex("122f777672bd6344afb3b73c9c6f7886")

_ORDER, _GLYPH_CACHE, _OFFSCREEN, _BITMAP_CACHE_2 = 3, 16, 17, 19
_NINEGRID, _GDIPLUS, _CODECS = 21, 22, 29


def control_type(payload: bytes) -> int | None:
    """Tell the share control type of an I/O channel payload; None for licensing and other security-header PDUs."""
    if len(payload) < _CONTROL.size:
        return None
    total, kind, _source = _CONTROL.unpack_from(payload)
    # Several PDUs may share one packet, so the first may be shorter than the payload, never longer.
    return kind & 0x0F if _CONTROL.size <= total <= len(payload) and kind & 0xF0 == 0x10 else None  # noqa: PLR2004


def data_type(payload: bytes) -> int | None:
    """Tell pduType2 of a data PDU, None for others."""
    return payload[14] if control_type(payload) == DATA and len(payload) > 14 else None  # noqa: PLR2004


def share_id(payload: bytes) -> int:
    """Read the share id of a Demand or Confirm Active.

    Raises:
        MalformedPdu: too short.
    """
    if len(payload) < _CONTROL.size + 4:
        raise MalformedPdu("share id")
    return int(struct.unpack_from("<I", payload, _CONTROL.size)[0])


def downgraded_confirm_active(payload: bytes) -> bytes:
    """Switch off what the browser's replay cannot draw: orders, glyphs, offscreen and bitmap caches, codecs but RemoteFX.

    The length stays the same except for dropped codecs.

    Raises:
        MalformedPdu: capability lengths that do not fit.
    """
    at = _CONTROL.size
    if len(payload) < at + _CONFIRM.size:
        raise MalformedPdu("confirm active")
    total, kind, source = _CONTROL.unpack_from(payload)
    if total > len(payload):
        raise MalformedPdu("confirm active")
    share, originator, source_length, _combined = _CONFIRM.unpack_from(payload, at)
    at += _CONFIRM.size
    descriptor = payload[at : at + source_length]
    at += source_length
    if at + 4 > total:
        raise MalformedPdu("confirm active")
    (count,) = struct.unpack_from("<H", payload, at)
    at += 4
    sets = b""
    for _ in range(count):
        if at + 4 > total:
            raise MalformedPdu("capability set")
        name, length = struct.unpack_from("<HH", payload, at)
        if length < 4 or at + length > total:  # noqa: PLR2004
            raise MalformedPdu("capability set")
        body = _downgrade(name, payload[at + 4 : at + length])
        sets += struct.pack("<HH", name, 4 + len(body)) + body
        at += length
    combined = struct.pack("<HH", count, 0) + sets
    rest = _CONFIRM.pack(share, originator, source_length, len(combined)) + descriptor + combined
    return _CONTROL.pack(_CONTROL.size + len(rest), kind, source) + rest + payload[total:]


def error_info(*, share: int, source: int) -> bytes:
    """Build the Set Error Info that tells a client it was disconnected by the server."""
    return _data(_ERROR_INFO, struct.pack("<I", _ERRINFO_RPC_DISCONNECT), share=share, source=source)


def refresh_rect(*, share: int, source: int, width: int, height: int) -> bytes:
    """Build the request to draw everything again: a keyframe for the recording."""
    area = struct.pack("<B3xHHHH", 1, 0, 0, max(width - 1, 0), max(height - 1, 0))
    return _data(_REFRESH_RECT, area, share=share, source=source)


def _data(kind: int, body: bytes, *, share: int, source: int) -> bytes:
    total = _CONTROL.size + 12 + len(body)
    head = struct.pack("<IBBHBBH", share, 0, 1, len(body) + 4, kind, 0, 0)
    return _CONTROL.pack(total, 0x10 | DATA, source) + head + body


def _zeroed(body: bytes) -> bytes:
    return bytes(len(body))


def _without_orders(body: bytes) -> bytes:
    """Clear orderSupport (32 bytes) and the extra order flags; fonts and the rest stay."""
    patched = bytearray(body)
    patched[32:64] = bytes(max(min(len(body), 64) - 32, 0))
    patched[66:68] = bytes(max(min(len(body), 68) - 66, 0))
    return bytes(patched)


def _without_glyphs(body: bytes) -> bytes:
    patched = bytearray(body)
    patched[44:46] = bytes(max(min(len(body), 46) - 44, 0))
    return bytes(patched)


def _only_remotefx(body: bytes) -> bytes:
    if not body:
        raise MalformedPdu("codec capability")
    kept = []
    at = 1
    for _ in range(body[0]):
        if at + 19 > len(body):
            raise MalformedPdu("codec capability")
        end = at + 19 + int.from_bytes(body[at + 17 : at + 19], "little")
        if end > len(body):
            raise MalformedPdu("codec capability")
        if body[at : at + 16] == _REMOTEFX:
            kept.append(body[at:end])
        at = end
    return bytes([len(kept)]) + b"".join(kept)


_DOWNGRADES: Final[dict[int, Callable[[bytes], bytes]]] = {
    _ORDER: _without_orders,
    _GLYPH_CACHE: _without_glyphs,
    _OFFSCREEN: _zeroed,
    _BITMAP_CACHE_2: _zeroed,
    _NINEGRID: _zeroed,
    _GDIPLUS: _zeroed,
    _CODECS: _only_remotefx,
}


def _downgrade(name: int, body: bytes) -> bytes:
    change = _DOWNGRADES.get(name)
    return body if change is None else change(body)

"""Share control PDUs: taken apart, Confirm Active downgraded, and the few PDUs that the gateway sends itself.

A payload that the gateway cannot read to its last byte must never be passed on: the peer might read it differently.
"""

import struct
from collections.abc import Callable
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu

DEMAND_ACTIVE, CONFIRM_ACTIVE, DEACTIVATE_ALL, DATA, REDIRECT = 1, 3, 6, 7, 10
SUPPRESS_OUTPUT: Final = 35
SAVE_SESSION_INFO: Final = 38
FONT_LIST: Final = 39
LICENSE_REQUEST, PLATFORM_CHALLENGE = 1, 2  # the licensing messages that a client answers
_REFRESH_RECT: Final = 33
_ERROR_INFO: Final = 47
_ERRINFO_RPC_DISCONNECT: Final = 1  # "disconnected by an administrative tool on the server"
_CONTROL: Final = struct.Struct("<HHH")
_VERSION: Final = 0x10
_SHORTEST: Final = 4  # a Deactivate All may come without its source
_DATA_HEADER: Final = _CONTROL.size + 12
_FLOW_MARKER: Final = 0x8000
_LICENSE: Final = struct.Struct("<HHBBH")  # flags, flagsHi, bMsgType, flags, wMsgSize
_LICENSE_FLAGS: Final = (0x0080, 0x0280)  # SEC_LICENSE_PKT, and with SEC_LICENSE_ENCRYPT_CS
_CONFIRM: Final = struct.Struct("<IHHH")  # shareId, originatorId, lengthSourceDescriptor, lengthCombinedCapabilities
_REMOTEFX: Final = bytes.fromhex("122f777672bd6344afb3b73c9c6f7886")

_ORDER, _GLYPH_CACHE, _OFFSCREEN, _BITMAP_CACHE_2 = 3, 16, 17, 19
_NINEGRID, _GDIPLUS, _CODECS = 21, 22, 29


def license_message(payload: bytes) -> int | None:
    """Tell the message type of an I/O channel payload that can be licensing; None if it cannot.

    Licensing has a security header where other payloads have a length and a type, so only the moment tells them apart.
    """
    if len(payload) < _LICENSE.size:
        return None
    flags, _ignored, message, _version, size = _LICENSE.unpack_from(payload)
    return int(message) if flags in _LICENSE_FLAGS and size == len(payload) - 4 else None


def share_pdus(payload: bytes) -> list[bytes]:
    """Take an I/O channel payload apart; every byte of it is in one of the PDUs.

    Raises:
        MalformedPdu: a length that does not fit, another version than 1, or a data PDU without its header.
    """
    pdus = []
    at = 0
    while at < len(payload):
        if len(payload) - at < _SHORTEST:
            raise MalformedPdu("bytes after the share pdu")
        total, kind = struct.unpack_from("<HH", payload, at)
        if total == _FLOW_MARKER:  # [MS-RDPBCGR] 2.2.8.1.1.1.1: this and all that follows must be ignored
            break
        if kind & ~0x0F != _VERSION:
            raise MalformedPdu("share version")
        least = {DATA: _DATA_HEADER, DEACTIVATE_ALL: _SHORTEST}.get(kind & 0x0F, _CONTROL.size)
        if not least <= total <= len(payload) - at:
            raise MalformedPdu("share length")
        pdus.append(payload[at : at + total])
        at += total
    return pdus


def control_type(pdu: bytes) -> int:
    """Tell the type of a PDU that `share_pdus` gave out."""
    return int.from_bytes(pdu[2:4], "little") & 0x0F


def data_type(pdu: bytes) -> int | None:
    """Tell pduType2 of a data PDU that `share_pdus` gave out, None for others."""
    return pdu[14] if control_type(pdu) == DATA and len(pdu) >= _DATA_HEADER else None


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
    return _CONTROL.pack(_CONTROL.size + len(rest), kind, source) + rest


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

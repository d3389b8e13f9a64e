"""The first packets of a connection: preconnection PDU (MS-RDPEPS) and X.224 negotiation. All of it is unauthenticated input."""

import re
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu, TooMuchData
from openlockbox.gateway.rdp.framing import tpkt

MAX_PRECONNECTION: Final = 8192  # cbSize; a token of ours is below 1 KiB, UTF-16 doubles it
MAX_CONNECTION_REQUEST: Final = 8192  # a cookie with a token fits; mstsc sends below 100 bytes
_PRECONNECTION_HEAD: Final = struct.Struct("<IIIIH")
_COOKIE: Final = re.compile(rb"Cookie: lbx=([\x21-\x7e]{1,4096})\Z")
_NEGOTIATION: Final = struct.Struct("<BBHI")
_FIXED: Final = 11  # TPKT header and the fixed part of an X.224 connection request or confirm
_PRECONNECTION_V2: Final = 2
_TYPE_REQUEST, _TYPE_RESPONSE, _TYPE_FAILURE = 1, 2, 3
_CORRELATION_INFO: Final = 0x08


class Security(IntFlag):
    """Security protocols of X.224 negotiation. Zero is standard RDP security, which is never used."""

    TLS = 1
    CREDSSP = 2


class Failure(IntEnum):
    """Codes of a negotiation failure."""

    SSL_REQUIRED = 1
    SSL_NOT_ALLOWED = 2
    HYBRID_REQUIRED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRequest:
    """What a client asks for first. `token` is the load-balance cookie `lbx=`, empty when there is none."""

    token: str
    requested: Security
    requested_raw: int


def is_preconnection(head: bytes) -> bool:
    """Tell by its first two bytes that a native stream starts with a preconnection PDU instead of TPKT."""
    return head[:2] != b"\x03\x00"


def preconnection_length(head: bytes) -> int:
    """Read cbSize from the first four bytes.

    Raises:
        MalformedPdu: shorter than a version 2 header.
        TooMuchData: longer than we take.
    """
    size = int.from_bytes(head[:4], "little")
    if size < _PRECONNECTION_HEAD.size:
        raise MalformedPdu("preconnection size")
    if size > MAX_PRECONNECTION:
        raise TooMuchData("preconnection size")
    return size


def parse_preconnection(pdu: bytes) -> str:
    """Read the blob of a complete version 2 preconnection PDU.

    Raises:
        MalformedPdu: another version, or lengths that do not fit.
    """
    if len(pdu) < _PRECONNECTION_HEAD.size:
        raise MalformedPdu("preconnection size")
    size, flags, version, _id, characters = _PRECONNECTION_HEAD.unpack_from(pdu)
    raw = pdu[_PRECONNECTION_HEAD.size :]
    if size != len(pdu) or flags != 0 or version != _PRECONNECTION_V2 or len(raw) != characters * 2:
        raise MalformedPdu("preconnection header")
    try:
        text = raw.decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise MalformedPdu("preconnection text") from error
    return text.rstrip("\0")  # FreeRDP counts a second terminator


def parse_connection_request(pdu: bytes) -> ConnectionRequest:
    """Read an X.224 connection request in its TPKT.

    Raises:
        MalformedPdu: anything else.
        TooMuchData: longer than we take.
    """
    if len(pdu) > MAX_CONNECTION_REQUEST:
        raise TooMuchData("connection request")
    # 0xE0 is the connection request; the length indicator counts what follows it and cannot say more than 254.
    if len(pdu) < _FIXED or pdu[:2] != b"\x03\x00" or pdu[5] != 0xE0 or int.from_bytes(pdu[2:4], "big") != len(pdu):  # noqa: PLR2004
        raise MalformedPdu("not a connection request")
    rest = pdu[_FIXED:]
    token = ""
    line, crlf, after = rest.partition(b"\r\n")
    if crlf:
        cookie = _COOKIE.match(line)
        token = cookie[1].decode("ascii") if cookie else ""
        rest = after
    if len(rest) < _NEGOTIATION.size:
        return ConnectionRequest(token=token, requested=Security(0), requested_raw=0)
    kind, flags, length, requested = _NEGOTIATION.unpack_from(rest)
    if kind != _TYPE_REQUEST or length != _NEGOTIATION.size:
        raise MalformedPdu("negotiation request")
    trailing = len(rest) - _NEGOTIATION.size
    if trailing != (36 if flags & _CORRELATION_INFO else 0):  # RDP_NEG_CORRELATION_INFO is 36 bytes
        raise MalformedPdu("negotiation request")
    return ConnectionRequest(token=token, requested=Security(requested & 0x03), requested_raw=requested)


def connection_request(protocols: Security) -> bytes:
    """Build our own request towards a target: no cookie, no user name."""
    return tpkt(b"\x0e\xe0\x00\x00\x00\x00\x00" + _NEGOTIATION.pack(_TYPE_REQUEST, 0, _NEGOTIATION.size, protocols))


def connection_confirm(selected: Security) -> bytes:
    """Build the confirm that a client gets. No flags: extended blocks and graphics pipeline are not offered."""
    return tpkt(b"\x0e\xd0\x00\x00\x12\x34\x00" + _NEGOTIATION.pack(_TYPE_RESPONSE, 0, _NEGOTIATION.size, selected))


def negotiation_failure(failure: Failure) -> bytes:
    """Build the refusal that a client gets instead of a confirm."""
    return tpkt(b"\x0e\xd0\x00\x00\x12\x34\x00" + _NEGOTIATION.pack(_TYPE_FAILURE, 0, _NEGOTIATION.size, failure))


def parse_connection_confirm(pdu: bytes) -> Security | Failure | int:
    """Read a target's answer: the protocol it selected, or its failure code.

    Raises:
        MalformedPdu: not a confirm, or standard RDP security, which has no server authentication worth the name.
    """
    if len(pdu) != _FIXED + _NEGOTIATION.size or pdu[:2] != b"\x03\x00" or pdu[5] != 0xD0:  # noqa: PLR2004
        raise MalformedPdu("not a negotiating connection confirm")
    kind, _flags, length, value = _NEGOTIATION.unpack_from(pdu, _FIXED)
    if length != _NEGOTIATION.size or kind not in (_TYPE_RESPONSE, _TYPE_FAILURE):
        raise MalformedPdu("negotiation response")
    if kind == _TYPE_FAILURE:
        return int(value)
    if value not in (Security.TLS, Security.CREDSSP):
        raise MalformedPdu("standard rdp security")
    return Security(value)

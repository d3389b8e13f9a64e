"""Splits byte streams into RDP packets, incrementally and with bounds. Never looks inside a packet, never waits."""

from enum import Enum
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu, TooMuchData

TPKT_HEADER: Final = 4
X224_DATA: Final = b"\x02\xf0\x80"
MIN_TPKT: Final = TPKT_HEADER + 3  # the shortest X.224 TPDU
MAX_HANDSHAKE_BYTES: Final = (
    64 * 1024
)  # a whole connection sequence of one peer is below 4 KiB; channels and names included
MAX_HANDSHAKE_PDUS: Final = 64  # connect, erect, attach, at most 33 joins, Client Info


class Kind(Enum):
    """The two framings that share an RDP stream."""

    TPKT = "tpkt"
    FAST_PATH = "fast_path"


def kind_of(pdu: bytes) -> Kind:
    """Tell the framing of a packet that `FrameBuffer` gave out."""
    return Kind.TPKT if pdu[0] == 3 else Kind.FAST_PATH  # noqa: PLR2004  the TPKT version


def packet_length(head: bytes | bytearray, at: int = 0) -> int | None:
    """Tell the length of the packet that starts at `at`, or None while its header is incomplete.

    Raises:
        MalformedPdu: it is neither TPKT nor fast-path, or its length is impossible.
    """
    have = len(head) - at
    if have < 2:  # noqa: PLR2004
        return None
    if head[at] == 3:  # noqa: PLR2004  TPKT version 3
        return _tpkt_length(head[at : at + TPKT_HEADER])
    if head[at] & 3:
        raise MalformedPdu("neither tpkt nor fast-path")
    return _fast_path_length(head[at : at + 3])


def _tpkt_length(head: bytes | bytearray) -> int | None:
    if head[1] != 0:
        raise MalformedPdu("tpkt reserved byte")
    if len(head) < TPKT_HEADER:
        return None
    length = int.from_bytes(head[2:4], "big")
    if length < MIN_TPKT:
        raise MalformedPdu("tpkt length")
    return length


def _fast_path_length(head: bytes | bytearray) -> int | None:
    is_long = bool(head[1] & 0x80)
    size = 3 if is_long else 2
    if len(head) < size:
        return None
    length = (head[1] & 0x7F) << 8 | head[2] if is_long else head[1]
    if length <= size:  # an empty packet carries nothing, and a shorter one would never advance
        raise MalformedPdu("fast-path length")
    return length


class FrameBuffer:
    """Collects stream chunks and gives out whole packets. Holds at most one incomplete packet (64 KiB) and the last chunk."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk and return the packets that are now complete, in order.

        Raises:
            MalformedPdu: the stream has lost its framing. Packets before that point in the same chunk are lost with it.
        """
        held = self._held
        held += chunk
        packets: list[bytes] = []
        at = 0
        while True:
            length = packet_length(held, at)
            if length is None or len(held) - at < length:
                break
            packets.append(bytes(held[at : at + length]))
            at += length
        del held[:at]
        return packets

    def require_tpkt(self) -> None:
        """Refuse an incomplete packet that is not TPKT, instead of waiting for its end.

        Raises:
            MalformedPdu: it is fast-path.
        """
        if self._held and self._held[0] != 3:  # noqa: PLR2004  the TPKT version
            raise MalformedPdu("fast-path in the handshake")


class HandshakeBudget:
    """Counts what a peer may send before the desktop starts, so that a flood costs it the connection and us nothing."""

    def __init__(self, *, max_bytes: int = MAX_HANDSHAKE_BYTES, max_pdus: int = MAX_HANDSHAKE_PDUS) -> None:
        self._bytes = max_bytes
        self._pdus = max_pdus

    def spend(self, size: int) -> None:
        """Take one packet of this size from the budget.

        Raises:
            TooMuchData: it is used up.
        """
        self._bytes -= size
        self._pdus -= 1
        if self._bytes < 0 or self._pdus < 0:
            raise TooMuchData("handshake budget")


def tpkt(payload: bytes) -> bytes:
    """Wrap an X.224 TPDU."""
    length = TPKT_HEADER + len(payload)
    if length > 0xFFFF:  # noqa: PLR2004
        raise TooMuchData("tpkt length")
    return b"\x03\x00" + length.to_bytes(2, "big") + payload


def x224_data(mcs: bytes) -> bytes:
    """Wrap an MCS PDU as X.224 data in TPKT."""
    return tpkt(X224_DATA + mcs)


def mcs_of(pdu: bytes) -> bytes:
    """Unwrap the MCS PDU of a TPKT packet.

    Raises:
        MalformedPdu: it is fast-path, or not X.224 data.
    """
    if pdu[0] != 3 or pdu[TPKT_HEADER : TPKT_HEADER + 3] != X224_DATA or len(pdu) <= TPKT_HEADER + 3:  # noqa: PLR2004
        raise MalformedPdu("not x224 data")
    return pdu[TPKT_HEADER + 3 :]

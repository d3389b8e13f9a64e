"""MCS domain PDUs (T.125): attach, join, data, disconnect. Pure reading and writing, no state."""

from dataclasses import dataclass
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.octets import Octets, per_length

USER_BASE: Final = 1001  # MCS writes user ids relative to it
FIRST_CHANNEL: Final = 1003  # the I/O channel that every server uses, and we too
SERVER_USER: Final = 1002

ERECT_DOMAIN: Final = b"\x04\x01\x00\x01\x00"
ATTACH_USER: Final = b"\x28"
# Reason "provider initiated"; clients show it as a disconnect by the server.
DISCONNECT: Final = x224_data(b"\x20\x80")

ERECT, ATTACH, ATTACH_CONFIRM, JOIN, JOIN_CONFIRM = 0x04, 0x28, 0x2C, 0x38, 0x3C
SEND_REQUEST, SEND_INDICATION, DISCONNECTED = 0x64, 0x68, 0x20


def pdu_type(mcs: bytes) -> int:
    """Tell the type of an MCS domain PDU: its first byte without the option bits."""
    return mcs[0] & 0xFC


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A send-data PDU."""

    initiator: int
    channel: int
    payload: bytes


def parse_data(mcs: bytes, *, kind: int) -> Data:
    """Read a send-data request or indication.

    Raises:
        MalformedPdu: anything else, or bytes behind the payload.
    """
    fields = Octets(mcs)
    if fields.u8() & 0xFC != kind:
        raise MalformedPdu("not send-data")
    initiator = fields.u16_be() + USER_BASE
    channel = fields.u16_be()
    fields.u8()  # priority and segmentation
    payload = fields.take(fields.per_length())
    if fields.left:
        raise MalformedPdu("bytes after the payload")
    return Data(initiator=initiator, channel=channel, payload=payload)


def send_request(payload: bytes, *, initiator: int, channel: int) -> bytes:
    """Build a client's data packet, TPKT included."""
    return _send(SEND_REQUEST, payload, initiator, channel)


def send_indication(payload: bytes, *, initiator: int, channel: int) -> bytes:
    """Build a server's data packet, TPKT included."""
    return _send(SEND_INDICATION, payload, initiator, channel)


def _send(kind: int, payload: bytes, initiator: int, channel: int) -> bytes:
    head = bytes([kind]) + (initiator - USER_BASE).to_bytes(2, "big") + channel.to_bytes(2, "big") + b"\x70"
    return x224_data(head + per_length(len(payload)) + payload)


def attach_confirm(user: int) -> bytes:
    """Build the confirm of an attach."""
    return b"\x2e\x00" + (user - USER_BASE).to_bytes(2, "big")


def parse_attach_confirm(packet: bytes) -> int:
    """Read the user id that the target gave.

    Raises:
        MalformedPdu: anything else, or a refusal.
    """
    fields = Octets(mcs_of(packet))
    fields.expect(b"\x2e\x00")
    return fields.u16_be() + USER_BASE


def join_request(*, user: int, channel: int) -> bytes:
    """Build a channel join."""
    return bytes([JOIN]) + (user - USER_BASE).to_bytes(2, "big") + channel.to_bytes(2, "big")


def parse_join_request(mcs: bytes) -> int:
    """Read the channel that a client joins.

    Raises:
        MalformedPdu: anything else.
    """
    fields = Octets(mcs)
    fields.expect(bytes([JOIN]))
    fields.u16_be()
    return fields.u16_be()


def join_confirm(*, user: int, channel: int) -> bytes:
    """Build the confirm of a join."""
    ids = channel.to_bytes(2, "big")
    return b"\x3e\x00" + (user - USER_BASE).to_bytes(2, "big") + ids + ids


def check_join_confirm(packet: bytes, *, channel: int) -> None:
    """Accept the target's confirm of this join.

    Raises:
        MalformedPdu: anything else, or a refusal.
    """
    fields = Octets(mcs_of(packet))
    fields.expect(b"\x3e\x00")
    fields.u16_be()
    if fields.u16_be() != channel:
        raise MalformedPdu("join confirm of another channel")

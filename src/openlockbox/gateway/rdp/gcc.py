"""Connect-Initial and Connect-Response: what each side says about itself. Only what is listed here crosses the gateway.

A client's blocks are read for desktop size, keyboard and channel names; the target gets blocks written here. So a client
cannot reach the target with monitor, message channel, multitransport, cluster (redirection) or unknown blocks.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu
from openlockbox.gateway.rdp.negotiation import Security
from openlockbox.gateway.rdp.octets import Octets, ber, per_length

CHANNELS_OF_GRANT: Final = {"clipboard": "cliprdr", "drives": "rdpdr", "sound": "rdpsnd"}
MAX_CHANNELS: Final = 31  # MS-RDPBCGR 2.2.1.3.4

_CS_CORE, _CS_SECURITY, _CS_NET = 0xC001, 0xC002, 0xC003
_SC_CORE, _SC_SECURITY, _SC_NET = 0x0C01, 0x0C02, 0x0C03
_GCC_OID: Final = b"\x00\x05\x00\x14\x7c\x00\x01"
_CLIENT_KEY: Final = b"\x00\x08\x00\x10\x00\x01\xc0\x00Duca"
_SERVER_KEY: Final = b"\x14\x76\x0a\x01\x01\x00\x01\xc0\x00McDn"
_CORE_KEPT: Final = 140  # header, version, size, keyboard, names, up to serialNumber
_CORE_SIZE: Final = 216  # up to serverSelectedProtocol; nothing behind it is sent
_EARLY_FLAGS: Final = (
    0x0001 | 0x0002 | 0x0020
)  # error info, 32 bpp, valid connection type; no graphics pipeline (0x0100)
_LAN: Final = 6
_CHANNEL_COMPRESSION: Final = 0x00C00000
_RDP_10: Final = 0x00080004
# maxChannelIds, maxUserIds, maxTokenIds, numPriorities, minThroughput, maxHeight, maxMCSPDUsize, protocolVersion
_TARGET_PARAMETERS: Final = (34, 2, 0, 1, 0, 1, 65535, 2)
_MIN_PARAMETERS: Final = (1, 1, 1, 1, 0, 1, 1056, 2)
_MAX_PARAMETERS: Final = (65535, 65535, 65535, 1, 0, 1, 65535, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticChannel:
    """A static virtual channel as the client names it."""

    name: str
    options: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOffer:
    """What a Connect-Initial says, reduced to what may cross."""

    core: bytes  # the first 140 bytes of CS_CORE
    channels: tuple[StaticChannel, ...]

    @property
    def width(self) -> int:
        """Desktop width in pixels."""
        return int.from_bytes(self.core[8:10], "little")

    @property
    def height(self) -> int:
        """Desktop height in pixels."""
        return int.from_bytes(self.core[10:12], "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOffer:
    """The channel ids that a Connect-Response gives, in the order the channels were asked for."""

    io_channel: int
    channels: tuple[int, ...]


def parse_connect_initial(mcs: bytes) -> ClientOffer:
    """Read a client's Connect-Initial.

    Raises:
        MalformedPdu: anything else, or no CS_CORE, or more channels than the protocol has.
    """
    initial = Octets(Octets(mcs).ber(b"\x7f\x65"))
    for tag in (
        b"\x04",
        b"\x04",
        b"\x01",
        b"\x30",
        b"\x30",
        b"\x30",
    ):  # selectors, upward flag, three domain parameters
        initial.ber(tag)
    user = Octets(initial.ber(b"\x04"))
    user.expect(_GCC_OID)
    user.per_length()
    user.expect(_CLIENT_KEY)
    core = b""
    channels: tuple[StaticChannel, ...] = ()
    for kind, block in _blocks(user.take(user.per_length())):
        if kind == _CS_CORE:
            core = block[:_CORE_KEPT]
        elif kind == _CS_NET:
            channels = _parse_channels(block)
    if len(core) < _CORE_KEPT:
        raise MalformedPdu("client core data")
    return ClientOffer(core=core, channels=channels)


def connect_initial(offer: ClientOffer, *, channels: Sequence[StaticChannel], selected: Security) -> bytes:
    """Build the Connect-Initial for the target: 32 bits a pixel on a LAN, so that xrdp uses RemoteFX (rdp.md, B)."""
    core = bytearray(_CORE_SIZE)
    core[:_CORE_KEPT] = offer.core
    struct.pack_into("<HH", core, 0, _CS_CORE, _CORE_SIZE)
    struct.pack_into(
        "<HHH", core, 140, 24, 0x000F, _EARLY_FLAGS
    )  # highColorDepth, supportedColorDepths, earlyCapabilityFlags
    struct.pack_into("<BBI", core, 210, _LAN, 0, selected)
    blocks = bytes(core) + struct.pack("<HHII", _CS_SECURITY, 12, 0, 0)
    if channels:
        names = b"".join(
            struct.pack("<8sI", channel.name.encode("ascii"), channel.options & ~_CHANNEL_COMPRESSION)
            for channel in channels
        )
        blocks += struct.pack("<HHI", _CS_NET, 8 + len(names), len(channels)) + names
    conference = _CLIENT_KEY + per_length(len(blocks)) + blocks
    return ber(
        b"\x7f\x65",
        b"\x04\x01\x01\x04\x01\x01\x01\x01\xff"
        + _parameters(_TARGET_PARAMETERS)
        + _parameters(_MIN_PARAMETERS)
        + _parameters(_MAX_PARAMETERS)
        + ber(b"\x04", _GCC_OID + per_length(len(conference)) + conference),
    )


def allowed_channels(offered: Sequence[StaticChannel], granted: Sequence[str]) -> tuple[StaticChannel, ...]:
    """Pick the channels that the grant names. Every other one, known or not, stays unknown to the target.

    Dynamic channels (`drdynvc`) are never among them: they carry graphics, USB and camera redirection unseen.
    """
    names = {CHANNELS_OF_GRANT[word] for word in granted if word in CHANNELS_OF_GRANT}
    return tuple(channel for channel in offered if channel.name in names)


def parse_connect_response(mcs: bytes) -> ServerOffer:
    """Read a target's Connect-Response.

    Raises:
        MalformedPdu: anything else, a failure result, or encryption of standard RDP security.
    """
    reply = Octets(Octets(mcs).ber(b"\x7f\x66"))
    if reply.ber(b"\x0a") != b"\x00":
        raise MalformedPdu("connect response result")
    reply.ber(b"\x02")
    reply.ber(b"\x30")
    user = Octets(reply.ber(b"\x04"))
    user.expect(_GCC_OID)
    user.per_length()  # servers write constants here, so its value says nothing
    user.take(len(_SERVER_KEY) - 4)  # node id, tag and result; their encodings vary
    user.expect(b"McDn")
    offer: ServerOffer | None = None
    for kind, block in _blocks(user.take(user.per_length())):
        if kind == _SC_SECURITY and block[4:12] not in (bytes(8), bytes(4)):
            raise MalformedPdu("standard rdp encryption")
        if kind == _SC_NET:
            fields = Octets(block[4:])
            io_channel, count = fields.u16(), fields.u16()
            offer = ServerOffer(io_channel=io_channel, channels=tuple(fields.u16() for _ in range(count)))
    if offer is None:
        raise MalformedPdu("server network data")
    return offer


def connect_response(offer: ServerOffer, *, requested_raw: int) -> bytes:
    """Build the Connect-Response that a client gets; it must repeat the protocols that the client asked for."""
    ids = b"".join(channel.to_bytes(2, "little") for channel in offer.channels)
    ids += b"\0\0" if len(offer.channels) % 2 else b""
    blocks = (
        struct.pack("<HHIII", _SC_CORE, 16, _RDP_10, requested_raw, 0)
        + struct.pack("<HHHH", _SC_NET, 8 + len(ids), offer.io_channel, len(offer.channels))
        + ids
        + struct.pack("<HHII", _SC_SECURITY, 12, 0, 0)
    )
    user = _GCC_OID + per_length(len(blocks) + len(_SERVER_KEY) + 2) + _SERVER_KEY + per_length(len(blocks)) + blocks
    return ber(b"\x7f\x66", b"\x0a\x01\x00\x02\x01\x00" + _parameters(_TARGET_PARAMETERS) + ber(b"\x04", user))


def _parse_channels(block: bytes) -> tuple[StaticChannel, ...]:
    fields = Octets(block[4:])
    count = fields.u32()
    if count > MAX_CHANNELS:
        raise MalformedPdu("too many channels")
    channels = []
    for _ in range(count):
        name = fields.take(8).split(b"\0", 1)[0]
        channels.append(StaticChannel(name=name.decode("ascii", "replace").lower(), options=fields.u32()))
    return tuple(channels)


def _blocks(data: bytes) -> list[tuple[int, bytes]]:
    blocks = []
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<HH", data, at)
        if length < 4 or at + length > len(data):  # noqa: PLR2004
            raise MalformedPdu("gcc block length")
        blocks.append((kind, data[at : at + length]))
        at += length
    return blocks


def _parameters(values: Sequence[int]) -> bytes:
    """Write MCS domain parameters: BER integers, with the leading zero that keeps 65535 positive."""
    return ber(b"\x30", b"".join(ber(b"\x02", value.to_bytes(value.bit_length() // 8 + 1, "big")) for value in values))

"""Row 24: a hostile machine, or client, costs itself the connection: byte budgets, whole PDUs only, nothing unread passes."""

import asyncio
import struct

import pytest

from openlockbox.gateway.rdp import mcs
from openlockbox.gateway.rdp.credssp import subject_public_key
from openlockbox.gateway.rdp.ends import MalformedPdu, RdpEnd, RecordingFailed, TooMuchData
from openlockbox.gateway.rdp.framing import (
    MAX_HANDSHAKE_BYTES,
    MAX_HANDSHAKE_PDUS,
    FrameBuffer,
    mcs_of,
    tpkt,
    x224_data,
)
from openlockbox.gateway.rdp.streams import PacketReader
from openlockbox.gateway.rdp.target import RecordedStream

IO = 1003
FAST_PATH_LURE = b"\x00\xff\xff"  # the head of the longest fast-path packet
REDIRECTION = struct.pack("<HHH", 12, 0x1A, 1002) + b"secret"


class Flood:
    """A peer that sends the same chunk for ever."""

    def __init__(self, chunk: bytes) -> None:
        self.chunk, self.sent = chunk, 0

    async def receive(self) -> bytes:
        self.sent += len(self.chunk)
        await asyncio.sleep(0)
        return self.chunk


async def read_all(flood: Flood) -> None:
    reader = PacketReader(flood)
    async with asyncio.timeout(1):
        while True:
            await reader.packet()


@pytest.mark.parametrize("chunk", [x224_data(b"x") * 10, x224_data(bytes(60_000))], ids=["many", "large"])
async def test_a_flood_before_the_desktop_ends_within_its_budget(chunk: bytes) -> None:
    flood = Flood(chunk)
    with pytest.raises(TooMuchData):
        await read_all(flood)
    assert flood.sent <= max(2 * MAX_HANDSHAKE_BYTES, (MAX_HANDSHAKE_PDUS + 10) * len(chunk))


async def test_a_handshake_does_not_wait_for_a_packet_that_has_no_place_in_it() -> None:
    flood = Flood(FAST_PATH_LURE)
    with pytest.raises(MalformedPdu):
        await read_all(flood)
    assert flood.sent == len(FAST_PATH_LURE)


def test_the_gateway_holds_one_unfinished_packet_and_no_more() -> None:
    frames, stream = FrameBuffer(), tpkt(bytes(0xFFFF - 4)) * 3
    for at in range(0, len(stream), 1000):
        frames.feed(stream[at : at + 1000])
        assert len(frames) < 0x10000


@pytest.mark.parametrize(
    "head", [b"\x03\x00\x00\x00", b"\x03\x00\x00\x06", b"\x00\x00", b"\x00\x02", b"\x00\x80\x03", b"\x16\x03"]
)
def test_a_length_that_would_never_advance_is_refused(head: bytes) -> None:
    with pytest.raises(MalformedPdu):
        FrameBuffer().feed(head)


def from_target(pump, payload: bytes) -> bytes:
    out = pump._for_client(mcs.send_indication(payload, initiator=1002, channel=IO))
    return mcs.parse_data(mcs_of(out), kind=mcs.SEND_INDICATION).payload if out else b""


@pytest.mark.parametrize(
    "payload", [REDIRECTION, b"\x06\x00\x27\x00\xea\x03", b"\x12\x00\x17\x00", b"\xff\xff\x17\x00\0\0"]
)
def test_what_the_gateway_cannot_read_or_does_not_know_never_reaches_the_client(pump, payload: bytes) -> None:
    with pytest.raises(RdpEnd):
        from_target(pump, payload)


async def test_no_byte_is_read_by_anybody_before_it_is_recorded() -> None:
    class Full:
        def server_bytes(self, data: bytes) -> None:
            raise OSError(28, "no space")

    with pytest.raises(RecordingFailed):
        await RecordedStream(Flood(b"screen"), Full()).receive()


@pytest.mark.parametrize("certificate", [b"", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80" * 2_000])
def test_a_hostile_certificate_is_malformed_and_nothing_worse(certificate: bytes) -> None:
    with pytest.raises(MalformedPdu):
        subject_public_key(certificate)

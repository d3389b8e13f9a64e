"""What the pump lets through on the I/O channel: whole PDUs that it has read, each of a kind that may pass."""

import struct
from types import SimpleNamespace

import pytest

from openlockbox.gateway.rdp import mcs, share
from openlockbox.gateway.rdp.ends import MalformedPdu
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.pump import Pump

IO, TARGET_USER = 1003, 1007
ORDERS = b"\xee" * 32  # orderSupport, which a downgrade clears
SYNCHRONIZE, SUPPRESS = 31, 35
LICENSE_REQUEST = bytes.fromhex("8000000001030800aabbccdd")
LICENSE_ANSWER = bytes.fromhex("8000000013030800aabbccdd")
LICENSE_DONE = bytes.fromhex("80000000ff031000070000000200000004000000")


@pytest.fixture
def pump():
    client = SimpleNamespace(server=SimpleNamespace(io_channel=IO), channel_of=lambda _name: 1004)
    target = SimpleNamespace(io_channel=IO, user=TARGET_USER, channels={"cliprdr": 1005})
    return Pump(client, target, SimpleNamespace())


def pdu(kind, body):
    return struct.pack("<HHH", 6 + len(body), kind, 1002) + body


def confirm(kind=0x13):
    orders = struct.pack("<HH", 3, 88) + bytes(32) + ORDERS + bytes(20)
    combined = struct.pack("<HH", 1, 0) + orders
    return pdu(kind, struct.pack("<IHHH", 0x1EA, 1002, 4, len(combined)) + b"abc\0" + combined)


def data_pdu(kind, kind_of_share=0x17):
    return pdu(kind_of_share, struct.pack("<IBBHBBH", 0x1EA, 0, 1, 8, kind, 0, 0) + bytes(4))


def for_target(pump, payload, channel=IO):
    out = pump._for_target(mcs.send_request(payload, initiator=1004, channel=channel))
    return mcs.parse_data(mcs_of(out), kind=mcs.SEND_REQUEST).payload if out else b""


def for_client(pump, payload, channel=IO):
    out = pump._for_client(mcs.send_indication(payload, initiator=1002, channel=channel))
    return mcs.parse_data(mcs_of(out), kind=mcs.SEND_INDICATION).payload if out else b""


REDIRECT = pdu(0x1A, bytes(24))
DEMAND = pdu(0x11, bytes(24))


@pytest.mark.parametrize("before", [b"", data_pdu(SYNCHRONIZE)])
def test_a_confirm_active_is_downgraded_wherever_it_stands(pump, before):
    passed = for_target(pump, before + confirm())
    assert passed == before + share.downgraded_confirm_active(confirm())
    assert ORDERS not in passed


@pytest.mark.parametrize("kind", [0x03, 0x23, 0x113, 0x07, 0x11, 0x16, 0x1A, 0x14])
def test_a_client_passes_no_other_version_and_no_servers_pdu(pump, kind):
    with pytest.raises(MalformedPdu):
        for_target(pump, confirm(kind))


@pytest.mark.parametrize(
    "payload", [confirm() + b"x", confirm()[:-1], data_pdu(31)[:17], b"\x05\x00\x17\x00\x01", b"\x00\x00\x17\x00"]
)
def test_a_payload_that_does_not_come_out_even_is_refused(pump, payload):
    with pytest.raises(MalformedPdu):
        for_target(pump, payload)


def test_nothing_passes_behind_the_per_length(pump):
    head = bytes([mcs.SEND_REQUEST]) + (3).to_bytes(2, "big") + IO.to_bytes(2, "big") + b"\x70"
    with pytest.raises(MalformedPdu):
        pump._for_target(x224_data(head + b"\x80\x00" + confirm()))


def test_a_flow_marker_and_what_follows_do_not_pass(pump):
    assert for_target(pump, data_pdu(SYNCHRONIZE) + b"\x00\x80\x13\x00" + confirm()) == data_pdu(SYNCHRONIZE)


def test_a_client_cannot_stop_the_drawing_that_is_recorded(pump):
    assert for_target(pump, data_pdu(SUPPRESS)) == b""
    assert for_target(pump, data_pdu(SYNCHRONIZE) + data_pdu(SUPPRESS)) == data_pdu(SYNCHRONIZE)


@pytest.mark.parametrize("payload", [REDIRECT, pdu(0x0A, bytes(24)), data_pdu(SYNCHRONIZE) + REDIRECT, confirm()])
def test_a_redirection_does_not_reach_the_client(pump, payload):
    with pytest.raises(MalformedPdu):
        for_client(pump, payload)


@pytest.mark.parametrize("payload", [DEMAND, DEMAND + data_pdu(SYNCHRONIZE), b"\x04\x00\x16\x00", data_pdu(2)])
def test_a_targets_own_pdus_pass_unchanged(pump, payload):
    assert for_client(pump, payload) == payload


def test_licensing_passes_while_the_target_asks_and_never_again(pump):
    with pytest.raises(MalformedPdu):
        for_target(pump, LICENSE_ANSWER)
    assert for_client(pump, LICENSE_REQUEST) == LICENSE_REQUEST
    assert for_target(pump, LICENSE_ANSWER) == LICENSE_ANSWER
    with pytest.raises(MalformedPdu):
        for_target(pump, LICENSE_ANSWER)
    assert for_client(pump, LICENSE_DONE) == LICENSE_DONE
    with pytest.raises(MalformedPdu):
        for_client(pump, LICENSE_DONE)


def test_a_demand_active_closes_licensing(pump):
    for_client(pump, LICENSE_REQUEST)
    for_client(pump, DEMAND)
    with pytest.raises(MalformedPdu):
        for_target(pump, LICENSE_ANSWER)


def test_other_channels_pass_whole_under_the_ids_of_the_other_leg(pump):
    packet = pump._for_target(mcs.send_request(b"clip" * 50, initiator=1004, channel=1004))
    data = mcs.parse_data(mcs_of(packet), kind=mcs.SEND_REQUEST)
    assert (data.initiator, data.channel, data.payload) == (TARGET_USER, 1005, b"clip" * 50)
    packet = pump._for_client(mcs.send_indication(b"clip", initiator=1002, channel=1005))
    data = mcs.parse_data(mcs_of(packet), kind=mcs.SEND_INDICATION)
    assert (data.initiator, data.channel, data.payload) == (1002, 1004, b"clip")

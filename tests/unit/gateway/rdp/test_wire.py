"""The codecs against captured bytes, and what they change on the way."""

import hashlib
import struct

import pytest

from openlockbox.connectors.builtin.rdp_file import render_rdp_file
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp import client_info, credssp, gcc, mcs, native, negotiation, rdcleanpath, share
from openlockbox.gateway.rdp.ends import MalformedPdu, RdpEnd, TooMuchData
from openlockbox.gateway.rdp.framing import FrameBuffer, HandshakeBudget, mcs_of, tpkt, x224_data
from openlockbox.gateway.rdp.negotiation import Security

# The first message of IronRDP 0.7.0 in Chromium, captured; reference/rdp.md, B.
CAPTURED = bytes.fromhex(
    "304ca00402020d3ea2090c07766d3a33333839a30a0c08746f6b2d78726470a62d042b0300002b26e00000000000"
    "436f6f6b69653a206d737473686173683d67756573740d0a"
    "010008000b000000"
)


def test_the_captured_request_is_78_bytes_and_is_read():
    assert len(CAPTURED) == rdcleanpath.der_length(CAPTURED) == 78
    request = rdcleanpath.parse_request(CAPTURED)
    assert request.token == "tok-xrdp"
    asked = negotiation.parse_connection_request(request.x224)
    assert asked.requested == Security.TLS | Security.CREDSSP
    assert asked.requested_raw == 0x0B
    assert asked.token == ""


def test_a_request_does_not_show_its_token():
    assert "tok-xrdp" not in repr(rdcleanpath.parse_request(CAPTURED))


def test_the_length_is_unknown_until_the_header_is_complete():
    assert rdcleanpath.der_length(b"") is None
    assert rdcleanpath.der_length(b"\x30") is None
    assert rdcleanpath.der_length(b"\x30\x82\x01") is None


@pytest.mark.parametrize(
    "head, refusal",
    [
        (b"\x31\x05", MalformedPdu),
        (b"\x30\x80", MalformedPdu),
        (b"\x30\x81\x05", MalformedPdu),
        (b"\x30\x82\x00\x90", MalformedPdu),
        (b"\x30\x84\x00\x00\x00\x01", TooMuchData),
        (b"\x30\x82\x80\x00", TooMuchData),
    ],
)
def test_a_bad_der_length_is_refused(head, refusal):
    with pytest.raises(refusal):
        rdcleanpath.der_length(head)


def test_another_version_is_refused():
    with pytest.raises(MalformedPdu):
        rdcleanpath.parse_request(CAPTURED.replace(b"\x02\x02\x0d\x3e", b"\x02\x02\x0d\x3f"))


def test_answers_have_the_tags_of_the_protocol():
    answer = rdcleanpath.response(x224=b"CC", certificate=b"LEAF", server_addr="target")
    assert answer.hex() == "3020a00402020d3ea60404024343a708300604044c454146a9080c06746172676574"
    assert rdcleanpath.error(http=401).hex() == "3015a00402020d3ea10d300ba003020101a10402020191"
    assert rdcleanpath.error(wsa=10061).hex().endswith("a2040202274d")
    assert rdcleanpath.error(tls_alert=42).hex().endswith("a30302012a")


def test_frames_are_cut_at_any_split():
    stream = x224_data(b"one") + b"\x00\x05abc" + b"\x00\x80\x06xyz" + tpkt(b"\x02\xf0\x80two")
    whole = FrameBuffer().feed(stream)
    assert len(whole) == 4
    for split in range(len(stream)):
        frames = FrameBuffer()
        assert frames.feed(stream[:split]) + frames.feed(stream[split:]) == whole
        assert len(frames) == 0


@pytest.mark.parametrize(
    "start", [b"\x03\x01\x00\x10", b"\x03\x00\x00\x04", b"\x16\x03\x01", b"\x00\x02", b"\x00\x80\x03"]
)
def test_a_lost_framing_is_malformed(start):
    with pytest.raises(MalformedPdu):
        FrameBuffer().feed(start)


def test_the_handshake_budget_counts_bytes_and_packets():
    with pytest.raises(TooMuchData):
        HandshakeBudget(max_bytes=10).spend(11)
    budget = HandshakeBudget(max_pdus=1)
    budget.spend(1)
    with pytest.raises(TooMuchData):
        budget.spend(1)


def preconnection(text, terminators=1):
    raw = (text + "\0" * terminators).encode("utf-16-le")
    return struct.pack("<IIIIH", 18 + len(raw), 0, 2, 0, len(raw) // 2) + raw


@pytest.mark.parametrize("terminators", [0, 1, 2])
def test_the_preconnection_blob_is_the_token(terminators):
    head = preconnection("tok", terminators) + negotiation.connection_request(Security.TLS)
    for length in range(len(head)):
        assert not native.head_is_complete(head[:length])
    assert native.head_is_complete(head)
    token, asked = native.parse_head(head)
    assert (token, asked.requested) == ("tok", Security.TLS)


def test_the_largest_preconnection_is_8192_bytes():
    assert negotiation.preconnection_length((8192).to_bytes(4, "little")) == 8192
    with pytest.raises(TooMuchData):
        negotiation.preconnection_length((8193).to_bytes(4, "little"))


@pytest.mark.parametrize("at", [4, 8, 16])
def test_another_preconnection_header_is_malformed(at):
    pdu = bytearray(preconnection("tok"))
    pdu[at] ^= 1
    with pytest.raises(MalformedPdu):
        negotiation.parse_preconnection(bytes(pdu))


def test_only_our_own_cookie_is_a_token():
    def request(cookie):
        body = b"\xe0\0\0\0\0\0" + cookie + b"\r\n" + struct.pack("<BBHI", 1, 0, 8, 1)
        return struct.pack(">BBHB", 3, 0, 5 + len(body), len(body)) + body

    assert negotiation.parse_connection_request(request(b"Cookie: lbx=abc.def")).token == "abc.def"
    assert negotiation.parse_connection_request(request(b"Cookie: mstshash=abc")).token == ""
    assert negotiation.parse_connection_request(request(b"Cookie: lbx=a b")).token == ""


def test_standard_rdp_security_is_refused_in_a_confirm():
    assert negotiation.parse_connection_confirm(negotiation.connection_confirm(Security.TLS)) is Security.TLS
    with pytest.raises(MalformedPdu):
        negotiation.parse_connection_confirm(negotiation.connection_confirm(Security(0)))
    with pytest.raises(MalformedPdu):
        negotiation.parse_connection_confirm(bytes.fromhex("0300000b06d00000123400"))
    failure = negotiation.negotiation_failure(negotiation.Failure.HYBRID_REQUIRED)
    assert negotiation.parse_connection_confirm(failure) == 5


CORE = b"\x01\xc0\xd8\x00" + bytes(range(136))


def offer(*names):
    channels = tuple(gcc.StaticChannel(name=name, options=0xC0C00000) for name in names)
    return gcc.ClientOffer(core=CORE, channels=channels)


def test_what_crosses_from_a_connect_initial_is_core_and_granted_channels():
    asked = offer("cliprdr", "rdpdr", "drdynvc", "rdpsnd", "strange")
    wire = gcc.connect_initial(asked, channels=asked.channels, selected=Security.TLS)
    read = gcc.parse_connect_initial(wire)
    assert read.core[4:] == CORE[4:]
    assert [channel.name for channel in read.channels] == [channel.name for channel in asked.channels]
    granted = gcc.allowed_channels(read.channels, ("clipboard", "sound"))
    assert [channel.name for channel in granted] == ["cliprdr", "rdpsnd"]
    assert gcc.allowed_channels(read.channels, ()) == ()
    assert gcc.allowed_channels(read.channels, ("drdynvc", "strange")) == ()


@pytest.mark.parametrize("selected", [Security.TLS, Security.CREDSSP])
def test_core_data_asks_for_remotefx_and_names_the_selected_protocol(selected):
    wire = gcc.connect_initial(offer(), channels=(), selected=selected)
    core = wire[wire.index(b"Duca") + 6 :]
    assert struct.unpack_from("<HH", core) == (0xC001, 216)
    high, supported, early = struct.unpack_from("<HHH", core, 140)
    assert (high, supported & 8, early & 2, early & 0x100) == (24, 8, 2, 0)
    assert core[210] == 6
    assert struct.unpack_from("<I", core, 212)[0] == selected
    assert b"\x03\xc0" not in core[216:]  # no channel, no network block


def test_channels_are_never_compressed():
    wire = gcc.connect_initial(offer("cliprdr"), channels=offer("cliprdr").channels, selected=Security.TLS)
    assert gcc.parse_connect_initial(wire).channels[0].options == 0xC0000000


@pytest.mark.parametrize("count", [0, 1, 2, 31])
def test_a_connect_response_round_trips(count):
    server = gcc.ServerOffer(io_channel=1003, channels=tuple(range(1004, 1004 + count)))
    assert gcc.parse_connect_response(gcc.connect_response(server, requested_raw=0x0B)) == server


def test_server_encryption_is_refused():
    wire = bytearray(gcc.connect_response(gcc.ServerOffer(io_channel=1003, channels=()), requested_raw=1))
    wire[-8] = 2
    with pytest.raises(MalformedPdu):
        gcc.parse_connect_response(bytes(wire))


def test_a_data_packet_round_trips():
    packet = mcs.send_request(b"payload" * 40, initiator=1007, channel=1004)
    data = mcs.parse_data(mcs_of(packet), kind=mcs.SEND_REQUEST)
    assert (data.initiator, data.channel, data.payload) == (1007, 1004, b"payload" * 40)
    assert mcs.DISCONNECT.hex() == "0300000902f0802080"


def test_bytes_behind_a_data_packets_payload_are_refused():
    with pytest.raises(MalformedPdu, match="bytes after"):
        mcs.parse_data(mcs_of(mcs.send_request(b"x", initiator=1007, channel=1004)) + b"y", kind=mcs.SEND_REQUEST)


ACCOUNT = Credential(username="vm-admin", password="päss", domain="CORP")


def test_the_injected_client_info_holds_the_account_and_autologon_without_compression():
    info = client_info.client_info(ACCOUNT, sound=False)
    assert client_info.is_client_info(info)
    flags = struct.unpack_from("<I", info, 8)[0]
    assert flags & 0x8
    assert not flags & (0x80 | 0x1E00 | 0x8000)
    assert flags & 0x80000
    assert not struct.unpack_from("<I", client_info.client_info(ACCOUNT, sound=True), 8)[0] & 0x80000
    for text in ("CORP", "vm-admin", "päss"):
        assert text.encode("utf-16-le") + b"\0\0" in info


def test_the_one_time_password_is_compared_by_digest():
    info = client_info.client_info(ACCOUNT, sound=False)
    assert client_info.password_matches(info, password_sha256=hashlib.sha256("päss".encode()).hexdigest())
    assert not client_info.password_matches(info, password_sha256=hashlib.sha256(b"pass").hexdigest())


def test_an_account_that_does_not_fit_is_refused():
    with pytest.raises(MalformedPdu):
        client_info.client_info(Credential(username="u", password="p" * 256), sound=False)


def capability(kind, body):
    return struct.pack("<HH", kind, 4 + len(body)) + body


def confirm_active(*sets):
    combined = struct.pack("<HH", len(sets), 0) + b"".join(sets)
    rest = struct.pack("<IHHH", 0x103EA, 0x3EA, 6, len(combined)) + b"MSTSC\0" + combined
    return struct.pack("<HHH", 6 + len(rest), 0x13, 1007) + rest


REMOTEFX = bytes.fromhex("122f777672bd6344afb3b73c9c6f7886")
NSCODEC = bytes.fromhex("b91b8dca0f004f15589fae2d1a87e2d6")


def test_confirm_active_is_downgraded_to_what_the_replay_draws():
    ones = b"\xff"
    codecs = b"\x02" + NSCODEC + b"\x01\x03\x00abc" + REMOTEFX + b"\x03\x02\x00xy"
    payload = confirm_active(
        capability(1, ones * 20),
        capability(3, ones * 84),
        capability(16, ones * 48),
        capability(17, ones * 8),
        capability(19, ones * 36),
        capability(29, codecs),
    )
    assert share.control_type(payload) == share.CONFIRM_ACTIVE
    assert share.share_id(payload) == 0x103EA
    done = share.downgraded_confirm_active(payload)
    wanted_order = ones * 32 + bytes(32) + ones * 2 + bytes(2) + ones * 16
    wanted = confirm_active(
        capability(1, ones * 20),
        capability(3, wanted_order),
        capability(16, ones * 44 + bytes(2) + ones * 2),
        capability(17, bytes(8)),
        capability(19, bytes(36)),
        capability(29, b"\x01" + REMOTEFX + b"\x03\x02\x00xy"),
    )
    assert done == wanted
    assert share.downgraded_confirm_active(done) == done


def test_licensing_is_told_by_flags_and_size():
    wire = bytes.fromhex("80000000ff031000070000000200000004000000")
    assert share.license_message(wire) == 0xFF
    assert share.license_message(bytes.fromhex("80021000ff021000070000000200000028140000")) == 0xFF  # as xrdp writes it
    assert share.license_message(wire + b"x") is None
    with pytest.raises(MalformedPdu):
        share.share_pdus(wire)


def test_the_error_info_is_a_data_pdu_of_its_kind():
    pdu = share.error_info(share=0x103EA, source=1002)
    assert share.data_type(pdu) == 47
    assert struct.unpack_from("<H", pdu)[0] == len(pdu)
    assert share.data_type(share.refresh_rect(share=1, source=1007, width=1024, height=768)) == 33


def test_credssp_refuses_an_error_code_an_old_version_and_a_missing_key():
    client = credssp.CredSspClient(ACCOUNT, hostname="vm", certificate=SELF_SIGNED)
    first = client.negotiate()
    assert rdcleanpath.der_length(first) == len(first)
    for reply in (
        credssp._TSRequest({"version": 6, "errorCode": 5}).dump(),
        credssp._TSRequest({"version": 4, "negoTokens": [{"negoToken": b"x"}]}).dump(),
        credssp._TSRequest({"version": 6, "negoTokens": [{"negoToken": b"not ntlm"}]}).dump(),
        credssp._TSRequest({"version": 6}).dump(),
        b"\x30\x03abc",
    ):
        with pytest.raises(RdpEnd):
            client.authenticate(reply)
    with pytest.raises(RdpEnd):
        client.delegate(credssp._TSRequest({"version": 6}).dump())


def test_the_rdp_file_points_at_the_gateway_and_redirects_nothing():
    text = render_rdp_file("gateway.example", 3390, "abc.def", "vm\r\nalternate shell:s:evil")
    lines = text.split("\r\n")
    assert "full address:s:gateway.example:3390" in lines
    assert "pcb:s:abc.def" in lines
    assert "enablecredsspsupport:i:0" in lines
    assert "redirectclipboard:i:0" in lines
    assert not [line for line in lines if line.startswith("alternate shell")]
    assert "full address:s:[::1]:3390" in render_rdp_file("::1", 3390, "t", "vm")


@pytest.mark.parametrize("host, token", [("", "t"), ("h", ""), ("h\r\nx", "t"), ("h", "t\n"), ("h", "a b")])
def test_a_value_that_breaks_its_line_is_refused(host, token):
    with pytest.raises(ValueError, match="printable"):
        render_rdp_file(host, 1, token, "vm")


def _self_signed():
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vm")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(day).not_valid_after(day + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


SELF_SIGNED = _self_signed()


def test_the_public_key_is_the_content_of_its_bit_string():
    key = credssp.subject_public_key(SELF_SIGNED)
    assert (len(key), key[0]) == (65, 4)  # an uncompressed point
    with pytest.raises(MalformedPdu):
        credssp.subject_public_key(b"\x30\x00")

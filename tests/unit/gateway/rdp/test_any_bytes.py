"""Whatever bytes come, a parser returns or raises an `RdpEnd`; never another exception."""

import contextlib
import struct
from datetime import UTC, datetime

import pytest
from asn1crypto import keys, x509
from hypothesis import given
from hypothesis import strategies as st

from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp import client_info, credssp, gcc, mcs, native, negotiation, rdcleanpath, share
from openlockbox.gateway.rdp.ends import RdpEnd
from openlockbox.gateway.rdp.framing import FrameBuffer, kind_of, mcs_of, x224_data
from openlockbox.gateway.rdp.negotiation import Security

_OFFER = gcc.ClientOffer(
    core=b"\x01\xc0\xd8\x00" + bytes(136), channels=(gcc.StaticChannel(name="cliprdr", options=0),)
)
_ACCOUNT = Credential(username="u", password="p")


def _ntlm_challenge():
    """Write an NTLM challenge that the client takes."""
    flags = 0xE28A8235
    name = "VM".encode("utf-16-le")
    info = struct.pack("<HH", 2, len(name)) + name + struct.pack("<HH", 7, 8) + bytes(8) + bytes(4)
    head = b"NTLMSSP\0" + struct.pack("<IHHII", 2, len(name), len(name), 56, flags) + bytes(range(8)) + bytes(8)
    return head + struct.pack("<HHI", len(info), len(info), 56 + len(name)) + bytes(8) + name + info


def _certificate():
    public = keys.PublicKeyInfo.wrap(b"\x30\x06\x02\x01\x01\x02\x01\x03", "rsa")
    empty = x509.Name.build({"common_name": "vm"})
    day = x509.Time({"utc_time": datetime(2026, 1, 1, tzinfo=UTC)})
    algorithm = {"algorithm": "sha256_rsa"}
    body = {
        "version": "v3",
        "serial_number": 1,
        "signature": algorithm,
        "issuer": empty,
        "validity": {"not_before": day, "not_after": day},
        "subject": empty,
        "subject_public_key_info": public,
    }
    return x509.Certificate({"tbs_certificate": body, "signature_algorithm": algorithm, "signature_value": b"s"}).dump()


_CERTIFICATE = _certificate()
VALID = {
    "challenge": _ntlm_challenge(),
    "certificate": _CERTIFICATE,
    "request": rdcleanpath._dump({"version": 3390, "proxy_auth": "token", "x224_connection_pdu": b"cr"}),
    "connection_request": negotiation.connection_request(Security.TLS),
    "confirm": negotiation.connection_confirm(Security.TLS),
    "initial": gcc.connect_initial(_OFFER, channels=_OFFER.channels, selected=Security.TLS),
    "response": gcc.connect_response(gcc.ServerOffer(io_channel=1003, channels=(1004,)), requested_raw=1),
    "info": client_info.client_info(Credential(username="u", password="p"), sound=False),
    "data": mcs_of(mcs.send_request(b"payload", initiator=1004, channel=1003)),
    "confirm_active": bytes.fromhex(
        "2c001300ef03ea030100ea0306001a004d5354534300020000001d0017000100000000000000000000000000000000010000"
    ),
    "tsrequest": bytes(credssp._TSRequest({"version": 6, "negoTokens": [{"negoToken": b"NTLMSSP"}]}).dump()),
    "head": b"\x18\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0t\0o\0\0\0" + negotiation.connection_request(Security.TLS),
    "attach": x224_data(mcs.attach_confirm(1004)),
}


def _frames(data):
    for packet in FrameBuffer().feed(data):
        kind_of(packet)
        mcs_of(packet)


def _head(data):
    if native.head_is_complete(data):
        native.parse_head(data)


def _challenge(data):
    client = credssp.CredSspClient(_ACCOUNT, hostname="vm", certificate=_CERTIFICATE)
    client.negotiate()
    reply = bytes(credssp._TSRequest({"version": 6, "negoTokens": [{"negoToken": data}]}).dump())
    client.delegate(credssp._TSRequest.load(client.authenticate(reply)).dump())


PARSERS = {
    "frames": (_frames, "attach"),
    "head": (_head, "head"),
    "parse_head": (native.parse_head, "head"),
    "preconnection": (negotiation.parse_preconnection, "head"),
    "connection_request": (negotiation.parse_connection_request, "connection_request"),
    "confirm": (negotiation.parse_connection_confirm, "confirm"),
    "der_length": (rdcleanpath.der_length, "request"),
    "request": (rdcleanpath.parse_request, "request"),
    "initial": (gcc.parse_connect_initial, "initial"),
    "response": (gcc.parse_connect_response, "response"),
    "info": (lambda data: client_info.password_matches(data, password_sha256="0"), "info"),
    "challenge": (_challenge, "challenge"),
    "is_info": (client_info.is_client_info, "info"),
    "data": (lambda data: mcs.parse_data(data, kind=mcs.SEND_REQUEST), "data"),
    "attach": (mcs.parse_attach_confirm, "attach"),
    "join": (mcs.parse_join_request, "attach"),
    "confirm_active": (share.downgraded_confirm_active, "confirm_active"),
    "share_pdus": (lambda data: [share.data_type(pdu) for pdu in share.share_pdus(data)], "confirm_active"),
    "license": (share.license_message, "confirm_active"),
    "share_id": (share.share_id, "confirm_active"),
    "tsrequest": (credssp._parse, "tsrequest"),
    "certificate": (credssp.subject_public_key, "certificate"),
}


@st.composite
def mutated(draw, name):
    """Change, cut or add a few bytes of a valid packet."""
    data = bytearray(VALID[name])
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1)) if data else 0
        match draw(st.sampled_from(("change", "cut", "insert"))):
            case "change" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case _:
                data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_any_bytes_parse_or_raise_our_end(name, data):
    parse, valid = PARSERS[name]
    packet = data.draw(st.one_of(st.binary(min_size=1, max_size=300), mutated(valid).filter(bool)))
    with contextlib.suppress(RdpEnd):
        parse(packet)


def test_the_valid_challenge_is_one():
    client = credssp.CredSspClient(_ACCOUNT, hostname="vm", certificate=_CERTIFICATE)
    client.negotiate()
    reply = bytes(credssp._TSRequest({"version": 6, "negoTokens": [{"negoToken": VALID["challenge"]}]}).dump())
    assert client.authenticate(reply)

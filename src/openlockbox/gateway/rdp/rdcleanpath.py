"""RDCleanPath, the envelope in which a browser's RDP starts over a WebSocket. DER by asn1crypto; a bounded, pure codec."""

from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import core

from openlockbox.gateway.rdp.ends import MalformedPdu, TooMuchData

VERSION: Final = 3390
MAX_REQUEST: Final = 16 * 1024  # a token of ours is below 1 KiB, an X.224 request below 8 KiB
GENERAL_ERROR: Final = 1
_SEQUENCE: Final = 0x30


def _explicit(tag: int) -> dict[str, Any]:  # asn1crypto's field options are untyped
    return {"explicit": tag, "optional": True}


class _Error(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012
        ("error_code", core.Integer, {"explicit": 0}),
        ("http_status_code", core.Integer, _explicit(1)),
        ("wsa_last_error", core.Integer, _explicit(2)),
        ("tls_alert_code", core.Integer, _explicit(3)),
    ]


class _OctetStrings(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = core.OctetString


class _Pdu(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012
        ("version", core.Integer, {"explicit": 0}),
        ("error", _Error, _explicit(1)),
        ("destination", core.UTF8String, _explicit(2)),
        ("proxy_auth", core.UTF8String, _explicit(3)),
        ("server_auth", core.UTF8String, _explicit(4)),
        ("preconnection_blob", core.UTF8String, _explicit(5)),
        ("x224_connection_pdu", core.OctetString, _explicit(6)),
        ("server_cert_chain", _OctetStrings, _explicit(7)),
        ("server_addr", core.UTF8String, _explicit(9)),  # 9, not 8
    ]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CleanPathRequest:
    """What the browser asks. Its `destination` is read by nobody and therefore not here; no repr, because of the token."""

    token: str
    x224: bytes


def der_length(head: bytes | bytearray) -> int | None:
    """Tell the whole length of the DER SEQUENCE that starts here, or None while its header is incomplete.

    Raises:
        MalformedPdu: not a SEQUENCE, or an indefinite or non-minimal length.
        TooMuchData: longer than `MAX_REQUEST`.
    """
    if not head:
        return None
    if head[0] != _SEQUENCE:
        raise MalformedPdu("not a der sequence")
    if len(head) < 2:  # noqa: PLR2004
        return None
    first = head[1]
    if first < 0x80:  # noqa: PLR2004
        return 2 + first
    count = first & 0x7F
    if count == 0:
        raise MalformedPdu("indefinite der length")
    if count > 3:  # noqa: PLR2004
        raise TooMuchData("der length")
    if len(head) < 2 + count:
        return None
    length = int.from_bytes(head[2 : 2 + count], "big")
    if length < 0x80 or length >> (8 * (count - 1)) == 0:  # noqa: PLR2004
        raise MalformedPdu("non-minimal der length")
    if length > MAX_REQUEST:
        raise TooMuchData("der length")
    return 2 + count + length


def parse_request(der: bytes) -> CleanPathRequest:
    """Read a complete request.

    Raises:
        MalformedPdu: not RDCleanPath version 3390 with a token and an X.224 request.
    """
    try:
        pdu = _Pdu.load(der, strict=True)
        version, token, x224 = pdu["version"].native, pdu["proxy_auth"].native, pdu["x224_connection_pdu"].native
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise MalformedPdu("rdcleanpath request") from error
    if version != VERSION or not isinstance(token, str) or not isinstance(x224, bytes):
        raise MalformedPdu("rdcleanpath request")
    return CleanPathRequest(token=token, x224=x224)


def response(*, x224: bytes, certificate: bytes, server_addr: str) -> bytes:
    """Build the answer after which plain RDP flows."""
    return _dump(
        {
            "version": VERSION,
            "x224_connection_pdu": x224,
            "server_cert_chain": [certificate],
            "server_addr": server_addr,
        }
    )


def error(*, http: int | None = None, wsa: int | None = None, tls_alert: int | None = None) -> bytes:
    """Build a refusal; at most one of the codes is set, and IronRDP words it for the person."""
    codes = {"http_status_code": http, "wsa_last_error": wsa, "tls_alert_code": tls_alert}
    told = {name: code for name, code in codes.items() if code is not None}
    return _dump({"version": VERSION, "error": {"error_code": GENERAL_ERROR, **told}})


def _dump(fields: dict[str, Any]) -> bytes:  # asn1crypto's constructor is untyped
    return bytes(_Pdu(fields).dump())

"""Asks an RDP server for its certificate, for the operator to compare. Trusts nothing that it sees."""

import socket
import ssl
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from openlockbox.config import Address

ANSWER_SECONDS: Final = 10
# X.224 connection request that offers TLS and CredSSP (MS-RDPBCGR 2.2.1.1); either begins with TLS.
REQUEST: Final = bytes.fromhex("030000130ee000000000000100080003000000")
CONFIRM: Final = 19  # bytes of a connection confirm with a negotiation response
RESPONSE: Final = 2  # its type, at offset 11; a failure has 3


class NoCertificate(Exception):
    """The target does not answer like an RDP server with TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What the target showed."""

    der: bytes
    subject: str
    not_after: str


def presented_certificate(target: Address) -> Presented:
    """Connect as an RDP client would and return the certificate.

    Raises:
        NoCertificate: nobody answers, or not like this.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((target.host, target.port), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(REQUEST)
            answer = connection.recv(64)
            if len(answer) < CONFIRM or answer[11] != RESPONSE:
                raise NoCertificate(f"{target} is no RDP server that offers TLS")
            with context.wrap_socket(connection) as tls:
                der = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise NoCertificate(f"{target}: {error}") from error
    if der is None:
        raise NoCertificate(f"{target} shows no certificate")
    certificate = x509.load_der_x509_certificate(der)
    return Presented(
        der=der,
        subject=certificate.subject.rfc4514_string(),
        not_after=certificate.not_valid_after_utc.date().isoformat(),
    )

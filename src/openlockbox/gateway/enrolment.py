"""Enrolment: a gateway makes its keys, proves nothing but a one-time code, and keeps whom it trusts from then on."""

import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from openlockbox.gateway.control_plane import ControlPlaneUnavailable, read_answer
from openlockbox.gateway.private_files import (
    make_private_directory,
    read_private,
    write_private,
    write_private_json,
)
from openlockbox.gateway.recording import KEY_BYTES
from openlockbox.gateway.settings import GatewaySettings, StateFiles
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.grants.trust import TrustBundle, decode_trust, parse_trust, trust_text

ENROL_TIME: Final = timedelta(seconds=15)
CERTIFICATE_LIFE: Final = timedelta(days=3650)  # pinned by digest, so its dates carry no trust
_RSA_BITS: Final = 2048  # what every RDP client takes
_FORMAT: Final = 1


class AlreadyEnrolled(Exception):
    """The state directory belongs to an enrolled gateway. A new one starts with an empty directory."""


class NotEnrolled(Exception):
    """There is no enrolled gateway in the state directory, or its files cannot be read as such."""


class EnrolmentAnswerWrong(Exception):
    """The control plane's answer holds no gateway id or no usable trust bundle."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identity:
    """Who this gateway is and whom it trusts. Has no repr: it holds keys."""

    gateway_id: str
    signer: Ed25519Signer
    recording_key: bytes
    trust: TrustBundle


def enrol(settings: GatewaySettings, code: str, *, now: datetime) -> str:
    """Enrol with a one-time code and return the gateway's id. Keys made by a failed try are used again.

    What comes back over this one call is trusted from then on: the operator compares the trust bundle's key ids with
    those that `lockbox keys` shows at the control plane.

    Raises:
        AlreadyEnrolled: the directory belongs to an enrolled gateway.
        ControlPlaneRefused, ControlPlaneUnavailable: the code is wrong or used up; no answer.
        EnrolmentAnswerWrong: see there.
        UnsafeFile: others may enter the state directory.
    """
    files = settings.files
    for directory in (files.root, files.recordings, files.journal, files.secrets):
        make_private_directory(directory)
    if files.identity.exists():
        raise AlreadyEnrolled(str(files.root))
    signer = _own_key(files.key)
    if not files.recording_key.exists():
        write_private(files.recording_key, secrets.token_bytes(KEY_BYTES))
    certificate = _own_certificate(files, settings.native_address, now)
    body = {
        "code": code,
        "public_key": encode_public_key(signer.public_key),
        "browser_url": settings.browser_url,
        "native_address": settings.native_address,
        "native_certificate_sha256": certificate,
    }
    gateway_id, trust = _ask(settings, body)
    write_private(files.trust, trust_text(trust).encode("utf-8"))
    # The identity comes last: it is what makes the directory an enrolled gateway's.
    write_private_json(files.identity, {"format": _FORMAT, "gateway_id": gateway_id})
    return gateway_id


def _ask(settings: GatewaySettings, body: Mapping[str, object]) -> tuple[str, TrustBundle]:
    url = settings.control_plane_url.rstrip("/") + "/gateway/v1/enrol"
    try:
        with httpx.Client(verify=tls_trust(settings), trust_env=False) as client:
            response = client.post(url, json=body, timeout=ENROL_TIME.total_seconds())
    except httpx.HTTPError as error:
        raise ControlPlaneUnavailable(type(error).__name__) from error
    try:
        fields = Fields(cast("Json", read_answer(response.status_code, response.content)), ("gateway_id", "trust"))
        return fields.name("gateway_id"), decode_trust(fields.value("trust"))
    except EnvelopeRefused as error:
        raise EnrolmentAnswerWrong(str(error)) from error


def tls_trust(settings: GatewaySettings) -> ssl.SSLContext:
    """Return how the control plane's certificate is checked: the system's authorities, or the private one that is set."""
    return ssl.create_default_context(cafile=settings.control_plane_ca)


def _own_key(path: Path) -> Ed25519Signer:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem)
    return _load_key(path)


def _load_key(path: Path) -> Ed25519Signer:
    key = load_pem_private_key(read_private(path), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise NotEnrolled(f"{path}: not an Ed25519 key")
    return Ed25519Signer(key)


def _own_certificate(files: StateFiles, native_address: str, now: datetime) -> str:
    """Make the native front's self-signed certificate, or keep the one that is there; return its digest."""
    if not files.tls_certificate.exists():
        key = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
        host = native_address.rpartition(":")[0] or native_address
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64] or "gateway")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + CERTIFICATE_LIFE)
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(files.tls_key, pem)
        write_private(files.tls_certificate, certificate.public_bytes(Encoding.PEM))
    certificate = x509.load_pem_x509_certificate(read_private(files.tls_certificate))
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def load_identity(files: StateFiles) -> Identity:
    """Read what enrolment left.

    Raises:
        NotEnrolled: it is not there, or not usable.
        UnsafeFile: others may read it.
    """
    try:
        make_private_directory(files.root)
        fields = Fields(cast("Json", json.loads(read_private(files.identity))), ("format", "gateway_id"))
        fields.format(_FORMAT)
        identity = Identity(
            gateway_id=fields.name("gateway_id"),
            signer=_load_key(files.key),
            recording_key=read_private(files.recording_key),
            trust=parse_trust(read_private(files.trust).decode("utf-8")),
        )
    except (FileNotFoundError, ValueError, EnvelopeRefused) as error:
        raise NotEnrolled(f"{files.root}: {error}") from error
    if len(identity.recording_key) != KEY_BYTES:
        raise NotEnrolled(f"{files.recording_key}: not {KEY_BYTES} bytes")
    return identity

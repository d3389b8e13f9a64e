"""The client side of CredSSP (MS-CSSP) with NTLM, as bytes in and bytes out. Its messages must never reach a recording."""

import hashlib
import hmac
import secrets
from typing import Any, Final

import spnego
from asn1crypto import core, x509

from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp.ends import MalformedPdu, TargetSignInRefused

VERSION: Final = 6
MIN_VERSION: Final = 5  # below, the public key is sent back without a nonce (CVE-2018-0886)
MAX_TSREQUEST: Final = 16 * 1024
_TO_SERVER: Final = b"CredSSP Client-To-Server Binding Hash\0"
_TO_CLIENT: Final = b"CredSSP Server-To-Client Binding Hash\0"
_PASSWORD: Final = 1
_MALFORMED: Final = (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError)


def _explicit(tag: int, *, optional: bool) -> dict[str, Any]:  # asn1crypto's field options are untyped
    return {"explicit": tag, "optional": True} if optional else {"explicit": tag}


class _NegoToken(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("negoToken", core.OctetString, _explicit(0, optional=False))]  # noqa: RUF012


class _NegoTokens(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = _NegoToken


class _TSRequest(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012
        ("version", core.Integer, _explicit(0, optional=False)),
        ("negoTokens", _NegoTokens, _explicit(1, optional=True)),
        ("authInfo", core.OctetString, _explicit(2, optional=True)),
        ("pubKeyAuth", core.OctetString, _explicit(3, optional=True)),
        ("errorCode", core.Integer, _explicit(4, optional=True)),
        ("clientNonce", core.OctetString, _explicit(5, optional=True)),
    ]


class _TSPasswordCreds(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012
        ("domainName", core.OctetString, _explicit(0, optional=False)),
        ("userName", core.OctetString, _explicit(1, optional=False)),
        ("password", core.OctetString, _explicit(2, optional=False)),
    ]


class _TSCredentials(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012
        ("credType", core.Integer, _explicit(0, optional=False)),
        ("credentials", core.OctetString, _explicit(1, optional=False)),
    ]


class CredSspClient:
    """Three messages out, two in: `negotiate`, `authenticate`, `delegate`. Use once, in that order."""

    def __init__(self, credential: Credential, *, hostname: str, certificate: bytes) -> None:
        self._credential = credential
        self._public_key = subject_public_key(certificate)
        self._nonce = secrets.token_bytes(32)
        user = f"{credential.domain}\\{credential.username}" if credential.domain else credential.username
        self._context = spnego.client(
            user,
            credential.password,
            hostname=hostname,
            service="TERMSRV",
            protocol="ntlm",
            options=spnego.NegotiateOptions.use_ntlm,
        )

    def negotiate(self) -> bytes:
        """Build the first TSRequest.

        Raises:
            TargetSignInRefused: NTLM cannot start with this account.
        """
        return self._request(negoTokens=[{"negoToken": self._step(None)}])

    def authenticate(self, reply: bytes) -> bytes:
        """Answer the server's challenge and bind to its public key.

        Raises:
            MalformedPdu: not a TSRequest with a token.
            TargetSignInRefused: the server refused, or is too old.
        """
        fields = _parse(reply)
        tokens = fields["negoTokens"]
        if not isinstance(tokens, list) or len(tokens) != 1:
            raise MalformedPdu("credssp challenge")
        token = self._step(bytes(tokens[0]["negoToken"]))
        bound = self._wrap(self._binding(_TO_SERVER))
        return self._request(negoTokens=[{"negoToken": token}], pubKeyAuth=bound, clientNonce=self._nonce)

    def delegate(self, reply: bytes) -> bytes:
        """Check that the server holds the key of this TLS connection and the account's secret, then hand over the account.

        Raises:
            MalformedPdu: not a TSRequest.
            TargetSignInRefused: the server refused, or could not prove it.
        """
        fields = _parse(reply)
        if not isinstance(fields["pubKeyAuth"], bytes):
            raise TargetSignInRefused("credssp without public key")
        try:
            shown = bytes(self._context.unwrap(fields["pubKeyAuth"]).data)
        except Exception as error:  # the target's bytes in pyspnego: struct.error and more
            raise TargetSignInRefused("credssp public key") from error
        if not hmac.compare_digest(shown, self._binding(_TO_CLIENT)):
            raise TargetSignInRefused("credssp public key")
        account = _TSPasswordCreds(
            {
                "domainName": self._credential.domain.encode("utf-16-le"),
                "userName": self._credential.username.encode("utf-16-le"),
                "password": self._credential.password.encode("utf-16-le"),
            }
        )
        return self._request(
            authInfo=self._wrap(_TSCredentials({"credType": _PASSWORD, "credentials": account.dump()}).dump())
        )

    def _binding(self, magic: bytes) -> bytes:
        return hashlib.sha256(magic + self._nonce + self._public_key).digest()

    def _step(self, token: bytes | None) -> bytes:
        try:
            answer = self._context.step(token)
        except Exception as error:  # the target's bytes in pyspnego: struct.error and more
            raise TargetSignInRefused("ntlm") from error
        if not answer:
            raise TargetSignInRefused("ntlm")
        return bytes(answer)

    def _wrap(self, data: bytes) -> bytes:
        try:
            return bytes(self._context.wrap(data).data)
        except Exception as error:  # the target's bytes in pyspnego: struct.error and more
            raise TargetSignInRefused("ntlm wrap") from error

    @staticmethod
    def _request(**fields: object) -> bytes:
        return bytes(_TSRequest({"version": VERSION, **fields}).dump())


def subject_public_key(certificate: bytes) -> bytes:
    """Cut SubjectPublicKey, without tag and unused-bits byte, out of a DER certificate.

    Raises:
        MalformedPdu: not a certificate.
    """
    try:
        info = x509.Certificate.load(certificate, strict=True)["tbs_certificate"]["subject_public_key_info"]
        return bytes(info["public_key"].contents[1:])
    except _MALFORMED as error:
        raise MalformedPdu("target certificate") from error


def _parse(der: bytes) -> dict[str, object]:
    try:
        request = _TSRequest.load(der, strict=True)
        fields: dict[str, object] = request.native
        fields = dict(fields)
    except _MALFORMED as error:
        raise MalformedPdu("tsrequest") from error
    if fields.get("errorCode") is not None:
        raise TargetSignInRefused("credssp error code")
    version = fields.get("version")
    if not isinstance(version, int) or version < MIN_VERSION:
        raise TargetSignInRefused("credssp version")
    return fields

"""WebAuthn over the `webauthn` library: what browsers are asked, and whether what they answer holds. Remembers nothing.

The library does not look at `crossOrigin`, so this module does. Decisions and rosters are verified by `openlockbox.grants`
alone, because the gateway needs that too; here are the portal's own ceremonies: enrolment, sign-in and step-up.
"""

import hashlib
import json
import secrets
import struct
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from openlockbox.domain.errors import PasskeyRefused
from openlockbox.domain.principal import Principal
from openlockbox.services.passkey_ports import NewPasskey, Passkey, Passkeys

ALGORITHMS: Final = [COSEAlgorithmIdentifier.ECDSA_SHA_256, COSEAlgorithmIdentifier.EDDSA]
CHALLENGE_LENGTH: Final = 32
TIMEOUT_MS: Final = 120_000  # a person looks for a key in a drawer
LONGEST_RESPONSE: Final = 16_384  # no attestation is asked for, so an honest one has about two thousand
LONGEST_ID: Final = 1_023  # bytes, by the specification
KEY_ID_LENGTH: Final = 16
RP_NAME: Final = "OpenLockbox"
_TRANSPORTS: Final = frozenset(t.value for t in AuthenticatorTransport)
# What parsers of foreign bytes raise besides the library's own: its CBOR reader lets several kinds through.
_MALFORMED: Final = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


class WebauthnPasskeys:
    """Implements `Passkeys`."""

    def __init__(self, rp_id: str, origins: Sequence[str]) -> None:
        self.rp_id = rp_id
        self.origins = tuple(origins)

    def registration_options(self, principal: Principal, exclude: Sequence[Passkey]) -> tuple[str, bytes]:
        """Ask for a new key, see `Passkeys.registration_options`."""
        challenge = secrets.token_bytes(CHALLENGE_LENGTH)
        options = generate_registration_options(
            rp_id=self.rp_id,
            rp_name=RP_NAME,
            # The same for each key of a person, and no name: authenticators hand it to whoever holds them.
            user_id=hashlib.sha256(b"openlockbox person 1\0" + principal.id.encode()).digest(),
            user_name=principal.mail,
            user_display_name=principal.name,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(exclude),
            supported_pub_key_algs=ALGORITHMS,
        )
        return options_to_json(options), challenge

    def authentication_options(self, allow: Sequence[Passkey]) -> tuple[str, bytes]:
        """Ask for one of these keys, see `Passkeys.authentication_options`."""
        challenge = secrets.token_bytes(CHALLENGE_LENGTH)
        options = generate_authentication_options(
            rp_id=self.rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=_descriptors(allow),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options), challenge

    def answered(self, response: str) -> tuple[str, bytes]:
        """Read what is claimed, see `Passkeys.answered`."""
        try:
            answer = _object(response)
            client_data = _object(base64url_to_bytes(answer["response"]["clientDataJSON"]).decode())
            credential_id, challenge = answer["id"], base64url_to_bytes(client_data["challenge"])
            if not isinstance(credential_id, str) or not 0 < len(base64url_to_bytes(credential_id)) <= LONGEST_ID:
                raise ValueError("credential id")
            if client_data.get("crossOrigin") not in {None, False} or "topOrigin" in client_data:
                raise ValueError("another site's page asked from within a frame")
        except _MALFORMED as error:
            raise PasskeyRefused from error
        return credential_id, challenge

    def verify_registration(self, response: str, challenge: bytes) -> NewPasskey:
        """Check a new key, see `Passkeys.verify_registration`."""
        self.answered(response)
        try:
            verified = verify_registration_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=list(self.origins),
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )
            spki = _spki(verified.credential_public_key)
            claimed = _object(response)["response"].get("transports") or []
        except _MALFORMED as error:
            raise PasskeyRefused from error
        return NewPasskey(
            credential_id=bytes_to_base64url(verified.credential_id),
            key_id=hashlib.sha256(spki).hexdigest()[:KEY_ID_LENGTH],
            public_key_spki=bytes_to_base64url(spki),
            cose=bytes_to_base64url(verified.credential_public_key),
            transports=tuple(sorted(t for t in _TRANSPORTS if isinstance(claimed, list) and t in claimed)),
            sign_count=verified.sign_count,
        )

    def verify_authentication(self, response: str, challenge: bytes, passkey: Passkey) -> int:
        """Check the use of a key, see `Passkeys.verify_authentication`."""
        credential_id, _ = self.answered(response)
        if credential_id != passkey.credential_id:
            raise PasskeyRefused
        try:
            return verify_authentication_response(
                credential=response,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=list(self.origins),
                credential_public_key=base64url_to_bytes(passkey.cose),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            ).new_sign_count
        except _MALFORMED as error:
            raise PasskeyRefused from error


def _object(text: str) -> dict[str, Any]:  # values are checked where they are used
    if len(text) > LONGEST_RESPONSE:
        raise ValueError("too long")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _spki(cose: bytes) -> bytes:
    key = decoded_public_key_to_cryptography(decode_credential_public_key(cose))
    is_p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    if not is_p256 and not isinstance(key, Ed25519PublicKey):
        raise ValueError("neither P-256 nor Ed25519")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(p.credential_id),
            transports=[AuthenticatorTransport(t) for t in p.transports] or None,
        )
        for p in passkeys
    ]


def _conforms(passkeys: WebauthnPasskeys) -> Passkeys:
    """Let mypy compare the class with the port."""
    return passkeys

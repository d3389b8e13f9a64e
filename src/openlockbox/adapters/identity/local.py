"""Local accounts: argon2id password and TOTP. Never says which part was wrong, and works as hard for names that do not exist."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from openlockbox.domain.errors import CodeRefused, InvalidInput, SignInFailed, Throttled
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.ports import Acceptance, LocalCredential, Presented, UnitOfWork

MINIMUM_PASSWORD: Final = 12  # characters
MAXIMUM_PASSWORD: Final = 1_024  # hashing costs time with the length
MAXIMUM_MAIL: Final = 320  # RFC 5321: 64 + "@" + 255
LONGEST_CODE: Final = 16  # six digits with gaps
WINDOW: Final = timedelta(minutes=15)
ATTEMPTS_PER_PAIR: Final = 10  # one name from one place: forgotten after a success
ATTEMPTS_PER_NAME: Final = (
    100  # from everywhere; 3 of 1,000,000 codes fit, so even these are worth 0.03 % to one who knows
)
# the password. Not fewer: a stranger must not be able to lock an approver out with ten wrong passwords.
ATTEMPTS_PER_SOURCE: Final = 100  # a whole office may sit behind one address
TOTP_STEP: Final = 30
TOTP_TOLERANCE: Final = 1  # steps before and after: clocks of telephones differ
KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 12
_IPV6_NETWORK: Final = 64  # who has one IPv6 address has all 2**64 of the network


def new_secret() -> str:
    """Make an unguessable secret of 256 bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return what is stored in place of a secret of full entropy. Passwords need more than this."""
    return hashlib.sha256(secret.encode()).hexdigest()


class LocalSignIn:
    """A `SignInMethod` over local accounts. Safe to share between threads."""

    def __init__(self, totp_key: bytes, *, issuer: str = "OpenLockbox", hasher: PasswordHasher | None = None) -> None:
        """Take the 32-byte key that encrypts TOTP secrets at rest; without it no stored secret can be read."""
        if len(totp_key) != KEY_LENGTH:
            raise ValueError(f"the TOTP key has {len(totp_key)} bytes, not {KEY_LENGTH}")
        self._cipher = AESGCM(totp_key)
        self._throttle_key = hmac.digest(totp_key, b"openlockbox throttle 1", "sha256")
        self._issuer = issuer
        self._hasher = hasher or PasswordHasher()
        # What unknown names are checked against, so that they cost the same. Nobody knows this password.
        self._nobody = self._credential(PrincipalId(""), new_secret(), pyotp.random_base32())

    def check_throttle(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> None:
        """Count the attempt, see `SignInMethod.check_throttle`."""
        network = _network(presented.source)
        for key, most in (
            (self._pair_key(presented.mail, network), ATTEMPTS_PER_PAIR),
            (self._key("name", _name(presented.mail)), ATTEMPTS_PER_NAME),
            (self._key("source", network), ATTEMPTS_PER_SOURCE),
        ):
            if uow.identity.count_attempt(key, at=now, window=WINDOW) > most:
                raise Throttled

    def examine(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> Acceptance:
        """Check password and code, see `SignInMethod.examine`."""
        principal = uow.principals.find_by_mail(_name(presented.mail))
        found = None if principal is None else uow.identity.find_credential(principal.id)
        credential = found or self._nobody
        # Every check runs before any answer: neither the order nor a missing part shows in the time.
        password_fits = self._password_fits(credential, presented.password)
        step = self._fitting_step(credential, presented.code, now)
        if principal is None or found is None or not password_fits or step is None:
            raise SignInFailed
        return partial(
            self._accept, examined=found, step=step, pair=self._pair_key(presented.mail, _network(presented.source))
        )

    def _accept(self, uow: UnitOfWork, *, examined: LocalCredential, step: int, pair: str) -> Principal:
        held = uow.identity.find_credential(examined.principal_id, lock=True)
        if held is None or held.password_hash != examined.password_hash or held.totp_secret != examined.totp_secret:
            raise SignInFailed  # the credentials were changed meanwhile
        if step <= held.totp_last_step:
            raise SignInFailed  # somebody else used the same code meanwhile
        principal = uow.principals.get(held.principal_id)
        if principal.state is not PrincipalState.ACTIVE:
            raise SignInFailed
        uow.identity.save_credential(replace(held, totp_last_step=step))
        uow.identity.forget_attempts(pair)
        return principal

    def examine_password(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> Acceptance:  # noqa: ARG002  the port's signature
        """Check the password, see `SignInMethod.examine_password`."""
        principal = uow.principals.find_by_mail(_name(presented.mail))
        found = None if principal is None else uow.identity.find_credential(principal.id)
        if not self._password_fits(found or self._nobody, presented.password) or found is None:
            raise SignInFailed
        return partial(self._accept_password, examined=found)

    def _accept_password(self, uow: UnitOfWork, *, examined: LocalCredential) -> Principal:
        held = uow.identity.find_credential(examined.principal_id, lock=True)
        if held is None or held.password_hash != examined.password_hash:
            raise SignInFailed  # the password was changed meanwhile
        principal = uow.principals.get(held.principal_id)
        if principal.state is not PrincipalState.ACTIVE:
            raise SignInFailed
        return principal

    def use_code(self, uow: UnitOfWork, principal: Principal, code: str, *, now: datetime) -> None:
        """Check a code, see `SignInMethod.use_code`."""
        held = uow.identity.find_credential(principal.id, lock=True)
        step = None if held is None else self._fitting_step(held, code, now)
        if held is None or step is None:
            raise CodeRefused
        uow.identity.save_credential(replace(held, totp_last_step=step))

    def forget_attempts(self, uow: UnitOfWork, presented: Presented) -> None:
        """Start counting afresh, see `SignInMethod.forget_attempts`."""
        uow.identity.forget_attempts(self._pair_key(presented.mail, _network(presented.source)))

    def enrol(self, uow: UnitOfWork, principal: Principal, *, password: str) -> str:
        """Set password and TOTP secret, see `SignInMethod.enrol`."""
        if not MINIMUM_PASSWORD <= len(_normal(password)) <= MAXIMUM_PASSWORD:
            raise InvalidInput(
                field="password", problem=f"it needs between {MINIMUM_PASSWORD} and {MAXIMUM_PASSWORD} characters"
            )
        if any(unicodedata.category(character) == "Cs" for character in password):
            raise InvalidInput(field="password", problem="it holds something that is no character")
        secret = pyotp.random_base32()
        uow.identity.save_credential(self._credential(principal.id, password, secret))
        uow.identity.remove_sign_ins_of(principal.id)
        uow.passkeys.remove_challenges_of(principal.id)
        return pyotp.TOTP(secret, interval=TOTP_STEP).provisioning_uri(name=principal.mail, issuer_name=self._issuer)

    def _credential(self, principal_id: PrincipalId, password: str, secret: str) -> LocalCredential:
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        # The principal's id is bound in: a secret copied to another account's row cannot be read there.
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), principal_id.encode())
        return LocalCredential(
            principal_id=principal_id,
            password_hash=self._hasher.hash(_normal(password)),
            totp_secret=base64.b64encode(sealed).decode(),
        )

    def _password_fits(self, credential: LocalCredential, password: str) -> bool:
        try:
            # A longer password than can be set is cut: it fits none, and costs no more than others.
            presented = _normal(password)[: MAXIMUM_PASSWORD + 1].encode(errors="replace")
            return self._hasher.verify(credential.password_hash, presented)
        except (VerificationError, InvalidHashError):
            return False

    def _fitting_step(self, credential: LocalCredential, code: str, now: datetime) -> int | None:
        totp = pyotp.TOTP(self._totp_secret(credential), interval=TOTP_STEP)
        current = int(now.timestamp()) // TOTP_STEP
        # A Japanese keyboard may write full-width digits; what is much longer than a code is none.
        presented = unicodedata.normalize("NFKC", code[:LONGEST_CODE]).replace(" ", "").encode(errors="replace")
        fitting = None
        for step in range(current - TOTP_TOLERANCE, current + TOTP_TOLERANCE + 1):
            same = hmac.compare_digest(totp.generate_otp(step).encode(), presented)
            if same and step > credential.totp_last_step:
                fitting = step
        return fitting

    def _totp_secret(self, credential: LocalCredential) -> str:
        try:
            sealed = base64.b64decode(credential.totp_secret, validate=True)
            nonce, text = sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:]
            return self._cipher.decrypt(nonce, text, credential.principal_id.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error):
            return pyotp.random_base32()  # unreadable: no code fits, and the caller learns no more than that

    def _pair_key(self, mail: str, network: str) -> str:
        return self._key("pair", f"{_name(mail)} {network}")

    def _key(self, kind: str, value: str) -> str:
        return hmac.digest(self._throttle_key, f"{kind}:{value}".encode(errors="replace"), "sha256").hex()


def _normal(password: str) -> str:
    # Keyboards compose the same letter in different ways; without this a Japanese password fits on one device only.
    return unicodedata.normalize("NFC", password)  # RFC 8265, OpaqueString


def _name(mail: str) -> str:
    return mail.strip().lower()[:MAXIMUM_MAIL]


def _network(source: str) -> str:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)

"""What the use cases need for passkeys and automation keys: the part of `ports` on the keys that people sign with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """What an authenticator made: id and key, both checked. Bytes are base64url without padding."""

    credential_id: str
    key_id: str  # first 16 hex digits of SHA-256 of the SPKI DER
    public_key_spki: str
    cose: str
    transports: tuple[str, ...]
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of one person. Removed ones stay, so that what they signed can still be named."""

    credential_id: str
    principal_id: PrincipalId
    key_id: str
    public_key_spki: str
    cose: str
    name: str
    transports: tuple[str, ...]
    sign_count: int
    created_at: datetime
    last_used_at: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationKey:
    """An Ed25519 key of a customer's automation (`public_key`: raw, base64url). It signs; it never signs anybody in."""

    key_id: str
    principal_id: PrincipalId
    public_key: str
    name: str
    created_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebauthnChallenge:
    """A challenge that was given out, by its SHA-256. Whoever answers it has passed what it was given out for."""

    challenge_sha256: str
    principal_id: PrincipalId
    purpose: str
    ends_at: datetime


class PasskeyStore(Protocol):
    """Passkeys, their challenges, automation keys."""

    def add(self, passkey: Passkey) -> None:
        """Add one; raises AlreadyExists for a credential that anybody has or had, NotFound without the principal."""

    def find(self, credential_id: str, *, lock: bool = False) -> Passkey | None:
        """Find one, removed or not."""

    def of_principal(self, principal_id: PrincipalId) -> Sequence[Passkey]:
        """Return those that are not removed, oldest first."""

    def save(self, passkey: Passkey) -> None:
        """Write name, use and removal; raises NotFound. Its owner and its key never change."""

    def add_challenge(self, challenge: WebauthnChallenge, *, at: datetime) -> None:
        """Note a challenge, and forget the principal's that ended by `at`."""

    def take_challenge(self, challenge_sha256: str, *, purpose: str, at: datetime) -> PrincipalId:
        """Use a challenge up and return whose it is: of two transactions that take it, one gets it.

        Raises:
            NotFound: never given out for this purpose, used already, or ended.
        """

    def remove_challenges_of(self, principal_id: PrincipalId) -> None:
        """Forget what was given out. Idempotent."""

    def add_automation_key(self, key: AutomationKey) -> None:
        """Add one; raises AlreadyExists for a key that anybody has or had, NotFound without the principal."""

    def automation_keys(self, principal_id: PrincipalId) -> Sequence[AutomationKey]:
        """Return those that are not removed, oldest first."""

    def remove_automation_key(self, key_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        """Remove one; raises NotFound where it is not this principal's or removed already."""


class Passkeys(Protocol):
    """WebAuthn. ES256 and Ed25519 only, user verification always, no attestation; remembers nothing."""

    rp_id: str
    origins: tuple[str, ...]

    def registration_options(self, principal: Principal, exclude: Sequence[Passkey]) -> tuple[str, bytes]:
        """Return what `navigator.credentials.create` is given, as JSON, and the fresh challenge in it."""

    def authentication_options(self, allow: Sequence[Passkey]) -> tuple[str, bytes]:
        """Return what `navigator.credentials.get` is given, as JSON, and the fresh challenge in it."""

    def answered(self, response: str) -> tuple[str, bytes]:
        """Return the credential id and the challenge that a response claims. Nothing is checked yet.

        Raises:
            PasskeyRefused: it cannot be read.
        """

    def verify_registration(self, response: str, challenge: bytes) -> NewPasskey:
        """Check an answer to `registration_options`.

        Raises:
            PasskeyRefused: another challenge, origin or site, no user verification, another kind of key.
        """

    def verify_authentication(self, response: str, challenge: bytes, passkey: Passkey) -> int:
        """Check an answer to `authentication_options` and return the authenticator's new count.

        Raises:
            PasskeyRefused: as above; another key's signature, or a count that does not go up.
        """

"""Passkeys, challenges and automation keys in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId
from openlockbox.services.passkey_ports import AutomationKey, Passkey, WebauthnChallenge
from openlockbox.testing.memory_tables import MemoryUnit, Shelf


class MemoryPasskeys:
    """Implements `PasskeyStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._passkeys: Shelf[Passkey] = Shelf(
            unit, "passkey", key=lambda p: p.credential_id, parents=[("principal", lambda p: p.principal_id)]
        )
        self._challenges: Shelf[WebauthnChallenge] = Shelf(
            unit,
            "webauthn_challenge",
            key=lambda c: c.challenge_sha256,
            parents=[("principal", lambda c: c.principal_id)],
        )
        self._keys: Shelf[AutomationKey] = Shelf(
            unit, "automation_key", key=lambda k: k.key_id, parents=[("principal", lambda k: k.principal_id)]
        )

    def add(self, passkey: Passkey) -> None:
        self._passkeys.add(passkey)

    def find(self, credential_id: str, *, lock: bool = False) -> Passkey | None:  # noqa: ARG002  one writer at a time
        return self._passkeys.find(credential_id)

    def of_principal(self, principal_id: PrincipalId) -> Sequence[Passkey]:
        return self._passkeys.where(
            lambda p: p.principal_id == principal_id and p.removed_at is None,
            by=lambda p: (p.created_at, p.credential_id),
        )

    def save(self, passkey: Passkey) -> None:
        stored = self._passkeys.get(passkey.credential_id)
        self._passkeys.save(
            replace(
                stored,
                name=passkey.name,
                transports=passkey.transports,
                sign_count=passkey.sign_count,
                last_used_at=passkey.last_used_at,
                removed_at=passkey.removed_at,
            )
        )

    def add_challenge(self, challenge: WebauthnChallenge, *, at: datetime) -> None:
        for old in self._challenges.all():
            if old.principal_id == challenge.principal_id and old.ends_at <= at:
                self._challenges.remove(old.challenge_sha256)
        self._challenges.add(challenge)

    def take_challenge(self, challenge_sha256: str, *, purpose: str, at: datetime) -> PrincipalId:
        found = self._challenges.find(challenge_sha256)
        if found is None or found.purpose != purpose or at >= found.ends_at:
            raise NotFound
        self._challenges.remove(challenge_sha256)
        return found.principal_id

    def remove_challenges_of(self, principal_id: PrincipalId) -> None:
        for challenge in self._challenges.all():
            if challenge.principal_id == principal_id:
                self._challenges.remove(challenge.challenge_sha256)

    def add_automation_key(self, key: AutomationKey) -> None:
        self._keys.add(key)

    def automation_keys(self, principal_id: PrincipalId) -> Sequence[AutomationKey]:
        return self._keys.where(
            lambda k: k.principal_id == principal_id and k.removed_at is None, by=lambda k: (k.created_at, k.key_id)
        )

    def remove_automation_key(self, key_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        key = self._keys.find(key_id)
        if key is None or key.principal_id != principal_id or key.removed_at is not None:
            raise NotFound
        self._keys.save(replace(key, removed_at=at))

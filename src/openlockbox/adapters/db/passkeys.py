"""Passkeys, their challenges and automation keys in rows. Challenges stand under their SHA-256; nothing here is a secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit, deleting
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId
from openlockbox.services.passkey_ports import AutomationKey, Passkey, WebauthnChallenge

_PASSKEY, _CHALLENGE, _KEY = t.passkey.c, t.webauthn_challenge.c, t.automation_key.c


def _passkey_row(passkey: Passkey) -> dict[str, Any]:
    return {
        "credential_id": passkey.credential_id,
        "principal_id": passkey.principal_id,
        "key_id": passkey.key_id,
        "public_key_spki": passkey.public_key_spki,
        "cose": passkey.cose,
        "name": passkey.name,
        "transports": passkey.transports,
        "sign_count": passkey.sign_count,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
        "removed_at": passkey.removed_at,
    }


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        credential_id=row.credential_id,
        principal_id=row.principal_id,
        key_id=row.key_id,
        public_key_spki=row.public_key_spki,
        cose=row.cose,
        name=row.name,
        transports=row.transports,
        sign_count=row.sign_count,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        removed_at=row.removed_at,
    )


def _challenge_row(challenge: WebauthnChallenge) -> dict[str, Any]:
    return {
        "challenge_sha256": challenge.challenge_sha256,
        "principal_id": challenge.principal_id,
        "purpose": challenge.purpose,
        "ends_at": challenge.ends_at,
    }


def _challenge(row: Row[Any]) -> WebauthnChallenge:
    return WebauthnChallenge(
        challenge_sha256=row.challenge_sha256,
        principal_id=row.principal_id,
        purpose=row.purpose,
        ends_at=row.ends_at,
    )


def _key_row(key: AutomationKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "principal_id": key.principal_id,
        "public_key": key.public_key,
        "name": key.name,
        "created_at": key.created_at,
        "removed_at": key.removed_at,
    }


def _key(row: Row[Any]) -> AutomationKey:
    return AutomationKey(
        key_id=row.key_id,
        principal_id=row.principal_id,
        public_key=row.public_key,
        name=row.name,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )


_PASSKEYS = Mapped(
    t.passkey,
    row_of=_passkey_row,
    value_of=_passkey,
    kept=frozenset({"principal_id", "key_id", "public_key_spki", "cose", "created_at"}),
)
_CHALLENGES = Mapped(t.webauthn_challenge, row_of=_challenge_row, value_of=_challenge)
_KEYS = Mapped(t.automation_key, row_of=_key_row, value_of=_key)

_OF_PRINCIPAL = (
    select(t.passkey)
    .where(_PASSKEY.principal_id == bindparam("principal_id"), _PASSKEY.removed_at.is_(None))
    .order_by(_PASSKEY.created_at, _PASSKEY.credential_id)
)
_FORGET_ENDED = delete(t.webauthn_challenge).where(
    _CHALLENGE.principal_id == bindparam("principal_id"), _CHALLENGE.ends_at <= bindparam("at")
)
_TAKE = deleting(t.webauthn_challenge, "challenge_sha256")
_FORGET_ALL = deleting(t.webauthn_challenge, "principal_id")
_AUTOMATION_KEYS = (
    select(t.automation_key)
    .where(_KEY.principal_id == bindparam("principal_id"), _KEY.removed_at.is_(None))
    .order_by(_KEY.created_at, _KEY.key_id)
)
_REMOVE_KEY = update(t.automation_key).where(
    _KEY.key_id == bindparam("named"), _KEY.principal_id == bindparam("owner"), _KEY.removed_at.is_(None)
)


class SqlPasskeys:
    """Implements `PasskeyStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, passkey: Passkey) -> None:
        _PASSKEYS.add(self._unit, passkey)

    def find(self, credential_id: str, *, lock: bool = False) -> Passkey | None:
        return _PASSKEYS.find(self._unit, credential_id, lock=lock)

    def of_principal(self, principal_id: PrincipalId) -> Sequence[Passkey]:
        return _PASSKEYS.list(self._unit, _OF_PRINCIPAL, principal_id=principal_id)

    def save(self, passkey: Passkey) -> None:
        _PASSKEYS.save(self._unit, passkey)

    def add_challenge(self, challenge: WebauthnChallenge, *, at: datetime) -> None:
        self._unit.write(_FORGET_ENDED, {"principal_id": challenge.principal_id, "at": at})
        _CHALLENGES.add(self._unit, challenge)

    def take_challenge(self, challenge_sha256: str, *, purpose: str, at: datetime) -> PrincipalId:
        found = _CHALLENGES.find(self._unit, challenge_sha256)
        if found is None or found.purpose != purpose or at >= found.ends_at:
            raise NotFound
        if self._unit.write(_TAKE, {"challenge_sha256": challenge_sha256}) != 1:
            raise NotFound  # another transaction was first
        return found.principal_id

    def remove_challenges_of(self, principal_id: PrincipalId) -> None:
        self._unit.write(_FORGET_ALL, {"principal_id": principal_id})

    def add_automation_key(self, key: AutomationKey) -> None:
        _KEYS.add(self._unit, key)

    def automation_keys(self, principal_id: PrincipalId) -> Sequence[AutomationKey]:
        return _KEYS.list(self._unit, _AUTOMATION_KEYS, principal_id=principal_id)

    def remove_automation_key(self, key_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        if self._unit.write(_REMOVE_KEY, {"named": key_id, "owner": principal_id, "removed_at": at}) != 1:
            raise NotFound

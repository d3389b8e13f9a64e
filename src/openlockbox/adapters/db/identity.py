"""What local sign-in keeps, in rows. Secrets arrive hashed or encrypted; this module never sees a clear one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Unit, deleting
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId
from openlockbox.services.ports import LocalCredential, PersonalToken, SignIn

ATTEMPTS_KEPT: Final = timedelta(days=1)  # no throttling window is longer; what is older is deleted in passing

_INSERTS = (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
_CREDENTIAL, _SIGN_IN, _TOKEN, _HEAD, _ATTEMPT = (
    t.local_credential.c,
    t.sign_in.c,
    t.personal_token.c,
    t.attempt_head.c,
    t.attempt.c,
)


_CREDENTIAL_FIELDS = ("password_hash", "totp_secret", "totp_last_step")
_FIND_CREDENTIAL = select(t.local_credential).where(_CREDENTIAL.principal_id == bindparam("principal_id"))
_LOCK_CREDENTIAL = _FIND_CREDENTIAL.with_for_update()
_SAVE_CREDENTIAL = {
    dialect: (statement := insert_(t.local_credential)).on_conflict_do_update(
        index_elements=[_CREDENTIAL.principal_id],
        set_={name: statement.excluded[name] for name in _CREDENTIAL_FIELDS},
    )
    for dialect, insert_ in _INSERTS
}
_ADD_SIGN_IN = insert(t.sign_in)
_FIND_SIGN_IN = select(t.sign_in).where(_SIGN_IN.token_sha256 == bindparam("token_sha256"))
_TOUCH_SIGN_IN = update(t.sign_in).where(_SIGN_IN.token_sha256 == bindparam("token_sha256_"))
_REMOVE_SIGN_IN = deleting(t.sign_in, "token_sha256")
_REMOVE_SIGN_INS = deleting(t.sign_in, "principal_id")
_ADD_TOKEN = insert(t.personal_token)
_FIND_TOKEN = select(t.personal_token).where(_TOKEN.token_sha256 == bindparam("token_sha256"))
_TOKENS = (
    select(t.personal_token)
    .where(_TOKEN.principal_id == bindparam("principal_id"))
    .order_by(_TOKEN.created_at.desc(), _TOKEN.id.desc())
)
_REVOKE_TOKEN = update(t.personal_token).where(
    _TOKEN.id == bindparam("token_id"), _TOKEN.principal_id == bindparam("owner")
)
_REVOKE_TOKENS = update(t.personal_token).where(_TOKEN.principal_id == bindparam("owner"), _TOKEN.revoked_at.is_(None))
# The head's row lock makes two attempts at the same moment see each other: counting alone would let both through.
_NEXT_ATTEMPT = {
    dialect: insert_(t.attempt_head)
    .values(key=bindparam("key"), number=1)
    .on_conflict_do_update(index_elements=[_HEAD.key], set_={"number": _HEAD.number + 1})
    .returning(_HEAD.number)
    for dialect, insert_ in _INSERTS
}
_ADD_ATTEMPT = insert(t.attempt)
_FORGET_OLD = delete(t.attempt).where(_ATTEMPT.key == bindparam("key"), _ATTEMPT.attempted_at <= bindparam("before"))
_COUNT = select(func.count().label("count")).where(
    _ATTEMPT.key == bindparam("key"),
    _ATTEMPT.attempted_at > bindparam("since"),
    _ATTEMPT.attempted_at <= bindparam("at"),
)
_FORGET_ATTEMPTS = deleting(t.attempt, "key")


def _credential(row: Row[Any]) -> LocalCredential:
    return LocalCredential(
        principal_id=row.principal_id,
        password_hash=row.password_hash,
        totp_secret=row.totp_secret,
        totp_last_step=row.totp_last_step,
    )


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        token_sha256=row.token_sha256,
        principal_id=row.principal_id,
        mfa_at=row.mfa_at,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ends_at=row.ends_at,
    )


def _token(row: Row[Any]) -> PersonalToken:
    return PersonalToken(
        id=row.id,
        token_sha256=row.token_sha256,
        principal_id=row.principal_id,
        name=row.name,
        scopes=row.scopes,
        mfa_at=row.mfa_at,
        created_at=row.created_at,
        ends_at=row.ends_at,
        revoked_at=row.revoked_at,
    )


class SqlIdentity:
    """Implements `IdentityStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def find_credential(self, principal_id: PrincipalId, *, lock: bool = False) -> LocalCredential | None:
        row = self._unit.row(_LOCK_CREDENTIAL if lock else _FIND_CREDENTIAL, principal_id=principal_id)
        return None if row is None else _credential(row)

    def save_credential(self, credential: LocalCredential) -> None:
        self._unit.write(
            _SAVE_CREDENTIAL[self._unit.connection.dialect.name],
            {
                "principal_id": credential.principal_id,
                "password_hash": credential.password_hash,
                "totp_secret": credential.totp_secret,
                "totp_last_step": credential.totp_last_step,
            },
        )

    def add_sign_in(self, sign_in: SignIn) -> None:
        self._unit.write(
            _ADD_SIGN_IN,
            {
                "token_sha256": sign_in.token_sha256,
                "principal_id": sign_in.principal_id,
                "mfa_at": sign_in.mfa_at,
                "created_at": sign_in.created_at,
                "last_seen_at": sign_in.last_seen_at,
                "ends_at": sign_in.ends_at,
            },
        )

    def find_sign_in(self, token_sha256: str) -> SignIn | None:
        row = self._unit.row(_FIND_SIGN_IN, token_sha256=token_sha256)
        return None if row is None else _sign_in(row)

    def touch_sign_in(self, token_sha256: str, *, at: datetime) -> None:
        if self._unit.write(_TOUCH_SIGN_IN, {"token_sha256_": token_sha256, "last_seen_at": at}) != 1:
            raise NotFound

    def step_up(self, token_sha256: str, *, at: datetime) -> None:
        if self._unit.write(_TOUCH_SIGN_IN, {"token_sha256_": token_sha256, "mfa_at": at}) != 1:
            raise NotFound

    def remove_sign_in(self, token_sha256: str) -> None:
        self._unit.write(_REMOVE_SIGN_IN, {"token_sha256": token_sha256})

    def remove_sign_ins_of(self, principal_id: PrincipalId) -> None:
        self._unit.write(_REMOVE_SIGN_INS, {"principal_id": principal_id})

    def add_token(self, token: PersonalToken) -> None:
        self._unit.write(
            _ADD_TOKEN,
            {
                "id": token.id,
                "token_sha256": token.token_sha256,
                "principal_id": token.principal_id,
                "name": token.name,
                "scopes": token.scopes,
                "mfa_at": token.mfa_at,
                "created_at": token.created_at,
                "ends_at": token.ends_at,
                "revoked_at": token.revoked_at,
            },
        )

    def find_token(self, token_sha256: str) -> PersonalToken | None:
        row = self._unit.row(_FIND_TOKEN, token_sha256=token_sha256)
        return None if row is None else _token(row)

    def tokens(self, principal_id: PrincipalId) -> Sequence[PersonalToken]:
        return [_token(row) for row in self._unit.rows(_TOKENS, principal_id=principal_id)]

    def revoke_token(self, token_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        if self._unit.write(_REVOKE_TOKEN, {"token_id": token_id, "owner": principal_id, "revoked_at": at}) != 1:
            raise NotFound

    def revoke_tokens_of(self, principal_id: PrincipalId, *, at: datetime) -> None:
        self._unit.write(_REVOKE_TOKENS, {"owner": principal_id, "revoked_at": at})

    def count_attempt(self, key: str, *, at: datetime, window: timedelta) -> int:
        number: int = self._unit.returned(_NEXT_ATTEMPT[self._unit.connection.dialect.name], {"key": key})
        self._unit.write(_ADD_ATTEMPT, {"key": key, "number": number, "attempted_at": at})
        self._unit.write(_FORGET_OLD, {"key": key, "before": at - max(window, ATTEMPTS_KEPT)})
        row = self._unit.row(_COUNT, key=key, since=at - window, at=at)
        return 0 if row is None else row[0]

    def forget_attempts(self, key: str) -> None:
        self._unit.write(_FORGET_ATTEMPTS, {"key": key})

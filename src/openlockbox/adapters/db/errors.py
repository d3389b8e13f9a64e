"""Constraint and trigger names become refusals here and nowhere else. What has no name here is a fault, not a refusal."""

import sqlite3
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, StatementError

from openlockbox.domain.errors import (
    AlreadyExists,
    ConcurrentUpdate,
    GrantNotUsable,
    IllegalTransition,
    LockboxError,
    NotFound,
)

BY_NAME: Final[dict[str, type[LockboxError]]] = {
    "already_exists": AlreadyExists,
    "illegal_transition": IllegalTransition,
    "grant_without_approval": GrantNotUsable,
    "fk_jit_request_transition": IllegalTransition,
    "fk_lockbox_request_transition": IllegalTransition,
    "fk_access_grant_transition": IllegalTransition,
    "fk_session_transition": IllegalTransition,
    "fk_access_lock_transition": IllegalTransition,
}
BY_SQLSTATE: Final[dict[str, type[LockboxError]]] = {
    "23505": AlreadyExists,  # unique_violation
    "23503": NotFound,  # foreign_key_violation: what the row belongs to does not exist
    "40001": ConcurrentUpdate,  # serialization_failure
    "40P01": ConcurrentUpdate,  # deadlock_detected
}
BY_SQLITE: Final[dict[str, type[LockboxError]]] = {
    "SQLITE_CONSTRAINT_UNIQUE": AlreadyExists,
    "SQLITE_CONSTRAINT_PRIMARYKEY": AlreadyExists,
    "SQLITE_CONSTRAINT_FOREIGNKEY": NotFound,
}
TRIGGER_PREFIX: Final = "lockbox: "  # SQLite's triggers can only give a message; PostgreSQL's name a constraint


def translate(error: StatementError) -> Exception:
    """Return the refusal that an error of the database means, or what is wrong with the value, or the error itself."""
    cause = error.orig
    if not isinstance(error, DBAPIError):
        return cause if isinstance(cause, ValueError) else error
    refusal: type[LockboxError] | None = None
    if isinstance(cause, psycopg.Error):
        refusal = BY_NAME.get(cause.diag.constraint_name or "") or BY_SQLSTATE.get(cause.sqlstate or "")
    elif isinstance(cause, sqlite3.Error):
        message = str(cause)
        if message.startswith(TRIGGER_PREFIX):
            refusal = BY_NAME.get(message.removeprefix(TRIGGER_PREFIX))
        else:
            refusal = BY_SQLITE.get(getattr(cause, "sqlite_errorname", ""))
    return error if refusal is None else refusal()

"""The gateway's own secrets, one JSON file each. The control plane knows their names only; nothing here logs a value."""

import json
import re
from pathlib import Path
from typing import Final, cast

from openlockbox.gateway.contract import ConnectionRefused, Credential
from openlockbox.gateway.private_files import (
    UnsafeFile,
    check_private,
    make_private_directory,
    read_private,
    write_private,
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)  # as in a grant's secret_ref; no slash, no "."
_SUFFIX: Final = ".json"
MAX_FIELD: Final = 255  # what Client Info holds
_FIELDS: Final = {"tenant", "username", "password", "domain"}


class SecretOfOtherTenant(ValueError):
    """The secret belongs to another tenant than the grant's."""


class SecretInvalid(ValueError):
    """A name or a value that a secret cannot have."""


def _path_of(directory: Path, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise SecretInvalid(
            "a secret's name is 1 to 64 of letters, digits, '.', '_', '-', beginning with one of the first"
        )
    return directory / f"{name}{_SUFFIX}"


def write_secret(directory: Path, name: str, credential: Credential, *, tenant_id: str) -> None:
    """Store or replace a secret of one tenant's machine; used by `lockbox gateway secret set`.

    Raises:
        SecretInvalid: the name, no tenant, or a value that is empty, too long or holds a NUL.
        UnsafeFile: others may enter the directory.
    """
    path = _path_of(directory, name)
    values = (credential.username, credential.password, credential.domain)
    if not credential.username or not credential.password or not tenant_id:
        raise SecretInvalid("a secret has a tenant, a user name and a password")
    if any(len(value) > MAX_FIELD or "\x00" in value for value in values):
        raise SecretInvalid(f"a value has at most {MAX_FIELD} characters and no NUL")
    make_private_directory(directory)
    document = {"tenant": tenant_id, "username": values[0], "password": values[1], "domain": values[2]}
    write_private(path, json.dumps(document).encode("utf-8"))


def list_secrets(directory: Path) -> list[str]:
    """Return the names, sorted."""
    return sorted(path.stem for path in directory.glob(f"*{_SUFFIX}") if not path.name.startswith("."))


def remove_secret(directory: Path, name: str) -> None:
    """Delete a secret.

    Raises:
        SecretInvalid: no such name can be.
        FileNotFoundError: there is none.
    """
    _path_of(directory, name).unlink()


def load_secret(directory: Path, name: str, *, tenant_id: str) -> Credential:
    """Read a secret for a grant of this tenant. Another tenant's is never handed out: a forged grant would take it elsewhere.

    Raises:
        ConnectionRefused: `secret_missing`: none, unreadable, malformed, or open to others; `secret_of_other_tenant`.
    """
    try:
        path = _path_of(directory, name)
        check_private(directory.stat(), directory)
        document = cast("object", json.loads(read_private(path)))
        if not isinstance(document, dict) or set(document) != _FIELDS:
            raise SecretInvalid("fields")
        username, password, domain = document["username"], document["password"], document["domain"]
        if not (isinstance(username, str) and isinstance(password, str) and isinstance(domain, str)):
            raise SecretInvalid("types")
        if document["tenant"] != tenant_id:
            raise SecretOfOtherTenant
    except (UnsafeFile, OSError, ValueError, RecursionError) as error:
        # No cause in the chain: a JSON error carries the document, and so the password.
        code = "secret_of_other_tenant" if isinstance(error, SecretOfOtherTenant) else "secret_missing"
        refused = ConnectionRefused(code, http_status=503)
        refused.add_note(type(error).__name__)
        raise refused from None
    return Credential(username=username, password=password, domain=domain)

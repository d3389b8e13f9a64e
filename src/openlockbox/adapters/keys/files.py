"""The provider's keys as files of the service's own account. A file that anybody else could read or write is refused.

One directory (0700) holds, each 0600: `<purpose>-<key id>.pem` (Ed25519 private keys, any number a purpose),
`<purpose>.current` (the id of the key that signs), `<name>.key` (32 random bytes) and `trust-version` (counts changes).
"""

import os
import secrets
import stat
from itertools import combinations
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from openlockbox.grants.keys import Ed25519Signer, Signer
from openlockbox.grants.trust import bundle_of, encode_trust

GRANTS: Final = "grants"
REVOCATIONS: Final = "revocations"
CHECKPOINTS: Final = "checkpoints"
PURPOSES: Final = (GRANTS, REVOCATIONS, CHECKPOINTS)
TOTP_SECRET: Final = "totp"  # noqa: S105  a name, not the secret
COOKIE_SECRET: Final = "cookie"  # noqa: S105  a name, not the secret
SECRETS: Final = (TOTP_SECRET, COOKIE_SECRET)
SECRET_LENGTH: Final = 32
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077
_LONGEST_FILE: Final = 65_536


class KeyFileRefused(Exception):
    """The keys cannot be used. The message names the file."""


class KeyFilePermission(KeyFileRefused):
    """Somebody else owns it, or could read or write it."""


class FileKeys:
    """`Keys` over one directory, read once: after a rotation the running processes have to be started again."""

    def __init__(self, directory: Path) -> None:
        """Load everything.

        Raises:
            KeyFilePermission: directory or file is not ours alone.
            KeyFileRefused: something is missing or not a key.
        """
        self._directory = directory
        _check_directory(directory)
        self._keys = {purpose: _load_keys(directory, purpose) for purpose in PURPOSES}
        self._current = {purpose: _read_text(directory / f"{purpose}.current") for purpose in PURPOSES}
        for purpose in PURPOSES:
            if self._current[purpose] not in self._keys[purpose]:
                raise KeyFileRefused(f"{directory / f'{purpose}.current'}: there is no key {self._current[purpose]!r}")
        for one, other in combinations(PURPOSES, 2):
            if self._keys[one].keys() & self._keys[other].keys():
                raise KeyFileRefused(f"{directory}: one key serves {one} and {other}")
        self._version = _load_version(directory)
        self._secrets = {name: _load_secret(directory / f"{name}.key") for name in SECRETS}

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make the directory with a first key for each purpose and the secrets, and load it.

        Raises:
            KeyFileRefused: there are keys already; they are never overwritten.
        """
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        directory.chmod(_DIRECTORY_MODE)
        _check_directory(directory)
        if any(directory.iterdir()):
            raise KeyFileRefused(f"{directory}: not empty; keys are never overwritten")
        for name in SECRETS:
            _write_new(directory / f"{name}.key", secrets.token_bytes(SECRET_LENGTH))
        _replace(directory / "trust-version", b"1\n")
        for purpose in PURPOSES:
            _replace(directory / f"{purpose}.current", f"{_new_key(directory, purpose)}\n".encode())
        return cls(directory)

    def signer(self, purpose: str) -> Signer:
        """Return the signer of the current key. Raises KeyError for an unknown purpose."""
        return self._keys[purpose][self._current[purpose]]

    def trust(self) -> dict[str, object]:
        """Return the trust bundle as JSON values: the public halves of all keys here, current or not."""
        bundle = bundle_of(
            version=self._version,
            grant_keys=[key.public_key for key in self._keys[GRANTS].values()],
            revocation_keys=[key.public_key for key in self._keys[REVOCATIONS].values()],
            checkpoint_keys=[key.public_key for key in self._keys[CHECKPOINTS].values()],
        )
        return dict(encode_trust(bundle))

    def secret(self, name: str) -> bytes:
        """Return a 32-byte secret, "totp" or "cookie". Raises KeyError for an unknown name."""
        return self._secrets[name]

    def key_ids(self, purpose: str) -> tuple[str, ...]:
        """Return the ids of all keys of a purpose, the current one first. Raises KeyError for an unknown purpose."""
        current = self._current[purpose]
        return (current, *sorted(self._keys[purpose].keys() - {current}))

    def add(self, purpose: str) -> str:
        """Rotation, step 1: make another key that is trusted but does not sign yet, and return its id.

        The gateways need the new bundle before step 2. Raises KeyError for an unknown purpose.
        """
        known = self._keys[purpose]
        self._publish()
        key_id = _new_key(self._directory, purpose)
        known[key_id] = _load_key(self._directory / f"{purpose}-{key_id}.pem")
        return key_id

    def promote(self, purpose: str, key_id: str) -> None:
        """Rotation, step 2: let this key sign from now on. The old one stays trusted.

        Raises:
            KeyFileRefused: there is no such key.
        """
        if key_id not in self._keys[purpose]:
            raise KeyFileRefused(f"{self._directory}: there is no key {key_id!r} for {purpose}")
        _replace(self._directory / f"{purpose}.current", f"{key_id}\n".encode())
        self._current[purpose] = key_id

    def retire(self, purpose: str, key_id: str) -> None:
        """Rotation, step 3, when all that the old key signed has ended: remove it, and the trust in it.

        Raises:
            KeyFileRefused: there is no such key, or it is the one that signs.
        """
        if key_id not in self._keys[purpose] or key_id == self._current[purpose]:
            raise KeyFileRefused(f"{self._directory}: {key_id!r} is not a key of {purpose} that could be retired")
        self._publish()
        (self._directory / f"{purpose}-{key_id}.pem").unlink()
        _sync(self._directory)
        del self._keys[purpose][key_id]

    def _publish(self) -> None:
        # Counted before the change: a crash in between leaves a higher number with the old keys, never an old number with new ones.
        _replace(self._directory / "trust-version", f"{self._version + 1}\n".encode())
        self._version += 1


def _check_directory(directory: Path) -> None:
    try:
        found = directory.lstat()
    except OSError as error:
        raise KeyFileRefused(f"{directory}: cannot be opened: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise KeyFileRefused(f"{directory}: not a directory")
    _check_owner(directory, found, wanted=_DIRECTORY_MODE)


def _check_owner(path: Path, found: os.stat_result, *, wanted: int) -> None:
    if found.st_uid != os.geteuid():
        raise KeyFilePermission(
            f"{path}: belongs to user {found.st_uid}, not to the user of this process ({os.geteuid()})"
        )
    if found.st_mode & _OTHERS:
        raise KeyFilePermission(f"{path}: mode {stat.S_IMODE(found.st_mode):04o} lets others in; make it {wanted:04o}")


def _read(path: Path) -> bytes:
    try:
        # What is checked is what is read: the open file, not a name that could be exchanged in between.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileRefused(f"{path}: cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileRefused(f"{path}: not a regular file")
        _check_owner(path, found, wanted=_FILE_MODE)
        return file.read(_LONGEST_FILE)


def _read_text(path: Path) -> str:
    return _read(path).decode("ascii", errors="replace").strip()


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _FILE_MODE)  # whatever the umask takes away
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    _sync(path.parent)


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_new(beside, data)
    beside.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_key(directory: Path, purpose: str) -> str:
    key = Ed25519PrivateKey.generate()
    key_id = Ed25519Signer(key).key_id
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(directory / f"{purpose}-{key_id}.pem", pem)
    return key_id


def _load_keys(directory: Path, purpose: str) -> dict[str, Ed25519Signer]:
    keys = {}
    for path in sorted(directory.glob(f"{purpose}-*.pem")):
        signer = _load_key(path)
        if path.name != f"{purpose}-{signer.key_id}.pem":
            raise KeyFileRefused(f"{path}: holds the key {signer.key_id}, which is not its name")
        keys[signer.key_id] = signer
    return keys


def _load_key(path: Path) -> Ed25519Signer:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileRefused(f"{path}: not a private key in PEM without a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileRefused(f"{path}: not an Ed25519 key")
    return Ed25519Signer(key)


def _load_secret(path: Path) -> bytes:
    data = _read(path)
    if len(data) != SECRET_LENGTH:
        raise KeyFileRefused(f"{path}: {len(data)} bytes, not {SECRET_LENGTH}")
    return data


def _load_version(directory: Path) -> int:
    path = directory / "trust-version"
    text = _read_text(path)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise KeyFileRefused(f"{path}: not a number")
    return int(text)

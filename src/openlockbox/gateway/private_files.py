"""Files that only the gateway's own account may read. A file that others could read or change is refused, never repaired."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_DIRECTORY: Final = 0o700
_OTHERS: Final = 0o077


class UnsafeFile(OSError):
    """Owner or permissions let somebody else in. `chmod 600` (700 for a directory) and `chown` mend it."""


def make_private_directory(path: Path) -> None:
    """Make a directory with mode 0700, and those above it that are missing, or check the one that is there.

    Raises:
        UnsafeFile: it belongs to another account, or others may enter.
    """
    for directory in (*reversed(path.parents), path):  # `parents=True` would leave the upper ones open to others
        directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    check_private(path.stat(), path)


def check_private(status: os.stat_result, path: Path) -> None:
    """Check owner and mode.

    Raises:
        UnsafeFile: it belongs to another account, or others may read, write or enter.
    """
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
        raise UnsafeFile(f"{path}: owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}")


def read_private(path: Path) -> bytes:
    """Read a private file, checking the very file that was opened and following no link.

    Raises:
        UnsafeFile: see `check_private`; also for what is no regular file.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFile(f"{path}: not a regular file")
        check_private(status, path)
        return file.read()


def write_private(path: Path, data: bytes) -> None:
    """Replace a file as one step that survives a power failure: new file, fsync, rename, fsync of the directory."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, PRIVATE_FILE)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    sync_directory(path.parent)


def write_private_json(path: Path, document: Mapping[str, object]) -> None:
    """Write a JSON object with `write_private`."""
    write_private(path, json.dumps(document, indent=2, sort_keys=True).encode("utf-8") + b"\n")


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

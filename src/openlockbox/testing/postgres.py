"""A private PostgreSQL server for tests, benchmarks and the demo: its own data directory, a unix socket, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import psycopg
from psycopg import sql

WHERE_DEBIAN_PUTS_IT: Final = Path("/usr/lib/postgresql")
SERVER_ACCOUNT: Final = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this account
MEMORY: Final = Path("/dev/shm")  # noqa: S108  new databases come ten times faster where no disk takes part
MEMORY_NEEDED: Final = 2 * 1024**3
START_TIME: Final = 60  # seconds; a loaded machine with two cores needs a few


class Durability(Enum):
    """Whether a commit waits for the disk. Only what measures or proves durability needs to wait."""

    NONE = "off"
    FULL = "on"


class PostgresMissing(RuntimeError):
    """There is no PostgreSQL here. Tests that need it fail; they are never skipped."""


class TemporaryPostgres:
    """A running server. Databases are made by name and dropped with the server."""

    def __init__(self, directory: Path, user: str) -> None:
        self.directory: Final = directory
        self.user: Final = user

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{self.user}@/{database}?host={quote(str(self.directory), safe='')}"

    def create_database(self, *, template: str = "template1") -> str:
        """Make a database with a name of its own, as a copy of another where one is named, and return its name."""
        name = f"t_{uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def temporary_postgres(*, durability: Durability = Durability.NONE) -> Iterator[TemporaryPostgres]:
    """Start a server in a new directory and take both away at the end.

    Raises:
        PostgresMissing: its programs, or an account to run it under, are not installed.
    """
    programs = _programs()
    user, prefix = _account()
    parent = MEMORY if durability is Durability.NONE and _has_room(MEMORY) else None
    directory = Path(
        tempfile.mkdtemp(prefix="lockbox-pg-", dir=parent)
    )  # short: a socket's path has at most 107 characters
    data = directory / "data"
    try:
        if prefix:
            shutil.chown(directory, user)
        _run([*prefix, str(programs / "initdb"), "-D", str(data), "-U", user, "-A", "trust", "-E", "UTF8",
              "--locale=C.UTF-8", "--no-sync"])  # fmt: skip
        settings = {
            "listen_addresses": "",  # nobody else reaches it, so two servers never want one port
            "unix_socket_directories": str(directory),
            "fsync": durability.value,
            "full_page_writes": durability.value,
            "synchronous_commit": durability.value,
            "max_connections": "60",
            "shared_buffers": "64MB",
            "deadlock_timeout": "200ms",
            "log_statement": "none",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        pg_ctl = [*prefix, str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", str(START_TIME)]
        _run([*pg_ctl, "-l", str(directory / "log"), "-o", options, "start"])
        try:
            yield TemporaryPostgres(directory, user)
        finally:
            _run([*pg_ctl, "-m", "immediate", "stop"])
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(directory)


def _has_room(directory: Path) -> bool:
    return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > MEMORY_NEEDED


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = [path for path in WHERE_DEBIAN_PUTS_IT.glob("*/bin") if (path / "initdb").exists()]
    if not versions:
        raise PostgresMissing("PostgreSQL is not installed: apt-get install postgresql")
    return max(versions, key=lambda path: int(path.parent.name))


def _account() -> tuple[str, list[str]]:
    """Return the account to run under and the words before each command that lead there."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, []
    try:
        pwd.getpwnam(SERVER_ACCOUNT)
    except KeyError as error:
        raise PostgresMissing(f"root needs the account {SERVER_ACCOUNT} to run PostgreSQL") from error
    runuser = shutil.which("runuser")
    if runuser is None:
        raise PostgresMissing("root needs runuser (util-linux) to run PostgreSQL")
    return SERVER_ACCOUNT, [runuser, "-u", SERVER_ACCOUNT, "--"]


def _run(command: list[str]) -> None:
    # No pipe: the server would inherit it, and waiting for its end would wait for the server.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdout=output, stderr=output, check=False, cwd="/")  # noqa: S603  our own words
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command} failed: {output.read().decode(errors='replace')}")

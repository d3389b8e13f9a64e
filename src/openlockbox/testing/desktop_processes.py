"""Children of a test desktop, and the janitor that undoes all of it even when the starter is killed. Never for production."""

import contextlib
import os
import secrets
import select
import shlex
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

START_SECONDS: Final = 20.0
UNDO_SECONDS: Final = 30.0


class DesktopUnavailable(RuntimeError):
    """The desktop cannot be started here; the message says what is missing."""


class Undo:
    """Steps that a janitor process takes in reverse order when told, or when this process is gone."""

    # A shell that remembers one command a line until end of file, which comes when the starter dies, however it dies.
    _SCRIPT = 'trap "" INT TERM HUP; all=; while IFS= read -r one; do all="$one\n$all"; done; eval "$all"'

    def __init__(self, keeping: int | None) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._shell = subprocess.Popen(  # noqa: S603  our own script
            ["/bin/sh", "-c", self._SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if keeping is None else (keeping,),
        )

    def later(self, *command: str) -> None:
        """Add a step."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(shlex.join(command).encode() + b"\n")
        self._shell.stdin.flush()

    def start(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own; the whole session is killed later."""
        program = find_command(command[0])
        assert program is not None
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  our own commands
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._children.append(child)
        self.later("pkill", "-KILL", "-s", str(child.pid))
        return child

    def dead_child(self) -> str | None:
        """Name a process that ended by itself, None while all run."""
        for child in self._children:
            if child.poll() is not None:
                return str(child.args[0]) if isinstance(child.args, list) else "process"
        return None

    def run(self) -> None:
        """Take all steps now and wait for them."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(UNDO_SECONDS)
        for child in self._children:
            child.wait(UNDO_SECONDS)


@contextlib.contextmanager
def janitor(keeping: IO[bytes] | None = None) -> Iterator[Undo]:
    """Undo on leaving; the janitor process keeps the file `keeping` open, and so its lock, until it is done."""
    undo = Undo(None if keeping is None else keeping.fileno())
    try:
        yield undo
    finally:
        undo.run()


def find_command(name: str) -> str | None:
    """Find a program, also where only root's PATH leads."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/bin:/bin")


def wait_until(is_ready: Callable[[], bool], undo: Undo, what: str) -> None:
    """Poll a starting process.

    Raises:
        DesktopUnavailable: one of the children died, or time is up.
    """
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if (dead := undo.dead_child()) is not None:
            raise DesktopUnavailable(f"{dead} ended while {what} was starting")
        if time.monotonic() > deadline:
            raise DesktopUnavailable(f"{what} did not come up")
        time.sleep(0.02)


OTHERS_ENTER = 0o001  # the x bit for everybody else


def make_folder(undo: Undo, *, mode: int) -> Path:
    """Make a folder that goes away with the rest."""
    folder = Path(tempfile.mkdtemp(prefix="lockbox-desktop-"))
    if mode & OTHERS_ENTER and any(not parent.stat().st_mode & OTHERS_ENTER for parent in folder.parents):
        folder.rmdir()
        raise DesktopUnavailable(
            f"the desktop's account cannot enter {folder.parent}: set TMPDIR to a folder that it can"
        )
    undo.later("rm", "-rf", "--", str(folder))
    folder.chmod(mode)
    return folder


def start_screen(undo: Undo, folder: Path, *, size: str = "1024x768") -> dict[str, str]:
    """Start Xvfb on a free display behind a cookie of its own, and return the environment for its clients."""
    authority = folder / "xauthority"
    authority.touch(mode=0o600)
    cookie = secrets.token_bytes(16)
    # FamilyWild, no address, no display number: one cookie for whichever display Xvfb picks.
    record = (
        struct.pack(">HHH", 0xFFFF, 0, 0)
        + struct.pack(">H", 18)
        + b"MIT-MAGIC-COOKIE-1"
        + struct.pack(">H", 16)
        + cookie
    )
    authority.write_bytes(record)
    reader, writer = os.pipe()
    try:
        try:
            screen = ["-screen", "0", f"{size}x24", "-noreset", "-nolisten", "tcp"]
            server = undo.start(
                ["Xvfb", "-displayfd", str(writer), "-auth", str(authority), *screen],
                log=folder / "xvfb.out",
                pass_fds=(writer,),
            )
        finally:
            os.close(writer)  # so that a dead Xvfb is an end of file
        number = ""
        while not number.endswith("\n"):  # Xvfb dies when the pipe closes before the line's end is written
            ready, _, _ = select.select([reader], [], [], START_SECONDS)
            piece = os.read(reader, 16).decode() if ready else ""
            if not piece:
                raise DesktopUnavailable("Xvfb did not come up")
            number += piece
    finally:
        os.close(reader)
    number = number.strip()
    for left in (f"/tmp/.X{number}-lock", f"/tmp/.X11-unix/X{number}"):  # noqa: S108  where X puts them
        undo.later("rm", "-f", left)
    undo.later("pkill", "-KILL", "-s", str(server.pid))  # before the files are removed, otherwise it makes them again
    return {**os.environ, "DISPLAY": f":{number}", "XAUTHORITY": str(authority), "HOME": str(folder)}

"""Keeps child processes running: starts them, starts them again when they end, and ends them in order when told."""

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.2
FIRST_BACK_OFF: Final = 0.5
LONGEST_BACK_OFF: Final = 30.0
STEADY_SECONDS: Final = 60.0  # a child that ran so long has recovered: its next fall begins anew
STOP_SECONDS: Final = 20.0  # longer than the worker's own, then SIGKILL
PR_SET_PDEATHSIG: Final = 1


class Process(Protocol):
    """What is used of `subprocess.Popen`."""

    pid: int

    def poll(self) -> int | None: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Stop(Protocol):
    """What is used of `threading.Event`."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


def _always() -> bool:
    return True


@dataclass(slots=True, kw_only=True)
class Child:
    """One process to keep running. `may_start` holds it back until it can work at all."""

    name: str
    command: Sequence[str]
    may_start: Callable[[], bool] = _always
    process: Process | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Any number of children. Ends them in the order in which they were given."""

    children: Iterable[Child]
    log_file: Path | None = None  # where children write; None: where this process does
    environment: Mapping[str, str] | None = None
    monotonic: Callable[[], float] = time.monotonic
    start_process: Callable[["Supervisor", Child], Process] = field(default=lambda self, child: self.popen(child))

    def run(self, stop: Stop) -> None:
        """Keep the children running until told to stop, then end them."""
        try:
            while not stop.is_set():
                self.look()
                stop.wait(LOOK_SECONDS)
        finally:
            self.end()

    def look(self) -> None:
        """Start what should run and does not."""
        now = self.monotonic()
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                child.failures = 1 if now - child.started_at >= STEADY_SECONDS else child.failures + 1
                wait = min(FIRST_BACK_OFF * 2 ** min(child.failures - 1, 16), LONGEST_BACK_OFF)
                log.error("child.ended", extra={"child": child.name, "code": code, "again_in": wait})
                child.process, child.start_at = None, now + wait
            if child.process is None and now >= child.start_at and child.may_start():
                child.process, child.started_at = self.start_process(self, child), now
                log.info("child.started", extra={"child": child.name, "pid": child.process.pid})

    def end(self) -> None:
        """Ask every child to end, and kill those that do not in time."""
        running = [(child, child.process) for child in self.children if child.process is not None]
        for _, process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self.monotonic() + STOP_SECONDS
        for child, process in running:
            try:
                process.wait(max(0.0, deadline - self.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("child.killed", extra={"child": child.name})  # noqa: TRY400  the timeout's trace says nothing
                process.kill()
                process.wait()
            child.process = None
        log.info("children.stopped")

    def popen(self, child: Child) -> Process:
        """Start a child in a session of its own: Ctrl-C reaches the supervisor alone, which then ends them in order."""
        output: IO[bytes] | None = None if self.log_file is None else self.log_file.open("ab")
        try:
            return subprocess.Popen(  # noqa: S603  our own program
                list(child.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if self.environment is None else dict(self.environment),
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the process that started this one is gone, so that nothing outlives a killed supervisor."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before the kernel knew
        raise SystemExit(1)

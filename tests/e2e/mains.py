"""Main files of the processes under test: what `lockbox … run` does, but with a clock that reads a file. Tests only.

    python -m tests.e2e.mains web|worker|gateway SETTINGS CLOCK_FILE READY_FILE PARENT

The clock file holds how many seconds the wall clock is off. No setting of a production process does that, so it is done here.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openlockbox import bootstrap
from openlockbox.cli.processes import stop_on_signals
from openlockbox.cli.supervisor import end_with_parent
from openlockbox.config import Settings, load_settings

Clock = Callable[[], datetime]


class FileClock:
    """Real time plus the seconds that the file says; other processes read the same file. It only goes forward."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def create(cls, file: Path) -> "FileClock":
        file.write_text("0", encoding="ascii")
        return cls(file)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text(encoding="ascii")))

    def advance(self, by: timedelta) -> None:
        assert by >= timedelta(0), "clocks of a running system are not set back"
        seconds = float(self.file.read_text(encoding="ascii")) + by.total_seconds()
        new = self.file.with_suffix(".new")
        new.write_text(repr(seconds), encoding="ascii")
        new.replace(self.file)


def run_the_web(settings: Settings, clock: Clock, ready_file: Path) -> None:
    from openlockbox.web.app import create_app
    from openlockbox.web.serve import run_web

    app = create_app(bootstrap.bootstrap(settings, clock=clock), bootstrap.web_settings(settings))
    run_web(app, host=settings.web.host, port=settings.web.port, ready_file=ready_file)


def run_the_worker(settings: Settings, clock: Clock, ready_file: Path) -> None:
    from openlockbox.worker.loops import run_worker

    lockbox, mailer = bootstrap.bootstrap(settings, clock=clock), bootstrap.mailer(settings, clock=clock)
    stop = stop_on_signals()
    ready_file.write_text("{}", encoding="ascii")
    run_worker(lockbox, mailer, stop, interval=settings.worker.interval)


def run_the_gateway(settings: Settings, clock: Clock, ready_file: Path) -> None:
    from openlockbox.gateway.main import run_gateway

    run_gateway(replace(bootstrap.gateway_settings(settings), ready_file=ready_file), clock=clock)


MAINS = {"web": run_the_web, "worker": run_the_worker, "gateway": run_the_gateway}


def main(process: str, settings_file: str, clock_file: str, ready_file: str, parent: str) -> None:
    end_with_parent(int(parent))
    if process != "gateway":
        bootstrap.log_with_fields(process)
    settings = load_settings(Path(settings_file), os.environ)
    MAINS[process](settings, FileClock(Path(clock_file)), Path(ready_file))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The worker's loops. Each looks at its rows about once a second and survives whatever a database or mail server does.

Nothing is remembered between two rounds: what was due stays due, so a worker that is killed loses nothing.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

from openlockbox.services.deadlines import sweep
from openlockbox.services.delivery import Mailer, deliver_due
from openlockbox.services.work import Lockbox

log = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=1)
LONGEST_BACK_OFF: Final = timedelta(seconds=30)  # a database that comes back is noticed after half a minute at most
STOP_TIME: Final = timedelta(seconds=15)  # longer than one answer of a mail server may take


class Stop(Protocol):
    """What `threading.Event` offers of itself: whether to stop, and a wait that ends early then."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


def run_worker(
    lockbox: Lockbox, mailer: Mailer, stop_event: threading.Event, *, interval: timedelta = INTERVAL
) -> None:
    """Deliver mails and write down deadlines until the event is set. A slow mail server does not hold up the deadlines."""
    jobs: dict[str, Callable[[], int]] = {
        "delivery": lambda: deliver_due(lockbox.database, mailer, clock=lockbox.clock).rows,
        "deadlines": lambda: sweep(lockbox),
    }
    loops = [
        threading.Thread(
            target=run_loop, args=(name, job, stop_event), kwargs={"interval": interval}, name=name, daemon=True
        )
        for name, job in jobs.items()
    ]
    for loop in loops:
        loop.start()
    log.info("worker.started")
    stop_event.wait()
    for loop in loops:
        loop.join(STOP_TIME.total_seconds())  # one that hangs is left behind: its rows become due again
    log.info("worker.stopped")


def run_loop(name: str, job: Callable[[], int], stop: Stop, *, interval: timedelta = INTERVAL) -> None:
    """Run a job until told to stop: again at once while rows were due, after `interval` otherwise, later after failures."""
    failures = 0
    while not stop.is_set():
        try:
            rows = job()
        except Exception as error:  # a loop ends only when told: nothing that a job meets may take the others with it
            failures += 1
            wait = back_off(failures, interval)
            log.exception("worker.failed", extra={"loop": name, "failures": failures, "error": type(error).__name__})
            stop.wait(wait.total_seconds())
        else:
            if failures:
                log.info("worker.recovered", extra={"loop": name, "failures": failures})
            failures = 0
            if rows == 0:
                stop.wait(interval.total_seconds())


def back_off(failures: int, interval: timedelta) -> timedelta:
    """Return the wait after so many failures in a row."""
    return min(interval * (1 << min(failures - 1, 16)), LONGEST_BACK_OFF)

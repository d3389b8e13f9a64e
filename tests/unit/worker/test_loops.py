import threading
from datetime import timedelta

import pytest

from openlockbox.worker.loops import LONGEST_BACK_OFF, back_off, run_loop

SECOND = timedelta(seconds=1)


class Stop:
    """Stops after so many waits, and notes how long each was: no test sleeps."""

    def __init__(self, waits):
        self.waits, self.waited = waits, []

    def is_set(self):
        return len(self.waited) >= self.waits

    def wait(self, timeout=None):
        self.waited.append(timeout)
        return self.is_set()


def job_of(*results):
    left = list(results)

    def job():
        result = left.pop(0) if left else 0
        if isinstance(result, Exception):
            raise result
        return result

    return job


def test_a_loop_without_work_waits_its_interval():
    stop = Stop(3)
    run_loop("test", job_of(), stop, interval=SECOND)
    assert stop.waited == [1, 1, 1]


def test_a_loop_goes_on_at_once_while_rows_were_due():
    stop = Stop(1)
    calls = []
    run_loop("test", lambda: calls.append(1) or (5 if len(calls) < 4 else 0), stop, interval=SECOND)
    assert len(calls) == 4
    assert stop.waited == [1]


def test_a_failing_database_ends_no_loop_and_is_asked_less_and_less_often(caplog):
    stop = Stop(5)
    run_loop("test", job_of(*[OSError("disk")] * 4), stop, interval=SECOND)
    assert stop.waited == [1, 2, 4, 8, 1]
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == ["worker.failed"] * 4


@pytest.mark.parametrize("failures", [6, 50, 10_000])
def test_a_database_that_comes_back_is_noticed_within_half_a_minute(failures):
    assert back_off(failures, SECOND) == LONGEST_BACK_OFF


def test_a_loop_that_is_stopped_does_nothing():
    stop = threading.Event()
    stop.set()
    run_loop("test", job_of(AssertionError("must not run")), stop)

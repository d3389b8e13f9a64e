import signal
import subprocess

import pytest

from openlockbox.cli.supervisor import FIRST_BACK_OFF, LONGEST_BACK_OFF, STEADY_SECONDS, STOP_SECONDS, Child, Supervisor


class FakeProcess:
    def __init__(self, clock):
        self.clock, self.code, self.signals, self.deaf, self.pid = clock, None, [], False, 1

    def poll(self):
        return self.code

    def send_signal(self, sig):
        self.signals.append(sig)
        if not self.deaf:
            self.code = 0

    def kill(self):
        self.signals.append(signal.SIGKILL)
        self.code = -9

    def wait(self, timeout=None):
        if self.code is None:
            self.clock.now += timeout
            raise subprocess.TimeoutExpired("child", timeout)
        return self.code


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def started():
    return []


@pytest.fixture
def supervisor(clock, started):
    def start(_, child):
        started.append((child.name, FakeProcess(clock)))
        return started[-1][1]

    return Supervisor(children=[Child(name="web", command=["web"])], monotonic=clock, start_process=start)


def test_a_running_child_is_left_alone(supervisor, started):
    supervisor.look()
    supervisor.look()
    assert len(started) == 1


def test_a_child_that_keeps_falling_is_started_less_and_less_often(supervisor, started, clock):
    waits = []
    supervisor.look()
    for _ in range(12):
        started[-1][1].code = 1
        supervisor.look()
        fell_at, before = clock.now, len(started)
        while len(started) == before:
            clock.now += 0.1
            supervisor.look()
        waits.append(clock.now - fell_at)
    assert waits[0] == pytest.approx(FIRST_BACK_OFF, abs=0.11)
    assert waits[1] == pytest.approx(2 * FIRST_BACK_OFF, abs=0.11)
    assert waits[-1] == pytest.approx(LONGEST_BACK_OFF, abs=0.11)


def test_a_child_that_ran_steadily_begins_anew(supervisor, started, clock):
    supervisor.look()
    child = next(iter(supervisor.children))
    child.failures = 9
    clock.now += STEADY_SECONDS
    started[-1][1].code = -9
    supervisor.look()
    assert child.start_at == clock.now + FIRST_BACK_OFF


def test_a_child_that_cannot_work_yet_is_held_back(clock, started):
    ready = []
    child = Child(name="gateway", command=["gateway"], may_start=lambda: bool(ready))
    supervisor = Supervisor(
        children=[child], monotonic=clock, start_process=lambda *_: started.append(1) or FakeProcess(clock)
    )
    supervisor.look()
    assert not started
    ready.append(1)
    supervisor.look()
    assert started


def test_children_are_asked_to_end_and_only_the_deaf_are_killed(clock):
    processes = []
    supervisor = Supervisor(
        children=[Child(name="web", command=[]), Child(name="worker", command=[])],
        monotonic=clock,
        start_process=lambda *_: processes.append(FakeProcess(clock)) or processes[-1],
    )
    supervisor.look()
    processes[1].deaf = True
    began = clock.now
    supervisor.end()
    assert processes[0].signals == [signal.SIGTERM]
    assert processes[1].signals == [signal.SIGTERM, signal.SIGKILL]
    assert clock.now - began == pytest.approx(STOP_SECONDS)

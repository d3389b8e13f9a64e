"""The supervisor with its real children: what falls is started again, and nothing outlives it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 60


def until(happened, log):
    deadline = time.monotonic() + SECONDS
    while not (found := happened()):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found


def pids(log, child):
    return [int(pid) for pid in re.findall(rf"child\.started child={child} pid=(\d+)", log.read_text())]


def is_running(pid):
    with contextlib.suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.fixture
def served(console, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "serve.log"
    file = console.directory / "lockbox.toml"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "openlockbox.cli.main", "--config", str(file), "serve"],
            env={**os.environ, "LOCKBOX_WEB__PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    yield process, log
    process.kill()
    process.wait()


def test_a_killed_child_is_started_again_and_an_asked_supervisor_ends_all(served):
    process, log = served
    until(lambda: "worker.started" in log.read_text() and "startup complete" in log.read_text(), log)
    os.kill(pids(log, "worker")[0], signal.SIGKILL)
    until(lambda: len(pids(log, "worker")) == 2 and log.read_text().count("worker.started") == 2, log)
    assert len(pids(log, "web")) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0
    assert "worker.stopped" in log.read_text()
    assert not any(is_running(pid) for child in ("web", "worker") for pid in pids(log, child))


def test_children_end_with_a_killed_supervisor(served):
    process, log = served
    until(lambda: "worker.started" in log.read_text() and "startup complete" in log.read_text(), log)
    process.kill()
    process.wait()
    until(lambda: not any(is_running(pid) for child in ("web", "worker") for pid in pids(log, child)), log)


def test_children_end_with_a_supervisor_that_is_killed_while_they_start(served):
    process, log = served
    until(lambda: pids(log, "web") and pids(log, "worker"), log)
    process.kill()
    process.wait()
    until(lambda: not any(is_running(pid) for child in ("web", "worker") for pid in pids(log, child)), log)


def test_a_gateway_that_is_not_enrolled_is_not_started(served):
    _, log = served
    until(lambda: "worker.started" in log.read_text(), log)
    assert not pids(log, "gateway")
    assert "as soon as it is enrolled" in log.read_text()

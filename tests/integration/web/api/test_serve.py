"""The web process: a free port said in the ready file, no header that tells about us, an orderly stop."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

DEADLINE = 30.0
CHILD = Path(__file__).with_name("serve_child.py")


@pytest.fixture
def served(tmp_path):
    ready = tmp_path / "ready.json"
    with subprocess.Popen([sys.executable, str(CHILD), str(ready)], stdout=subprocess.PIPE, text=True) as child:
        try:
            until = time.monotonic() + DEADLINE
            while not ready.exists() and child.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            yield child, json.loads(ready.read_text(encoding="utf-8"))
        finally:
            child.kill()


def test_the_ready_file_names_process_and_port(served):
    child, ready = served
    assert ready["pid"] == child.pid
    assert httpx.get(f"http://127.0.0.1:{ready['port']}/nothing", timeout=DEADLINE).status_code == 404


def test_an_answer_does_not_say_what_serves_it(served):
    _, ready = served
    assert "server" not in httpx.get(f"http://127.0.0.1:{ready['port']}/nothing", timeout=DEADLINE).headers


def test_a_stop_lets_long_polls_go_and_exits_with_success(served):
    child, ready = served
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(httpx.get, f"http://127.0.0.1:{ready['port']}/held", timeout=DEADLINE)
        assert child.stdout.readline() == "holding\n"
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert waiting.result().text == "let go"
        assert child.wait(DEADLINE) == 0
    assert time.monotonic() - began < 1.8  # less than a long poll holds

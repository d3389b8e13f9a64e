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
def proxies():
    return ()


@pytest.fixture
def served(tmp_path, proxies):
    ready = tmp_path / "ready.json"
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(ready), *proxies], stdout=subprocess.PIPE, text=True
    ) as child:
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


@pytest.mark.parametrize(
    "proxies, source",
    [
        ((), "127.0.0.1"),
        (("192.0.2.1",), "127.0.0.1"),
        (("127.0.0.1",), "198.51.100.7"),
        (("127.0.0.0/8",), "198.51.100.7"),
    ],
)
def test_only_a_trusted_proxy_says_who_the_client_is_and_only_its_own_last_word_counts(served, source):
    _, ready = served
    forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}  # the first hop is what the client itself claimed
    answer = httpx.get(f"http://127.0.0.1:{ready['port']}/source", headers=forwarded, timeout=DEADLINE)
    assert answer.text == source

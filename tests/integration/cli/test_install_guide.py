"""The commands of docs/operate/install.md, taken from the page and run as they stand, up to an enrolled, serving installation."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs/operate/install.md"
START_SECONDS = 60
PASSWORD = "correct horse battery\n"


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def environment(tmp_path):
    """Ports of this test's own, by variables: the commands stay as they are."""
    web, browser, native = free_port(), free_port(), free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LOCKBOX_")}
    return clean | {
        "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}",
        "LOCKBOX_CONFIG": str(tmp_path / "openlockbox" / "lockbox.toml"),
        "LOCKBOX_BASE_URL": f"http://localhost:{web}",
        "LOCKBOX_WEB__PORT": str(web),
        "LOCKBOX_GATEWAY__BROWSER_LISTEN": f"127.0.0.1:{browser}",
        "LOCKBOX_GATEWAY__NATIVE_LISTEN": f"127.0.0.1:{native}",
    }


@contextlib.contextmanager
def serving(command, environment, log):
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(command), env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text()


def answers(url):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    return False


def wait_for(url, log):
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def typed_for(command, target):
    """Return what the operator would type: passwords twice, the gateway's once, and yes to the certificate."""
    if command.startswith("lockbox person add"):
        return PASSWORD * 2
    if command.startswith("lockbox gateway secret set"):
        return PASSWORD
    return "y\n" if "--fetch-certificate" in command else ""


@pytest.fixture
def rdp_target():
    """Something that shows a certificate like an RDP server: enough for an operator to compare."""
    from openlockbox.testing.desktops import start_shadow_desktop

    with start_shadow_desktop("nla") as desktop:
        yield f"{desktop.host}:{desktop.port}"


def test_the_commands_of_the_guide_lead_to_a_serving_installation(tmp_path, environment, rdp_target):
    log = tmp_path / "serve.log"
    ran = []
    with contextlib.ExitStack() as running:
        for line in commands():
            command = line.replace("/srv/openlockbox", str(tmp_path / "openlockbox")).replace(
                "192.0.2.7:3389", rdp_target
            )
            if command == "lockbox serve":
                running.enter_context(serving(command, environment, log))
                wait_for(f"{environment['LOCKBOX_BASE_URL']}/readyz", log)
                continue
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                env=environment,
                input=typed_for(command, rdp_target),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                start_new_session=True,  # no terminal: prompts read what the test types
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr, log.read_text() if log.exists() else "")
            ran.append((command, done.stdout))
        browser = environment["LOCKBOX_GATEWAY__BROWSER_LISTEN"]
        wait_for(f"http://{browser}/healthz", log)
    outputs = dict(ran)
    trusted = next(out for command, out in ran if "enrol" in command).splitlines()[1:]
    assert trusted == outputs["lockbox keys list"].splitlines()
    assert "enrolled" in outputs["lockbox gateway list"]
    assert "senna  subscription_owner" in outputs["lockbox role list --tenant ambertide"]
    assert "vm-kiln-07" in outputs["lockbox resource list --tenant ambertide"]


def test_the_guide_has_commands():
    assert len(commands()) > 15

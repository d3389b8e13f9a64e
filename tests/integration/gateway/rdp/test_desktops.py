"""The test desktops themselves: whatever happens to the starter, nothing stays behind."""

import asyncio
import contextlib
import pwd
import signal
import sys
from pathlib import Path

import pytest

from openlockbox.testing.desktops import DesktopUnavailable, missing_packages, start_xrdp_desktop
from tests.integration.gateway.rdp.fakes import until

STARTER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
from openlockbox.testing.desktops import start_shadow_desktop, start_xrdp_desktop
start = start_xrdp_desktop if sys.argv[1] == "xrdp" else lambda: start_shadow_desktop("tls")
with start() as desktop:
    print(desktop.username, desktop.port, flush=True)
    time.sleep(600)
"""


def processes_with(text):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text in (folder / "cmdline").read_text():
                found.append(folder.name)
    return found


def is_gone(name, port):
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return name == "engineer" and not processes_with(f":{port}")
    return not processes_with(f"lockbox-home-{name}") and not Path(f"/tmp/lockbox-home-{name}").exists()


@pytest.mark.parametrize("kind", [pytest.param("xrdp", marks=pytest.mark.needs_root), "shadow"])
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_nothing_stays_when_the_starter_is_killed(kind, signal_number):
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, kind, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        name, port = (await asyncio.wait_for(starter.stdout.readline(), 60)).decode().split()
        starter.send_signal(signal_number)
        await asyncio.wait_for(starter.wait(), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            starter.kill()

    async def gone():
        with contextlib.suppress(OSError):
            _reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.close()
            return False
        return is_gone(name, port)

    await until(gone)


@pytest.mark.needs_root
def test_one_machine_has_one_xrdp_desktop_at_a_time():
    with start_xrdp_desktop(), pytest.raises(DesktopUnavailable), start_xrdp_desktop(lock_seconds=0):
        pass


def test_the_packages_of_this_machine_are_there():
    assert missing_packages("xrdp") == missing_packages("shadow") == ()

"""A gateway process in a network namespace of its own, with one cable to the control plane and one to its clients. Needs root."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from websockets.asyncio.client import connect

from openlockbox.gateway.enrolment import enrol
from openlockbox.gateway.settings import GatewaySettings
from openlockbox.grants.grant import seal_grant, signed_decision
from openlockbox.grants.token import seal_token
from tests.integration.gateway.core.child import settings_for
from tests.integration.gateway.core.fake_control_plane import CODE, FakeControlPlane, State
from tests.unit.grants.material import GRANTS, displayed, grant, logged, statement, token, unsigned

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).resolve().parents[4]
PLANE_HOST, PLANE_GATEWAY = "10.213.77.1", "10.213.77.2"
CLIENT_HOST, CLIENT_GATEWAY = "10.213.78.1", "10.213.78.2"
ORIGIN = "http://portal.test"
LIMIT = 30
_numbers = itertools.count(1)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def namespace():
    """Make the namespace and both cables; yield its name and the outer ends of the control plane's and the clients' cable."""
    name = f"olbx{os.getpid()}"
    plane, client = f"olp{os.getpid()}", f"olc{os.getpid()}"
    ip("netns", "add", name)
    try:
        for outer, inner, host, inside in (
            (plane, "plane0", PLANE_HOST, PLANE_GATEWAY),
            (client, "client0", CLIENT_HOST, CLIENT_GATEWAY),
        ):
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            ip("addr", "add", f"{host}/24", "dev", outer)
            ip("link", "set", outer, "up")
            ip("-n", name, "addr", "add", f"{inside}/24", "dev", inner)
            ip("-n", name, "link", "set", inner, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield name, plane
    finally:
        for outer in (plane, client):
            subprocess.run(["ip", "link", "del", outer], check=False, capture_output=True)
        ip("netns", "del", name)


@dataclass
class Site:
    """A gateway behind cables, its control plane, and a clock that can be stepped."""

    settings: GatewaySettings
    state: State
    plane: FakeControlPlane
    cable: str
    clock_file: Path

    def cut(self) -> None:
        """Let every packet between gateway and control plane vanish, without a word to either."""
        ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        ip("link", "set", self.cable, "up")

    def step_clock(self, by: timedelta) -> None:
        """Step the gateway's wall clock, and nobody else's."""
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(by.total_seconds()))
        fresh.replace(self.clock_file)

    def stop_web(self) -> None:
        """Hang up on every call from now on."""
        self.state.change(down=True)

    @property
    def port(self) -> int:
        return json.loads(self.settings.ready_file.read_text())["browser_port"]

    def put_grant(self) -> None:
        now = datetime.now(UTC)
        at = now - timedelta(seconds=30)
        shown = displayed(at=now - timedelta(minutes=1))
        document = grant(shown=shown, decision=unsigned(statement(shown=shown, at=at)))
        index = self.state.log.append(
            "request.approved", "request:lr-1", at=at, document=signed_decision(document.decision)
        )
        proved = logged(self.state.log, index, size=index + 1)
        times = {"issued_at": at, "not_before": at, "not_after": now + timedelta(hours=1)}
        self.state.grants["gr-1"] = seal_grant(replace(document, log=proved, **times), GRANTS)

    def token(self) -> str:
        now = datetime.now(UTC)
        return seal_token(
            token(jti=f"se-{next(_numbers)}", issued_at=now, expires_at=now + timedelta(seconds=60)), GRANTS
        )

    @contextlib.asynccontextmanager
    async def browser(self):
        url = f"ws://{CLIENT_GATEWAY}:{self.port}/rdp"
        async with connect(url, origin=ORIGIN, proxy=None, ping_interval=None) as socket:
            await socket.send(self.token())
            yield socket

    async def told(self, holds) -> None:
        await asyncio.to_thread(self.state.wait_for, holds, longest=LIMIT)

    async def time_to_close(self, fault) -> tuple[str, float]:
        """Open a session, let something happen, and return how the session ended and after how many seconds."""
        async with asyncio.timeout(LIMIT), self.browser() as socket:
            assert await socket.recv() == b"started"
            began = time.monotonic()
            fault()
            return (await socket.recv()).decode(), time.monotonic() - began

    async def refusal(self) -> str:
        async with asyncio.timeout(LIMIT), self.browser() as socket:
            return (await socket.recv()).decode()


@contextlib.asynccontextmanager
async def site():
    """Start everything and wait for the first lease."""
    with (
        tempfile.TemporaryDirectory() as directory,
        namespace() as (name, cable),
        FakeControlPlane(PLANE_HOST) as plane,
    ):
        root = Path(directory)
        enrol(settings_for(root, plane.url), CODE, now=datetime.now(UTC))
        clock_file = root / "clock"
        clock_file.write_text("0")
        settings = settings_for(root, plane.url)
        here = Site(settings=settings, state=plane.state, plane=plane, cable=cable, clock_file=clock_file)
        here.put_grant()
        with (root / "log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", name, sys.executable, str(CHILD), str(root), plane.url, CLIENT_GATEWAY),
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        try:
            await here.told(lambda state: len(state.applied) > 1 and settings.ready_file.exists())
            yield here
        finally:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 10)
            except TimeoutError:
                child.kill()
                await child.wait()

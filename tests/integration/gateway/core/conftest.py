"""A control plane over HTTP and a gateway in this process whose monotonic clock a test may move."""

import asyncio
import contextlib
import itertools
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.enrolment import enrol
from openlockbox.gateway.process import serve_gateway
from openlockbox.gateway.settings import GatewaySettings
from openlockbox.grants.grant import GrantDocument, seal_grant, signed_decision
from openlockbox.grants.token import seal_token
from tests.integration.gateway.core.child import FRONTS, settings_for
from tests.integration.gateway.core.fake_control_plane import CODE, FakeControlPlane, State
from tests.unit.grants.material import GRANTS, displayed, grant, logged, statement, token, unsigned

LIMIT = 10  # seconds that anything here may take
_numbers = itertools.count(1)


@dataclass
class Rig:
    """A gateway that runs, the control plane it talks to, and its offset clocks."""

    settings: GatewaySettings
    state: State
    monotonic_offset: float = 0.0
    wall_offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.wall_offset

    @property
    def clocks(self) -> Clocks:
        return Clocks(now=self.now, monotonic=lambda: time.monotonic() + self.monotonic_offset)

    @property
    def ports(self) -> dict[str, int]:
        return json.loads(self.settings.ready_file.read_text())

    def grant(self, grant_id: str = "gr-1", *, life: timedelta = timedelta(hours=1)) -> None:
        """Have an unsigned approval logged, and a grant made of it."""
        now, life = self.now(), min(life, timedelta(hours=8))
        at = now - timedelta(seconds=30)
        shown = displayed(at=now - timedelta(minutes=1))
        self.put(grant(shown=shown, decision=unsigned(statement(shown=shown, at=at)), grant_id=grant_id), at, life)

    def put(self, document: GrantDocument, at: datetime, life: timedelta) -> None:
        """Log the document's decision and hand the grant out."""
        with self.state.changed:
            log = self.state.log
            index = log.append("request.approved", "request:lr-1", at=at, document=signed_decision(document.decision))
            proved = logged(log, index, size=index + 1)
        times = {"issued_at": at, "not_before": at, "not_after": self.now() + life}
        self.state.grants[document.grant_id] = seal_grant(replace(document, log=proved, **times), GRANTS)

    def token(self, **changes: object) -> str:
        now = self.now()
        fields = {"jti": f"se-{next(_numbers)}", "issued_at": now, "expires_at": now + timedelta(seconds=60)}
        return seal_token(token(**{**fields, **changes}), GRANTS)

    @contextlib.asynccontextmanager
    async def browser(self, token_text: str, *, origin: str | None = "http://portal.test"):
        async with asyncio.timeout(LIMIT):
            async with connect(f"ws://127.0.0.1:{self.ports['browser_port']}/rdp", origin=origin, proxy=None) as socket:
                await socket.send(token_text)
                yield socket

    async def refusal(self, token_text: str) -> str:
        async with self.browser(token_text) as socket:
            return (await socket.recv()).decode()

    async def told(self, holds) -> None:
        await asyncio.to_thread(self.state.wait_for, holds)

    async def leased(self) -> None:
        """Wait for a lease call that follows an accepted list."""
        calls = len(self.state.applied)
        await self.told(lambda state: len(state.applied) > calls + 1)

    @contextlib.asynccontextmanager
    async def running(self):
        """Run the gateway in this loop until the block ends."""
        stop = asyncio.Event()
        self.settings.ready_file.unlink(missing_ok=True)
        task = asyncio.create_task(serve_gateway(self.settings, clocks=self.clocks, fronts=FRONTS, stop=stop))
        try:
            async with asyncio.timeout(LIMIT):
                await self.leased_or_failed(task)
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(task, LIMIT)

    async def leased_or_failed(self, task: "asyncio.Task[None]") -> None:
        ready = asyncio.ensure_future(self.leased())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        await ready


@pytest.fixture
def control_plane():
    with FakeControlPlane() as plane:
        yield plane


@pytest.fixture
def rig(tmp_path: Path, control_plane):
    settings = settings_for(tmp_path, control_plane.url)
    enrol(settings, CODE, now=datetime.now(UTC))
    rig = Rig(settings=settings, state=control_plane.state)
    rig.state.clock = rig.now
    rig.grant()
    return rig


@pytest.fixture
async def gateway(rig):
    async with rig.running():
        yield rig

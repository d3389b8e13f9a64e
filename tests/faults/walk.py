"""The walkthrough that the kill test interrupts: it notes what was acknowledged, and repeats what was not, as people do."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from websockets.exceptions import WebSocketException

from tests.e2e.cast import AMBERTIDE, PRESS
from tests.e2e.gateway_client import session
from tests.e2e.steps import DESCRIPTION, TITLE, Case, question
from tests.e2e.system import DEADLINE, System

T = TypeVar("T")
PAUSE = 0.05


class StillDown(Exception):
    """A process was away for longer than anybody waits."""


@dataclass
class Walk:
    """One case after another, until told to stop. `acknowledged` holds (code, subject) of what must be in the log."""

    system: System
    stop: asyncio.Event
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    steps: int = 0

    async def run(self) -> None:
        while not self.stop.is_set():
            await self._one()

    async def _one(self) -> None:
        case = await self._open()
        await self._again("idris", f"{case.path}/take", done=lambda: self._in_charge(case))
        await self._again("idris", f"{case.path}/reply", body="I look at it.")
        asked = await self._again("idris", f"{case.path}/elevations", **question(case))
        request_id = asked["request_id"]
        self._note("jit_request.submitted", f"jit_request:{asked['id']}")
        self._note("request.created", f"request:{request_id}")
        path = f"/tenants/{AMBERTIDE}/requests/{request_id}"
        digest = (await self._get("senna", path))["digest"]
        await self._again("senna", f"{path}/approve", done=lambda: self._is_approved(path), digest=digest)
        self._note("request.approved", f"request:{request_id}")
        grant_id = (await self._get("senna", path))["grant"]["id"]
        self._note("grant.issued", f"grant:{grant_id}")
        await self._connect(grant_id)
        await self._again("senna", f"/grants/{grant_id}/end", done=lambda: self._is_ending(grant_id))
        self._note("grant.revoking", f"grant:{grant_id}")
        await self._again("bram", f"{case.path}/reply", body="Thank you.")

    async def _open(self) -> Case:
        opened = await self._again(
            "bram",
            f"/tenants/{AMBERTIDE}/service-requests",
            subscription_id=f"{AMBERTIDE}-production",
            resource_id=PRESS,
            title=TITLE,
            description=DESCRIPTION,
            severity="b",
        )
        self._note("service_request.opened", f"service_request:{opened['id']}")
        return Case(opened["id"], AMBERTIDE, PRESS)

    async def _connect(self, grant_id: str) -> None:
        """Hold a session while something may be killed; a kill may also keep it from starting."""
        offer = await self._again("idris", f"/grants/{grant_id}/connect", front="browser")
        self._note("session.offered", f"session:{offer['session_id']}")
        self.sessions.append(offer["session_id"])
        with contextlib.suppress(OSError, WebSocketException, AssertionError, TimeoutError):
            async with session(self.system, offer["token"]) as ended:
                self._note("session.started", f"session:{offer['session_id']}")
                await asyncio.wait({ended}, timeout=0.3)

    def _note(self, code: str, subject: str) -> None:
        self.acknowledged.append((code, subject))

    # ---- calls that survive a web process ----

    async def _again(self, person: str, path: str, *, done: Callable[[], bool] | None = None, **body: object):
        """Command until it is answered. `done` tells whether a command without an answer was taken all the same."""

        def send():
            answer = self.system.people[person].call("POST", path, body)
            if answer.is_client_error and done is not None and done():
                return {}
            assert answer.is_success, f"{path}: {answer.text}"
            return answer.json()

        self.steps += 1
        return await self._until_answered(send)

    async def _get(self, person: str, path: str):
        return await self._until_answered(lambda: self.system.people[person].get(path))

    async def _until_answered(self, send: Callable[[], T]) -> T:
        end = asyncio.get_running_loop().time() + DEADLINE
        while True:
            try:
                return await asyncio.to_thread(send)
            except httpx.TransportError as error:
                if asyncio.get_running_loop().time() > end:
                    raise StillDown from error
                await asyncio.sleep(PAUSE)

    def _in_charge(self, case: Case) -> bool:
        found = self.system.people["idris"].get(case.path)["service_request"]
        return found["engineers"][-1:] == ["idris"]

    def _is_approved(self, path: str) -> bool:
        return self.system.people["senna"].get(path)["state"] == "approved"

    def _is_ending(self, grant_id: str) -> bool:
        return self.system.people["senna"].get(f"/grants/{grant_id}")["state"] in {"revoking", "revoked"}

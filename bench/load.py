"""The load generator, a process of its own: clients that ask for elevation, read the request and approve it, over and over.

Reads its task as JSON on standard input and prints what it measured as JSON. It is as cheap as it can be, so that two cores
are left to what is measured: one thread, one socket a client, no HTTP library.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import uvloop

ELEVATION = {
    "scenario": "remote_desktop",
    "permission": "operate",
    "justification": "Read the local event log and the database's startup settings.",
}


class Failed(Exception):
    """The server answered something else than what the workflow says."""


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection, one request at a time. Understands answers with Content-Length only."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Failed(f"the connection ended: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = self._buffer[end + 4 :]
        if len(body) < length:
            return
        answer, self._answer, self._buffer = self._answer, None, b""
        if not head.startswith((b"http/1.1 200", b"http/1.1 201")):
            answer.set_exception(Failed(head.decode() + body.decode(errors="replace")))
        else:
            answer.set_result(body)

    async def call(self, method: str, path: str, token: str, body: bytes = b"") -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return await self._answer


class _Asked(msgspec.Struct):
    request_id: str


class _Shown(msgspec.Struct):
    digest: str


ASKED, SHOWN = msgspec.json.Decoder(_Asked), msgspec.json.Decoder(_Shown)


async def run_client(
    cases: Sequence[dict[str, str]], port: int, choose: random.Random, until: float, times: dict[str, list[float]]
) -> None:
    """Make pairs until the time is over. A pair that began in time counts."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    while (begun := time.perf_counter()) < until:
        case = choose.choice(cases)
        body = msgspec.json.encode(ELEVATION | {"resource_id": case["resource"]})
        under = f"/tenants/{case['tenant']}"
        path = f"{under}/service-requests/{case['id']}/elevations"
        asked = ASKED.decode(await connection.call("POST", path, case["engineer"], body))
        created = time.perf_counter()
        path = f"{under}/requests/{asked.request_id}"
        shown = SHOWN.decode(await connection.call("GET", path, case["approver"]))
        read = time.perf_counter()
        body = msgspec.json.encode({"digest": shown.digest})
        await connection.call("POST", f"{path}/approve", case["approver"], body)
        approved = time.perf_counter()
        steps = {
            "create": created - begun,
            "read": read - created,
            "approve": approved - read,
            "pair": approved - begun,
        }
        for name, seconds in steps.items():
            times[name].append(seconds)


async def run(task: dict[str, Any]) -> dict[str, object]:
    times: dict[str, list[float]] = {"create": [], "read": [], "approve": [], "pair": []}
    begun, used = time.perf_counter(), time.process_time()
    ports, until = task["ports"], begun + task["seconds"]
    async with asyncio.TaskGroup() as group:
        for number in range(task["clients"]):
            choose = random.Random(f"{task['seed']} {number}")
            group.create_task(run_client(task["cases"], ports[number % len(ports)], choose, until, times))
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used, "times": times}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.load(sys.stdin)))))

"""From "Lock everything now" to the moment when each of 200 live connections on 2 gateways is cut.

Web, worker and two gateways run as processes of their own, FreeRDP's shadow server (NLA) is the one machine behind both. The
clients speak RDCleanPath over a WebSocket, as the page in the browser does, and read what the machine sends. The clock
starts before the request is sent (POST /api/v1/tenants/…/lock). It stops, for each client, at the last byte that it gets: the
gateway drops the machine's connection, sends its goodbye and passes nothing on after it. Then the gateway seals the
recording and closes the WebSocket; when the client sees that is told apart.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from bench.machine import describe, percentile, verdict
from openlockbox.domain.ids import GatewayId, TenantId
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.secret_store import write_secret
from openlockbox.services import setup
from openlockbox.testing.desktops import Desktop, start_shadow_desktop
from tests.e2e import cast, gateway_client
from tests.e2e.steps import granted
from tests.e2e.system import System, free_port, running_system, until
from tests.e2e.system import _answers as answers
from tests.integration.gateway.rdp.fakes import ClientStream

TARGET = 250  # ms at the 99th percentile, of the issue
SECONDS = 30
SESSIONS_PER_GRANT = 4  # as the gateway allows
AT_ONCE = 4  # sessions being opened at the same time
SECOND = GatewayId("gateway-2")
OTHER_MACHINE = cast.machine(cast.AMBERTIDE, "vm-press-03")


@dataclass(frozen=True)
class Front:
    """A gateway as clients reach it."""

    browser_port: int
    base_url: str
    resource: str


class Stamped(ClientStream):
    """A client's stream that knows when it last got something."""

    last = 0.0

    async def receive(self) -> bytes:
        data: bytes = await super().receive()
        self.last = time.perf_counter()
        return data


@dataclass
class Live:
    """A client that reads until its WebSocket is closed."""

    stream: Stamped
    reading: asyncio.Task[None]
    closed: float = 0.0


@contextlib.asynccontextmanager
async def session(front: Front, token: str) -> AsyncIterator[Live]:
    made: list[Stamped] = []

    def stream_of(websocket: ClientConnection) -> Stamped:
        made.append(Stamped(websocket))
        return made[0]

    async with gateway_client.session(front, token, stream_of=stream_of) as reading:
        live = Live(made[0], reading)
        reading.add_done_callback(lambda _: setattr(live, "closed", time.perf_counter()))
        yield live


def start_second_gateway(system: System, desktop: Desktop) -> Front:
    """Enrol and start another gateway, with a resource behind it."""
    first, ports = system.environment, (free_port(), free_port())
    state = system.directory / "second-gateway"
    state.mkdir(mode=0o700)
    system.environment = first | {
        "LOCKBOX_GATEWAY__STATE_DIRECTORY": str(state),
        "LOCKBOX_GATEWAY__BROWSER_LISTEN": f"127.0.0.1:{ports[0]}",
        "LOCKBOX_GATEWAY__BROWSER_URL": f"ws://gateway.localhost:{ports[0]}/rdp",
        "LOCKBOX_GATEWAY__NATIVE_LISTEN": f"127.0.0.1:{ports[1]}",
        "LOCKBOX_GATEWAY__NATIVE_ADDRESS": f"localhost:{ports[1]}",
    }
    code = system.command("gateway", "invite", SECOND, "--name", "Gateway 2")
    system.command("gateway", "enrol", "--code-stdin", stdin=code)
    refs = []
    for level in cast.LEVELS:
        name = cast.secret_of(cast.AMBERTIDE, desktop, level)
        account = Credential(username=desktop.username, password=desktop.password, domain="")
        write_secret(state / system.gateway_files.secrets.name, name, account, tenant_id=cast.AMBERTIDE)
        refs.append((level, name))
    target = Target(
        gateway_id=SECOND,
        address=desktop.host,
        port=desktop.port,
        security=TargetSecurity(desktop.security),
        certificate_sha256=desktop.certificate_sha256,
        secret_refs=tuple(refs),
    )
    setup.put_resource(
        system.lockbox,
        tenant_id=TenantId(cast.AMBERTIDE),
        resource_id=OTHER_MACHINE,
        operating_system="Linux",
        description="A second press.",
        target=target,
    )
    system.launch("gateway2")
    system.wait_for("gateway2")
    healthy = f"http://127.0.0.1:{ports[0]}/healthz"
    until(lambda: answers(healthy), "gateway with a lease")
    system.environment = first
    return Front(ports[0], system.base_url, OTHER_MACHINE)


async def open_sessions(
    system: System, fronts: list[Front], number: int, keep: contextlib.AsyncExitStack
) -> list[Live]:
    """Open the sessions, spread over the gateways."""
    turn, clients = asyncio.Semaphore(AT_ONCE), []

    async def open_one(front: Front, grant_id: str) -> None:
        async with turn:
            post = system.people["idris"].post
            offer = await asyncio.to_thread(post, f"/grants/{grant_id}/connect", front="browser")
            clients.append(await keep.enter_async_context(session(front, offer["token"])))

    for begun in range(0, number, SESSIONS_PER_GRANT * len(fronts)):
        for front in fronts:
            grant_id = await asyncio.to_thread(granted, system, front.resource)
            for _ in range(SESSIONS_PER_GRANT):  # one after the other: a person's HTTP client is no crowd
                await open_one(front, grant_id)
        print(f"{begun + SESSIONS_PER_GRANT * len(fronts)} sessions", flush=True)
    return clients


@dataclass(frozen=True)
class Found:
    """Seconds from the order, and the milliseconds that the portal tells."""

    cuts: list[float]
    closed: list[float]
    answered: float
    told: int


async def lock(system: System, fronts: list[Front], number: int) -> Found:
    async with contextlib.AsyncExitStack() as keep:
        clients = await open_sessions(system, fronts, number, keep)
        await asyncio.sleep(2)
        ended = sum(client.reading.done() for client in clients)
        assert not ended, f"{ended} sessions ended before the lock"
        begun = time.perf_counter()
        answer = await asyncio.to_thread(system.people["senna"].post, "/tenants/ambertide/lock", reason="")
        answered = time.perf_counter()
        assert answer["state"] == "locking", answer
        await asyncio.wait_for(asyncio.gather(*(client.reading for client in clients)), SECONDS)
        assert all(client.stream.last > begun for client in clients), "a client got no goodbye"
    confirmed = until(lambda: system.entries(code="lock.confirmed"), "lock confirmed by both gateways")
    return Found(
        cuts=[client.stream.last - begun for client in clients],
        closed=[client.closed - begun for client in clients],
        answered=answered - begun,
        told=int(confirmed[-1].event.detail["milliseconds"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16 sessions; shows only that the benchmark works")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--database-url", default=None)
    options = parser.parse_args()
    number = 16 if options.quick else options.sessions
    print(describe())
    with (
        tempfile.TemporaryDirectory(prefix="lockbox-bench-") as directory,
        start_shadow_desktop("nla") as desktop,
        running_system(Path(directory), {"nla": desktop}, database_url=options.database_url) as system,
    ):
        for person in ("senna", "idris", "bram"):
            system.people[person].sign_in()
        fronts = [
            Front(system.browser_port, system.base_url, cast.PRESS),
            start_second_gateway(system, desktop),
        ]
        try:
            found = asyncio.run(lock(system, fronts, number))
        except BaseException:
            print(system.logs()[-4000:])
            raise
        system.stop("gateway2")
    for name, times in (("lock to last byte", found.cuts), ("lock to closed", found.closed)):
        p50, p99, most = (percentile(times, share) * 1000 for share in (0.5, 0.99, 1.0))
        print(
            f"{name:18} p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, longest {most:6.1f} ms, {len(times)} sessions, 2 gateways"
        )
    print(
        f"lock answered      {found.answered * 1000:6.1f} ms; confirmed by both after {found.told} ms, as the portal tells"
    )
    print(f"after the run      {describe().splitlines()[0].rpartition(', ')[2]}")
    print(verdict("cut p99", percentile(found.cuts, 0.99) * 1000, TARGET, "ms", at_least=False))


if __name__ == "__main__":
    main()

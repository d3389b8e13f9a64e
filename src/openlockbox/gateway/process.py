"""The gateway process put together: listeners, lease, watchdog, spool, and an end in order. Reads no clock of its own."""

import asyncio
import contextlib
import fcntl
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Origin

from openlockbox.gateway.admission import Admission, Proofs
from openlockbox.gateway.clocks import Clocks
from openlockbox.gateway.connections import Connections, TooManyConnections, counted, peer_address
from openlockbox.gateway.contract import Gatekeeper
from openlockbox.gateway.control_plane import ControlPlane
from openlockbox.gateway.enrolment import Identity, load_identity, tls_trust
from openlockbox.gateway.gatekeeper import CoreGatekeeper, Limits
from openlockbox.gateway.journal import Journal
from openlockbox.gateway.lease import HighestVersion, Lease, LeaseLoop
from openlockbox.gateway.live_sessions import LiveSessions
from openlockbox.gateway.logs import FieldLogger
from openlockbox.gateway.pins import Pins
from openlockbox.gateway.presence import PresenceDesk
from openlockbox.gateway.private_files import PRIVATE_FILE, make_private_directory, write_private_json
from openlockbox.gateway.settings import GatewaySettings, StateFiles
from openlockbox.gateway.spool import Spool, recover_sessions

log = FieldLogger(__name__)

RDP_PATH: Final = "/rdp"
PRESENCE_PATH: Final = "/presence"
HEALTH_PATH: Final = "/healthz"
MAX_MESSAGE: Final = 1_048_576  # a browser's RDP messages are far smaller
MAX_QUEUE: Final = 16  # messages of a browser that wait before it is slowed down
STOP_TIME: Final = timedelta(seconds=5)

BrowserFront = Callable[[ServerConnection, Gatekeeper], Awaitable[None]]
NativeFront = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Gatekeeper, ssl.SSLContext], Awaitable[None]]


class StateDirectoryInUse(Exception):
    """Another gateway process runs on this state directory; recovery would seal its live recordings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fronts:
    """What speaks the protocols."""

    browser: BrowserFront
    native: NativeFront


@contextlib.contextmanager
def _only_process(files: StateFiles) -> Iterator[None]:
    descriptor = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateDirectoryInUse(str(files.root)) from error
        yield
    finally:
        os.close(descriptor)


class Gateway:
    """One running gateway."""

    def __init__(
        self, settings: GatewaySettings, identity: Identity, client: httpx.AsyncClient, clocks: Clocks
    ) -> None:
        files = settings.files
        self._settings, self._identity = settings, identity
        self._journal = Journal(files.journal)
        make_private_directory(files.recordings)
        make_private_directory(files.secrets)
        recover_sessions(self._journal, files.recordings, at=clocks.now(), signer=identity.signer)
        self._control_plane = ControlPlane(
            client,
            base_url=settings.control_plane_url,
            gateway_id=identity.gateway_id,
            signer=identity.signer,
            clock=clocks.now,
        )
        self._lease = Lease(identity.trust, clocks, HighestVersion(files.revocations))
        self._spool = Spool(self._journal, self._control_plane)
        self._sessions = LiveSessions(clocks, lease_age=self._lease.age)
        self._lease_loop = LeaseLoop(self._lease, self._control_plane, self._sessions, clocks)
        proofs = Proofs(clocks)
        admission = Admission(
            identity.trust,
            self._lease,
            clocks,
            pins=Pins(files.tenants, first_contact=settings.first_contact),
            proofs=proofs,
            gateway_id=identity.gateway_id,
            started_at=clocks.now(),
        )
        self._gatekeeper = CoreGatekeeper(
            admission=admission,
            sessions=self._sessions,
            control_plane=self._control_plane,
            journal=self._journal,
            signer=identity.signer,
            clocks=clocks,
            gateway_id=identity.gateway_id,
            recordings=files.recordings,
            recording_key=identity.recording_key,
            secrets=files.secrets,
            limits=Limits(sessions=settings.max_sessions, sessions_per_grant=settings.max_sessions_per_grant),
            ended=self._spool.wake,
        )
        self._presence = PresenceDesk(
            admission,
            proofs,
            gateway_id=identity.gateway_id,
            prefetch=self._gatekeeper.prefetch,
            report=self._gatekeeper.report,
        )
        self._connections = Connections(most=settings.max_connections)

    # ---- listeners ----

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is no WebSocket of ours; None lets the handshake go on."""
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            lost = self._lease.is_lost()
            status = HTTPStatus.SERVICE_UNAVAILABLE if lost else HTTPStatus.OK
            return connection.respond(status, "lease lost\n" if lost else "ok\n")
        if path not in {RDP_PATH, PRESENCE_PATH}:
            return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
        return None

    async def _serve_browser(self, front: BrowserFront, websocket: ServerConnection) -> None:
        try:
            if websocket.request is not None and websocket.request.path.partition("?")[0] == PRESENCE_PATH:
                await self._presence.serve(websocket)
            else:
                await front(websocket, self._gatekeeper)
        except Exception:
            log.exception("browser.failed")

    async def _serve_native(
        self, front: NativeFront, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        address = peer_address(writer.transport)
        try:
            self._connections.add(address, most_per_address=self._settings.max_connections_per_address)
        except TooManyConnections:
            writer.transport.abort()
            return
        try:
            await front(reader, writer, self._gatekeeper, context)
        except Exception:
            log.exception("native.failed")
        finally:
            self._connections.remove(address)
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def _listening(self, fronts: Fronts) -> AsyncIterator[tuple[Server, asyncio.Server]]:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.files.tls_certificate, settings.files.tls_key)
        browser_tls = None
        if settings.browser_tls is not None:
            browser_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            browser_tls.load_cert_chain(*settings.browser_tls)
        browser = await serve(
            lambda websocket: self._serve_browser(fronts.browser, websocket),
            *settings.browser_listen,
            # A handshake without Origin is refused too: only browsers come this way.
            origins=[Origin(origin) for origin in settings.allowed_origins],
            process_request=self._answer_http,
            max_size=MAX_MESSAGE,
            max_queue=MAX_QUEUE,
            compression=None,
            create_connection=counted(
                self._connections,
                most_per_address=None if browser_tls is None else settings.max_connections_per_address,
                tls=browser_tls,
            ),
            server_header=None,
        )
        native = await asyncio.start_server(
            lambda reader, writer: self._serve_native(fronts.native, context, reader, writer), *settings.native_listen
        )
        try:
            yield browser, native
        finally:
            browser.close()
            native.close()

    def _say_ready(self, browser: Server, native: asyncio.Server) -> None:
        ports = {
            "pid": os.getpid(),
            "gateway_id": self._identity.gateway_id,
            "browser_port": next(iter(browser.sockets)).getsockname()[1],
            "native_port": native.sockets[0].getsockname()[1],
        }
        log.info("gateway.ready", **ports)
        if self._settings.ready_file is not None:
            write_private_json(self._settings.ready_file, ports)

    # ---- life ----

    async def run(self, fronts: Fronts, stop: asyncio.Event) -> None:
        """Serve until told to stop, then end every session, seal every recording, and try once to report."""
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(self._lease_loop.run()),
                group.create_task(self._sessions.watch()),
                group.create_task(self._spool.run()),
            ]
            try:
                async with self._listening(fronts) as (browser, native):
                    self._say_ready(browser, native)
                    await stop.wait()
                    log.info("gateway.stopping", sessions=len(self._sessions))
                    await self._end_sessions()
            finally:
                await self._end_sessions()  # also when a loop failed: nothing may go on unwatched
            for loop in loops:
                loop.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIME.total_seconds()):
                await self._spool.deliver()
        log.info("gateway.stopped")

    async def _end_sessions(self) -> None:
        """Let nothing start, and end what runs. Idempotent."""
        self._gatekeeper.stop()
        await self._sessions.stop(longest=STOP_TIME)


async def serve_gateway(settings: GatewaySettings, *, clocks: Clocks, fronts: Fronts, stop: asyncio.Event) -> None:
    """Run an enrolled gateway until `stop` is set.

    Raises:
        NotEnrolled, UnsafeFile, StateDirectoryInUse: before anything listens.
    """
    files = settings.files
    identity = load_identity(files)
    with _only_process(files):
        async with httpx.AsyncClient(verify=tls_trust(settings), trust_env=False) as client:
            await Gateway(settings, identity, client, clocks).run(fronts, stop)

"""The browser's front: one WebSocket that speaks RDCleanPath, then RDP. The grant names the target, never the page."""

import asyncio
from typing import Final

from websockets.asyncio.server import ServerConnection

from openlockbox.gateway.contract import Admitted, ConnectionRefused, Gatekeeper
from openlockbox.gateway.rdp import negotiation, rdcleanpath
from openlockbox.gateway.rdp.client import answer_client
from openlockbox.gateway.rdp.ends import (
    ClientGone,
    MalformedPdu,
    RdpEnd,
    RecordingFailed,
    SessionOver,
    TargetCertificateMismatch,
    TargetUnreachable,
    TooMuchData,
)
from openlockbox.gateway.rdp.lifetime import Connection, live, stored_credential
from openlockbox.gateway.rdp.pump import Pump
from openlockbox.gateway.rdp.streams import WebSocketStream
from openlockbox.gateway.rdp.target import connect_desktop, open_target

REQUEST_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 0.2  # for the closing handshake; bytes of the desktop have stopped before
SERVER_NAME: Final = "target"  # the page need not learn the address
_TLS_BAD_CERTIFICATE: Final = 42


async def serve_browser(websocket: ServerConnection, gatekeeper: Gatekeeper) -> None:
    """Serve one connection to its end. Returns when everything is closed; refuses with an RDCleanPath error."""
    stream = WebSocketStream(websocket)
    try:
        await _serve(websocket, stream, gatekeeper)
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await websocket.close()
        except TimeoutError:
            pass
        finally:
            stream.abort()


async def _serve(websocket: ServerConnection, stream: WebSocketStream, gatekeeper: Gatekeeper) -> None:
    try:
        request, asked = await _read_request(stream)
        await gatekeeper.prefetch(request.token)
        admitted = gatekeeper.admit(request.token, front="browser")
        session = await gatekeeper.start(admitted, client_address=client_address(websocket))
    except ConnectionRefused as refusal:
        await _tell(stream, rdcleanpath.error(http=refusal.http_status))
        return
    except ClientGone:
        return
    except RdpEnd:
        await _tell(stream, rdcleanpath.error(http=400))
        return
    connection = Connection(session, admitted.session_id)
    front = _BrowserSession(stream, connection)
    await live(connection, front.run(gatekeeper, admitted, asked), front.farewell)


class _BrowserSession:
    """A started session; remembers whether the browser still expects RDCleanPath or already RDP."""

    def __init__(self, stream: WebSocketStream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._answered = False

    async def run(self, gatekeeper: Gatekeeper, admitted: Admitted, asked: negotiation.ConnectionRequest) -> None:
        """Dial, answer, connect both legs and pump.

        Raises:
            RdpEnd: always.
        """
        credential = stored_credential(gatekeeper, admitted.grant)
        leg = await open_target(admitted.grant.target, credential)
        self._connection.target = leg
        confirm = negotiation.connection_confirm(negotiation.Security.TLS)
        await self._stream.send(
            rdcleanpath.response(x224=confirm, certificate=leg.certificate, server_addr=SERVER_NAME)
        )
        self._answered = True
        client = await answer_client(self._stream, requested_raw=asked.requested_raw)
        target = await connect_desktop(
            leg,
            offer=client.offer,
            granted=admitted.grant.channels,
            credential=credential,
            recorder=self._connection.session.recorder,
        )
        self._connection.pump = Pump(client, target, self._connection.session)
        await self._connection.pump.run()

    async def farewell(self, end: RdpEnd, pump: Pump | None) -> None:
        """Tell the page in the language it is listening for; the portal words the reason."""
        if not self._answered:
            await self._stream.send(clean_path_error(end))
        elif pump is not None:
            await self._stream.send(pump.goodbye())


async def _read_request(stream: WebSocketStream) -> tuple[rdcleanpath.CleanPathRequest, negotiation.ConnectionRequest]:
    held = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            while True:
                held += await stream.receive()
                if len(held) > rdcleanpath.MAX_REQUEST:
                    raise TooMuchData("rdcleanpath request")
                length = rdcleanpath.der_length(held)
                if length is not None and len(held) >= length:
                    break
    except TimeoutError as error:
        raise ClientGone("request timed out") from error
    if len(held) > length:
        raise MalformedPdu("bytes after the request")
    request = rdcleanpath.parse_request(bytes(held))
    asked = negotiation.parse_connection_request(request.x224)
    if negotiation.Security.TLS not in asked.requested:
        raise MalformedPdu("standard rdp security")
    return request, asked


def clean_path_error(end: RdpEnd) -> bytes:
    """Word an end that comes before the answer, so that the browser shows the right kind of message."""
    match end:
        case TargetUnreachable():
            return rdcleanpath.error(wsa=end.wsa)
        case TargetCertificateMismatch():
            return rdcleanpath.error(tls_alert=_TLS_BAD_CERTIFICATE)
        case SessionOver():
            return rdcleanpath.error(http=403)
        case RecordingFailed():
            return rdcleanpath.error(http=503)
        case _:
            return rdcleanpath.error(http=502)


def client_address(websocket: ServerConnection) -> str:
    """Tell the peer's address; behind a proxy that is the proxy's."""
    peer = websocket.remote_address
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


async def _tell(stream: WebSocketStream, refusal: bytes) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await stream.send(refusal)
    except (TimeoutError, ClientGone):
        return

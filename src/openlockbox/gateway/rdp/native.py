"""The front for native RDP clients: token in clear (preconnection PDU or cookie), then TLS, then the one-time password.

The token is not a secret and admits nobody by itself. The password comes inside TLS, in Client Info, and is checked before
the session starts and before the target is dialled: up to there the gateway alone plays the server.
"""

import asyncio
import ssl
from typing import Final

from openlockbox.gateway.contract import Admitted, ConnectionRefused, Gatekeeper
from openlockbox.gateway.rdp import mcs, negotiation
from openlockbox.gateway.rdp.client import ConnectedClient, answer_client
from openlockbox.gateway.rdp.client_info import password_matches
from openlockbox.gateway.rdp.ends import ClientGone, MalformedPdu, RdpEnd, TooMuchData
from openlockbox.gateway.rdp.framing import packet_length
from openlockbox.gateway.rdp.lifetime import Connection, live, stored_credential
from openlockbox.gateway.rdp.pump import Pump
from openlockbox.gateway.rdp.streams import TcpStream
from openlockbox.gateway.rdp.target import connect_desktop, open_target

HEAD_SECONDS: Final = 10.0
TLS_SECONDS: Final = 60.0  # a client may be showing the gateway's certificate to a person
CLOSE_SECONDS: Final = 0.2
_MAX_HEAD: Final = negotiation.MAX_PRECONNECTION + negotiation.MAX_CONNECTION_REQUEST


async def serve_native(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gatekeeper: Gatekeeper, tls_context: ssl.SSLContext
) -> None:
    """Serve one connection of `asyncio.start_server` to its end. Returns when everything is closed.

    A wrong password refuses without a session and without a packet to the target; the token was burned by admission, so
    there is no second try.
    """
    stream = TcpStream(reader, writer, gone=ClientGone)
    try:
        await _serve(stream, writer, gatekeeper, tls_context)
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass
        finally:
            stream.abort()


async def _serve(
    stream: TcpStream, writer: asyncio.StreamWriter, gatekeeper: Gatekeeper, tls_context: ssl.SSLContext
) -> None:
    try:
        admitted, asked = await _admit(stream, gatekeeper)
        if admitted is None:
            await stream.send(negotiation.negotiation_failure(negotiation.Failure.SSL_NOT_ALLOWED))
            return
        await stream.send(negotiation.connection_confirm(negotiation.Security.TLS))
        # The head was read to its last byte and reading is on hold since, so no clear text can pass for TLS data.
        await _start_tls(writer, tls_context)
        client = await answer_client(stream, requested_raw=asked.requested_raw)
        if not _password_is_right(client, admitted):
            gatekeeper.refuse(admitted, "password_wrong")
            await stream.send(mcs.DISCONNECT)
            return
        try:
            session = await gatekeeper.start(admitted, client_address=client_address(writer))
        except ConnectionRefused:
            await stream.send(mcs.DISCONNECT)
            return
    except RdpEnd:
        return
    connection = Connection(session, admitted.session_id)

    async def farewell(_end: RdpEnd, pump: Pump | None) -> None:
        await stream.send(mcs.DISCONNECT if pump is None else pump.goodbye())

    await live(connection, _run(connection, gatekeeper, admitted, client), farewell)


async def _run(connection: Connection, gatekeeper: Gatekeeper, admitted: Admitted, client: ConnectedClient) -> None:
    credential = stored_credential(gatekeeper, admitted.grant)
    connection.target = await open_target(admitted.grant.target, credential)
    target = await connect_desktop(
        connection.target,
        offer=client.offer,
        granted=admitted.grant.channels,
        credential=credential,
        recorder=connection.session.recorder,
    )
    connection.pump = Pump(client, target, connection.session)
    await connection.pump.run()


async def _admit(stream: TcpStream, gatekeeper: Gatekeeper) -> tuple[Admitted | None, negotiation.ConnectionRequest]:
    """Read the head and ask the core. None for a refusal, which the client learns as a negotiation failure."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await _read_head(stream)
        stream.hold()
        token, asked = parse_head(head)
    except TimeoutError as error:
        raise ClientGone("head timed out") from error
    if negotiation.Security.TLS not in asked.requested or not token:
        return None, asked
    try:
        await gatekeeper.prefetch(token)
        return gatekeeper.admit(token, front="native"), asked
    except ConnectionRefused:
        return None, asked


async def _read_head(stream: TcpStream) -> bytes:
    held = bytearray()
    while True:
        held += await stream.receive()
        if len(held) > _MAX_HEAD:
            raise TooMuchData("native head")
        if head_is_complete(held):
            return bytes(held)


def head_is_complete(held: bytes | bytearray) -> bool:
    """Tell whether preconnection PDU, if any, and X.224 request are all there.

    Raises:
        MalformedPdu: it cannot become one.
        TooMuchData: a length beyond our limits.
    """
    at = 0
    if len(held) < 4:  # noqa: PLR2004
        return False
    if negotiation.is_preconnection(bytes(held[:2])):
        at = negotiation.preconnection_length(bytes(held[:4]))
    if len(held) < at:
        return False
    length = packet_length(held, at)
    if length is None:
        return False
    if length > negotiation.MAX_CONNECTION_REQUEST:
        raise TooMuchData("connection request")
    return len(held) >= at + length


def parse_head(head: bytes) -> tuple[str, negotiation.ConnectionRequest]:
    """Read token and request from a complete head. The preconnection PDU's token wins over the cookie's.

    Raises:
        MalformedPdu: not such a head, or bytes behind it, which would be clear text posing as protected.
        TooMuchData: a length beyond our limits.
    """
    at = negotiation.preconnection_length(head[:4]) if negotiation.is_preconnection(head) else 0
    token = negotiation.parse_preconnection(head[:at]) if at else ""
    length = packet_length(head, at)
    if length is None or at + length != len(head):
        raise MalformedPdu("bytes after the connection request")
    asked = negotiation.parse_connection_request(head[at:])
    return token or asked.token, asked


async def _start_tls(writer: asyncio.StreamWriter, tls_context: ssl.SSLContext) -> None:
    try:
        await writer.start_tls(tls_context, ssl_handshake_timeout=TLS_SECONDS)
    except (OSError, RuntimeError) as error:  # RuntimeError: uvloop, when the client has left already
        raise ClientGone("tls handshake") from error


def _password_is_right(client: ConnectedClient, admitted: Admitted) -> bool:
    """Check the one-time password; a token without one admits no native client."""
    if not admitted.password_sha256:
        return False
    return password_matches(client.client_info, password_sha256=admitted.password_sha256)


def client_address(writer: asyncio.StreamWriter) -> str:
    """Tell the peer's address."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""

"""A small gatekeeper with one token, and a client that speaks RDCleanPath and just enough RDP."""

import asyncio
import contextlib
import hashlib
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from openlockbox.domain.session import EndReason
from openlockbox.gateway.contract import Admitted, ConnectionRefused, Credential
from openlockbox.gateway.rdp import gcc, mcs, negotiation, rdcleanpath
from openlockbox.gateway.rdp.browser import serve_browser
from openlockbox.gateway.rdp.client_info import client_info
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.native import serve_native
from openlockbox.gateway.rdp.negotiation import Security
from openlockbox.gateway.rdp.streams import PacketReader
from openlockbox.grants.grant import DecisionDocument, GrantDocument, LogDocument, TargetDocument

TOKEN = "token-of-one-session"
ONE_TIME = "one-time-passwrd"
SECRET_REF = "vm/credential"
HERE = ({"statement": "", "key": None}, {"ok": True})  # an engineer whose key nobody asked for


class FakeRecorder:
    def __init__(self):
        self.data = bytearray()
        self.broken = False

    def server_bytes(self, data):
        if self.broken:
            raise OSError("disk full")
        self.data += data


class FakeSession:
    def __init__(self):
        self.recorder = FakeRecorder()
        self.ended = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()

    async def close(self, reason):
        if not self.closed.done():
            self.closed.set_result(reason)
        return self.closed.result()


class FakeGatekeeper:
    def __init__(self, target, credential=None, *, channels=()):
        self.grant = grant_for(target, channels)
        self.stored = credential or Credential(username="engineer", password="stored-password")
        self.presence = []  # what the gateway says at each asking; content once that is used up
        self.calls = []
        self.burned = False
        self.refuse_start = False
        self.without_secret = False
        self.password_sha256 = hashlib.sha256(ONE_TIME.encode()).hexdigest()
        self.session = FakeSession()

    async def prefetch(self, token):
        self.calls.append("prefetch")

    def admit(self, token, *, front):
        self.calls.append("admit")
        if token != TOKEN or self.burned:
            raise ConnectionRefused("token_invalid", http_status=401)
        self.burned = True
        return Admitted(
            session_id="session-1",
            grant=self.grant,
            front=front,
            password_sha256=self.password_sha256 if front == "native" else None,
        )

    def refuse(self, admitted, code):
        self.calls.append(f"refuse {code}")

    async def start(self, admitted, *, client_address):
        self.calls.append("start")
        if self.refuse_start:
            raise ConnectionRefused("session_not_recorded", http_status=503)
        return self.session

    def credential(self, grant):
        self.calls.append("credential")
        if self.without_secret:
            raise ConnectionRefused("secret_missing")
        assert grant.target.secret_ref == SECRET_REF
        return self.stored


def grant_for(target, channels):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return GrantDocument(
        grant_id="grant-1",
        tenant_id="tenant-1",
        request_id="request-1",
        correlation_id="correlation-1",
        engineer_id="engineer-1",
        resource_id="resource-1",
        resource_name="vm-1",
        gateway_id="gateway-1",
        scenario="rdp",
        permission="interactive",
        channels=channels,
        target=target,
        request_digest="",
        displayed="{}",
        decision=DecisionDocument(statement="{}", method="unsigned"),
        log=LogDocument(index=0, leaf=b"{}", checkpoint="", proof=()),
        issued_at=now,
        not_before=now,
        not_after=now + timedelta(hours=8),
    )


def target_of(desktop, *, pin=None):
    return TargetDocument(
        address=desktop.host,
        port=desktop.port,
        security=desktop.security,
        certificate_sha256=pin or desktop.certificate_sha256,
        secret_ref=SECRET_REF,
    )


def fake_target(port, *, pin="0" * 64, security="tls"):
    return TargetDocument(
        address="127.0.0.1", port=port, security=security, certificate_sha256=pin, secret_ref=SECRET_REF
    )


def credential_of(desktop):
    return Credential(username=desktop.username, password=desktop.password, domain=desktop.domain)


def server_context(folder: Path):
    """Make a TLS server context with a fresh certificate, and that certificate's pin."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


@contextlib.asynccontextmanager
async def browser_gateway(gatekeeper):
    async def handle(websocket: ServerConnection):
        if websocket.request.path == "/presence":
            await websocket.recv()
            for answer in gatekeeper.presence.pop(0) if gatekeeper.presence else HERE:
                await websocket.send(json.dumps(answer))
            await websocket.wait_closed()
        else:
            await serve_browser(websocket, gatekeeper)

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@contextlib.asynccontextmanager
async def native_gateway(gatekeeper, context):
    async def handle(reader, writer):
        await serve_native(reader, writer, gatekeeper, context)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def tcp_target(behaviour):
    """Run a target that behaves as `behaviour(reader, writer)` does; counts its connections."""
    seen = []

    async def handle(reader, writer):
        seen.append(1)
        try:
            await behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        await server.wait_closed()


def clean_path_request(token=TOKEN, requested=Security.TLS, x224=None):
    return rdcleanpath._dump(
        {
            "version": rdcleanpath.VERSION,
            "destination": "attacker.example:22",
            "proxy_auth": token,
            "x224_connection_pdu": negotiation.connection_request(requested) if x224 is None else x224,
        }
    )


def clean_path_error(der):
    return dict(rdcleanpath._Pdu.load(der)["error"].native)


class ClientStream:
    """The client's end of a WebSocket, as a `ByteStream`."""

    def __init__(self, websocket: ClientConnection):
        self.websocket = websocket

    async def receive(self):
        return await self.websocket.recv()

    async def send(self, data):
        await self.websocket.send(data)


@contextlib.asynccontextmanager
async def browser_client(port):
    async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as websocket:
        yield websocket


def client_core():
    core = bytearray(140)
    core[0:4] = b"\x01\xc0\xd8\x00"
    core[4:8] = b"\x04\x00\x08\x00"
    core[8:12] = (1024).to_bytes(2, "little") + (768).to_bytes(2, "little")
    core[12:16] = b"\x01\xca\x03\xaa"
    core[16:20] = (0x409).to_bytes(4, "little")
    core[56:60] = b"\x04\0\0\0"
    core[64:68] = b"\x0c\0\0\0"
    core[132:136] = b"\x01\xca\x01\x00"
    return bytes(core)


def client_offer(*names):
    return gcc.ClientOffer(
        core=client_core(), channels=tuple(gcc.StaticChannel(name=name, options=0x80000000) for name in names)
    )


async def connect_client(stream, *names, password="none"):
    """Run a client's connection sequence up to Client Info and return the reader of what follows."""
    offer = client_offer(*names)
    reader = PacketReader(stream)
    await stream.send(x224_data(gcc.connect_initial(offer, channels=offer.channels, selected=Security.TLS)))
    server = gcc.parse_connect_response(mcs_of(await reader.packet()))
    await stream.send(x224_data(mcs.ERECT_DOMAIN) + x224_data(mcs.ATTACH_USER))
    user = mcs.parse_attach_confirm(await reader.packet())
    for channel in (user, server.io_channel, *server.channels):
        await stream.send(x224_data(mcs.join_request(user=user, channel=channel)))
        mcs.check_join_confirm(await reader.packet(), channel=channel)
    info = client_info(Credential(username="dummy", password=password), sound=False)
    await stream.send(mcs.send_request(info, initiator=user, channel=server.io_channel))
    return reader, server, user


async def closed_reason(gatekeeper, seconds=20) -> EndReason:
    return await asyncio.wait_for(asyncio.shield(gatekeeper.session.closed), seconds)


async def until(check, seconds=20):
    """Poll a real process until `check` gives something true."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await check():
                return found
            await asyncio.sleep(0.1)


def shows_patch(image, patch, tolerance=14):
    """Whether every pixel of the patch has its colour: a sheared or empty picture has not."""
    box = image.convert("RGB").crop((patch.x, patch.y, patch.x + patch.width, patch.y + patch.height))
    wanted = (patch.red, patch.green, patch.blue)
    return all(
        wanted[band] - tolerance <= low and high <= wanted[band] + tolerance
        for band, (low, high) in enumerate(box.getextrema())
    )


async def drain(websocket):
    """Read a WebSocket until it is closed."""
    while True:
        await websocket.recv()


async def silent(reader, writer):
    await reader.read()

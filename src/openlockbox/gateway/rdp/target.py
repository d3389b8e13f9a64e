"""The leg to the target: dial, pin, sign in, connect. It is an RDP client of its own and takes no bytes from the engineer."""

import asyncio
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from typing import Final

from openlockbox.gateway.contract import Credential, Recorder
from openlockbox.gateway.rdp import gcc, mcs, negotiation
from openlockbox.gateway.rdp.client_info import client_info
from openlockbox.gateway.rdp.credssp import MAX_TSREQUEST, CredSspClient
from openlockbox.gateway.rdp.ends import (
    MalformedPdu,
    RecordingFailed,
    TargetCertificateMismatch,
    TargetGone,
    TargetSignInRefused,
    TargetUnreachable,
    TooMuchData,
)
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.rdcleanpath import der_length
from openlockbox.gateway.rdp.streams import ByteStream, PacketReader, TcpStream
from openlockbox.grants.grant import TargetDocument

DIAL_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = 10.0  # each: negotiation with TLS and sign-in; MCS connect
_WSA_TIMED_OUT, _WSA_REFUSED, _WSA_UNREACHABLE = 10060, 10061, 10065


@dataclass(slots=True, kw_only=True)
class TargetLeg:
    """A target that has shown the pinned certificate and, for NLA, accepted the account. Close it with `stream.abort`."""

    stream: ByteStream
    certificate: bytes
    selected: negotiation.Security


@dataclass(slots=True, kw_only=True)
class ConnectedTarget:
    """A target on which the connection sequence is through; the reader gives what it sends, recorded."""

    stream: ByteStream
    reader: PacketReader
    user: int
    io_channel: int
    channels: dict[str, int]


class RecordedStream:
    """A stream whose every received byte is in the recording before anybody else sees it."""

    def __init__(self, stream: ByteStream, recorder: Recorder) -> None:
        self._stream = stream
        self._recorder = recorder

    async def receive(self) -> bytes:
        """Read the next bytes and record them.

        Raises:
            RecordingFailed: they cannot be recorded, so nobody may see them.
        """
        chunk = await self._stream.receive()
        try:
            self._recorder.server_bytes(chunk)
        except OSError as error:
            raise RecordingFailed from error
        return chunk

    async def send(self, data: bytes) -> None:
        """Write; not recorded."""
        await self._stream.send(data)

    def abort(self) -> None:
        """Reset the connection."""
        self._stream.abort()


def target_tls_context() -> ssl.SSLContext:
    """Make the context for targets. It trusts no authority: the pin alone decides, right after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def open_target(target: TargetDocument, credential: Credential) -> TargetLeg:
    """Dial and come to the point where RDP flows inside TLS.

    Raises:
        TargetUnreachable: no connection, or too slow.
        TargetCertificateMismatch: another certificate than the pin, or no TLS.
        TargetSignInRefused: NLA failed.
        TargetGone: it closed the connection.
        MalformedPdu: it speaks something else.
    """
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            reader, writer = await asyncio.open_connection(target.address, target.port)
    except TimeoutError as error:
        raise TargetUnreachable("dial timed out", wsa=_WSA_TIMED_OUT) from error
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        raise TargetUnreachable("dial failed", wsa=_WSA_REFUSED if refused else _WSA_UNREACHABLE) from error
    stream = TcpStream(reader, writer, gone=TargetGone)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            selected = await _negotiate(stream, target.security)
            # No await between the check for read-ahead bytes in _negotiate and start_tls: clear text must not slip in between.
            certificate = await _start_tls(writer, target.certificate_sha256)
            if selected is negotiation.Security.CREDSSP:
                await _sign_in(stream, CredSspClient(credential, hostname=target.address, certificate=certificate))
    except TimeoutError as error:
        stream.abort()
        raise TargetUnreachable("handshake timed out", wsa=_WSA_TIMED_OUT) from error
    except BaseException:
        stream.abort()
        raise
    return TargetLeg(stream=stream, certificate=certificate, selected=selected)


async def _negotiate(stream: TcpStream, security: str) -> negotiation.Security:
    """Agree on exactly the security that the grant names; a weaker answer is a refusal."""
    wanted = {"tls": negotiation.Security.TLS, "nla": negotiation.Security.CREDSSP}[security]
    await stream.send(negotiation.connection_request(negotiation.Security.TLS | wanted))
    packets = PacketReader(stream)
    selected = negotiation.parse_connection_confirm(await packets.packet())
    if not packets.is_drained():
        raise MalformedPdu("clear text before tls")
    if selected is not wanted:
        raise TargetSignInRefused("target selected other security")
    return selected


async def _start_tls(writer: asyncio.StreamWriter, certificate_sha256: str) -> bytes:
    try:
        await writer.start_tls(target_tls_context(), ssl_handshake_timeout=HANDSHAKE_SECONDS)
    except (OSError, RuntimeError) as error:  # RuntimeError: uvloop, when the target has left already
        raise TargetCertificateMismatch("tls handshake") from error
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        raise TargetCertificateMismatch("no certificate")
    if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), certificate_sha256):
        raise TargetCertificateMismatch("certificate is not the pinned one")
    return bytes(certificate)


async def _sign_in(stream: ByteStream, client: CredSspClient) -> None:
    """Run CredSSP. A target that hangs up in the middle has refused the account: NTLM has no other word for it."""
    try:
        await stream.send(client.negotiate())
        await stream.send(client.authenticate(await _tsrequest(stream)))
        await stream.send(client.delegate(await _tsrequest(stream)))
    except TargetGone as error:
        raise TargetSignInRefused("closed during credssp") from error


async def _tsrequest(stream: ByteStream) -> bytes:
    held = bytearray()
    while True:
        held += await stream.receive()
        length = der_length(held)
        if length is not None and len(held) >= length:
            break
        if len(held) > MAX_TSREQUEST:
            raise TooMuchData("tsrequest")
    if len(held) > length:
        raise MalformedPdu("bytes after tsrequest")
    return bytes(held)


async def connect_desktop(
    leg: TargetLeg, *, offer: gcc.ClientOffer, granted: tuple[str, ...], credential: Credential, recorder: Recorder
) -> ConnectedTarget:
    """Run the connection sequence with the target, up to and with Client Info. From here on its bytes are recorded.

    Raises:
        TargetUnreachable: too slow.
        TargetSignInRefused: an NLA target closed before it answered, which is how it refuses an account after CredSSP.
        TargetGone: it closed the connection.
        MalformedPdu: it speaks something else.
        RecordingFailed: the recording cannot be written.
    """
    stream = RecordedStream(leg.stream, recorder)
    packets = PacketReader(stream)
    channels = gcc.allowed_channels(offer.channels, granted)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await stream.send(x224_data(gcc.connect_initial(offer, channels=channels, selected=leg.selected)))
            try:
                server = gcc.parse_connect_response(mcs_of(await packets.packet()))
            except TargetGone as error:
                if leg.selected is negotiation.Security.CREDSSP:
                    raise TargetSignInRefused("closed after credssp") from error
                raise
            if len(server.channels) != len(channels):
                raise MalformedPdu("channel count")
            await stream.send(x224_data(mcs.ERECT_DOMAIN) + x224_data(mcs.ATTACH_USER))
            user = mcs.parse_attach_confirm(await packets.packet())
            for channel in (user, server.io_channel, *server.channels):
                await stream.send(x224_data(mcs.join_request(user=user, channel=channel)))
                mcs.check_join_confirm(await packets.packet(), channel=channel)
            info = client_info(credential, sound="sound" in granted)
            await stream.send(mcs.send_request(info, initiator=user, channel=server.io_channel))
    except TimeoutError as error:
        raise TargetUnreachable("connect timed out", wsa=_WSA_TIMED_OUT) from error
    return ConnectedTarget(
        stream=stream,
        reader=packets,
        user=user,
        io_channel=server.io_channel,
        channels={channel.name: number for channel, number in zip(channels, server.channels, strict=True)},
    )

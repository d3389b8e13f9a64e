"""The leg to the engineer's client: the gateway is its server and answers the connection sequence without the target."""

import asyncio
from dataclasses import dataclass
from typing import Final

from openlockbox.gateway.rdp import gcc, mcs
from openlockbox.gateway.rdp.client_info import is_client_info
from openlockbox.gateway.rdp.ends import ClientGone, MalformedPdu
from openlockbox.gateway.rdp.framing import mcs_of, x224_data
from openlockbox.gateway.rdp.streams import ByteStream, PacketReader

CONNECT_SECONDS: Final = 60.0  # a person may be reading a certificate warning or typing the password meanwhile


@dataclass(slots=True, kw_only=True, repr=False)
class ConnectedClient:
    """A client that waits for its desktop. No repr: Client Info holds a password."""

    stream: ByteStream
    reader: PacketReader
    offer: gcc.ClientOffer
    server: gcc.ServerOffer
    user: int
    client_info: bytes

    def channel_of(self, name: str) -> int:
        """Tell the id under which the client knows this channel."""
        names = [channel.name for channel in self.offer.channels]
        return self.server.channels[names.index(name)]


async def answer_client(stream: ByteStream, *, requested_raw: int) -> ConnectedClient:
    """Play the server until the client has sent Client Info.

    Raises:
        ClientGone: it left, or took longer than a minute.
        MalformedPdu: it speaks something else.
        TooMuchData: it sends more than a connection sequence has.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await _answer(stream, requested_raw)
    except TimeoutError as error:
        raise ClientGone("handshake timed out") from error


async def _answer(stream: ByteStream, requested_raw: int) -> ConnectedClient:
    reader = PacketReader(stream)
    offer = gcc.parse_connect_initial(mcs_of(await reader.packet()))
    io_channel = mcs.FIRST_CHANNEL
    ids = tuple(range(io_channel + 1, io_channel + 1 + len(offer.channels)))
    user = io_channel + 1 + len(ids)
    server = gcc.ServerOffer(io_channel=io_channel, channels=ids)
    await stream.send(x224_data(gcc.connect_response(server, requested_raw=requested_raw)))
    while True:
        pdu = mcs_of(await reader.packet())
        match mcs.pdu_type(pdu):
            case mcs.ERECT:
                continue
            case mcs.ATTACH:
                await stream.send(x224_data(mcs.attach_confirm(user)))
            case mcs.JOIN:
                channel = mcs.parse_join_request(pdu)
                if channel not in (user, io_channel, *ids):
                    raise MalformedPdu("join of an unknown channel")
                await stream.send(x224_data(mcs.join_confirm(user=user, channel=channel)))
            case mcs.SEND_REQUEST:
                data = mcs.parse_data(pdu, kind=mcs.SEND_REQUEST)
                if data.channel != io_channel or not is_client_info(data.payload):
                    raise MalformedPdu("expected client info")
                return ConnectedClient(
                    stream=stream, reader=reader, offer=offer, server=server, user=user, client_info=data.payload
                )
            case mcs.DISCONNECTED:
                raise ClientGone
            case _:
                raise MalformedPdu("unexpected mcs pdu")

"""Carries whole packets both ways once both legs are connected. Passes data on the channels of the grant and on no other."""

import asyncio
from typing import Final, NoReturn

from openlockbox.gateway.contract import LiveSession
from openlockbox.gateway.rdp import mcs, share
from openlockbox.gateway.rdp.client import ConnectedClient
from openlockbox.gateway.rdp.ends import ClientGone, MalformedPdu, RdpEnd, SessionOver, TargetGone
from openlockbox.gateway.rdp.framing import Kind, kind_of, mcs_of
from openlockbox.gateway.rdp.target import ConnectedTarget

KEYFRAME_SECONDS: Final = 60.0  # a replay seeks to the minute; costs one screen (20-90 kB) each


class Pump:
    """One live desktop. `run` ends only by an `RdpEnd`."""

    def __init__(self, client: ConnectedClient, target: ConnectedTarget, session: LiveSession) -> None:
        self._client = client
        self._target = target
        self._session = session
        self._share: int | None = None
        self._drawing = asyncio.Event()
        self._licensing = True  # until the target has closed it; only meanwhile may payloads be no share PDUs
        self._license_asked = False  # the target waits for the client's answer
        self._to_target = {client.server.io_channel: target.io_channel}
        self._to_target |= {client.channel_of(name): number for name, number in target.channels.items()}
        self._to_client = {number: own for own, number in self._to_target.items()}

    async def run(self) -> NoReturn:
        """Carry both ways until one side ends it.

        Raises:
            RdpEnd: always.
        """
        tasks = [
            asyncio.create_task(work()) for work in (self._target_to_client, self._client_to_target, self._keyframes)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        ends = [result for result in results if isinstance(result, Exception)]
        raise ends[0]

    def goodbye(self) -> bytes:
        """Build what tells the client that the server ends it. Only whole packets were sent before, so it fits in."""
        if self._share is None:
            return mcs.DISCONNECT
        note = share.error_info(share=self._share, source=mcs.SERVER_USER)
        return (
            mcs.send_indication(note, initiator=mcs.SERVER_USER, channel=self._client.server.io_channel)
            + mcs.DISCONNECT
        )

    async def _target_to_client(self) -> NoReturn:
        while True:
            packets = await self._target.reader.packets()
            end: RdpEnd | None = None
            out = []
            for packet in packets:
                try:
                    out.append(self._for_client(packet))
                except RdpEnd as error:
                    end = error
                    break
            self._check_live()
            if whole := b"".join(out):
                await self._client.stream.send(whole)
            if end is not None:
                raise end

    def _for_client(self, packet: bytes) -> bytes:
        if kind_of(packet) is Kind.FAST_PATH:
            return packet
        pdu = mcs_of(packet)
        if mcs.pdu_type(pdu) == mcs.DISCONNECTED:
            raise TargetGone
        data = mcs.parse_data(pdu, kind=mcs.SEND_INDICATION)
        if data.channel not in self._to_client:
            return b""
        payload = self._io_for_client(data.payload) if data.channel == self._target.io_channel else data.payload
        # Always built anew: what the gateway did not read cannot be in it.
        channel = self._to_client[data.channel]
        return mcs.send_indication(payload, initiator=data.initiator, channel=channel) if payload else b""

    def _io_for_client(self, payload: bytes) -> bytes:
        message = share.license_message(payload) if self._licensing else None
        if message is not None:
            self._licensing = self._license_asked = message in (share.LICENSE_REQUEST, share.PLATFORM_CHALLENGE)
            return payload
        # Save Session Info may carry the auto-reconnect cookie, which resumes a session at the machine without a password.
        pdus = [pdu for pdu in share.share_pdus(payload) if share.data_type(pdu) != share.SAVE_SESSION_INFO]
        for pdu in pdus:
            match share.control_type(pdu):
                case share.DEMAND_ACTIVE:
                    self._licensing = self._license_asked = False
                case share.DEACTIVATE_ALL | share.DATA:
                    pass
                case _:
                    # A redirection would send the client elsewhere, past the gateway, and may carry the injected account.
                    raise MalformedPdu("server redirection or unknown pdu")
        return b"".join(pdus)

    async def _client_to_target(self) -> NoReturn:
        while True:
            packets = await self._client.reader.packets()
            end: RdpEnd | None = None
            out = []
            for packet in packets:
                try:
                    out.append(self._for_target(packet))
                except RdpEnd as error:
                    end = error
                    break
            self._check_live()
            if whole := b"".join(out):
                await self._target.stream.send(whole)
            if end is not None:
                raise end

    def _for_target(self, packet: bytes) -> bytes:
        if kind_of(packet) is Kind.FAST_PATH:
            return packet
        pdu = mcs_of(packet)
        if mcs.pdu_type(pdu) == mcs.DISCONNECTED:
            raise ClientGone
        data = mcs.parse_data(pdu, kind=mcs.SEND_REQUEST)
        channel = self._to_target.get(data.channel)
        if channel is None:
            return b""
        payload = self._io_for_target(data.payload) if channel == self._target.io_channel else data.payload
        return mcs.send_request(payload, initiator=self._target.user, channel=channel) if payload else b""

    def _io_for_target(self, payload: bytes) -> bytes:
        if self._license_asked and share.license_message(payload) is not None:
            self._license_asked = False
            return payload
        return b"".join(self._share_pdu_for_target(pdu) for pdu in share.share_pdus(payload))

    def _share_pdu_for_target(self, pdu: bytes) -> bytes:
        match share.control_type(pdu):
            case share.CONFIRM_ACTIVE:
                self._share = share.share_id(pdu)
                return share.downgraded_confirm_active(pdu)
            case share.DATA:
                if share.data_type(pdu) == share.SUPPRESS_OUTPUT:
                    return b""  # the target would stop drawing, and the recording would show nothing
                if share.data_type(pdu) == share.FONT_LIST:
                    self._drawing.set()
                return pdu
            case _:
                raise MalformedPdu("not a client's pdu")

    async def _keyframes(self) -> NoReturn:
        await self._drawing.wait()
        while True:
            await asyncio.sleep(KEYFRAME_SECONDS)
            offer = self._client.offer
            refresh = share.refresh_rect(
                share=self._share or 0, source=self._target.user, width=offer.width, height=offer.height
            )
            await self._target.stream.send(
                mcs.send_request(refresh, initiator=self._target.user, channel=self._target.io_channel)
            )

    def _check_live(self) -> None:
        """Stop between read and write when the core has ended the session: not one packet more than needed."""
        if self._session.ended.done():
            raise SessionOver.of(self._session.ended)

"""Why an RDP connection ends, as exceptions. Each knows its `EndReason`; none may carry bytes that a peer sent."""

import asyncio
from typing import ClassVar

from openlockbox.domain.session import EndReason


class RdpEnd(Exception):
    """The connection cannot go on. `detail` is our own fixed wording, safe to log."""

    reason: ClassVar[EndReason] = EndReason.PROTOCOL_ERROR

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__(detail)


class MalformedPdu(RdpEnd):
    """A peer sent something that is not the PDU that belongs here."""


class TooMuchData(RdpEnd):
    """A peer sent more than the named limit before it was entitled to."""

    reason = EndReason.LIMIT_EXCEEDED


class ClientGone(RdpEnd):
    """The engineer's side closed the connection, or stayed silent during the handshake."""

    reason = EndReason.CLIENT_CLOSED


class TargetGone(RdpEnd):
    """The target closed the connection."""

    reason = EndReason.TARGET_CLOSED


class TargetUnreachable(RdpEnd):
    """No connection to the target, or it did not finish its handshake in time. `wsa` is the Windows code a browser shows."""

    reason = EndReason.TARGET_UNREACHABLE

    def __init__(self, detail: str = "", *, wsa: int = 10060) -> None:
        self.wsa = wsa
        super().__init__(detail)


class TargetCertificateMismatch(RdpEnd):
    """The target's certificate is not the one that the approver signed for, or its TLS fails."""

    reason = EndReason.TARGET_CERTIFICATE


class TargetSignInRefused(RdpEnd):
    """The target did not accept the injected account, or could not prove that it is the end of this TLS connection."""

    reason = EndReason.TARGET_SIGN_IN


class RecordingFailed(RdpEnd):
    """The recording could not be written, so nothing more may be shown."""

    reason = EndReason.RECORDING_FAILED


class SessionOver(RdpEnd):
    """The core ended the session: deadline, revocation, lost lease or shutdown."""

    def __init__(self, core_reason: EndReason) -> None:
        self.core_reason = core_reason
        super().__init__(core_reason.value)

    @classmethod
    def of(cls, ended: "asyncio.Future[EndReason]") -> "SessionOver":
        """Read a finished `LiveSession.ended`; one that was cancelled means that the gateway stops."""
        return cls(EndReason.GATEWAY_STOPPED if ended.cancelled() else ended.result())


def end_reason(end: RdpEnd) -> EndReason:
    """Tell the reason to record for an end."""
    return end.core_reason if isinstance(end, SessionOver) else end.reason

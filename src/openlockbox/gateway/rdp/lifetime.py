"""Ties an RDP connection to its live session: whatever is being awaited, the core's end cuts it. Never outlives `close`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from openlockbox.domain.session import EndReason
from openlockbox.gateway.contract import ConnectionRefused, Credential, Gatekeeper, LiveSession
from openlockbox.gateway.rdp.ends import RdpEnd, SessionOver, TargetSignInRefused, end_reason
from openlockbox.gateway.rdp.pump import Pump
from openlockbox.gateway.rdp.target import TargetLeg
from openlockbox.grants.grant import GrantDocument

GOODBYE_SECONDS: Final = 0.05  # for the last packet to a client that may not be reading
log = logging.getLogger(__name__)


# How a front takes leave of its client. Bounded by the caller; failures are ignored.
Farewell = Callable[[RdpEnd, Pump | None], Coroutine[Any, Any, None]]


class Connection:
    """What one started session has open, so that it can be cut from outside at any moment."""

    def __init__(self, session: LiveSession, session_id: str) -> None:
        self.session = session
        self.session_id = session_id
        self.target: TargetLeg | None = None
        self.pump: Pump | None = None

    def cut(self) -> None:
        """Drop the target at once. Input stops with it."""
        if self.target is not None:
            self.target.stream.abort()


async def live(connection: Connection, work: Coroutine[Any, Any, None], farewell: Farewell) -> EndReason:
    """Run `work` until it ends or the core ends the session; then cut, say goodbye and close.

    Returns the reason that stands. A bug in `work` closes the session too, as a protocol error, and is raised.
    """
    session = connection.session
    end: RdpEnd = SessionOver(EndReason.PROTOCOL_ERROR)  # stands only if something raises what it should not
    try:
        try:
            await _unless_ended(session, work)
        except RdpEnd as error:
            end = error
        except asyncio.CancelledError:
            end = SessionOver(EndReason.GATEWAY_STOPPED)
            raise
        finally:
            connection.cut()
            await _take_leave(farewell, end, connection.pump)
    finally:
        reason = await session.close(end_reason(end))
        log.info(
            "rdp.session_ended",
            extra={"session_id": connection.session_id, "reason": reason.value, "detail": end.detail},
        )
    return reason


def stored_credential(gatekeeper: Gatekeeper, grant: GrantDocument) -> Credential:
    """Load the account to inject.

    Raises:
        TargetSignInRefused: the gateway has no such secret of this tenant, so nobody can sign in.
    """
    try:
        return gatekeeper.credential(grant)
    except ConnectionRefused as error:
        raise TargetSignInRefused(error.code) from error


async def _unless_ended(session: LiveSession, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    both: list[asyncio.Future[Any]] = [task, session.ended]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if session.ended.done():
            raise SessionOver.of(session.ended)
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _take_leave(farewell: Farewell, end: RdpEnd, pump: Pump | None) -> None:
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await farewell(end, pump)
    except (TimeoutError, RdpEnd):
        log.debug("rdp.goodbye_lost")

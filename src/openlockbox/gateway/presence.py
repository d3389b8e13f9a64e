"""The engineer's presence over a WebSocket of its own: the gateway asks, the engineer's key answers, before a connection is opened.

Client: `{"token"}`. Gateway: `{"statement", "key"}`. Client: `{"signature"}`. Gateway: `{"ok": true}`; or, at any time, `{"refused"}`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from openlockbox.gateway.admission import Admission, Proofs, refusal
from openlockbox.gateway.contract import ConnectionRefused
from openlockbox.gateway.logs import FieldLogger
from openlockbox.grants.displayed import Displayed
from openlockbox.grants.grant import MAX_SIGNATURE
from openlockbox.grants.presence import PresenceProof, check_presence, presence_statement
from openlockbox.grants.token import ConnectionToken
from openlockbox.grants.verify import VerificationRefused

log = FieldLogger(__name__)

TOKEN_SECONDS: Final = 10.0  # for the first message: until then it is anybody
ANSWER_SECONDS: Final = 60.0  # a token lives no longer
MAX_MESSAGE: Final = 2 * MAX_SIGNATURE

Prefetch = Callable[[str], Awaitable[None]]
Report = Callable[[str, str], None]


class PresenceDesk:
    """Asks for one proof a connection, and keeps it for admission. Burns nothing."""

    def __init__(
        self, admission: Admission, proofs: Proofs, *, gateway_id: str, prefetch: Prefetch, report: Report
    ) -> None:
        self._admission, self._proofs, self._gateway_id = admission, proofs, gateway_id
        self._prefetch, self._report = prefetch, report

    async def serve(self, websocket: ServerConnection) -> None:
        """Serve one connection to its end."""
        session_id = ""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                async with asyncio.timeout(TOKEN_SECONDS):
                    text = _field(await websocket.recv(), "token")
                await self._prefetch(text)
                token, displayed = self._admission.read_for_presence(text)
                session_id = token.jti
                statement = presence_statement(
                    gateway_id=self._gateway_id, session_id=token.jti, grant_id=token.grant_id
                )
                await websocket.send(json.dumps({"statement": statement, "key": _key(displayed)}))
                if displayed.requester_key is not None:
                    signature = _field(await websocket.recv(), "signature")
                    self._take(token, displayed, PresenceProof(statement=statement, signature=signature))
                await websocket.send(json.dumps({"ok": True}))
        except ConnectionRefused as refused:
            log.warning("presence.refused", code=refused.code, session_id=session_id)
            if session_id:
                self._report(session_id, refused.code)
            await _tell(websocket, refused.code)
        except (TimeoutError, ConnectionClosed):
            log.info("presence.left", session_id=session_id)

    def _take(self, token: ConnectionToken, displayed: Displayed, proof: PresenceProof) -> None:
        """Check now, so that the page learns of a wrong key at once; admission checks again."""
        try:
            check_presence(
                displayed,
                None,
                proof,
                gateway_id=self._gateway_id,
                session_id=token.jti,
                grant_id=token.grant_id,
            )
        except VerificationRefused as error:
            raise refusal(error) from error
        self._proofs.keep(token.jti, proof)
        log.info("presence.proved", session_id=token.jti)


def _key(displayed: Displayed) -> dict[str, str] | None:
    key = displayed.requester_key
    if key is None:
        return None
    named = {"key_id": key.key_id, "kind": key.kind, "rp_id": key.rp_id}
    return named | ({"credential_id": key.credential_id} if key.credential_id else {})


def _field(message: str | bytes, name: str) -> str:
    if len(message) > MAX_MESSAGE:
        raise ConnectionRefused("presence_malformed", http_status=400)
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        document = None
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise ConnectionRefused("presence_malformed", http_status=400)
    return value


async def _tell(websocket: ServerConnection, code: str) -> None:
    try:
        async with asyncio.timeout(1):
            await websocket.send(json.dumps({"refused": code}))
    except (TimeoutError, ConnectionClosed):
        return

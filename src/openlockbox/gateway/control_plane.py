"""The gateway's calls to the control plane. It only dials out, signs every call, and believes nothing in the answers."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, cast

import httpx

from openlockbox.gateway.clocks import Clock
from openlockbox.gateway.journal import EndEvent
from openlockbox.grants.encoding import encode_instant
from openlockbox.grants.gateway_request import sign_request
from openlockbox.grants.keys import Signer

CALL_TIME: Final = timedelta(seconds=4)  # a long poll holds 2 s; two calls may fail within a lease of 8 s
MAX_ANSWER: Final = 6_291_456  # the longest revocation list in JSON, with room
_NONCE_BYTES: Final = 16


class ControlPlaneUnavailable(Exception):
    """No answer, or none that tells whether the call was taken."""


class ControlPlaneRefused(Exception):
    """The control plane said no, so nothing was done there. `code` is its problem's code."""

    def __init__(self, code: str, *, status: int) -> None:
        self.code = code
        self.status = status
        super().__init__(f"{code} ({status})")


class ControlPlane:
    """A signed client. The httpx client is the caller's, who also closes it."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, gateway_id: str, signer: Signer, clock: Clock
    ) -> None:
        self._client, self._base_url = client, base_url.rstrip("/")
        self._gateway_id, self._signer, self._clock = gateway_id, signer, clock

    async def lease(self, *, applied_version: int, known_version: int, live_sessions: Sequence[str]) -> str:
        """Ask for the revocation list; the control plane holds the call while there is nothing newer.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        body = {
            "applied_version": applied_version,
            "known_version": known_version,
            "live_sessions": sorted(live_sessions),
        }
        return _text_of(await self._call("POST", "/gateway/v1/lease", body), "revocations")

    async def grant(self, grant_id: str) -> str:
        """Fetch a grant's signed form.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        return _text_of(await self._call("GET", f"/gateway/v1/grants/{grant_id}", None), "grant")

    async def start_session(
        self, session_id: str, *, grant_id: str, front: str, client_address: str, at: datetime
    ) -> None:
        """Have the start recorded. Not repeated: after `ControlPlaneUnavailable` it may have been.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        body = {"grant_id": grant_id, "front": front, "client_address": client_address, "at": encode_instant(at)}
        await self._call("POST", f"/gateway/v1/sessions/{session_id}/start", body)

    async def report_refusal(self, session_id: str, *, code: str, client_address: str) -> None:
        """Have a refused connection recorded. Once, as good as it goes: the gateway's own log has it anyway.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        body = {"code": code, "client_address": client_address}
        await self._call("POST", f"/gateway/v1/sessions/{session_id}/refused", body)

    async def end_session(self, event: EndEvent) -> None:
        """Report an end. Idempotent, so it is repeated until taken.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        await self._call("POST", f"/gateway/v1/sessions/{event.session_id}/end", event.body())

    async def _call(self, method: str, path: str, document: Mapping[str, object] | None) -> object:
        body = b"" if document is None else json.dumps(document).encode("utf-8")
        authorization = sign_request(
            gateway_id=self._gateway_id,
            method=method,
            path=path,
            body=body,
            at=self._clock(),
            nonce=secrets.token_urlsafe(_NONCE_BYTES).replace("-", "x").replace("_", "y"),
            signer=self._signer,
        )
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            async with self._client.stream(
                method, self._base_url + path, content=body, headers=headers, timeout=CALL_TIME.total_seconds()
            ) as response:
                answer = await _read_bounded(response)
        except httpx.HTTPError as error:
            raise ControlPlaneUnavailable(type(error).__name__) from error
        return read_answer(response.status_code, answer)


async def _read_bounded(response: httpx.Response) -> bytes:
    answer = bytearray()
    async for part in response.aiter_bytes():
        answer += part
        if len(answer) > MAX_ANSWER:
            raise ControlPlaneUnavailable("answer too long")
    return bytes(answer)


def read_answer(status: int, answer: bytes) -> object:
    """Read a JSON answer.

    Raises:
        ControlPlaneRefused: 4xx.
        ControlPlaneUnavailable: anything else but 200 with JSON.
    """
    try:
        document = cast("object", json.loads(answer))
    except (ValueError, RecursionError):
        document = None
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        code = document.get("code") if isinstance(document, dict) else None
        raise ControlPlaneRefused(code if isinstance(code, str) else "refused", status=status)
    if status != HTTPStatus.OK or document is None:
        raise ControlPlaneUnavailable(f"status {status}")
    return document


def _text_of(document: object, field: str) -> str:
    value = document.get(field) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise ControlPlaneUnavailable(f"no {field} in the answer")
    return value

"""The gateway's calls to the control plane. It only dials out, signs every call, and believes nothing in the answers."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeVar, cast

import httpx

from openlockbox.gateway.clocks import Clock
from openlockbox.gateway.journal import EndEvent
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, encode_instant
from openlockbox.grants.gateway_request import sign_request
from openlockbox.grants.grant import MAX_CHECKPOINT, MAX_LEAF, parse_hashes, parse_leaf
from openlockbox.grants.keys import Signer
from openlockbox.grants.trust import MAX_VERSION
from openlockbox.verification.connection import Evidence
from openlockbox.verification.logged import Recorded, Witnessed

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

    async def evidence(self, grant_id: str, *, roster_version: int, log_size: int) -> Evidence:
        """Ask for the rosters after a version, and the proofs between a log size and the grant's checkpoint.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        body = {"roster_version": roster_version, "log_size": log_size}
        return _read(read_evidence, await self._call("POST", f"/gateway/v1/grants/{grant_id}/evidence", body))

    async def start_session(
        self,
        session_id: str,
        *,
        grant_id: str,
        front: str,
        client_address: str,
        at: datetime,
        statement: str,
        log_size: int,
    ) -> Recorded:
        """Have the start recorded, and return the proof that it was. Not repeated: after `ControlPlaneUnavailable` it may have been.

        Raises:
            ControlPlaneUnavailable, ControlPlaneRefused: see these.
        """
        body = {
            "grant_id": grant_id,
            "front": front,
            "client_address": client_address,
            "at": encode_instant(at),
            "statement": statement,
            "log_size": log_size,
        }
        return _read(read_recorded, await self._call("POST", f"/gateway/v1/sessions/{session_id}/start", body))

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


_T = TypeVar("_T")


def _read(reader: Callable[[Json], _T], document: object) -> _T:
    try:
        return reader(cast("Json", document))
    except EnvelopeRefused as error:
        raise ControlPlaneUnavailable(f"answer: {error}") from error


def read_evidence(document: Json) -> Evidence:
    """Read the answer of the call for evidence. Raises EnvelopeRefused: `payload_malformed`, `envelope_malformed`."""
    fields = Fields(document, ("rosters", "consistency", "witnessed"))
    rosters = tuple(text for text in fields.array("rosters") if isinstance(text, str))
    if len(rosters) != len(fields.array("rosters")):
        raise EnvelopeRefused("payload_malformed", "rosters")
    witnessed = fields.value("witnessed")
    return Evidence(
        rosters=rosters,
        consistency=parse_hashes(fields.array("consistency")),
        witnessed=None if witnessed is None else _witnessed(witnessed),
    )


def _witnessed(document: Json) -> Witnessed:
    fields = Fields(document, ("checkpoint", "inclusion", "consistency"))
    return Witnessed(
        checkpoint=fields.long_text("checkpoint", limit=MAX_CHECKPOINT),
        inclusion=parse_hashes(fields.array("inclusion")),
        consistency=parse_hashes(fields.array("consistency")),
    )


def read_recorded(document: Json) -> Recorded:
    """Read the answer of the call that records a start. Raises EnvelopeRefused: `payload_malformed`."""
    names = ("session_id", "state", "index", "leaf", "checkpoint", "inclusion", "consistency")
    fields = Fields(document, names)
    return Recorded(
        index=fields.integer("index", least=0, most=MAX_VERSION),
        leaf=parse_leaf(fields.long_text("leaf", limit=2 * MAX_LEAF)),
        checkpoint=fields.long_text("checkpoint", limit=MAX_CHECKPOINT),
        inclusion=parse_hashes(fields.array("inclusion")),
        consistency=parse_hashes(fields.array("consistency")),
    )

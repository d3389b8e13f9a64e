"""A control plane over real HTTP: checks every signature, holds long polls, remembers what it was told, and can go down."""

import json
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from openlockbox.grants.encoding import EnvelopeRefused, b64url
from openlockbox.grants.envelope import Kind, peek
from openlockbox.grants.gateway_request import peek_gateway_id, verify_request
from openlockbox.grants.keys import parse_public_key
from openlockbox.grants.revocations import Revocation, RevocationList, seal_revocations
from openlockbox.grants.trust import encode_trust
from tests.unit.grants.log_material import NaiveLog
from tests.unit.grants.material import CHECKPOINTS, GATEWAY, REVOCATIONS, TRUST, hashes

CODE = "one-time-code"
HOLD = 0.3  # seconds; the real one holds 2


@dataclass
class State:
    """What the control plane knows. `changed` guards and announces every change."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    clock: object = lambda: datetime.now(UTC)
    down: bool = False
    version: int = 1
    served_version: int | None = None  # an old list that somebody serves instead
    revoked: tuple[Revocation, ...] = ()
    grants: dict[str, str] = field(default_factory=dict)
    log: NaiveLog = field(default_factory=NaiveLog)
    rosters: list[str] = field(default_factory=list)
    spoil: object = None  # changes what a start's answer says
    refuse_start: str = ""
    drop_start: bool = False  # record the start, then hang up
    public_key: str = ""
    enrolled: dict[str, str] = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)
    live: list[list[str]] = field(default_factory=list)
    started: dict[str, dict[str, object]] = field(default_factory=dict)
    ended: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    grant_calls: int = 0

    def change(self, **fields: object) -> None:
        with self.changed:
            for name, value in fields.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def revoke(self, *entries: Revocation) -> None:
        self.change(revoked=(*self.revoked, *entries), version=self.version + 1)

    def wait_for(self, holds, *, longest: float = 10) -> None:
        """Wait in a thread until something holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: holds(self), timeout=longest), "the control plane was not told in time"

    def sealed(self) -> str:
        now = self.clock()
        version = self.version if self.served_version is None else self.served_version
        return seal_revocations(
            RevocationList(
                version=version, issued_at=now, expires_at=now + timedelta(seconds=10), revoked=self.revoked
            ),
            REVOCATIONS,
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_call(self) -> None:
        state = self.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if state.down:
            self.close_connection = True
            return
        if self.path == "/gateway/v1/enrol":
            self.enrol(json.loads(body))
            return
        header = self.headers["Authorization"]
        assert peek_gateway_id(header) == GATEWAY
        try:
            verify_request(
                header,
                method=self.command,
                path=self.path,
                body=body,
                public_key=parse_public_key(state.public_key),
                now=state.clock(),
            )
        except EnvelopeRefused as error:
            if error.code != "request_not_fresh":
                raise
            self.answer(401, {"code": "gateway_refused"})  # a gateway whose clock is wrong
            return
        parts = self.path.split("/")
        if self.path == "/gateway/v1/lease":
            self.lease(json.loads(body))
        elif parts[3] == "grants" and parts[-1] == "evidence":
            self.evidence(parts[4], json.loads(body))
        elif parts[3] == "grants":
            self.grant(parts[4])
        elif parts[5] == "start":
            self.start(parts[4], json.loads(body))
        elif parts[5] == "refused":
            with state.changed:
                state.refused.append((parts[4], json.loads(body)["code"]))
                state.changed.notify_all()
            self.answer(200, {})
        else:
            with state.changed:
                state.ended.setdefault(parts[4], []).append(json.loads(body))
                state.changed.notify_all()
            self.answer(200, {})

    do_GET = do_POST = handle_call  # noqa: N815  the names that http.server calls

    def enrol(self, document: dict[str, str]) -> None:
        if document["code"] != CODE:
            self.answer(403, {"code": "gateway_refused"})
            return
        self.state.change(public_key=document["public_key"], enrolled=document)
        self.answer(200, {"gateway_id": GATEWAY, "trust": encode_trust(TRUST)})

    def lease(self, document: dict[str, object]) -> None:
        state = self.state
        with state.changed:
            state.applied.append(document["applied_version"])
            state.live.append(document["live_sessions"])
            state.changed.notify_all()
            state.changed.wait_for(lambda: state.down or document["known_version"] != state.version, timeout=HOLD)
            text = state.sealed()
        if state.down:
            self.close_connection = True
            return
        self.answer(200, {"revocations": text})

    def grant(self, grant_id: str) -> None:
        self.state.change(grant_calls=self.state.grant_calls + 1)
        text = self.state.grants.get(grant_id)
        self.answer(*((404, {"code": "not_found"}) if text is None else (200, {"grant": text})))

    def evidence(self, grant_id: str, document: dict[str, int]) -> None:
        state = self.state
        text = state.grants.get(grant_id)
        if text is None:
            self.answer(404, {"code": "not_found"})
            return
        size = int(peek(Kind.GRANT, text)["log"]["checkpoint"].split("\n")[1])
        old, new = sorted((document["log_size"], size))
        with state.changed:
            proof = hashes(state.log.consistency(old, new)) if new <= len(state.log.leaves) else []
        answer = {"rosters": state.rosters[document["roster_version"] :], "consistency": proof, "witnessed": None}
        self.answer(200, answer)

    def start(self, session_id: str, document: dict[str, object]) -> None:
        state = self.state
        if state.refuse_start:
            self.answer(409, {"code": state.refuse_start})
            return
        with state.changed:
            state.started[session_id] = document
            said = peek(Kind.SESSION_START, document["statement"])
            index = state.log.append(
                "session.started",
                f"session:{session_id}",
                at=state.clock(),
                document=document["statement"],
                actor=f"gateway:{said['gateway_id']}",
                resource=peek(Kind.GRANT, state.grants[said["grant_id"]])["resource_id"],
                detail={
                    "grant": said["grant_id"],
                    "engineer": said["engineer_id"],
                    "front": said["front"],
                    "gateway_key": state.public_key,
                },
            )
            size = index + 1
            proved = {
                "session_id": session_id,
                "state": "active",
                "index": index,
                "leaf": b64url(state.log.leaves[index]),
                "checkpoint": state.log.checkpoint(CHECKPOINTS, size),
                "inclusion": hashes(state.log.inclusion(index, size)),
                "consistency": hashes(state.log.consistency(document["log_size"], size)),
            }
            state.changed.notify_all()
        if state.drop_start:
            self.close_connection = True
            return
        self.answer(200, proved if state.spoil is None else state.spoil(proved))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Pass over gateways that are killed while they are answered; everything else is a failure to see."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FakeControlPlane:
    """The server in its threads, as a context manager."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.state = State()
        self._host = host
        handler = type("BoundHandler", (Handler,), {"state": self.state})
        self._server = Server((host, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.state.change(down=True)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

"""The routes that gateways call. Out of the OpenAPI document: docs/spec/gateway-protocol.md describes them."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, cast

import msgspec
from litestar import Request, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, SkipValidation

from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GrantId, SessionId
from openlockbox.domain.session import EndReason
from openlockbox.grants.encoding import EnvelopeRefused
from openlockbox.grants.keys import parse_public_key
from openlockbox.services import gateways, late_reports
from openlockbox.services.work import Lockbox
from openlockbox.web.api.bodies import NO_CONTROLS, Body
from openlockbox.web.api.callers import LockboxArgument, check_address, provide_lockbox
from openlockbox.web.api.routes import HEADERS
from openlockbox.web.errors import PROBLEM_HANDLERS
from openlockbox.web.gateway_api.enrolment import count_enrolment
from openlockbox.web.gateway_api.proof import need_gateway
from openlockbox.web.gateway_api.threads import in_thread
from openlockbox.web.gateway_api.watch import RevocationWatch

PREFIX: Final = "/gateway/v1"
LARGEST: Final = 2**53

GatewayArgument: TypeAlias = NamedDependency[SkipValidation[Gateway]]
WatchArgument: TypeAlias = NamedDependency[SkipValidation[RevocationWatch]]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=NO_CONTROLS)]
Address: TypeAlias = Annotated[str, msgspec.Meta(max_length=300, pattern=r"^[^\x00-\x20\x7f]*$")]
Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class EnrolBody(Body, frozen=True, kw_only=True):
    """What a gateway tells about itself, with its one-time code."""

    code: Name
    public_key: Name
    browser_url: Annotated[str, msgspec.Meta(max_length=300, pattern=r"^(wss?://[^\x00-\x20\x7f]+)?$")]
    native_address: Annotated[str, msgspec.Meta(max_length=300, pattern=r"^([^\x00-\x20\x7f]+:[0-9]{1,5})?$")]
    native_certificate_sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class LeaseBody(Body, frozen=True, kw_only=True):
    """The list that the gateway has applied, the newest that it knows, and the sessions that run."""

    applied_version: Count
    known_version: Count
    live_sessions: Annotated[list[Name], msgspec.Meta(max_length=10_000)]


class EvidenceBody(Body, frozen=True, kw_only=True):
    """What the gateway has seen of the tenant: the roster's version and the log's size."""

    roster_version: Count
    log_size: Count


class StartBody(Body, frozen=True, kw_only=True):
    """A session that is about to start, with the gateway's signed word and the log's size that it has seen."""

    grant_id: Name
    front: Literal["browser", "native"]
    client_address: Address
    at: Instant
    statement: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096, pattern=NO_CONTROLS)]
    log_size: Count


class RecordingPart(Body, frozen=True, kw_only=True):
    """What was recorded; no digest where nothing was."""

    sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
    bytes: Count
    chunks: Count


class RefusedBody(Body, frozen=True, kw_only=True):
    """A connection that the gateway did not let through."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,40}$")]
    client_address: Address


class EndBody(Body, frozen=True, kw_only=True):
    """A session that has ended."""

    at: Instant
    reason: EndReason
    recording: RecordingPart


async def provide_gateway(request: Request[Any, Any, Any]) -> Gateway:
    """Provide the gateway that `need_gateway` let through."""
    return cast("Gateway", request.state.gateway)


async def provide_watch(request: Request[Any, Any, Any]) -> RevocationWatch:
    """Provide the one watch of this process."""
    return cast("RevocationWatch", request.app.state.revocation_watch)


@post("/enrol", status_code=200)
async def enrol(
    request: Request[Any, Any, Any], lockbox: LockboxArgument, data: JSONBody[EnrolBody]
) -> dict[str, object]:
    """Enrol an invited gateway with its one-time code and tell it whom to trust."""
    source = "" if request.client is None else request.client.host
    return await in_thread(_enrol, lockbox, source, data)


def _enrol(lockbox: Lockbox, source: str, data: EnrolBody) -> dict[str, object]:
    count_enrolment(lockbox, source)
    try:
        parse_public_key(data.public_key)
    except EnvelopeRefused as error:
        raise InvalidInput(field="public_key", problem="it is no Ed25519 public key") from error
    gateway, trust = gateways.enrol(
        lockbox,
        code_sha256=hashlib.sha256(data.code.encode()).hexdigest(),
        enrolment=gateways.Enrolment(
            public_key=data.public_key,
            browser_url=data.browser_url,
            native_address=data.native_address,
            native_certificate_sha256=data.native_certificate_sha256,
        ),
    )
    return {"gateway_id": gateway.id, "trust": dict(trust)}


@post("/lease", status_code=200)
async def lease(
    lockbox: LockboxArgument, gateway: GatewayArgument, watch: WatchArgument, data: JSONBody[LeaseBody]
) -> dict[str, str]:
    """Note what the gateway has applied, then hold the call until there is something newer, two seconds at most."""
    version = await in_thread(_renew, lockbox, gateway, data.applied_version)
    if version <= data.known_version:
        await watch.newer_than(data.known_version)
    return {"revocations": await in_thread(gateways.signed_revocations, lockbox)}


def _renew(lockbox: Lockbox, gateway: Gateway, applied_version: int) -> int:
    gateways.renew_lease(lockbox, gateway, applied_version=applied_version)
    return gateways.revocation_version(lockbox)


@get("/grants/{grant_id:str}")
async def fetch_grant(lockbox: LockboxArgument, gateway: GatewayArgument, grant_id: FromPath[str]) -> dict[str, str]:
    """Return the signed grant to the gateway that it names."""
    return {"grant": await in_thread(gateways.fetch_grant, lockbox, gateway, GrantId(grant_id))}


@post("/grants/{grant_id:str}/evidence", status_code=200)
async def evidence(
    lockbox: LockboxArgument, gateway: GatewayArgument, grant_id: FromPath[str], data: JSONBody[EvidenceBody]
) -> dict[str, object]:
    """Return what proves the grant to a gateway that has seen so much of the tenant's roster and log."""
    return await in_thread(
        gateways.fetch_evidence,
        lockbox,
        gateway,
        grant_id=GrantId(grant_id),
        roster_version=data.roster_version,
        log_size=data.log_size,
    )


@post("/sessions/{session_id:str}/start", status_code=200)
async def start_session(
    lockbox: LockboxArgument, gateway: GatewayArgument, session_id: FromPath[str], data: JSONBody[StartBody]
) -> dict[str, object]:
    """Record that a session starts, once, with the proof that it is recorded. The gateway lets no byte through before."""
    started, proof = await in_thread(
        gateways.start_session,
        lockbox,
        gateway,
        session_id=SessionId(session_id),
        grant_id=GrantId(data.grant_id),
        front=data.front,
        client_address=data.client_address,
        statement=data.statement,
        log_size=data.log_size,
    )
    return {"session_id": started.id, "state": started.state.value, **proof}


@post("/sessions/{session_id:str}/end", status_code=200)
async def end_session(
    lockbox: LockboxArgument, gateway: GatewayArgument, session_id: FromPath[str], data: JSONBody[EndBody]
) -> dict[str, str]:
    """Record that a session ended. Idempotent."""
    ended = await in_thread(
        late_reports.end_session,
        lockbox,
        gateway,
        session_id=SessionId(session_id),
        at=data.at,
        reason=data.reason,
        recording_sha256=data.recording.sha256,
        recording_bytes=data.recording.bytes,
        recording_chunks=data.recording.chunks,
    )
    return {"session_id": ended.id, "state": ended.state.value}


@post("/sessions/{session_id:str}/refused", status_code=200)
async def refused_connection(
    lockbox: LockboxArgument, gateway: GatewayArgument, session_id: FromPath[str], data: JSONBody[RefusedBody]
) -> dict[str, str]:
    """Record that the gateway refused a connection for this offer."""
    await in_thread(
        gateways.record_refused_connection,
        lockbox,
        gateway,
        session_id=SessionId(session_id),
        code=data.code,
        client_address=data.client_address,
    )
    return {"session_id": session_id}


def make_gateway_api() -> Router:
    """Make the router of the gateway protocol: enrolment by code, everything else by signature."""
    signed = Router(
        "/",
        route_handlers=[lease, fetch_grant, evidence, start_session, refused_connection, end_session],
        guards=[need_gateway, check_address],
        dependencies={"gateway": Provide(provide_gateway), "watch": Provide(provide_watch)},
    )
    return Router(
        PREFIX,
        route_handlers=[enrol, signed],
        dependencies={"lockbox": Provide(provide_lockbox)},
        exception_handlers=PROBLEM_HANDLERS,
        response_headers=HEADERS,
        include_in_schema=False,
    )

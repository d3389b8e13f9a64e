"""The gateway protocol: real signatures, and each way in which one fails to prove anything."""

import asyncio
import json
import time
from datetime import timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.domain.ids import GatewayId
from openlockbox.gateway.control_plane import read_evidence, read_recorded
from openlockbox.grants.encoding import encode_instant
from openlockbox.grants.gateway_request import sign_request
from openlockbox.grants.grant import open_grant
from openlockbox.grants.keys import Ed25519Signer, encode_public_key, key_id_of
from openlockbox.grants.pin import TenantPin
from openlockbox.grants.revocations import open_revocations
from openlockbox.grants.session_start import open_session_start
from openlockbox.grants.statement import digest
from openlockbox.grants.trust import decode_trust
from openlockbox.services import access, setup
from openlockbox.services.deadlines import LOST_AFTER, sweep
from openlockbox.services.gateways import revocation_version
from openlockbox.verification.logged import StartEntry, check_approval_logged, check_start_logged
from openlockbox.web.gateway_api.watch import HOLD_TIME
from tests.world import AMBERTIDE, GATEWAY, MACHINE

OTHER = GatewayId("gateway-2")
NO_RECORDING = {"sha256": "", "bytes": 0, "chunks": 0}
LEASE = {"applied_version": 0, "known_version": 0, "live_sessions": []}  # a gateway that knows nothing yet


def _call(world, method, path, document=None, **signed):
    body = b"" if document is None else json.dumps(document).encode()
    return world.call(method, path, content=body, headers=world.signed(method, path, body, **signed))


def _is_refused(response):
    return (response.status_code, response.json()["code"]) == (401, "gateway_refused")


@pytest.fixture
def grant(world):
    return world.granted()


@pytest.fixture
def offered(world, grant):
    return access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session


def _start(world, session, **changes):
    return {
        "grant_id": session.grant_id,
        "front": "browser",
        "client_address": "192.0.2.7",
        "at": encode_instant(world.clock.now),
        "statement": world.start_of(session, world.gateway_signer),
        "log_size": 0,
        **changes,
    }


def _end(world, **changes):
    recording = {"sha256": "ab" * 32, "bytes": 4096, "chunks": 2}
    return {"at": encode_instant(world.clock.now), "reason": "client_closed", "recording": recording, **changes}


# ---- enrolment ----


def _enrolment(code, **changes):
    key = Ed25519Signer(Ed25519PrivateKey.generate())
    return {
        "code": code,
        "public_key": encode_public_key(key.public_key),
        "browser_url": "wss://gateway.example/rdp",
        "native_address": "gateway.example:3389",
        "native_certificate_sha256": "0" * 64,
        **changes,
    }


def test_a_code_enrols_once_and_brings_the_trust_bundle(world):
    _, code = setup.invite_gateway(world.lockbox, gateway_id=OTHER, name="Second")
    answer = world.call("POST", "/gateway/v1/enrol", json=_enrolment(code))
    assert answer.json()["gateway_id"] == OTHER
    assert decode_trust(answer.json()["trust"]).version == 1
    assert _is_refused(world.call("POST", "/gateway/v1/enrol", json=_enrolment(code)))


@pytest.mark.parametrize(
    "changes",
    [{"public_key": "x"}, {"browser_url": "javascript:alert(1)"}, {"native_address": "no port"}, {"extra": 1}],
)
def test_an_enrolment_that_cannot_be_meant_leaves_the_code_as_it_is(world, changes):
    _, code = setup.invite_gateway(world.lockbox, gateway_id=OTHER, name="Second")
    assert world.call("POST", "/gateway/v1/enrol", json=_enrolment(code, **changes)).status_code == 422
    assert world.call("POST", "/gateway/v1/enrol", json=_enrolment(code)).status_code == 200


def test_guessing_codes_is_throttled_by_source(own_world):
    answers = [own_world.call("POST", "/gateway/v1/enrol", json=_enrolment("guess")).status_code for _ in range(21)]
    assert answers == [401] * 20 + [429]


# ---- proof ----


def test_a_gateway_fetches_its_own_grant(world, grant):
    assert _call(world, "GET", f"/gateway/v1/grants/{grant.id}").json() == {"grant": grant.wire}


def test_another_gateways_grant_does_not_exist(world, grant):
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    world.enrol(OTHER, signer)
    response = _call(world, "GET", f"/gateway/v1/grants/{grant.id}", by=OTHER, signer=signer)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_wrong_key_proves_nothing(world, grant):
    stranger = Ed25519Signer(Ed25519PrivateKey.generate())
    assert _is_refused(_call(world, "GET", f"/gateway/v1/grants/{grant.id}", signer=stranger))


def test_an_unknown_or_unenrolled_gateway_proves_nothing(world, grant):
    setup.invite_gateway(world.lockbox, gateway_id=OTHER, name="Second")
    for by in ("nobody", OTHER):
        assert _is_refused(_call(world, "GET", f"/gateway/v1/grants/{grant.id}", by=by))


@pytest.mark.parametrize("age", [timedelta(seconds=31), timedelta(seconds=-31)])
def test_a_header_of_another_time_proves_nothing(world, grant, age):
    path = f"/gateway/v1/grants/{grant.id}"
    headers = world.signed("GET", path)
    world.clock.advance(age)
    assert _is_refused(world.call("GET", path, headers=headers))


def test_a_header_for_another_body_path_query_or_method_proves_nothing(world, grant):
    path = f"/gateway/v1/grants/{grant.id}"
    lease = json.dumps(LEASE).encode()
    assert _is_refused(world.call("GET", path, headers=world.signed("GET", path, b"x")))
    assert _is_refused(world.call("GET", path, headers=world.signed("GET", path + "x")))
    assert _is_refused(world.call("GET", path + "?a=1", headers=world.signed("GET", path)))
    assert _is_refused(world.call("GET", path, headers=world.signed("POST", path)))
    changed = lease.replace(b"0", b"1")
    headers = world.signed("POST", "/gateway/v1/lease", lease)
    assert _is_refused(world.call("POST", "/gateway/v1/lease", content=changed, headers=headers))


@pytest.mark.parametrize("header", ["", "OpenLockbox-Gateway", "OpenLockbox-Gateway olbx1.x", "Bearer olbx_x"])
def test_no_proof_at_all_is_refused(world, header):
    assert _is_refused(world.call("POST", "/gateway/v1/lease", json=LEASE, headers={"Authorization": header}))


def test_a_body_that_is_too_large_is_not_read_to_its_end(world):
    response = _call(world, "POST", "/gateway/v1/lease", {**LEASE, "live_sessions": ["x" * 300_000]})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_persons_token_opens_nothing_here(world):
    headers = {"Authorization": f"Bearer {world.token('oper')}"}
    assert _is_refused(world.call("POST", "/gateway/v1/lease", json=LEASE, headers=headers))


# ---- sessions ----


def test_a_session_starts_once_and_is_recorded(world, offered):
    path = f"/gateway/v1/sessions/{offered.id}/start"
    assert _call(world, "POST", path, _start(world, offered)).json()["state"] == "active"
    assert world.actions(AMBERTIDE)[-1] == "session.started"
    again = _call(world, "POST", path, _start(world, offered))
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")
    assert world.last_refusal() == ("session.start", "illegal_transition")


@pytest.mark.parametrize("changes", [{"grant_id": "GRT-other"}, {"front": "native"}])
def test_a_session_starts_only_as_it_was_offered(world, offered, changes):
    path = f"/gateway/v1/sessions/{offered.id}/start"
    assert _is_refused(_call(world, "POST", path, _start(world, offered, **changes)))


def _pin(world, size):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        root = uow.activity.root(AMBERTIDE, size).hex() if size else ""
    return TenantPin(tenant_id=AMBERTIDE, log_size=size, log_root=root)


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_the_answer_to_a_start_proves_that_the_log_holds_it_and_extends_what_was_seen(world, offered, seen):
    body = _start(world, offered, log_size=seen)
    answer = _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", body).json()
    key = world.gateway_signer.public_key
    moved = check_start_logged(
        read_recorded(answer),
        trust=decode_trust(world.lockbox.keys.trust()),
        pin=_pin(world, seen),
        start=open_session_start(body["statement"], {key_id_of(key): key}),
        statement=body["statement"],
        about=StartEntry(MACHINE, encode_public_key(key)),
    )
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert moved.log_size == uow.activity.size(AMBERTIDE)
        entry = uow.activity.get(AMBERTIDE, answer["index"])
        assert uow.activity.document(AMBERTIDE, digest(body["statement"])) == body["statement"]
    assert entry.event.detail["gateway_key"] == encode_public_key(world.gateway_signer.public_key)


@pytest.mark.parametrize(
    "changes",
    [
        {"session_id": "SES-other"},
        {"grant_id": "GRT-other"},
        {"tenant_id": "pelimoor"},
        {"gateway_id": "gateway-2"},
        {"engineer_id": "wrenna"},
        {"front": "native"},
    ],
)
def test_a_start_is_recorded_only_in_the_gateways_own_words_about_it(world, offered, changes):
    body = _start(world, offered, statement=world.start_of(offered, world.gateway_signer, **changes))
    assert _is_refused(_call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", body))
    assert world.last_refusal() == ("session.start", "gateway_refused")


def test_a_start_in_another_gateways_words_is_refused(world, offered):
    stranger = Ed25519Signer(Ed25519PrivateKey.generate())
    for statement in (world.start_of(offered, stranger), "olbx1.session-start.x.y.z"):
        body = _start(world, offered, statement=statement)
        assert _is_refused(_call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", body))


# ---- evidence ----


def _evidence(world, grant, **changes):
    return _call(
        world, "POST", f"/gateway/v1/grants/{grant.id}/evidence", {"roster_version": 0, "log_size": 0, **changes}
    )


@pytest.mark.parametrize("seen", [0, 1, 3, None])
def test_the_evidence_proves_the_grant_to_a_gateway_that_saw_so_much(world, grant, offered, seen):
    """`seen` None: more than the grant's checkpoint, because the log has grown since."""
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        seen = uow.activity.size(AMBERTIDE) if seen is None else seen
    trust = decode_trust(world.lockbox.keys.trust())
    moved = check_approval_logged(
        open_grant(grant.wire, trust),
        trust=trust,
        pin=_pin(world, seen),
        roster=None,
        consistency=read_evidence(_evidence(world, grant, log_size=seen).json()).consistency,
        witnessed=None,
    )
    assert moved.log_size >= seen


def test_a_gateway_that_saw_more_than_there_is_gets_no_proof(world, grant):
    assert _evidence(world, grant, log_size=10_000).json()["consistency"] == []


def test_another_gateways_grant_has_no_evidence_and_that_is_recorded(world, grant):
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    world.enrol(OTHER, signer)
    body = {"roster_version": 0, "log_size": 0}
    path = f"/gateway/v1/grants/{grant.id}/evidence"
    assert _call(world, "POST", path, body, by=OTHER, signer=signer).status_code == 404
    assert world.last_refusal() == ("grant.fetch", "not_found")


# ---- sessions of others ----


def test_another_gateways_session_does_not_exist(world, offered):
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    world.enrol(OTHER, signer)
    for path, body in (("start", _start(world, offered)), ("end", _end(world))):
        response = _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/{path}", body, by=OTHER, signer=signer)
        assert response.status_code == 404


def test_a_session_of_a_revoked_grant_does_not_start(world, grant, offered):
    access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    response = _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", _start(world, offered))
    assert (response.status_code, response.json()["code"]) == (409, "grant_not_usable")


def test_an_end_is_taken_again_and_changes_nothing(world, offered):
    _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", _start(world, offered))
    path = f"/gateway/v1/sessions/{offered.id}/end"
    assert _call(world, "POST", path, _end(world)).json()["state"] == "terminated"
    again = _end(world, reason="protocol_error", recording=NO_RECORDING)
    assert _call(world, "POST", path, again).status_code == 200
    assert world.actions(AMBERTIDE).count("session.terminated") == 1
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.sessions.get(offered.id).recording_chunks == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "2026-11-23T09:00:00"},
        {"reason": "because"},
        {"recording": {}},
        {"recording": {**NO_RECORDING, "bytes": -1}},
    ],
)
def test_an_end_that_cannot_be_meant_is_refused(world, offered, changes):
    response = _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/end", _end(world, **changes))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


# ---- lease ----


def _opened(world, response):
    return open_revocations(response.json()["revocations"], decode_trust(world.keys.trust()))


async def _until_waiting(world, polls):
    async with asyncio.timeout(10):
        while world.app.state.revocation_watch._waiting < polls:  # noqa: ASYNC110  the watch tells nobody
            await asyncio.sleep(0.01)


def _lease_headers(world, body):
    return world.signed("POST", "/gateway/v1/lease", body)


def test_a_gateway_that_is_behind_is_answered_at_once(world, grant):
    access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    began = time.monotonic()
    listed = _opened(world, _call(world, "POST", "/gateway/v1/lease", LEASE))
    assert time.monotonic() - began < HOLD_TIME.total_seconds() / 2
    assert grant.id in [r.id for r in listed.revoked]


def test_a_gateway_that_is_up_to_date_waits_and_gets_a_fresh_list(world):
    known = revocation_version(world.lockbox)
    began = time.monotonic()
    listed = _opened(world, _call(world, "POST", "/gateway/v1/lease", {**LEASE, "known_version": known}))
    assert time.monotonic() - began >= HOLD_TIME.total_seconds() * 0.9
    assert (listed.version, listed.expires_at - listed.issued_at) == (known, timedelta(seconds=8))


async def _revoke_while_waiting(world, grant, polls):
    body = json.dumps({**LEASE, "known_version": revocation_version(world.lockbox)}).encode()
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as client:
        waiting = [
            asyncio.create_task(client.post("/gateway/v1/lease", content=body, headers=_lease_headers(world, body)))
            for _ in range(polls)
        ]
        await _until_waiting(world, polls)
        began = time.monotonic()
        await asyncio.to_thread(access.end_access, world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
        answers = await asyncio.gather(*waiting)
        return time.monotonic() - began, answers


def test_a_revocation_wakes_every_long_poll_at_once(world, grant):
    took, answers = world.runner.run(_revoke_while_waiting(world, grant, polls=5))
    assert took < HOLD_TIME.total_seconds() / 2
    assert all(grant.id in [r.id for r in _opened(world, answer).revoked] for answer in answers)


def test_an_applied_revocation_is_confirmed_and_recorded(world, grant):
    access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    _call(world, "POST", "/gateway/v1/lease", {**LEASE, "applied_version": revocation_version(world.lockbox)})
    assert world.actions(AMBERTIDE)[-1] == "grant.revoked"


def test_a_list_that_was_never_issued_cannot_be_applied(world):
    issued = revocation_version(world.lockbox)
    assert _is_refused(_call(world, "POST", "/gateway/v1/lease", {**LEASE, "applied_version": issued + 1}))


async def _poll_and_stop(world):
    body = json.dumps(LEASE).encode()
    waiting = asyncio.create_task(
        world.acall("POST", "/gateway/v1/lease", content=body, headers=_lease_headers(world, body))
    )
    await _until_waiting(world, 1)
    began = time.monotonic()
    await world.app.state.revocation_watch.close()
    response = await waiting
    return time.monotonic() - began, response.status_code


def test_a_process_that_stops_lets_its_long_polls_go(own_world):
    took, status = own_world.runner.run(_poll_and_stop(own_world))
    assert took < HOLD_TIME.total_seconds() / 2
    assert status == 200


def test_the_signed_path_is_the_one_that_was_sent(world):
    path = "/gateway/v1/grants/a%20b"
    header = sign_request(
        gateway_id=GATEWAY,
        method="GET",
        path=path,
        body=b"",
        at=world.clock.now,
        nonce="n",
        signer=world.gateway_signer,
    )
    assert world.call("GET", path, headers={"Authorization": header}).status_code == 404


def test_the_end_of_a_session_given_up_as_lost_is_still_taken(own_world):
    world, grant = own_world, own_world.granted()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/start", _start(world, offered))
    world.clock.advance(grant.not_after - world.clock.now + LOST_AFTER)
    sweep(world.lockbox)
    answer = _call(world, "POST", f"/gateway/v1/sessions/{offered.id}/end", _end(world))
    assert (answer.status_code, answer.json()["state"]) == (200, "terminated")
    assert world.actions(AMBERTIDE)[-1] == "session.reported"

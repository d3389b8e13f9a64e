"""The gateway's core over real sockets: what it lets in, what it cuts, and what it reports."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from openlockbox.gateway.control_plane import ControlPlaneRefused, ControlPlaneUnavailable
from openlockbox.gateway.enrolment import AlreadyEnrolled, NotEnrolled, enrol, load_identity
from openlockbox.gateway.private_files import UnsafeFile
from openlockbox.gateway.process import StateDirectoryInUse, serve_gateway
from openlockbox.gateway.recording_file import read_records, verify_recording
from openlockbox.grants.revocations import Revocation
from tests.integration.gateway.core.child import FRONTS, settings_for
from tests.integration.gateway.core.fake_control_plane import CODE
from tests.unit.grants.material import grant


def recording_of(rig, session_id):
    return rig.settings.files.recordings / f"{session_id}.olbxrec"


async def test_a_session_is_recorded_reported_and_sealed(gateway):
    async with gateway.browser(gateway.token(jti="se-a")) as socket:
        assert await socket.recv() == b"started"
        assert gateway.state.started["se-a"]["client_address"] == "192.0.2.1"
        await socket.send(b"screen")
        assert await socket.recv() == b"screen"
    await gateway.told(lambda state: "se-a" in state.ended)
    (end,) = gateway.state.ended["se-a"]
    identity = load_identity(gateway.settings.files)
    report = verify_recording(recording_of(gateway, "se-a"), public_key=identity.signer.public_key)
    assert end["recording"] == {
        "sha256": report.summary.sha256,
        "bytes": report.summary.bytes,
        "chunks": report.summary.chunks,
    }
    records = read_records(recording_of(gateway, "se-a"), recording_key=identity.recording_key)
    assert [record.data for record in records] == [b"screen"]


async def test_a_token_admits_once(gateway):
    token = gateway.token(jti="se-once")
    async with gateway.browser(token) as socket:
        assert await socket.recv() == b"started"
    for _ in range(3):
        assert await gateway.refusal(token) == "refused token_reused 401"
    await gateway.told(lambda state: state.refused == [("se-once", "token_reused")])  # once, however often it is tried


async def test_twenty_uses_at_once_of_one_token_start_one_session(gateway):
    token = gateway.token()

    async def use():
        async with gateway.browser(token) as socket:
            return (await socket.recv()).decode()

    answers = await asyncio.gather(*(use() for _ in range(20)))
    assert sorted(answers) == ["refused token_reused 401"] * 19 + ["started"]


@pytest.mark.parametrize("kind", ["grant", "engineer", "resource", "tenant"])
async def test_a_revocation_cuts_and_is_acknowledged(gateway, kind):
    made = grant()
    ids = {
        "grant": made.grant_id,
        "engineer": made.engineer_id,
        "resource": made.resource_id,
        "tenant": made.tenant_id,
    }
    async with gateway.browser(gateway.token()) as socket:
        assert await socket.recv() == b"started"
        gateway.state.revoke(Revocation(kind=kind, id="another"))  # cuts nothing here
        await gateway.told(lambda state: state.applied[-1] == state.version)
        gateway.state.revoke(Revocation(kind=kind, id=ids[kind]))
        assert await socket.recv() == b"ended revoked"
        await gateway.told(lambda state: state.applied[-1] == state.version)
    assert await gateway.refusal(gateway.token()) == "refused grant_revoked 403"


async def test_a_deadline_cuts_while_the_control_plane_is_down(gateway):
    gateway.grant("gr-2", life=timedelta(seconds=1.5))
    async with gateway.browser(gateway.token(grant_id="gr-2")) as socket:
        assert await socket.recv() == b"started"
        gateway.state.change(down=True)
        began = datetime.now(UTC)
        assert await socket.recv() == b"ended deadline"
        assert datetime.now(UTC) - began < timedelta(seconds=1.7)


async def test_a_step_of_the_wall_clock_is_noticed_within_a_second(gateway):
    async with gateway.browser(gateway.token()) as socket:
        assert await socket.recv() == b"started"
        gateway.wall_offset = timedelta(hours=2)
        assert await socket.recv() == b"ended deadline"
    assert (await gateway.refusal(gateway.token())).startswith("refused grant_over")


async def test_without_a_control_plane_sessions_live_on_under_the_lease_and_end_with_it(gateway):
    async with gateway.browser(gateway.token()) as socket:
        assert await socket.recv() == b"started"
        gateway.state.change(down=True)
        gateway.monotonic_offset += 6  # plus what passed: still below eight seconds
        await socket.send(b"still here")
        assert await socket.recv() == b"still here"
        gateway.monotonic_offset += 2
        assert await socket.recv() == b"ended lease_lost"
    assert await gateway.refusal(gateway.token()) == "refused lease_stale 503"
    gateway.state.change(down=False)
    await gateway.leased()
    async with gateway.browser(gateway.token()) as socket:
        assert await socket.recv() == b"started"


async def test_an_old_list_does_not_renew_the_lease(gateway):
    gateway.state.revoke()
    await gateway.leased()
    gateway.state.change(served_version=1)
    await gateway.leased()
    async with gateway.browser(gateway.token()) as socket:
        assert await socket.recv() == b"started"
        gateway.monotonic_offset += 8
        assert await socket.recv() == b"ended lease_lost"


@pytest.mark.parametrize("how", [{"refuse_start": "grant_not_usable"}, {"drop_start": True}])
async def test_a_start_that_is_not_recorded_does_not_happen(gateway, how):
    async with gateway.browser(gateway.token()) as socket:  # so that the grant is at hand
        assert await socket.recv() == b"started"
    gateway.state.change(**how)
    token = gateway.token(jti=f"se-{next(iter(how))}")
    assert (await gateway.refusal(token)).startswith("refused session_not_recorded")
    gateway.state.change(refuse_start="", drop_start=False)
    if "refuse_start" in how:
        assert not recording_of(gateway, "se-refuse_start").exists()
    else:  # it may have been recorded over there, so its end is reported
        await gateway.told(lambda state: f"se-{next(iter(how))}" in state.ended)


async def test_without_a_control_plane_nothing_is_proved_so_nothing_opens(gateway):
    async with gateway.browser(gateway.token()) as socket:  # so that the grant is at hand
        assert await socket.recv() == b"started"
    gateway.state.change(down=True)
    assert await gateway.refusal(gateway.token()) == "refused evidence_unavailable 503"


async def test_a_session_that_cannot_be_recorded_does_not_start(gateway):
    recording_of(gateway, "se-disk").write_bytes(b"")
    assert await gateway.refusal(gateway.token(jti="se-disk")) == "refused recording_unavailable 503"
    assert "se-disk" not in gateway.state.started


async def test_an_unknown_grant_is_unavailable(gateway):
    assert await gateway.refusal(gateway.token(grant_id="gr-9")) == "refused grant_unavailable 503"


async def test_a_forged_token_fetches_nothing(gateway):
    calls = gateway.state.grant_calls
    assert (await gateway.refusal("olbx1.token.x.y.z")).startswith("refused token_malformed 401")
    assert gateway.state.grant_calls == calls


async def test_a_grant_has_only_so_many_sessions(gateway):
    async with gateway.browser(gateway.token()) as one, gateway.browser(gateway.token()) as two:
        assert (await one.recv(), await two.recv()) == (b"started", b"started")
        assert await gateway.refusal(gateway.token()) == "refused session_limit 429"


async def test_the_native_front_is_served(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["native_port"])
    writer.write(gateway.token(front="native", password_sha256="ab" * 32).encode() + b"\n")
    assert await asyncio.wait_for(reader.readline(), 5) == b"started\n"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("origin", [None, "http://evil.test"])
async def test_another_origin_gets_no_connection(gateway, origin):
    with pytest.raises(InvalidStatus) as refusal:
        async with gateway.browser(gateway.token(), origin=origin):
            pass
    assert refusal.value.response.status_code == 403


async def test_health_follows_the_lease_and_other_paths_do_not_exist(gateway):
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gateway.ports['browser_port']}", trust_env=False
    ) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/")).status_code == 404
        gateway.state.change(down=True)
        gateway.monotonic_offset += 8
        assert (await client.get("/healthz")).status_code == 503


async def test_an_abandoned_start_is_ended_and_reported(gateway):
    async with gateway.browser(gateway.token(jti="se-gone")):
        pass  # the client leaves before the answer
    await gateway.told(lambda state: "se-gone" not in state.started or "se-gone" in state.ended)


async def test_stopping_ends_sessions_and_reports_them(rig):
    async with contextlib.AsyncExitStack() as client:
        async with rig.running():
            socket = await client.enter_async_context(rig.browser(rig.token(jti="se-stop")))
            assert await socket.recv() == b"started"
        assert await socket.recv() == b"ended gateway_stopped"
    assert rig.state.ended["se-stop"][0]["reason"] == "gateway_stopped"


async def test_two_processes_do_not_share_a_state_directory(gateway):
    with pytest.raises(StateDirectoryInUse):
        await serve_gateway(gateway.settings, clocks=gateway.clocks, fronts=FRONTS, stop=asyncio.Event())


async def test_a_closed_connection_ends_as_closed_by_the_client(gateway):
    async with gateway.browser(gateway.token(jti="se-bye")) as socket:
        assert await socket.recv() == b"started"
    await gateway.told(lambda state: "se-bye" in state.ended)
    assert gateway.state.ended["se-bye"][0]["reason"] == "client_closed"
    with pytest.raises(ConnectionClosed):
        await socket.recv()


def test_enrolment_tells_who_and_where_and_happens_once(rig):
    told = rig.state.enrolled
    assert (told["browser_url"], told["native_address"]) == ("ws://gateway.test/rdp", "gateway.test:3390")
    assert len(told["native_certificate_sha256"]) == 64
    with pytest.raises(AlreadyEnrolled):
        enrol(rig.settings, CODE, now=datetime.now(UTC))


def test_a_failed_enrolment_leaves_no_gateway_and_the_next_try_keeps_the_key(tmp_path, control_plane):
    settings = settings_for(tmp_path, control_plane.url)
    with pytest.raises(ControlPlaneRefused, match="gateway_refused"):
        enrol(settings, "wrong", now=datetime.now(UTC))
    with pytest.raises(NotEnrolled):
        load_identity(settings.files)
    key = settings.files.key.read_bytes()
    control_plane.state.change(down=True)
    with pytest.raises(ControlPlaneUnavailable):
        enrol(settings, CODE, now=datetime.now(UTC))
    control_plane.state.change(down=False)
    assert enrol(settings, CODE, now=datetime.now(UTC)) == "gw-1"
    assert settings.files.key.read_bytes() == key


@pytest.mark.parametrize("name", ["key.pem", "trust.json", "recording.key", "gateway.json"])
def test_a_state_file_open_to_others_stops_the_start(rig, name):
    (rig.settings.state_dir / name).chmod(0o644)
    with pytest.raises(UnsafeFile):
        load_identity(rig.settings.files)

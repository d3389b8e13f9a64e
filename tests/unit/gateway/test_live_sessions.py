"""Running sessions: what cuts them, when, and what stands on the disk afterwards."""

import asyncio
from datetime import timedelta

import pytest

from openlockbox.domain.session import EndReason
from openlockbox.gateway.recording_file import verify_recording
from openlockbox.gateway.spool import recover_sessions
from openlockbox.grants.revocations import Revocation
from tests.unit.gateway.stage import GATEWAY_SIGNER
from tests.unit.grants.material import NOW, grant

SECOND = timedelta(seconds=1)


async def running(stage, session_id="se-1", **changes):
    stage.renew()
    sessions, session = stage.sessions(), stage.session(session_id, grant(**changes))
    sessions.add(session)
    return sessions, session


async def test_the_deadline_cuts_to_the_microsecond(stage):
    sessions, session = await running(stage, not_after=NOW + 5 * SECOND)
    stage.hand.pass_time(5 * SECOND - timedelta(microseconds=1))
    assert sessions.check() <= timedelta(microseconds=2)
    assert not session.ended.done()
    stage.hand.pass_time(timedelta(microseconds=1))
    sessions.check()
    assert session.ended.result() is EndReason.DEADLINE
    await session.close(EndReason.CLIENT_CLOSED)


async def test_a_wall_clock_set_back_does_not_prolong_a_session(stage):
    sessions, session = await running(stage, not_after=NOW + 5 * SECOND)
    stage.hand.wall -= timedelta(hours=1)
    stage.hand.seconds += 5
    sessions.check()
    assert session.reason is EndReason.DEADLINE
    await session.close(EndReason.CLIENT_CLOSED)


async def test_a_wall_clock_set_forward_ends_a_session(stage):
    sessions, session = await running(stage)
    stage.hand.wall += timedelta(hours=8)
    sessions.check()
    assert session.reason is EndReason.DEADLINE
    await session.close(EndReason.CLIENT_CLOSED)


async def test_a_lost_lease_cuts_at_eight_seconds_and_not_before(stage):
    sessions, session = await running(stage)
    stage.hand.pass_time(timedelta(seconds=7.9))
    assert sessions.check() <= timedelta(seconds=0.11)
    assert session.reason is None
    stage.hand.pass_time(timedelta(seconds=0.1))
    sessions.check()
    assert session.reason is EndReason.LEASE_LOST
    await session.close(EndReason.CLIENT_CLOSED)


@pytest.mark.parametrize(
    "entry",
    [
        Revocation(kind="grant", id="gr-1"),
        Revocation(kind="engineer", id="principal-eng"),
        Revocation(kind="resource", id=grant().resource_id),
        Revocation(kind="tenant", id="contoso"),
    ],
    ids=lambda entry: entry.kind,
)
async def test_a_revocation_cuts_what_it_names(stage, entry):
    sessions, session = await running(stage)
    sessions.apply(stage.renew(entry, version=8))
    assert session.ended.result() is EndReason.REVOKED
    await session.close(EndReason.CLIENT_CLOSED)


async def test_ending_one_grant_leaves_another_of_the_same_engineer_and_resource_alone(stage):
    sessions, session = await running(stage)
    other = stage.session("se-2", grant(grant_id="gr-2"))
    sessions.add(other)
    sessions.apply(stage.renew(Revocation(kind="grant", id="gr-1"), version=8))
    assert (session.reason, other.reason) == (EndReason.REVOKED, None)
    await asyncio.gather(session.close(EndReason.REVOKED), other.close(EndReason.CLIENT_CLOSED))


async def test_a_list_counts_as_applied_only_when_the_front_has_closed(stage):
    sessions, session = await running(stage)
    sessions.apply(stage.lease.revocations)
    assert sessions.applied_version == 7
    sessions.apply(stage.renew(Revocation(kind="grant", id="gr-1"), version=8))
    assert sessions.applied_version == 7
    waiting = asyncio.ensure_future(sessions.wait_for_cuts(longest=timedelta(seconds=30)))
    await session.close(EndReason.REVOKED)
    await asyncio.wait_for(waiting, 5)
    assert sessions.applied_version == 8


async def test_a_front_that_does_not_close_is_closed_from_here(stage):
    sessions, session = await running(stage)
    session.cut(EndReason.REVOKED)
    stage.hand.pass_time(timedelta(seconds=5))
    sessions.check()
    await asyncio.wait_for(session.closed.wait(), 5)
    assert len(sessions) == 0


async def test_the_first_reason_stands_for_everybody(stage):
    _, session = await running(stage)
    session.cut(EndReason.REVOKED)
    reasons = await asyncio.gather(*(session.close(reason) for reason in EndReason))
    assert set(reasons) == {EndReason.REVOKED}
    assert [event.reason for event in stage.journal.unreported()] == ["revoked"]


async def test_after_a_cut_the_recorder_takes_nothing(stage):
    _, session = await running(stage)
    session.cut(EndReason.REVOKED)
    with pytest.raises(OSError, match="ended"):
        session.recorder.server_bytes(b"late")
    await session.close(EndReason.REVOKED)


async def test_a_front_that_cancels_the_future_does_not_lose_the_reason(stage):
    _, session = await running(stage)
    session.ended.cancel()
    session.cut(EndReason.REVOKED)
    assert await session.close(EndReason.CLIENT_CLOSED) is EndReason.REVOKED


async def test_a_recorder_that_cannot_write_ends_the_session(stage, monkeypatch):
    sessions, session = await running(stage)
    session.recorder.server_bytes(b"x")
    stage.hand.pass_time(SECOND)
    monkeypatch.setattr("os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
    sessions.check()
    monkeypatch.undo()
    assert session.reason is EndReason.RECORDING_FAILED
    await session.close(EndReason.CLIENT_CLOSED)


async def test_stopping_ends_and_seals_everything(stage):
    sessions, session = await running(stage)
    session.recorder.server_bytes(b"screen")
    await sessions.stop(longest=timedelta(seconds=0))
    assert session.reason is EndReason.GATEWAY_STOPPED
    assert verify_recording(stage.path(), public_key=GATEWAY_SIGNER.public_key).reason == "gateway_stopped"
    (event,) = stage.journal.unreported()
    assert (event.reason, event.recording.chunks, len(sessions)) == ("gateway_stopped", 1, 0)


async def test_a_crash_is_reported_with_the_recordings_whole_chunks(stage):
    _, session = await running(stage)
    session.recorder.server_bytes(b"x" * 70_000)
    session.recorder.server_bytes(b"still in memory")
    later = NOW + timedelta(minutes=3)
    assert recover_sessions(stage.journal, stage.recordings, at=later, signer=GATEWAY_SIGNER) == ["se-1"]
    (event,) = stage.journal.unreported()
    report = verify_recording(stage.path(), public_key=GATEWAY_SIGNER.public_key)
    assert (event.reason, event.at, event.recording) == ("gateway_stopped", later, report.summary)
    assert report.summary.chunks == 1
    assert recover_sessions(stage.journal, stage.recordings, at=later, signer=GATEWAY_SIGNER) == []
    session.recording.stop()


async def test_a_crash_before_the_recording_is_reported_too(stage):
    stage.journal.begin("se-5", grant_id="gr-1", at=NOW)
    recover_sessions(stage.journal, stage.recordings, at=NOW, signer=GATEWAY_SIGNER)
    (event,) = stage.journal.unreported()
    assert (event.session_id, event.recording.sha256) == ("se-5", "")


async def test_a_crashed_sessions_damaged_recording_is_kept_and_its_end_names_what_holds(stage, caplog):
    _, session = await running(stage)
    for _ in range(3):
        session.recorder.server_bytes(b"x" * 70_000)
    session.recording.stop()
    damaged = bytearray(stage.path().read_bytes())
    second = damaged.index(b"C" + (1).to_bytes(4, "big"))
    damaged[second + 100] ^= 1
    stage.path().write_bytes(damaged)
    recover_sessions(stage.journal, stage.recordings, at=NOW, signer=GATEWAY_SIGNER)
    (event,) = stage.journal.unreported()
    assert (event.recording.chunks, event.recording.bytes) == (1, second)
    assert stage.path().read_bytes() == damaged
    assert "recording.damaged" in [record.message for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("change", ["flip", "cut"])
async def test_the_recording_of_a_session_that_has_its_end_is_never_written(stage, change):
    _, session = await running(stage)
    session.recorder.server_bytes(b"x" * 70_000)
    await session.close(EndReason.CLIENT_CLOSED)
    damaged = bytearray(stage.path().read_bytes())
    if change == "flip":
        damaged[1000] ^= 1
    else:
        del damaged[1000:]
    stage.path().write_bytes(damaged)
    recover_sessions(stage.journal, stage.recordings, at=NOW, signer=GATEWAY_SIGNER)
    assert stage.path().read_bytes() == damaged


async def test_a_session_id_is_journaled_once(stage):
    stage.journal.begin("se-5", grant_id="gr-1", at=NOW)
    with pytest.raises(FileExistsError):
        stage.journal.begin("se-5", grant_id="gr-1", at=NOW)

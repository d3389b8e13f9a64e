"""A session of a gateway that never comes back does not stay active in the record, on any database."""

from datetime import timedelta

import pytest

from openlockbox.domain.session import EndReason, SessionState
from openlockbox.services import access, deadlines, late_reports
from openlockbox.services.ports import EntryFilter
from tests.world import AMBERTIDE, GATEWAY, build_world


@pytest.fixture
def world(any_database, tmp_path):
    return build_world(any_database, tmp_path)


@pytest.fixture
def gateway(world):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.gateways.get(GATEWAY)


@pytest.fixture
def started(world, gateway):
    grant = world.granted()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    world.start(offered)
    return grant, offered.id


def _session(world, session_id):
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.sessions.get(session_id)


def _report(world, gateway, session_id):
    return late_reports.end_session(
        world.lockbox,
        gateway,
        session_id=session_id,
        at=world.clock.now,
        reason=EndReason.LEASE_LOST,
        recording_sha256="ab" * 32,
        recording_bytes=7,
        recording_chunks=1,
    )


def _late_until(world, grant):
    world.clock.advance(grant.not_after - world.clock.now + deadlines.LOST_AFTER)


def test_it_is_written_down_as_ended_some_minutes_after_its_access(world, started):
    grant, session_id = started
    _late_until(world, grant)
    world.clock.advance(-timedelta(seconds=1))
    deadlines.sweep(world.lockbox)
    assert _session(world, session_id).state is SessionState.ACTIVE
    world.clock.advance(timedelta(seconds=1))
    assert deadlines.sweep(world.lockbox) == 1
    assert deadlines.sweep(world.lockbox) == 0
    session = _session(world, session_id)
    assert (session.state, session.end_reason) == (SessionState.TERMINATED, EndReason.GATEWAY_LOST)
    assert session.ended_at == grant.not_after
    assert world.actions()[-1] == "session.terminated"


def test_a_report_that_comes_after_all_is_recorded_once(world, gateway, started):
    grant, session_id = started
    _late_until(world, grant)
    deadlines.sweep(world.lockbox)
    given_up = _session(world, session_id)
    assert [_report(world, gateway, session_id) for _ in range(2)] == [given_up, given_up]
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (entry,) = uow.activity.entries(AMBERTIDE, EntryFilter(codes=frozenset({"session.reported"})))
    assert entry.event.actor == f"gateway:{GATEWAY}"
    assert entry.event.detail["reason"] == "lease_lost"
    assert entry.event.detail["recording_sha256"] == "ab" * 32


def test_a_report_in_time_is_no_late_one(world, gateway, started):
    grant, session_id = started
    assert _report(world, gateway, session_id).end_reason is EndReason.LEASE_LOST
    _late_until(world, grant)
    deadlines.sweep(world.lockbox)
    assert _session(world, session_id).end_reason is EndReason.LEASE_LOST
    assert "session.reported" not in world.actions()

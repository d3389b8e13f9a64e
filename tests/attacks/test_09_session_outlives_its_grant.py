"""Row 9: the gateway keeps the deadline itself, by two clocks, whether or not the control plane is there."""

from datetime import timedelta

import pytest

from openlockbox.domain.session import EndReason
from openlockbox.gateway.live_sessions import LiveSessions, RunningSession
from tests.unit.gateway.stage import Stage
from tests.unit.grants.material import NOW, grant

LEFT = timedelta(seconds=5)


def run(stage: Stage) -> tuple[LiveSessions, RunningSession]:
    """Let a session run whose grant has five seconds left. Nobody talks to the gateway from here on."""
    stage.renew()
    sessions, session = stage.sessions(), stage.session("se-1", grant(not_after=NOW + LEFT))
    sessions.add(session)
    return sessions, session


async def test_the_deadline_cuts_without_a_word_from_the_control_plane(stage: Stage) -> None:
    sessions, session = run(stage)
    stage.hand.pass_time(LEFT)
    sessions.check()
    assert session.ended.result() is EndReason.DEADLINE
    with pytest.raises(OSError, match="ended"):
        session.recorder.server_bytes(b"one more screen")
    await session.close(EndReason.CLIENT_CLOSED)


async def test_a_wall_clock_set_back_gives_no_more_time(stage: Stage) -> None:
    sessions, session = run(stage)
    stage.hand.seconds += LEFT.total_seconds()
    stage.hand.wall -= timedelta(days=1)
    sessions.check()
    assert session.reason is EndReason.DEADLINE
    await session.close(EndReason.CLIENT_CLOSED)


async def test_a_gateway_that_is_cut_off_closes_after_eight_seconds(stage: Stage) -> None:
    stage.renew()
    sessions, session = stage.sessions(), stage.session()
    sessions.add(session)
    stage.hand.pass_time(timedelta(seconds=8))
    sessions.check()
    assert session.reason is EndReason.LEASE_LOST
    await session.close(EndReason.CLIENT_CLOSED)

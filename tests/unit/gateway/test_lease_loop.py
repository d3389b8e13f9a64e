"""The loop that renews the lease: never in a tight circle, and never ended by a bad answer."""

import asyncio

import pytest

from openlockbox.gateway.control_plane import ControlPlaneRefused, ControlPlaneUnavailable
from openlockbox.gateway.lease import LeaseLoop


class Answers:
    """A control plane that gives the answers of a list, then waits for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.all_given = asyncio.Event()

    async def lease(self, **call):
        self.asked.append(call)
        if not self.answers:
            self.all_given.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def run(stage, *answers):
    plane, pauses = Answers(*answers), []

    async def pause(seconds):
        pauses.append(seconds)
        await asyncio.sleep(0)

    loop = LeaseLoop(stage.lease, plane, stage.sessions(), stage.clocks, pause=pause)
    task = asyncio.create_task(loop.run())
    await asyncio.wait_for(plane.all_given.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return plane, pauses


@pytest.mark.parametrize(
    "failure", [ControlPlaneUnavailable("x"), ControlPlaneRefused("gateway_refused", status=401), "rubbish"]
)
async def test_a_failed_call_is_followed_by_a_pause_and_another(stage, failure):
    plane, pauses = await run(stage, failure, stage.sealed_list())
    assert (len(plane.asked), pauses) == (3, [0.2])
    assert stage.lease.known_version == 7


async def test_a_newer_list_is_acknowledged_at_once(stage):
    plane, pauses = await run(stage, stage.sealed_list(version=7), stage.sealed_list(version=8))
    assert [call["applied_version"] for call in plane.asked] == [0, 7, 8]
    assert pauses == []


async def test_a_control_plane_that_does_not_hold_the_call_is_not_asked_in_a_tight_circle(stage):
    _, pauses = await run(stage, *[stage.sealed_list()] * 3)
    assert pauses == [0.2, 0.2]

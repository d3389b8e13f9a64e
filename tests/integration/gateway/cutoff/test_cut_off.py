"""A gateway that loses its control plane, or the time, closes what is open and opens nothing (bench/bench_fail_closed.py: how fast)."""

from datetime import timedelta

import pytest

from tests.integration.gateway.cutoff.network import site

pytestmark = [pytest.mark.needs_root]
LONGEST = 12  # seconds: a lease of 8, a watch each second, and a busy machine


@pytest.fixture
async def here():
    async with site() as running:
        yield running


async def test_a_gateway_cut_off_by_the_network_fails_closed_and_comes_back(here):
    ended, seconds = await here.time_to_close(here.cut)
    assert ended == "ended lease_lost"
    assert seconds < LONGEST
    assert await here.refusal() == "refused lease_stale 503"
    here.mend()
    for _ in range(20):  # calls that were under way when the cable broke may still arrive, and renew nothing
        calls = len(here.state.applied)
        await here.told(lambda state, calls=calls: len(state.applied) > calls)
        if (answer := await here.refusal()) == "started":
            break
    assert answer == "started"


async def test_a_gateway_whose_portal_stopped_fails_closed(here):
    ended, seconds = await here.time_to_close(here.stop_web)
    assert ended == "ended lease_lost"
    assert seconds < LONGEST
    assert await here.refusal() == "refused lease_stale 503"


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(minutes=-1)])
async def test_a_gateway_whose_clock_is_wrong_fails_closed(here, step):
    """A list that is not of now renews nothing, whichever way the clock went."""
    ended, seconds = await here.time_to_close(lambda: here.step_clock(step))
    assert ended == "ended lease_lost"
    assert seconds < LONGEST
    assert (await here.refusal()).startswith("refused ")


async def test_a_clock_that_passes_the_end_of_the_access_ends_it_at_once(here):
    ended, seconds = await here.time_to_close(lambda: here.step_clock(timedelta(hours=2)))
    assert ended == "ended deadline"
    assert seconds < 5
    assert (await here.refusal()).startswith("refused ")

"""Row 5: expiry is checked at the decision, by the clock; the sweeper only writes down what is already true, once."""

from datetime import timedelta

import pytest

from openlockbox.domain.errors import RequestExpired
from openlockbox.services import deadlines
from tests.world import World


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=30)])
@pytest.mark.parametrize("swept", [False, True])
def test_no_approval_at_or_after_the_deadline(world: World, late: timedelta, *, swept: bool) -> None:
    request = world.pending()
    world.clock.advance(timedelta(days=4) + late)
    if swept:
        deadlines.sweep(world.lockbox)
    with pytest.raises(RequestExpired):
        world.approve(request)
    assert "grant.issued" not in world.actions()
    assert world.last_refusal() == ("request.approve", "request_expired")


def test_the_last_moment_before_the_deadline_counts(world: World) -> None:
    request = world.pending()
    world.clock.advance(timedelta(days=4) - timedelta(microseconds=1))
    world.approve(request)
    assert world.actions()[-1] == "grant.issued"

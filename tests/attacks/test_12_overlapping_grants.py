"""Row 12: ending one grant neither ends nor prolongs another for the same engineer and resource."""

from datetime import timedelta

from openlockbox.services import access, deadlines, views
from tests.world import World


def test_revoking_one_grant_leaves_the_other(world: World) -> None:
    first, second = world.granted(), world.granted(duration=timedelta(hours=2))
    access.end_access(world.lockbox, world.caller("senna"), grant_id=first.id, reason="")
    other = views.grant_view(world.lockbox, world.caller("senna"), grant_id=second.id)
    assert other.is_usable
    assert other.grant.not_after == second.not_after
    access.connect(world.lockbox, world.caller("idris"), grant_id=second.id, front="browser")


def test_the_end_of_one_grant_by_time_leaves_the_other(world: World) -> None:
    short, long = world.granted(duration=timedelta(hours=1)), world.granted()
    world.clock.advance(timedelta(hours=1))
    deadlines.sweep(world.lockbox)
    assert not views.grant_view(world.lockbox, world.caller("senna"), grant_id=short.id).is_usable
    assert views.grant_view(world.lockbox, world.caller("senna"), grant_id=long.id).grant.not_after == long.not_after

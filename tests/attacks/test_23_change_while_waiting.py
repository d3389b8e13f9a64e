"""Row 23: a change of target or policy voids the pending request; the policy version is pinned to the request."""

from dataclasses import replace

import pytest

from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import RequestSuperseded
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.services import elevation, views
from tests.world import World

SHORTER = """
@id("short")
@max_duration("{hours}h")
@reason("Permission level: short access only.")
permit (principal, action == Lockbox::Action::"elevate", resource);
"""


def test_a_stricter_policy_supersedes_and_a_looser_one_does_not(world: World) -> None:
    strict, loose = world.pending(), world.pending()
    sound = world.lockbox
    world.lockbox = replace(sound, policy=CedarPolicyEngine.from_text(SHORTER.format(hours=1), "test"))
    with pytest.raises(RequestSuperseded):
        world.approve(strict)
    view = views.request_view(world.lockbox, world.caller("senna"), request_id=strict.id)
    assert view.state is RequestState.CANCELED
    world.lockbox = replace(sound, policy=CedarPolicyEngine.from_text(SHORTER.format(hours=24), "test"))
    world.approve(loose)


@pytest.mark.parametrize(
    "change", [{"address": "127.0.0.9"}, {"port": 3390}, {"certificate_sha256": "0" * 64}, {"secret_refs": ()}]
)
def test_a_changed_target_supersedes(world: World, change: dict[str, object]) -> None:
    request = world.pending()
    world.change_machine(**change)
    with pytest.raises(RequestSuperseded):
        world.approve(request)


def test_the_request_names_the_policy_that_weighed_it(world: World) -> None:
    request = world.pending()
    view = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id)
    assert view.asked.policy_version == world.lockbox.policy.version
    assert world.lockbox.policy.version in request.displayed


def test_a_change_while_in_internal_review_voids_the_question(world: World) -> None:
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    world.change_machine(address="127.0.0.9")
    with pytest.raises(RequestSuperseded):
        elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=asked.id, reason="")
    assert world.last_refusal() == ("jit_request.review", "request_superseded")
    assert "request.created" not in world.actions()

"""Row 14: no rule permits, so refused."""

from dataclasses import replace

from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.domain.jit_request import JitState
from tests.world import World

NOTHING_FITS = """
@id("other-scenario")
@max_duration("8h")
@reason("Only another way in.")
permit (principal, action == Lockbox::Action::"elevate", resource)
when { context.scenario == "something_else" };
"""


def test_without_a_permit_the_question_is_refused_and_recorded(world: World) -> None:
    world.lockbox = replace(world.lockbox, policy=CedarPolicyEngine.from_text(NOTHING_FITS, "test"))
    assert world.ask().state is JitState.REFUSED
    assert world.actions()[-1] == "jit_request.refused"


FORBIDDEN = """
@id("anything")
@max_duration("8h")
@reason("Whatever is asked.")
permit (principal, action == Lockbox::Action::"elevate", resource);
@id("but-not-this")
@reason("Nobody, today.")
forbid (principal, action == Lockbox::Action::"elevate", resource);
"""


def test_a_rule_that_forbids_outweighs_one_that_permits(world: World) -> None:
    world.lockbox = replace(world.lockbox, policy=CedarPolicyEngine.from_text(FORBIDDEN, "test"))
    assert world.ask().state is JitState.REFUSED

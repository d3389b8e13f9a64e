"""Row 19: only the customer's administrator changes approvers; a change is logged and does not count for what waits."""

import pytest

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Role
from openlockbox.services import setup
from tests.world import AMBERTIDE, SUBSCRIPTION, World


def make_approver(world: World, *, by: str, who: str = "rhea") -> None:
    setup.assign_role(
        world.lockbox,
        world.caller(by),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId(who),
        role=Role.LOCKBOX_APPROVER,
        subscription_id=SUBSCRIPTION,
    )


@pytest.mark.parametrize("by", ["senna", "orla", "rhea", "bram", "idris", "maud", "devi", "oper", "piet", "pia"])
def test_nobody_else_makes_an_approver(world: World, by: str) -> None:
    with pytest.raises(LockboxError):
        make_approver(world, by=by)


def test_a_new_approver_does_not_count_for_a_waiting_request(world: World) -> None:
    waiting = world.pending()
    make_approver(world, by="tessa")
    assert world.actions()[-1] == "role.assigned"
    with pytest.raises(LockboxError) as refusal:
        world.approve(waiting, by="rhea")
    assert refusal.value.code == "not_an_approver"
    world.approve(world.pending(), by="rhea")

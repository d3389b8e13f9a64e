"""Row 13: the approver's right, the requester's employment and the rules are read again at the decision and at each connect."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import PrincipalState, Role
from openlockbox.domain.tenant import SupportPlan
from openlockbox.services import access, setup
from tests.world import AMBERTIDE, SUBSCRIPTION, World


def remove_engineer_role(world: World) -> None:
    setup.take_provider_role(world.lockbox, principal_id=PrincipalId("idris"), role=Role.SUPPORT_ENGINEER)


def disable_engineer(world: World) -> None:
    with world.lockbox.database.unit_of_work() as uow:
        uow.principals.save(replace(uow.principals.get(PrincipalId("idris")), state=PrincipalState.DISABLED))
        uow.commit()


def lower_the_plan(world: World) -> None:
    setup.change_tenant(world.lockbox, tenant_id=AMBERTIDE, support_plan=SupportPlan.NONE)


def change_the_target(world: World) -> None:
    world.change_machine(address="127.0.0.2")


CHANGES = [remove_engineer_role, disable_engineer, lower_the_plan, change_the_target]


def test_an_approver_who_lost_the_role_decides_nothing(world: World) -> None:
    request = world.pending()
    setup.remove_role(
        world.lockbox,
        world.caller("tessa"),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId("senna"),
        role=Role.SUBSCRIPTION_OWNER,
        subscription_id=SUBSCRIPTION,
    )
    with pytest.raises(LockboxError) as refusal:
        world.approve(request)
    assert refusal.value.code == "not_an_approver"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_before_the_decision_voids_the_request(world: World, change: Callable[[World], None]) -> None:
    request = world.pending()
    change(world)
    with pytest.raises(LockboxError) as refusal:
        world.approve(request)
    assert refusal.value.code == "request_superseded"
    assert "grant.issued" not in world.actions()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_decision_stops_the_next_connect(world: World, change: Callable[[World], None]) -> None:
    grant = world.granted()
    change(world)
    with pytest.raises(LockboxError) as refusal:
        access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    assert refusal.value.code in {"request_superseded", "not_signed_in"}

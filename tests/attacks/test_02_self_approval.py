"""Row 2: nobody decides on their own request, at any privilege, from any door, through any account."""

from dataclasses import replace

import pytest

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import NoDesignatedApprover, SelfApproval
from openlockbox.domain.ids import PersonId, PrincipalId
from openlockbox.domain.principal import Role
from openlockbox.services import elevation, setup
from tests.world import AMBERTIDE, SUBSCRIPTION, World


def make_second_account(world: World) -> None:
    """Give the engineer's own person the customer's owner account."""
    with world.lockbox.database.unit_of_work() as uow:
        owner = uow.principals.get(PrincipalId("senna"))
        uow.principals.save(replace(owner, person_id=PersonId("idris")))
        uow.commit()


def test_a_second_account_of_the_requester_is_the_requester(world: World) -> None:
    request = world.pending()
    make_second_account(world)
    with pytest.raises(SelfApproval):
        world.approve(request, by="senna")
    assert world.last_refusal() == ("request.approve", "self_approval")


def test_a_second_account_of_the_requester_does_not_count_as_an_approver(world: World) -> None:
    make_second_account(world)
    setup.remove_role(
        world.lockbox,
        world.caller("tessa"),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId("orla"),
        role=Role.LOCKBOX_APPROVER,
        subscription_id=SUBSCRIPTION,
    )
    case = world.case()
    with pytest.raises(NoDesignatedApprover):
        world.ask(case)


def test_a_support_lead_cannot_review_an_own_question(world: World) -> None:
    with world.lockbox.database.unit_of_work() as uow:
        uow.principals.save(replace(uow.principals.get(PrincipalId("maud")), isolated_identity=True))
        uow.commit()
    asked = world.ask(by="maud", permission=Permission.ADMINISTRATOR)
    with pytest.raises(SelfApproval):
        elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=asked.id, reason="")
    assert world.last_refusal() == ("jit_request.review", "self_approval")

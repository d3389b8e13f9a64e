"""Row 1: state, approver and end time change only through commands; a record that was written into gives no access."""

from dataclasses import replace

import msgspec
import pytest

from openlockbox.domain.errors import AlreadyDecided, GrantNotUsable, IllegalTransition, LockboxError
from openlockbox.domain.grant import rests_on
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.lockbox_request import RequestState

FORGED = {
    "state": "approved",
    "approvers": ["idris"],
    "decision": {},
    "answer_by": "2030-01-01",
    "not_after": "2030-01-01",
}


@pytest.mark.parametrize("field", FORGED)
@pytest.mark.parametrize("name", ["ApproveBody", "DenyBody", "ReasonBody"])
def test_a_body_that_names_a_field_of_the_record_is_refused(name: str, field: str) -> None:
    from openlockbox.web.api import bodies

    body = {"reason": "", field: FORGED[field]} | ({} if name == "ReasonBody" else {"digest": "ab" * 32})
    with pytest.raises(msgspec.ValidationError, match=f"unknown field `{field}`"):
        msgspec.convert(body, type=getattr(bodies, name))


@pytest.mark.parametrize("state", [s for s in RequestState if s is not RequestState.APPROVED])
def test_no_grant_rests_on_a_request_that_was_not_approved(world, state: RequestState) -> None:
    with pytest.raises(GrantNotUsable):
        rests_on(replace(world.approve(world.pending()), state=state))


def test_a_state_written_into_the_record_gives_no_grant(world) -> None:
    request = world.pending()
    forged = replace(request, state=RequestState.APPROVED, prior_state=request.state.value, version=2)
    with world.lockbox.database.unit_of_work() as uow:
        uow.lockbox_requests.replace(request, forged)  # as whoever holds the database may
        uow.commit()
    with pytest.raises(AlreadyDecided):
        world.approve(forged)
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.grants.find_of_request(request.id) is None
    with pytest.raises(GrantNotUsable):
        rests_on(forged)


@pytest.mark.parametrize("name", ["approvers", "displayed", "digest"])
def test_what_was_asked_and_who_is_asked_cannot_be_rewritten(world, name: str) -> None:
    request = world.pending()
    value = frozenset({PrincipalId("idris")}) if name == "approvers" else "x"
    forged = replace(request, **{name: value}, version=2)
    with world.lockbox.database.unit_of_work() as uow, pytest.raises((IllegalTransition, LockboxError)):
        uow.lockbox_requests.replace(request, forged)

"""Row 6: final states do not change; revoke is a verb of its own, and it cuts."""

import pytest

from openlockbox.domain.errors import AlreadyDecided
from openlockbox.services import decisions
from tests.world import World


def test_an_approved_request_cannot_be_denied_or_approved_again(world: World) -> None:
    request = world.pending()
    world.approve(request)
    with pytest.raises(AlreadyDecided) as refusal:
        decisions.deny(world.lockbox, world.caller("orla"), request_id=request.id, digest=request.digest, reason="")
    assert refusal.value.params == {"state": "approved"}
    with pytest.raises(AlreadyDecided):
        world.approve(request, by="orla")
    assert world.actions().count("grant.issued") == 1

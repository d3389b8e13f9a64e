"""Row 3: an unresolved principal is refused at once; nobody unknown counts as a second person."""

import pytest

from openlockbox.domain.errors import NotSignedIn
from openlockbox.domain.ids import PrincipalId
from openlockbox.services import decisions
from openlockbox.services.work import Caller
from tests.world import World


@pytest.mark.parametrize("unknown", ["", "unknown", "None", "SENNA"])
def test_an_unknown_principal_decides_nothing(world: World, unknown: str) -> None:
    request = world.pending()
    caller = Caller(principal_id=PrincipalId(unknown), mfa_at=world.clock.now)
    with pytest.raises(NotSignedIn):
        decisions.approve(
            world.lockbox, caller, request_id=request.id, digest=request.digest, granted_duration=None, reason=""
        )

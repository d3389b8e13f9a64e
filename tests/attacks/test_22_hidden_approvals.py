"""Row 22: the pending queue is read from the requests, never from notifications."""

from openlockbox.services import views
from tests.world import AMBERTIDE, World


def test_a_request_whose_mails_are_gone_still_waits_in_the_queue(world: World) -> None:
    request = world.pending()
    with world.lockbox.database.unit_of_work() as uow:
        for row in uow.outbox.due(world.clock.now, limit=100):
            uow.outbox.mark_done(row.key, at=world.clock.now)
        uow.commit()
    for reader in ("senna", "orla", "rhea", "tessa"):
        pending = views.overview(world.lockbox, world.caller(reader), tenant_id=AMBERTIDE).pending
        assert [p.request.id for p in pending] == [request.id]

"""Row 4: of twenty decisions at once one wins; the others are told the state. On both databases: tests/integration/races."""

import threading
from collections import Counter

from openlockbox.domain.errors import AlreadyDecided
from openlockbox.services import decisions
from openlockbox.services.ports import EntryFilter
from tests.world import AMBERTIDE, World

DECIDERS, ROUNDS = 20, 5


def decide_at_once(world: World) -> None:
    """Let ten approve and ten deny at the same moment: one grant at most, one decision in the log, one mail."""
    request, answers, barrier = world.pending(), Counter[str](), threading.Barrier(DECIDERS)

    def decide(number: int) -> None:
        caller = world.caller("senna" if number % 4 < 2 else "orla")
        barrier.wait()
        try:
            if number % 2:
                decisions.deny(world.lockbox, caller, request_id=request.id, digest=request.digest, reason="")
                answers["denied"] += 1
            else:
                decisions.approve(
                    world.lockbox,
                    caller,
                    request_id=request.id,
                    digest=request.digest,
                    granted_duration=None,
                    reason="",
                )
                answers["approved"] += 1
        except AlreadyDecided as told:
            answers[f"told {told.params['state']}"] += 1

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(DECIDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = "approved" if answers["approved"] else "denied"
    assert answers == Counter({won: 1, f"told {won}": DECIDERS - 1})
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.lockbox_requests.get(request.id).state.value == won
        assert (uow.grants.find_of_request(request.id) is not None) == (won == "approved")
        entries = uow.activity.entries(AMBERTIDE, EntryFilter(subject=f"request:{request.id}", limit=100))
        mails = [row for row in uow.outbox.due(world.clock.now, limit=1000) if row.key == f"decided-{request.id}"]
    codes = Counter(entry.event.code for entry in entries)
    assert codes["request.approved"] + codes["request.denied"] == len(mails) == 1
    assert codes["request.approve.refused"] + codes["request.deny.refused"] == DECIDERS - 1


def test_of_twenty_decisions_at_once_one_wins(world: World) -> None:
    for _ in range(ROUNDS):
        decide_at_once(world)

"""Row 4 of the attacks: twenty decide on one request at once; one wins, the others are told the state, one grant at most."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from openlockbox.domain.errors import AlreadyDecided, LockboxError
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.services import decisions
from openlockbox.services.ports import Database, EntryFilter
from tests.world import AMBERTIDE, World, build_world

DECIDERS = 20
ROUNDS = 100
LONG_ROUNDS = 1_000


@pytest.fixture
def world(sql_database: Database, tmp_path: Path) -> Iterator[World]:
    return build_world(sql_database, tmp_path)


def decide_at_once(world: World, request: LockboxRequest) -> Counter[str]:
    """Let ten approve and ten deny at the same moment and count how each was answered."""
    barrier = threading.Barrier(DECIDERS)
    answers: Counter[str] = Counter()
    lock = threading.Lock()

    def decide(number: int) -> None:
        caller = world.caller("senna" if number % 4 < 2 else "orla")
        barrier.wait()
        try:
            if number % 2:
                decisions.deny(world.lockbox, caller, request_id=request.id, digest=request.digest, reason="")
                answer = "denied"
            else:
                decisions.approve(
                    world.lockbox,
                    caller,
                    request_id=request.id,
                    digest=request.digest,
                    granted_duration=None,
                    reason="",
                )
                answer = "approved"
        except AlreadyDecided as told:
            answer = f"told {told.params['state']}"
        except LockboxError as other:
            answer = other.code
        with lock:
            answers[answer] += 1

    threads = [threading.Thread(target=decide, args=(n,)) for n in range(DECIDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def race(world: World, rounds: int) -> None:
    case = world.case()
    for number in range(rounds):
        request = world.pending(case=case)
        answers = decide_at_once(world, request)
        won = "approved" if answers["approved"] else "denied"
        assert answers == Counter({won: 1, f"told {won}": DECIDERS - 1}), f"round {number}: {answers}"
        with world.lockbox.database.unit_of_work(read_only=True) as uow:
            stored = uow.lockbox_requests.get(request.id)
            grant = uow.grants.find_of_request(request.id)
            entries = uow.activity.entries(AMBERTIDE, EntryFilter(subject=f"request:{request.id}", limit=100))
        assert stored.state.value == won
        assert (grant is not None) == (won == "approved")
        codes = Counter(e.event.code for e in entries)
        assert codes["request.approved"] + codes["request.denied"] == 1
        assert codes["request.approve.refused"] + codes["request.deny.refused"] == DECIDERS - 1
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        indexes = [e.index for e in uow.activity.entries(AMBERTIDE, EntryFilter(limit=1_000_000))]
    assert indexes == list(range(len(indexes)))[::-1]


def test_one_of_twenty_wins(world: World) -> None:
    race(world, ROUNDS)


@pytest.mark.long
def test_one_of_twenty_wins_a_thousand_times(world: World) -> None:
    race(world, LONG_ROUNDS)

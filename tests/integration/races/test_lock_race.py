"""Approvals against "lock everything": after a lock stands there is never an active grant, however they meet."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.grant import GrantState
from openlockbox.domain.ids import PrincipalId
from openlockbox.services import lockdown
from openlockbox.services.ports import Database
from tests.world import AMBERTIDE, MACHINE, World, build_world

ROUNDS = 20
REQUESTS = 4


@pytest.fixture
def world(sql_database: Database, tmp_path: Path) -> Iterator[World]:
    return build_world(sql_database, tmp_path)


LOCKS = {
    "tenant": lambda w: lockdown.lock_tenant(w.lockbox, w.caller("senna"), tenant_id=AMBERTIDE, reason=""),
    "resource": lambda w: lockdown.lock_resource(w.lockbox, w.caller("senna"), resource_id=MACHINE, reason=""),
    "engineer": lambda w: lockdown.lock_engineer(
        w.lockbox, w.caller("oper"), principal_id=PrincipalId("idris"), reason=""
    ),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_no_grant_is_active_beside_a_lock(world: World, kind: str) -> None:
    case, outcomes = world.case(), set()
    for number in range(ROUNDS):
        requests = [world.pending(case=case) for _ in range(REQUESTS)]
        barrier = threading.Barrier(REQUESTS + 1)
        answers: list[str] = []

        def approve(request, barrier=barrier, answers=answers) -> None:
            barrier.wait()
            try:
                answers.append(world.approve(request).state.value)
            except LockboxError as refusal:
                answers.append(refusal.code)

        threads = [threading.Thread(target=approve, args=(r,)) for r in requests]
        for thread in threads:
            thread.start()
        barrier.wait()
        lock = LOCKS[kind](world)
        for thread in threads:
            thread.join()
        assert len(answers) == REQUESTS
        assert set(answers) <= {"approved", f"{kind}_locked"}, f"round {number}: {answers}"
        outcomes |= set(answers)
        with world.lockbox.database.unit_of_work(read_only=True) as uow:
            made = [g for r in requests if (g := uow.grants.find_of_request(r.id)) is not None]
        assert len(made) == answers.count("approved")
        assert [g for g in made if g.state is GrantState.ACTIVE] == [], f"round {number}: {answers}"
        lifter = "oper" if kind == "engineer" else "tessa"
        lockdown.lift(world.lockbox, world.caller(lifter), lock_id=lock.id)
    assert f"{kind}_locked" in outcomes, "no approval ever came second: the race shows nothing"

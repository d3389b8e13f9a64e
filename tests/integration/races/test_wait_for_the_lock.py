"""What was read before a lock was waited for does not count: not the clock, not the role, not the target."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.principal import Role
from openlockbox.domain.session import CONNECT_TIME
from openlockbox.services import access, setup
from openlockbox.services.ports import Database
from tests.world import AMBERTIDE, SUBSCRIPTION, World, build_world


@pytest.fixture
def world(sql_database: Database, tmp_path: Path) -> Iterator[World]:
    return build_world(sql_database, tmp_path)


def refused_behind(
    world: World, hold: Callable[[object], object], change: Callable[[], None], act: Callable[[], object]
) -> str:
    """Hold a row, let somebody wait for it, change something, let go, and return how the waiting one was answered."""
    answers: list[str] = []

    def wait() -> None:
        try:
            act()
            answers.append("done")
        except LockboxError as refusal:
            answers.append(refusal.code)

    waiting = threading.Thread(target=wait)
    with world.lockbox.database.unit_of_work() as uow:
        hold(uow)
        waiting.start()
        waiting.join(0.5)  # time to come to the lock; on SQLite it waits already at the beginning
        assert waiting.is_alive()
        change()
    waiting.join(20)
    assert not waiting.is_alive()
    return answers[0]


def test_a_decision_that_waited_past_the_deadline_is_late(world: World) -> None:
    request = world.pending()
    answer = refused_behind(
        world,
        lambda uow: uow.lockbox_requests.get(request.id, lock=True),
        lambda: world.clock.advance(timedelta(days=4)),
        lambda: world.approve(request),
    )
    assert answer == "request_expired"


def test_a_start_that_waited_past_its_minute_is_late(world: World) -> None:
    grant = world.granted()
    offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    answer = refused_behind(
        world,
        lambda uow: uow.sessions.get(offer.id, lock=True),
        lambda: world.clock.advance(CONNECT_TIME),
        lambda: world.start(offer),
    )
    assert answer == "illegal_transition"


def test_an_approver_who_was_removed_while_waiting_decides_nothing(world: World, sql_database: Database) -> None:
    request = world.pending()

    def remove() -> None:
        if sql_database.engine.dialect.name == "postgresql":  # type: ignore[attr-defined]  # SQLite has one writer anyway
            remove_owner(world)

    answer = refused_behind(
        world, lambda uow: uow.lockbox_requests.get(request.id, lock=True), remove, lambda: world.approve(request)
    )
    expected = "not_an_approver" if sql_database.engine.dialect.name == "postgresql" else "done"  # type: ignore[attr-defined]
    assert answer == expected


def remove_owner(world: World) -> None:
    setup.remove_role(
        world.lockbox,
        world.caller("tessa"),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId("senna"),
        role=Role.SUBSCRIPTION_OWNER,
        subscription_id=SUBSCRIPTION,
    )

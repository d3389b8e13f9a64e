"""Row 20: the entry is written with the change, numbers have no gaps, refused attempts stand in the log too."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from openlockbox.domain.errors import LockboxError, RecordUnavailable
from openlockbox.services.ports import Database, EntryFilter, RevocationBell, UnitOfWork
from tests.world import AMBERTIDE, World


def test_the_index_has_no_gap_over_the_whole_workflow_with_refusals(world: World) -> None:
    world.granted()
    request = world.pending()
    for by in ("rhea", "piet", "idris"):
        with pytest.raises(LockboxError):
            world.approve(request, by=by)
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        entries = uow.activity.entries(AMBERTIDE, EntryFilter(limit=1000))
    assert [e.index for e in entries][::-1] == list(range(len(entries)))


class FailsWhen:
    """A database whose commit fails for chosen units of work, as a full disk would."""

    def __init__(self, database: Database, fails: Callable[[int], bool]) -> None:
        self.database, self.fails, self.count = database, fails, 0

    def unit_of_work(self, *, read_only: bool = False) -> UnitOfWork:
        uow = self.database.unit_of_work(read_only=read_only)
        if not read_only:
            self.count += 1
            if self.fails(self.count):

                def refuse() -> None:
                    raise OSError("disk full")

                uow.commit = refuse  # type: ignore[method-assign]
        return uow

    def revocation_bell(self) -> RevocationBell:
        return self.database.revocation_bell()


def test_a_change_that_cannot_be_recorded_does_not_happen(world: World) -> None:
    request = world.pending()
    broken = FailsWhen(world.lockbox.database, lambda _: True)
    sound = world.lockbox
    world.lockbox = replace(sound, database=broken)
    with pytest.raises(OSError, match="disk full"):
        world.approve(request)
    world.lockbox = sound
    assert "request.approved" not in world.actions()
    world.approve(request)


def test_a_refusal_that_cannot_be_recorded_is_unavailable_and_not_a_silent_no(world: World) -> None:
    request = world.pending()
    world.lockbox = replace(world.lockbox, database=FailsWhen(world.lockbox.database, lambda n: n > 1))
    with pytest.raises(RecordUnavailable):
        world.approve(request, by="rhea")

"""The part of the database conformance suite on locks. `database_conformance` puts the parts together."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.domain import grant as grants
from openlockbox.domain import lockdown
from openlockbox.domain.errors import AlreadyExists, ConcurrentUpdate, IllegalTransition, NotFound
from openlockbox.domain.ids import LockId, PrincipalId, ResourceId
from openlockbox.domain.lockdown import Lock, LockKind, LockState
from openlockbox.services.ports import Database
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import (
    CONTOSO,
    ENGINEER,
    FABRIKAM,
    LATER,
    NOW,
    OWNER,
    PROVIDER,
    RESOURCE,
    committed,
    seen,
)


def lock(number: int = 1, kind: LockKind = LockKind.TENANT, subject_id: str = CONTOSO) -> Lock:
    """Make a lock that was just set."""
    return Lock(
        id=LockId(f"LCK-{number}"),
        tenant_id=PROVIDER if kind is LockKind.ENGINEER else CONTOSO,
        kind=kind,
        subject_id=subject_id,
        side="customer",
        ordered_by=OWNER,
        ordered_at=NOW + timedelta(minutes=number),
        reason="enough",
        revocation_version=number,
    )


class LockConformance:
    """Locks, and what they find."""

    def test_locks(self, seeded: Database) -> None:
        whole, one, engineer = lock(1), lock(2, LockKind.RESOURCE, RESOURCE), lock(3, LockKind.ENGINEER, ENGINEER)
        with seeded.unit_of_work() as uow:
            assert uow.locks.claim(LockKind.TENANT, CONTOSO) is None
            for made in (whole, one, engineer):
                uow.locks.add(made)
            uow.commit()
        with seeded.unit_of_work() as uow:
            assert uow.locks.get(whole.id, lock=True) == whole
            assert uow.locks.claim(LockKind.TENANT, CONTOSO) == whole
            assert uow.locks.claim(LockKind.RESOURCE, RESOURCE) == one
            assert uow.locks.claim(LockKind.ENGINEER, ENGINEER) == engineer
            assert uow.locks.standing(CONTOSO) == [one, whole]
            assert uow.locks.standing(PROVIDER) == [engineer]
            assert uow.locks.locking(2) == [whole, one]
            over = uow.locks.over(tenant_id=CONTOSO, resource_id=RESOURCE, engineer=ENGINEER, hold=True)
            assert over == [engineer, one, whole]
            elsewhere = {"resource_id": ResourceId("/other"), "engineer": PrincipalId("other")}
            assert uow.locks.over(tenant_id=CONTOSO, **elsewhere) == [whole]  # type: ignore[arg-type]
            assert uow.locks.over(tenant_id=FABRIKAM, resource_id=RESOURCE, engineer=OWNER) == [one]
            assert uow.locks.over(tenant_id=FABRIKAM, resource_id=ResourceId("/other"), engineer=ENGINEER) == [engineer]
            with pytest.raises(NotFound):
                uow.locks.get(LockId("LCK-9"))

    def test_a_subject_has_one_standing_lock(self, seeded: Database) -> None:
        whole = lock(1)
        committed(seeded, lambda uow: uow.locks.add(whole))
        with seeded.unit_of_work() as uow, pytest.raises(AlreadyExists):
            uow.locks.add(lock(2))
        lifted = lockdown.lift(whole, by=OWNER, now=LATER)
        with seeded.unit_of_work() as uow:
            uow.locks.replace(whole, lifted)
            uow.locks.add(lock(2))
            assert uow.locks.get(whole.id) == lifted
            assert uow.locks.standing(CONTOSO) == [lock(2)]
            assert uow.locks.locking(9) == [lock(2)]
            uow.commit()

    def test_the_steps_of_a_lock(self, seeded: Database) -> None:
        whole = lock(1)
        committed(seeded, lambda uow: uow.locks.add(whole))
        locked = lockdown.confirm(whole, [], now=LATER)
        committed(seeded, lambda uow: uow.locks.replace(whole, locked))
        with seeded.unit_of_work() as uow, pytest.raises(ConcurrentUpdate):
            uow.locks.replace(whole, lockdown.lift(whole, by=OWNER, now=LATER))
        lifted = lockdown.lift(locked, by=OWNER, now=LATER)
        committed(seeded, lambda uow: uow.locks.replace(locked, lifted))
        again = replace(lifted, state=LockState.LOCKED, prior_state="lifted", version=lifted.version + 1)
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.locks.replace(lifted, again)
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.locks.add(replace(lock(2), state=LockState.LOCKED, prior_state="locking"))
        assert seen(seeded, lambda uow: uow.locks.get(whole.id)) == lifted

    def test_the_grants_that_a_lock_ends(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            first, second = sample.add_grant(uow, 1), sample.add_grant(uow, 2)
            uow.commit()
        with seeded.unit_of_work() as uow:
            for kind, subject in (
                (LockKind.TENANT, CONTOSO),
                (LockKind.RESOURCE, first.elevation.resource_id),
                (LockKind.ENGINEER, ENGINEER),
            ):
                assert uow.grants.active_of(kind, subject) == [first, second]
                assert uow.grants.active_of(kind, "other") == []
            revoking = grants.revoke(first, by=None, reason="", revocation_version=7, now=first.not_before)
            uow.grants.replace(first, revoking)
            assert uow.grants.active_of(LockKind.TENANT, CONTOSO) == [second]
            assert uow.grants.revoked_by_list(7) == [revoking]
            assert uow.grants.revoked_by_list(8) == []

    def test_an_entry_of_the_list_ends(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            first = uow.gateways.add_revocation("tenant", CONTOSO, until=LATER)
            uow.gateways.add_revocation("grant", "G-1", until=LATER)
            assert uow.gateways.end_revocation(first) == first + 2
            uow.commit()
        assert seen(seeded, lambda uow: uow.gateways.revocation_version()) == first + 2
        assert seen(seeded, lambda uow: uow.gateways.revocations(NOW)) == (first + 2, [("grant", "G-1")])
        with seeded.unit_of_work() as uow:
            assert uow.gateways.add_revocation("grant", "G-2", until=LATER) == first + 3

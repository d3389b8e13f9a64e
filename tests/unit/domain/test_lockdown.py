"""The lock's machine: every step of the table, no other; what a standing lock forbids; who has to confirm."""

from datetime import UTC, datetime

import pytest

from openlockbox.domain import lockdown
from openlockbox.domain.errors import EngineerLocked, IllegalTransition, NotLocked, ResourceLocked, TenantLocked
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GatewayId, LockId, PrincipalId, TenantId
from openlockbox.domain.lockdown import LOCK_TRANSITIONS, Lock, LockKind, LockState

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
BY = PrincipalId("senna")


def lock(kind: LockKind = LockKind.TENANT) -> Lock:
    return Lock(
        id=LockId("LCK-1"),
        tenant_id=TenantId("t"),
        kind=kind,
        subject_id="t",
        side="customer",
        ordered_by=BY,
        ordered_at=NOW,
        reason="",
        revocation_version=7,
    )


def gateway(applied: int, key: str = "k") -> Gateway:
    return Gateway(
        id=GatewayId(f"gw-{applied}{key}"),
        name="g",
        enrolment_code_sha256="",
        enrolment_ends_at=None,
        public_key=key,
        applied_version=applied,
    )


def test_a_lock_is_confirmed_when_every_enrolled_gateway_has_applied_its_list() -> None:
    late, done, invited = gateway(6), gateway(7), gateway(0, key="")
    assert lockdown.missing(lock(), [late, done, invited]) == (late,)
    with pytest.raises(IllegalTransition):
        lockdown.confirm(lock(), [late, done], now=NOW)
    locked = lockdown.confirm(lock(), [done, invited], now=NOW)
    assert (locked.state, locked.prior_state, locked.confirmed_at) == (LockState.LOCKED, "locking", NOW)
    with pytest.raises(IllegalTransition):
        lockdown.confirm(locked, [done], now=NOW)


def test_lifting_is_the_end() -> None:
    locking = lock()
    locked = lockdown.confirm(locking, [], now=NOW)
    for standing in (locking, locked):
        assert lockdown.stands(standing)
        lifted = lockdown.lift(standing, by=BY, now=NOW)
        assert (lifted.state, lifted.prior_state, lifted.lifted_by) == (LockState.LIFTED, standing.state.value, BY)
        assert not lockdown.stands(lifted)
        with pytest.raises(NotLocked):
            lockdown.lift(lifted, by=BY, now=NOW)
        with pytest.raises(IllegalTransition):
            lockdown.confirm(lifted, [], now=NOW)
    assert LOCK_TRANSITIONS[LockState.LIFTED] == {}


def test_the_widest_lock_is_named() -> None:
    all_kinds = [lock(kind) for kind in (LockKind.ENGINEER, LockKind.RESOURCE, LockKind.TENANT)]
    for standing, refusal in (
        (all_kinds, TenantLocked),
        (all_kinds[:2], ResourceLocked),
        (all_kinds[:1], EngineerLocked),
    ):
        with pytest.raises(refusal):
            lockdown.check_unlocked(standing)
    lockdown.check_unlocked([lockdown.lift(k, by=BY, now=NOW) for k in all_kinds])

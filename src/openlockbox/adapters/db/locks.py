"""Locks in rows. That nothing is approved beside a lock is held by row locks on what it is about; SQLite has one writer anyway."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, literal_column, or_, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.domain.ids import LockId, PrincipalId, ResourceId, TenantId
from openlockbox.domain.lockdown import Lock, LockKind, LockState


def _row(lock: Lock) -> dict[str, Any]:
    return {
        "id": lock.id,
        "tenant_id": lock.tenant_id,
        "kind": lock.kind.value,
        "subject_id": lock.subject_id,
        "side": lock.side,
        "ordered_by": lock.ordered_by,
        "ordered_at": lock.ordered_at,
        "reason": lock.reason,
        "revocation_version": lock.revocation_version,
        "state": lock.state.value,
        "prior_state": lock.prior_state,
        "confirmed_at": lock.confirmed_at,
        "lifted_by": lock.lifted_by,
        "lifted_at": lock.lifted_at,
        "version": lock.version,
    }


def _lock(row: Row[Any]) -> Lock:
    return Lock(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=LockKind(row.kind),
        subject_id=row.subject_id,
        side=row.side,
        ordered_by=row.ordered_by,
        ordered_at=row.ordered_at,
        reason=row.reason,
        revocation_version=row.revocation_version,
        state=LockState(row.state),
        prior_state=row.prior_state,
        confirmed_at=row.confirmed_at,
        lifted_by=row.lifted_by,
        lifted_at=row.lifted_at,
        version=row.version,
    )


_C = t.access_lock.c
_AS_ORDERED: Final = frozenset({"kind", "subject_id", "side", "ordered_by", "ordered_at", "revocation_version"})
_LOCKS = Mapped(t.access_lock, row_of=_row, value_of=_lock, kept=_AS_ORDERED)
_STANDS = _C.state != literal_column(f"'{LockState.LIFTED.value}'")  # as the partial index has it
_NEWEST = select(t.access_lock).order_by(_C.ordered_at.desc(), _C.id.desc())
_STANDING = _NEWEST.where(_STANDS, _C.tenant_id == bindparam("tenant_id"))
_ON = _NEWEST.where(_STANDS, _C.kind == bindparam("kind"), _C.subject_id == bindparam("subject_id"))
_OVER = _NEWEST.where(
    _STANDS,
    or_(
        and_(_C.kind == LockKind.TENANT.value, _C.subject_id == bindparam("tenant_id")),
        and_(_C.kind == LockKind.RESOURCE.value, _C.subject_id == bindparam("resource_id")),
        and_(_C.kind == LockKind.ENGINEER.value, _C.subject_id == bindparam("engineer")),
    ),
)
_LOCKING = (
    select(t.access_lock)
    .where(in_state(_C.state, LockState.LOCKING), _C.revocation_version <= bindparam("up_to_version"))
    .order_by(_C.id)  # everybody locks in the same order
    .with_for_update()
)
_SUBJECTS = {LockKind.TENANT: t.tenant, LockKind.RESOURCE: t.resource, LockKind.ENGINEER: t.principal}
# NO KEY UPDATE: keeps SHARE off, but not the foreign keys of rows that are added meanwhile.
_CLAIM = {
    kind: select(table.c.id).where(table.c.id == bindparam("subject_id")).with_for_update(key_share=True)
    for kind, table in _SUBJECTS.items()
}
_HOLD = (
    select(t.resource.c.id)
    .where(t.resource.c.id == bindparam("resource_id"), t.principal.c.id == bindparam("engineer"))
    .with_for_update(read=True, of=[t.resource, t.principal])
)


class SqlLocks:
    """Implements `LockStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, lock_id: LockId, *, lock: bool = False) -> Lock:
        return _LOCKS.get(self._unit, lock_id, lock=lock)

    def add(self, lock: Lock) -> None:
        _LOCKS.add(self._unit, lock)

    def replace(self, old: Lock, new: Lock) -> None:
        _LOCKS.replace(self._unit, new, old_version=old.version)

    def claim(self, kind: LockKind, subject_id: str) -> Lock | None:
        self._unit.rows(_CLAIM[kind], subject_id=subject_id)
        return _LOCKS.first(self._unit, _ON, kind=kind.value, subject_id=subject_id)

    def over(
        self, *, tenant_id: TenantId, resource_id: ResourceId, engineer: PrincipalId, hold: bool = False
    ) -> Sequence[Lock]:
        subjects = {"tenant_id": tenant_id, "resource_id": resource_id, "engineer": engineer}
        if hold:
            # The tenant's as strongly as `SqlRosters.latest` takes it afterwards: of two SHAREs neither could be raised.
            self._unit.rows(_CLAIM[LockKind.TENANT], subject_id=tenant_id)
            self._unit.rows(_HOLD, resource_id=resource_id, engineer=engineer)
        return _LOCKS.list(self._unit, _OVER, **subjects)

    def standing(self, tenant_id: TenantId) -> Sequence[Lock]:
        return _LOCKS.list(self._unit, _STANDING, tenant_id=tenant_id)

    def locking(self, up_to_version: int) -> Sequence[Lock]:
        return _LOCKS.list(self._unit, _LOCKING, up_to_version=up_to_version)

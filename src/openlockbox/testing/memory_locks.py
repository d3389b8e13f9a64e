"""The in-memory store of locks."""

from collections.abc import Callable, Sequence

from openlockbox.domain.ids import LockId, PrincipalId, ResourceId, TenantId
from openlockbox.domain.lockdown import Lock, LockKind, LockState, stands
from openlockbox.testing.memory_tables import MemoryUnit, Shelf


class MemoryLocks:
    """Implements `LockStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._locks: Shelf[Lock] = Shelf(
            unit,
            "access_lock",
            key=lambda lock: lock.id,
            unique=[lambda lock: (lock.kind, lock.subject_id) if stands(lock) else None],
            machine="lock",
        )

    def get(self, lock_id: LockId, *, lock: bool = False) -> Lock:  # noqa: ARG002  one writer at a time
        return self._locks.get(lock_id)

    def add(self, lock: Lock) -> None:
        self._locks.add(lock)

    def replace(self, old: Lock, new: Lock) -> None:
        self._locks.replace(old, new)

    def claim(self, kind: LockKind, subject_id: str) -> Lock | None:
        return next(iter(self._where(lambda k: stands(k) and (k.kind, k.subject_id) == (kind, subject_id))), None)

    def over(
        self,
        *,
        tenant_id: TenantId,
        resource_id: ResourceId,
        engineer: PrincipalId,
        hold: bool = False,  # noqa: ARG002  one writer at a time
    ) -> Sequence[Lock]:
        subjects = {
            (LockKind.TENANT, tenant_id),
            (LockKind.RESOURCE, resource_id),
            (LockKind.ENGINEER, engineer),
        }
        return self._where(lambda k: stands(k) and (k.kind, k.subject_id) in subjects)

    def standing(self, tenant_id: TenantId) -> Sequence[Lock]:
        return self._where(lambda k: k.tenant_id == tenant_id and stands(k))

    def locking(self, up_to_version: int) -> Sequence[Lock]:
        return self._locks.where(
            lambda k: k.state is LockState.LOCKING and k.revocation_version <= up_to_version, by=lambda k: k.id
        )

    def _where(self, condition: Callable[[Lock], bool]) -> list[Lock]:
        return self._locks.where(condition, by=lambda k: (k.ordered_at, k.id), newest=True)

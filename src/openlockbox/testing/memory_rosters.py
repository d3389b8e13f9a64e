"""Approver rosters and the codes for the first key in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.services.roster_ports import StoredRoster
from openlockbox.testing.memory_tables import MemoryUnit, Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    tenant_id: TenantId
    code_sha256: str
    ends_at: datetime


class MemoryRosters:
    """Implements `RosterStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._rosters: Shelf[StoredRoster] = Shelf(
            unit, "roster", key=lambda r: (r.tenant_id, r.version), parents=[("tenant", lambda r: r.tenant_id)]
        )
        self._codes: Shelf[_Code] = Shelf(
            unit, "roster_code", key=lambda c: c.tenant_id, parents=[("tenant", lambda c: c.tenant_id)]
        )

    def latest(self, tenant_id: TenantId, *, lock: bool = False) -> StoredRoster | None:  # noqa: ARG002  one writer at a time
        stored = self._of_tenant(tenant_id)
        return stored[-1] if stored else None

    def versions(self, tenant_id: TenantId) -> Sequence[str]:
        return [r.signed_text for r in self._of_tenant(tenant_id)]

    def _of_tenant(self, tenant_id: TenantId) -> list[StoredRoster]:
        return self._rosters.where(lambda r: r.tenant_id == tenant_id, by=lambda r: r.version)

    def add(self, tenant_id: TenantId, version: int, signed_text: str, roster_text: str) -> None:
        self._rosters.add(
            StoredRoster(tenant_id=tenant_id, version=version, signed_text=signed_text, roster_text=roster_text)
        )

    def set_code(self, tenant_id: TenantId, code_sha256: str, *, ends_at: datetime) -> None:
        self._codes.remove(tenant_id)
        self._codes.add(_Code(tenant_id=tenant_id, code_sha256=code_sha256, ends_at=ends_at))

    def code_holds(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> bool:
        code = self._codes.find(tenant_id)
        return code is not None and code.code_sha256 == code_sha256 and at < code.ends_at

    def take_code(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> None:
        if not self.code_holds(tenant_id, code_sha256, at=at):
            raise NotFound
        self._codes.remove(tenant_id)

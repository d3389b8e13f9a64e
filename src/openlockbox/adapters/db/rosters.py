"""Approver rosters in rows that a trigger keeps as they are, and the codes for the first key under their SHA-256."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Unit, deleting
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.services.roster_ports import StoredRoster

_ROSTER, _CODE = t.roster.c, t.roster_code.c
_OF_TENANT = _ROSTER.tenant_id == bindparam("tenant_id")
_LATEST = select(t.roster).where(_OF_TENANT).order_by(_ROSTER.version.desc()).limit(1)
_VERSIONS = select(_ROSTER.signed_text).where(_OF_TENANT).order_by(_ROSTER.version)
_ADD = insert(t.roster)
# The first version has no row to lock before it; FOR NO KEY UPDATE lets others refer to the tenant meanwhile.
_LOCK = select(t.tenant.c.id).where(t.tenant.c.id == bindparam("tenant_id")).with_for_update(key_share=True)
_FORGET_CODE = deleting(t.roster_code, "tenant_id")
_SET_CODE = insert(t.roster_code)
_HOLDS = (
    _CODE.tenant_id == bindparam("tenant_id"),
    _CODE.code_sha256 == bindparam("code_sha256"),
    _CODE.ends_at > bindparam("at"),
)
_FIND_CODE = select(_CODE.tenant_id).where(*_HOLDS)
_TAKE_CODE = delete(t.roster_code).where(*_HOLDS)


class SqlRosters:
    """Implements `RosterStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def latest(self, tenant_id: TenantId, *, lock: bool = False) -> StoredRoster | None:
        if lock:
            self._unit.rows(_LOCK, tenant_id=tenant_id)
        row = self._unit.row(_LATEST, tenant_id=tenant_id)
        if row is None:
            return None
        return StoredRoster(
            tenant_id=tenant_id, version=row.version, signed_text=row.signed_text, roster_text=row.roster_text
        )

    def versions(self, tenant_id: TenantId) -> Sequence[str]:
        return [row.signed_text for row in self._unit.rows(_VERSIONS, tenant_id=tenant_id)]

    def add(self, tenant_id: TenantId, version: int, signed_text: str, roster_text: str) -> None:
        self._unit.write(
            _ADD,
            {"tenant_id": tenant_id, "version": version, "signed_text": signed_text, "roster_text": roster_text},
        )

    def set_code(self, tenant_id: TenantId, code_sha256: str, *, ends_at: datetime) -> None:
        self._unit.write(_FORGET_CODE, {"tenant_id": tenant_id})
        self._unit.write(_SET_CODE, {"tenant_id": tenant_id, "code_sha256": code_sha256, "ends_at": ends_at})

    def code_holds(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> bool:
        return self._unit.row(_FIND_CODE, tenant_id=tenant_id, code_sha256=code_sha256, at=at) is not None

    def take_code(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> None:
        if self._unit.write(_TAKE_CODE, {"tenant_id": tenant_id, "code_sha256": code_sha256, "at": at}) != 1:
            raise NotFound

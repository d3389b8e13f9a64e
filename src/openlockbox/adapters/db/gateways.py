"""Gateways and the numbered list of revocations in rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Row, and_, bindparam, case, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.notify import CHANNEL
from openlockbox.adapters.db.store import Mapped, Unit, deleting
from openlockbox.domain.errors import NotFound
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GatewayId
from openlockbox.grants.revocations import RevokedKind


def _row(gateway: Gateway) -> dict[str, Any]:
    return {
        "id": gateway.id,
        "name": gateway.name,
        "enrolment_code_sha256": gateway.enrolment_code_sha256,
        "enrolment_ends_at": gateway.enrolment_ends_at,
        "public_key": gateway.public_key,
        "browser_url": gateway.browser_url,
        "native_address": gateway.native_address,
        "native_certificate_sha256": gateway.native_certificate_sha256,
        "applied_version": gateway.applied_version,
        "lease_at": gateway.lease_at,
        "version": gateway.version,
    }


def _gateway(row: Row[Any]) -> Gateway:
    return Gateway(
        id=row.id,
        name=row.name,
        enrolment_code_sha256=row.enrolment_code_sha256,
        enrolment_ends_at=row.enrolment_ends_at,
        public_key=row.public_key,
        browser_url=row.browser_url,
        native_address=row.native_address,
        native_certificate_sha256=row.native_certificate_sha256,
        applied_version=row.applied_version,
        lease_at=row.lease_at,
        version=row.version,
    )


_C, _HEAD, _LIST = t.gateway.c, t.revocation_head.c, t.revocation.c
# `renew` writes these without a version check, so a `replace` from an older read must not take them back.
_RENEWED: Final = frozenset({"applied_version", "lease_at"})
_GATEWAYS = Mapped(t.gateway, row_of=_row, value_of=_gateway, kept=_RENEWED)
_ALL = select(t.gateway).order_by(_C.name, _C.id)
_BY_CODE = select(t.gateway).where(_C.enrolment_code_sha256 == bindparam("code"))
_APPLIED = bindparam("applied", type_=BigInteger)
_RENEW = (
    update(t.gateway)
    .where(_C.id == bindparam("gateway_id"))
    .values(
        applied_version=case((_C.applied_version < _APPLIED, _APPLIED), else_=_C.applied_version),
        lease_at=bindparam("at"),
    )
)
_NEXT = {
    dialect: insert_(t.revocation_head)
    .values(id=1, version=1)
    .on_conflict_do_update(index_elements=[_HEAD.id], set_={"version": _HEAD.version + 1})
    .returning(_HEAD.version)
    for dialect, insert_ in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_ADD = insert(t.revocation)
_RING = select(
    func.pg_notify(literal(CHANNEL), literal("")).label("rung")
)  # sent by PostgreSQL when the transaction commits
_END = deleting(t.revocation, "version")
_VERSION = select(_HEAD.version)
# One statement, so that version and list are of one moment: a list that lacks a revocation of its version would be a hole.
_STANDING = (
    select(_HEAD.version, _LIST.kind, _LIST.subject_id)
    .select_from(
        t.revocation_head.outerjoin(
            t.revocation, and_(_LIST.until_at >= bindparam("now"), _LIST.version <= _HEAD.version)
        )
    )
    .order_by(_LIST.version)
)


class SqlGateways:
    """Implements `GatewayStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, gateway_id: GatewayId, *, lock: bool = False) -> Gateway:
        return _GATEWAYS.get(self._unit, gateway_id, lock=lock)

    def add(self, gateway: Gateway) -> None:
        _GATEWAYS.add(self._unit, gateway)

    def replace(self, old: Gateway, new: Gateway) -> None:
        _GATEWAYS.replace(self._unit, new, old_version=old.version)

    def all(self) -> Sequence[Gateway]:
        return _GATEWAYS.list(self._unit, _ALL)

    def find_by_code(self, code_sha256: str) -> Gateway | None:
        return _GATEWAYS.first(self._unit, _BY_CODE, code=code_sha256) if code_sha256 else None

    def renew(self, gateway_id: GatewayId, *, applied_version: int, at: datetime) -> None:
        if self._unit.write(_RENEW, {"gateway_id": gateway_id, "applied": applied_version, "at": at}) != 1:
            raise NotFound

    def add_revocation(self, kind: RevokedKind, subject_id: str, *, until: datetime) -> int:
        version = self._next_version()
        self._unit.write(_ADD, {"version": version, "kind": kind, "subject_id": subject_id, "until_at": until})
        return version

    def end_revocation(self, version: int) -> int:
        present = self._next_version()
        self._unit.write(_END, {"version": version})
        return present

    def _next_version(self) -> int:
        dialect = self._unit.connection.dialect.name
        version: int = self._unit.returned(_NEXT[dialect], {})
        if dialect == "postgresql":
            self._unit.rows(_RING)
        return version

    def revocation_version(self) -> int:
        row = self._unit.row(_VERSION)
        return 0 if row is None else row.version

    def revocations(self, now: datetime) -> tuple[int, Sequence[tuple[RevokedKind, str]]]:
        rows = self._unit.rows(_STANDING, now=now)
        version = rows[0].version if rows else 0
        return version, [(row.kind, row.subject_id) for row in rows if row.kind is not None]

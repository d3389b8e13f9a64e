"""Grants in rows. That a grant rests on an approved request is the trigger's to refuse, not only the domain's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.elevations import elevation_of, elevation_row
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.domain.grant import Grant, GrantState
from openlockbox.domain.ids import GatewayId, GrantId, PrincipalId, RequestId, ServiceRequestId, TenantId
from openlockbox.domain.lockdown import LockKind


def _row(grant: Grant) -> dict[str, Any]:
    return elevation_row(grant.elevation) | {
        "id": grant.id,
        "tenant_id": grant.tenant_id,
        "subscription_id": grant.subscription_id,
        "request_id": grant.request_id,
        "service_request_id": grant.service_request_id,
        "engineer": grant.engineer,
        "engineer_person": grant.engineer_person,
        "gateway_id": grant.gateway_id,
        "not_before": grant.not_before,
        "not_after": grant.not_after,
        "wire": grant.wire,
        "state": grant.state.value,
        "prior_state": grant.prior_state,
        "revoked_by": grant.revoked_by,
        "revoked_at": grant.revoked_at,
        "revoke_reason": grant.revoke_reason,
        "revocation_version": grant.revocation_version,
        "confirmed_at": grant.confirmed_at,
        "version": grant.version,
    }


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        id=row.id,
        tenant_id=row.tenant_id,
        subscription_id=row.subscription_id,
        request_id=row.request_id,
        service_request_id=row.service_request_id,
        engineer=row.engineer,
        engineer_person=row.engineer_person,
        gateway_id=row.gateway_id,
        elevation=elevation_of(row),
        not_before=row.not_before,
        not_after=row.not_after,
        wire=row.wire,
        state=GrantState(row.state),
        prior_state=row.prior_state,
        revoked_by=row.revoked_by,
        revoked_at=row.revoked_at,
        revoke_reason=row.revoke_reason,
        revocation_version=row.revocation_version,
        confirmed_at=row.confirmed_at,
        version=row.version,
    )


_C = t.access_grant.c
_GRANTS = Mapped(t.access_grant, row_of=_row, value_of=_grant)
_OF_REQUEST = select(t.access_grant).where(_C.request_id == bindparam("request_id"))
_NEWEST = select(t.access_grant).order_by(_C.not_before.desc(), _C.id.desc())
_OF_ENGINEER = _NEWEST.where(_C.engineer == bindparam("engineer")).limit(bindparam("limit"))
_OF_SERVICE_REQUEST = _NEWEST.where(_C.service_request_id == bindparam("service_request_id"))
_UNENDED = _NEWEST.where(
    in_state(_C.state, GrantState.ACTIVE, GrantState.REVOKING), _C.tenant_id == bindparam("tenant_id")
)
_OVERDUE = (
    select(t.access_grant)
    .where(in_state(_C.state, GrantState.ACTIVE), _C.not_after <= bindparam("now"))
    .order_by(_C.not_after, _C.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_ACTIVE_OF = {
    kind: select(t.access_grant)
    .where(in_state(_C.state, GrantState.ACTIVE), column == bindparam("subject_id"))
    .order_by(_C.id)  # everybody locks in the same order
    .with_for_update()
    for kind, column in (
        (LockKind.TENANT, _C.tenant_id),
        (LockKind.RESOURCE, _C.resource_id),
        (LockKind.ENGINEER, _C.engineer),
    )
}
_BY_LIST = select(t.access_grant).where(_C.revocation_version == bindparam("version")).order_by(_C.id)
_REVOKING = (
    select(t.access_grant)
    .where(
        in_state(_C.state, GrantState.REVOKING),
        _C.gateway_id == bindparam("gateway_id"),
        _C.revocation_version <= bindparam("up_to_version"),
    )
    .order_by(_C.id)  # everybody locks in the same order
    .with_for_update()
)


class SqlGrants:
    """Implements `GrantStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, grant_id: GrantId, *, lock: bool = False) -> Grant:
        return _GRANTS.get(self._unit, grant_id, lock=lock)

    def add(self, grant: Grant) -> None:
        _GRANTS.add(self._unit, grant)

    def replace(self, old: Grant, new: Grant) -> None:
        _GRANTS.replace(self._unit, new, old_version=old.version)

    def find_of_request(self, request_id: RequestId) -> Grant | None:
        return _GRANTS.first(self._unit, _OF_REQUEST, request_id=request_id)

    def of_engineer(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _OF_ENGINEER, engineer=principal_id, limit=limit)

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _OF_SERVICE_REQUEST, service_request_id=service_request_id)

    def unended(self, tenant_id: TenantId) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _UNENDED, tenant_id=tenant_id)

    def overdue(self, now: datetime, *, limit: int) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _OVERDUE, now=now, limit=limit)

    def active_of(self, kind: LockKind, subject_id: str) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _ACTIVE_OF[kind], subject_id=subject_id)

    def revoked_by_list(self, version: int) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _BY_LIST, version=version)

    def revoking(self, gateway_id: GatewayId, *, up_to_version: int) -> Sequence[Grant]:
        return _GRANTS.list(self._unit, _REVOKING, gateway_id=gateway_id, up_to_version=up_to_version)

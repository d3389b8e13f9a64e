"""Principals and their roles in rows. The empty subscription id in a row is "the whole tenant"."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit, deleting, in_state
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import APPROVER_ROLES, Principal, PrincipalState, Role, RoleAssignment


def _principal_row(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "person_id": principal.person_id,
        "tenant_id": principal.tenant_id,
        "name": principal.name,
        "mail": principal.mail,
        "mail_key": principal.mail.lower(),
        "title": principal.title,
        "language": principal.language,
        "time_zone": principal.time_zone,
        "isolated_identity": principal.isolated_identity,
        "state": principal.state.value,
    }


def _principal(row: Row[Any]) -> Principal:
    return Principal(
        id=row.id,
        person_id=row.person_id,
        tenant_id=row.tenant_id,
        name=row.name,
        mail=row.mail,
        title=row.title,
        language=row.language,
        time_zone=row.time_zone,
        isolated_identity=row.isolated_identity,
        state=PrincipalState(row.state),
    )


def _assignment_key(assignment: RoleAssignment) -> dict[str, Any]:
    return {
        "principal_id": assignment.principal_id,
        "role": assignment.role.value,
        "tenant_id": assignment.tenant_id,
        "subscription_id": assignment.subscription_id or "",
    }


def _assignment(row: Row[Any]) -> RoleAssignment:
    return RoleAssignment(
        principal_id=row.principal_id,
        role=Role(row.role),
        tenant_id=row.tenant_id,
        subscription_id=SubscriptionId(row.subscription_id) if row.subscription_id else None,
        assigned_at=row.assigned_at,
    )


_P, _R = t.principal.c, t.role_assignment.c
_PRINCIPALS = Mapped(t.principal, row_of=_principal_row, value_of=_principal)
_BY_MAIL = select(t.principal).where(_P.mail_key == bindparam("mail_key"))
_OF_TENANT = select(t.principal).where(_P.tenant_id == bindparam("tenant_id")).order_by(_P.name, _P.id)
_MANY = select(t.principal).where(_P.id.in_(bindparam("ids", expanding=True)))
# By how many are asked for: a text that does not depend on the values is compiled once. A page names about this many people.
_FEW = [select(t.principal).where(_P.id.in_([bindparam(f"id_{i}") for i in range(n)])) for n in range(9)]
_ROLES = (
    select(t.role_assignment)
    .where(_R.principal_id == bindparam("principal_id"))
    .order_by(_R.role, _R.tenant_id, _R.subscription_id)
)
_ROLES_HELD = _ROLES.with_for_update(read=True)
_ROLES_OF_TENANT = (
    select(t.role_assignment)
    .where(_R.tenant_id == bindparam("tenant_id"))
    .order_by(_R.principal_id, _R.role, _R.subscription_id)
)
_ADD_ROLE = insert(t.role_assignment)
_REMOVE_ROLE = deleting(t.role_assignment, "principal_id", "role", "tenant_id", "subscription_id")
_ACTIVE = select(t.principal).where(_P.state == PrincipalState.ACTIVE.value).order_by(_P.name, _P.id)
_APPROVERS = _ACTIVE.where(
    _P.id.in_(
        select(_R.principal_id).where(
            _R.subscription_id == bindparam("subscription_id"),
            in_state(_R.role, *sorted(APPROVER_ROLES)),
        )
    )
)
_HOLDERS = _ACTIVE.where(
    _P.id.in_(
        select(_R.principal_id).where(
            _R.tenant_id == bindparam("tenant_id"), _R.role.in_(bindparam("roles", expanding=True))
        )
    )
)


class SqlPrincipals:
    """Implements `PrincipalStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, principal_id: PrincipalId) -> Principal:
        return _PRINCIPALS.get(self._unit, principal_id)

    def find_by_mail(self, mail: str) -> Principal | None:
        return _PRINCIPALS.first(self._unit, _BY_MAIL, mail_key=mail.lower())

    def add(self, principal: Principal) -> None:
        _PRINCIPALS.add(self._unit, principal)

    def save(self, principal: Principal) -> None:
        _PRINCIPALS.save(self._unit, principal)

    def of_tenant(self, tenant_id: TenantId) -> Sequence[Principal]:
        return _PRINCIPALS.list(self._unit, _OF_TENANT, tenant_id=tenant_id)

    def many(self, ids: Iterable[PrincipalId]) -> Mapping[PrincipalId, Principal]:
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        if len(wanted) < len(_FEW):
            rows: Iterable[Row[Any]] = self._unit.rows(
                _FEW[len(wanted)], **{f"id_{i}": id_ for i, id_ in enumerate(wanted)}
            )
        else:
            rows = self._unit.composed_rows(_MANY, ids=wanted)
        return {row.id: _principal(row) for row in rows}

    def roles(self, principal_id: PrincipalId, *, lock: bool = False) -> tuple[RoleAssignment, ...]:
        rows = self._unit.rows(_ROLES_HELD if lock else _ROLES, principal_id=principal_id)
        return tuple(_assignment(row) for row in rows)

    def roles_of_tenant(self, tenant_id: TenantId) -> tuple[RoleAssignment, ...]:
        return tuple(_assignment(row) for row in self._unit.rows(_ROLES_OF_TENANT, tenant_id=tenant_id))

    def add_role(self, assignment: RoleAssignment) -> None:
        self._unit.write(_ADD_ROLE, _assignment_key(assignment) | {"assigned_at": assignment.assigned_at})

    def remove_role(self, assignment: RoleAssignment) -> None:
        if self._unit.write(_REMOVE_ROLE, _assignment_key(assignment)) != 1:
            raise NotFound

    def approvers(self, subscription_id: SubscriptionId) -> Sequence[Principal]:
        return _PRINCIPALS.list(self._unit, _APPROVERS, subscription_id=subscription_id)

    def holders(self, roles: frozenset[Role], tenant_id: TenantId) -> Sequence[Principal]:
        names = sorted(role.value for role in roles)
        rows = self._unit.composed_rows(_HOLDERS, tenant_id=tenant_id, roles=names) if names else []
        return [_principal(row) for row in rows]

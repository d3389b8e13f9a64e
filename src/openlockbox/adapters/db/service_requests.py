"""Service requests and their messages in rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Mapped, Unit, in_state
from openlockbox.domain.ids import ServiceRequestId, TenantId
from openlockbox.domain.service_request import Message, ServiceRequest, ServiceRequestState, Severity


def _row(service_request: ServiceRequest) -> dict[str, Any]:
    return {
        "id": service_request.id,
        "tenant_id": service_request.tenant_id,
        "subscription_id": service_request.subscription_id,
        "resource_id": service_request.resource_id,
        "title": service_request.title,
        "description": service_request.description,
        "severity": service_request.severity.value,
        "state": service_request.state.value,
        "opened_by": service_request.opened_by,
        "opened_at": service_request.opened_at,
        "engineers": service_request.engineers,
        "closed_at": service_request.closed_at,
        "version": service_request.version,
    }


def _service_request(row: Row[Any]) -> ServiceRequest:
    return ServiceRequest(
        id=row.id,
        tenant_id=row.tenant_id,
        subscription_id=row.subscription_id,
        resource_id=row.resource_id,
        title=row.title,
        description=row.description,
        severity=Severity(row.severity),
        state=ServiceRequestState(row.state),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        engineers=row.engineers,
        closed_at=row.closed_at,
        version=row.version,
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        service_request_id=row.service_request_id,
        tenant_id=row.tenant_id,
        number=row.number,
        author=row.author,
        body=row.body,
        sent_at=row.sent_at,
    )


_C = t.service_request.c
_REQUESTS = Mapped(t.service_request, row_of=_row, value_of=_service_request)
_NEWEST = select(t.service_request).order_by(_C.opened_at.desc(), _C.id.desc()).limit(bindparam("limit"))
_OF_TENANT = _NEWEST.where(_C.tenant_id == bindparam("tenant_id"))
_OPEN = _NEWEST.where(in_state(_C.state, ServiceRequestState.OPEN))
_ADD_MESSAGE = insert(t.service_message)
_MESSAGES = (
    select(t.service_message)
    .where(t.service_message.c.service_request_id == bindparam("service_request_id"))
    .order_by(t.service_message.c.number)
)


class SqlServiceRequests:
    """Implements `ServiceRequestStore`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, service_request_id: ServiceRequestId, *, lock: bool = False) -> ServiceRequest:
        return _REQUESTS.get(self._unit, service_request_id, lock=lock)

    def add(self, service_request: ServiceRequest) -> None:
        _REQUESTS.add(self._unit, service_request)

    def replace(self, old: ServiceRequest, new: ServiceRequest) -> None:
        _REQUESTS.replace(self._unit, new, old_version=old.version)

    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[ServiceRequest]:
        return _REQUESTS.list(self._unit, _OF_TENANT, tenant_id=tenant_id, limit=limit)

    def open(self, *, limit: int = 500) -> Sequence[ServiceRequest]:
        return _REQUESTS.list(self._unit, _OPEN, limit=limit)

    def add_message(self, message: Message) -> None:
        self._unit.write(
            _ADD_MESSAGE,
            {
                "service_request_id": message.service_request_id,
                "tenant_id": message.tenant_id,
                "number": message.number,
                "author": message.author,
                "body": message.body,
                "sent_at": message.sent_at,
            },
        )

    def messages(self, service_request_id: ServiceRequestId) -> Sequence[Message]:
        return [_message(row) for row in self._unit.rows(_MESSAGES, service_request_id=service_request_id)]

"""The outbox in rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Unit
from openlockbox.domain.errors import NotFound
from openlockbox.services.ports import OutboxRow


def _outbox_row(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        key=row.key,
        tenant_id=row.tenant_id,
        recipient=row.recipient,
        template=row.template,
        values=row.template_values,
        due_at=row.due_at,
        attempts=row.attempts,
        last_error=row.last_error,
        done_at=row.done_at,
    )


_C = t.outbox.c
_ADD = insert(t.outbox)
_DUE = (
    select(t.outbox)
    .where(_C.done_at.is_(None), _C.due_at <= bindparam("now"))
    .order_by(_C.due_at, _C.key)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_BY_KEY = update(t.outbox).where(_C.key == bindparam("key_"))
_RETRY = _BY_KEY.values(due_at=bindparam("due"), last_error=bindparam("error"), attempts=_C.attempts + 1)
_UNDELIVERED = select(func.count().label("count")).select_from(t.outbox).where(_C.done_at.is_(None))


class SqlOutbox:
    """Implements `Outbox`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, row: OutboxRow) -> None:
        self._unit.write(
            _ADD,
            {
                "key": row.key,
                "tenant_id": row.tenant_id,
                "recipient": row.recipient,
                "template": row.template,
                "template_values": row.values,
                "due_at": row.due_at,
                "attempts": row.attempts,
                "last_error": row.last_error,
                "done_at": row.done_at,
            },
        )

    def due(self, now: datetime, *, limit: int) -> Sequence[OutboxRow]:
        return [_outbox_row(row) for row in self._unit.rows(_DUE, now=now, limit=limit)]

    def mark_done(self, key: str, *, at: datetime) -> None:
        if self._unit.write(_BY_KEY, {"key_": key, "done_at": at}) != 1:
            raise NotFound

    def retry(self, key: str, *, due_at: datetime, error: str) -> None:
        if self._unit.write(_RETRY, {"key_": key, "due": due_at, "error": error}) != 1:
            raise NotFound

    def undelivered(self) -> int:
        row = self._unit.row(_UNDELIVERED)
        return 0 if row is None else row[0]

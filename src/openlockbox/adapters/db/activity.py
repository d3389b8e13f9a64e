"""The tenants' activity logs in rows. Appends wait for the commit, so that a log's head is locked for as short as can be."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from openlockbox.activitylog.entry import SALT_BYTES, Entry, OpenedField, make_entry
from openlockbox.activitylog.tree import CompactRange
from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.log_tree import SqlLogTree, completed_nodes
from openlockbox.adapters.db.store import Unit
from openlockbox.domain.errors import NotFound
from openlockbox.domain.events import Event
from openlockbox.domain.ids import TenantId
from openlockbox.services.ports import EntryFilter

_C, _HEAD = t.activity_entry.c, t.log_head.c
_TAKE = {
    dialect: insert_(t.log_head)
    .values(tenant_id=bindparam("tenant_id"), size=bindparam("count"), compact_range=literal(CompactRange().encode()))
    .on_conflict_do_update(
        index_elements=[_HEAD.tenant_id], set_={"size": _HEAD.size + bindparam("count", type_=_HEAD.size.type)}
    )
    .returning(_HEAD.compact_range)  # still without them
    for dialect, insert_ in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_ADD = insert(t.activity_entry)
_ADD_NODE = insert(t.log_node)
_GROWN = update(t.log_head).where(_HEAD.tenant_id == bindparam("tenant_id_")).values(compact_range=bindparam("range"))
_NEWEST = select(t.activity_entry).where(_C.tenant_id == bindparam("tenant_id")).order_by(_C.entry_index.desc())
_ONE = select(t.activity_entry).where(
    _C.tenant_id == bindparam("tenant_id"), _C.entry_index == bindparam("entry_index")
)
_ONE_LOCKED = _ONE.with_for_update()
_ERASE = (
    update(t.activity_entry)
    .where(_C.tenant_id == bindparam("tenant_id_"), _C.entry_index == bindparam("entry_index_"))
    .values(opened=bindparam("opened"), search_opened=bindparam("search_opened"))
)
_EQUAL: Final[Mapping[str, Any]] = {
    "actor": _C.actor,
    "resource_id": _C.resource_id,
    "subject": _C.subject,
    "correlation_id": _C.correlation_id,
}


def fold(*values: str) -> str:
    """Join texts for a search without case."""
    return "\n".join(values).casefold()


def _opened_cells(opened: Mapping[str, OpenedField]) -> dict[str, Any]:
    return {
        "opened": {name: {"salt": field.salt, "value": field.value} for name, field in opened.items()},
        "search_opened": fold(*(field.value for field in opened.values())),
    }


def _row(entry: Entry) -> dict[str, Any]:
    event = entry.event
    return {
        "tenant_id": entry.tenant_id,
        "entry_index": entry.index,
        "recorded_at": entry.recorded_at,
        "code": event.code,
        "actor": event.actor,
        "subject": event.subject,
        "resource_id": event.resource_id,
        "correlation_id": event.correlation_id,
        "detail": event.detail,
        "search": fold(event.subject, event.resource_id or "", event.actor, *event.detail.values()),
        "leaf": entry.leaf,
        "leaf_hash": entry.leaf_hash,
    } | _opened_cells(entry.opened)


def _entry(row: Row[Any]) -> Entry:
    opened = {name: OpenedField(salt=field["salt"], value=field["value"]) for name, field in row.opened.items()}
    event = Event(
        code=row.code,
        tenant_id=row.tenant_id,
        actor=row.actor,
        subject=row.subject,
        correlation_id=row.correlation_id,
        resource_id=row.resource_id,
        detail=row.detail,
        personal={name: field.value for name, field in opened.items()},
    )
    return Entry(
        tenant_id=row.tenant_id,
        index=row.entry_index,
        recorded_at=row.recorded_at,
        event=event,
        opened=opened,
        leaf=bytes(row.leaf),
        leaf_hash=bytes(row.leaf_hash),
    )


class SqlActivity(SqlLogTree):
    """Implements `ActivityLog`. `flush` is the unit of work's to call, last before the commit."""

    def __init__(self, unit: Unit, salt: Callable[[int], bytes]) -> None:
        super().__init__(unit)
        self._salt = salt
        self._queue: list[tuple[Event, datetime]] = []
        self._taken: dict[TenantId, CompactRange] = {}  # heads that this unit has locked: nobody else changes them

    def head(self, tenant_id: TenantId) -> CompactRange:
        tree = self._taken.get(tenant_id)
        return super().head(tenant_id) if tree is None else CompactRange(tree.size, tree.hashes)

    def append(self, event: Event, *, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        self._queue.append((event, at))

    def append_now(self, event: Event, *, at: datetime) -> int:
        self.append(event, at=at)
        self.flush()
        return self.size(event.tenant_id) - 1

    def flush(self) -> None:
        """Append what was queued. Heads are taken in tenant id order, so that two units can never wait for each other."""
        by_tenant: defaultdict[TenantId, list[tuple[Event, datetime]]] = defaultdict(list)
        for event, at in self._queue:
            by_tenant[event.tenant_id].append((event, at))
        take = _TAKE[self._dialect]
        for tenant_id in sorted(by_tenant):
            queued = by_tenant[tenant_id]
            encoded = self._unit.returned(take, {"tenant_id": tenant_id, "count": len(queued)})
            tree = self._taken[tenant_id] = CompactRange.decode(bytes(encoded))
            for event, at in queued:
                row = self._make(event, index=tree.size, at=at)
                self._unit.write(_ADD, row)
                completed = tree.append(row["leaf_hash"])
                self._unit.write_all(_ADD_NODE, completed_nodes(tenant_id, tree.size, completed))
                if event.document:
                    self._keep_document(tenant_id, event.document)
            self._unit.write(_GROWN, {"tenant_id_": tenant_id, "range": tree.encode()})
        self._queue.clear()

    def _make(self, event: Event, *, index: int, at: datetime) -> dict[str, Any]:
        salt = self._salt(SALT_BYTES * len(event.personal)) if event.personal else b""
        return _row(make_entry(event, index=index, recorded_at=at, salt=salt))

    def entries(self, tenant_id: TenantId, query: EntryFilter) -> Sequence[Entry]:
        statement = _filtered(query).limit(query.limit)
        return [_entry(row) for row in self._unit.composed_rows(statement, tenant_id=tenant_id)]

    def get(self, tenant_id: TenantId, index: int) -> Entry:
        row = self._unit.row(_ONE, tenant_id=tenant_id, entry_index=index)
        if row is None:
            raise NotFound
        return _entry(row)

    def erase(self, tenant_id: TenantId, index: int, *, names: frozenset[str]) -> None:
        row = self._unit.row(_ONE_LOCKED, tenant_id=tenant_id, entry_index=index)
        if row is None:
            raise NotFound
        opened = _entry(row).opened
        rest = {name: field for name, field in opened.items() if name not in names}
        if len(rest) < len(opened):
            self._unit.write(_ERASE, {"tenant_id_": tenant_id, "entry_index_": index} | _opened_cells(rest))


def _filtered(query: EntryFilter) -> Select[Any]:
    statement = _NEWEST
    if query.codes:
        statement = statement.where(_C.code.in_(sorted(query.codes)))
    if query.since is not None:
        statement = statement.where(_C.recorded_at >= query.since)
    if query.until is not None:
        statement = statement.where(_C.recorded_at <= query.until)
    for name, column in _EQUAL.items():
        value = getattr(query, name)
        if value:
            statement = statement.where(column == value)
    if query.text:
        folded = query.text.casefold()
        found = (_C.search.contains(folded, autoescape=True), _C.search_opened.contains(folded, autoescape=True))
        statement = statement.where(or_(*found))
    if query.before_index is not None:
        statement = statement.where(_C.entry_index < query.before_index)
    return statement

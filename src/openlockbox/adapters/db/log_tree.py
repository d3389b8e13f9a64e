"""What a log's proofs, tiles and witnesses read and keep beside its entries. Appends nothing: `activity.py` does."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from openlockbox.activitylog.entry import document_sha256
from openlockbox.activitylog.note import merge_cosigned
from openlockbox.activitylog.tiles import STORED_LEVELS, TILE_HEIGHT, subtree_reader
from openlockbox.activitylog.tree import (
    CompactRange,
    ReadSubtree,
    consistency_proof,
    inclusion_proof,
    root_at,
)
from openlockbox.adapters.db import tables as t
from openlockbox.adapters.db.store import Unit
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import TenantId

T = TypeVar("T")
KEPT: Final = 200  # cosignatures that are read: of the newest sizes
_C, _HEAD, _NODE, _DOCUMENT, _NOTE = (
    t.activity_entry.c,
    t.log_head.c,
    t.log_node.c,
    t.log_document.c,
    t.log_cosignature.c,
)
_TENANT: Final[Any] = bindparam("tenant_id")
_SPAN = (
    _C.tenant_id == _TENANT,
    _C.entry_index >= bindparam("start"),
    _C.entry_index < bindparam("end"),
)
_LEAVES = select(_C.leaf).where(*_SPAN).order_by(_C.entry_index)
_LEAF_HASHES = select(_C.leaf_hash).where(*_SPAN).order_by(_C.entry_index)
_NODES = (
    select(_NODE.hash)
    .where(
        _NODE.tenant_id == _TENANT,
        _NODE.level == bindparam("level"),
        _NODE.node_index >= bindparam("start"),
        _NODE.node_index < bindparam("end"),
    )
    .order_by(_NODE.node_index)
)
_HEAD_ROW = select(_HEAD.compact_range).where(_HEAD.tenant_id == _TENANT)
_THIS_DOCUMENT = (_DOCUMENT.tenant_id == _TENANT, _DOCUMENT.sha256 == bindparam("sha256"))
_FIND_DOCUMENT = select(_DOCUMENT.body).where(*_THIS_DOCUMENT)
_ERASE_DOCUMENT = delete(t.log_document).where(*_THIS_DOCUMENT)
_INSERTS: Final = (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
_ADD_DOCUMENT = {
    dialect: insert_(t.log_document)
    .values(tenant_id=_TENANT, sha256=bindparam("sha256"), body=bindparam("body"))
    .on_conflict_do_nothing()
    for dialect, insert_ in _INSERTS
}
_ADD_COSIGNATURE = {
    dialect: insert_(t.log_cosignature)
    .values(tenant_id=_TENANT, size=bindparam("size"), name=bindparam("name"), note=bindparam("note"))
    .on_conflict_do_update(
        index_elements=[_NOTE.tenant_id, _NOTE.size, _NOTE.name],
        set_={"note": bindparam("note", type_=_NOTE.note.type)},
    )
    for dialect, insert_ in _INSERTS
}
_COSIGNED = (
    select(_NOTE.size, _NOTE.note).where(_NOTE.tenant_id == _TENANT).order_by(_NOTE.size.desc(), _NOTE.name).limit(KEPT)
)


class SqlLogTree:
    """The part of `ActivityLog` that treats the log as a tree."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def _dialect(self) -> str:
        return self._unit.connection.dialect.name

    def document(self, tenant_id: TenantId, sha256: str) -> str | None:
        row = self._unit.row(_FIND_DOCUMENT, tenant_id=tenant_id, sha256=sha256)
        return None if row is None else str(row.body)

    def erase_document(self, tenant_id: TenantId, sha256: str) -> None:
        self._unit.write(_ERASE_DOCUMENT, {"tenant_id": tenant_id, "sha256": sha256})

    def _keep_document(self, tenant_id: TenantId, body: str) -> None:
        values = {"tenant_id": tenant_id, "sha256": document_sha256(body), "body": body}
        self._unit.write(_ADD_DOCUMENT[self._dialect], values)

    def head(self, tenant_id: TenantId) -> CompactRange:
        row = self._unit.row(_HEAD_ROW, tenant_id=tenant_id)
        return CompactRange() if row is None else CompactRange.decode(bytes(row.compact_range))

    def size(self, tenant_id: TenantId) -> int:
        return self.head(tenant_id).size

    def leaves(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        return [bytes(row.leaf) for row in self._unit.rows(_LEAVES, tenant_id=tenant_id, start=start, end=end)]

    def leaf_hashes(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        rows = self._unit.rows(_LEAF_HASHES, tenant_id=tenant_id, start=start, end=end)
        return [bytes(row.leaf_hash) for row in rows]

    def tile(self, tenant_id: TenantId, level: int, start: int, end: int) -> list[bytes]:
        if level == 0:
            return self.leaf_hashes(tenant_id, start, end)
        rows = self._unit.rows(_NODES, tenant_id=tenant_id, level=level * TILE_HEIGHT, start=start, end=end)
        return [bytes(row.hash) for row in rows]

    def node(self, tenant_id: TenantId, level: int, index: int) -> bytes:
        if level < 0 or index < 0 or (index + 1) << level > self.size(tenant_id):
            raise NotFound
        return self._reader(tenant_id)(level, index)

    def root(self, tenant_id: TenantId, size: int) -> bytes:
        return self._of_size(tenant_id, size, partial(root_at, size))

    def inclusion(self, tenant_id: TenantId, index: int, size: int) -> list[bytes]:
        if not 0 <= index < size:
            raise NotFound
        return self._of_size(tenant_id, size, partial(inclusion_proof, index, size))

    def consistency(self, tenant_id: TenantId, old: int, new: int) -> list[bytes]:
        if not 0 <= old <= new:
            raise NotFound
        return self._of_size(tenant_id, new, partial(consistency_proof, old, new))

    def _of_size(self, tenant_id: TenantId, size: int, make: Callable[[ReadSubtree], T]) -> T:
        if not 0 <= size <= self.size(tenant_id):
            raise NotFound
        return make(self._reader(tenant_id))

    def _reader(self, tenant_id: TenantId) -> ReadSubtree:
        return subtree_reader(partial(self.tile, tenant_id))

    def add_cosignature(self, tenant_id: TenantId, size: int, name: str, note: str) -> None:
        values = {"tenant_id": tenant_id, "size": size, "name": name, "note": note}
        self._unit.write(_ADD_COSIGNATURE[self._dialect], values)

    def cosigned(self, tenant_id: TenantId) -> Sequence[tuple[int, str]]:
        rows = self._unit.rows(_COSIGNED, tenant_id=tenant_id)
        return merge_cosigned([(row.size, row.note) for row in rows])


def completed_nodes(tenant_id: TenantId, size: int, completed: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the rows of the subtrees worth storing among those that the last of `size` leaves completed."""
    return [
        {"tenant_id": tenant_id, "level": level, "node_index": (size >> level) - 1, "hash": completed[level]}
        for level in STORED_LEVELS
        if level < len(completed)
    ]

"""The in-memory log as a tree: proofs over all its leaf hashes, documents and cosignatures."""

from collections.abc import Sequence

from openlockbox.activitylog.note import merge_cosigned
from openlockbox.activitylog.tiles import TILE_HEIGHT
from openlockbox.activitylog.tree import CompactRange, consistency_proof, inclusion_proof, root_of
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.testing.memory_tables import MemoryUnit


class MemoryLogTree:
    """The part of `ActivityLog` that treats the log as a tree."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit

    def document(self, tenant_id: TenantId, sha256: str) -> str | None:
        return self._unit.read("log_document").get((tenant_id, sha256))

    def erase_document(self, tenant_id: TenantId, sha256: str) -> None:
        self._unit.write("log_document").pop((tenant_id, sha256), None)

    def head(self, tenant_id: TenantId) -> CompactRange:
        encoded: bytes | None = self._unit.read("log_head").get(tenant_id)
        return CompactRange() if encoded is None else CompactRange.decode(encoded)

    def size(self, tenant_id: TenantId) -> int:
        return self.head(tenant_id).size

    def leaves(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        rows = self._unit.read("activity_entry")
        return [rows[tenant_id, index].leaf for index in range(start, min(end, self.size(tenant_id)))]

    def leaf_hashes(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        rows = self._unit.read("activity_entry")
        return [rows[tenant_id, index].leaf_hash for index in range(start, min(end, self.size(tenant_id)))]

    def tile(self, tenant_id: TenantId, level: int, start: int, end: int) -> list[bytes]:
        there = self.size(tenant_id) >> TILE_HEIGHT * level
        return [self.node(tenant_id, TILE_HEIGHT * level, index) for index in range(start, min(end, there))]

    def node(self, tenant_id: TenantId, level: int, index: int) -> bytes:
        if level < 0 or index < 0 or (index + 1) << level > self.size(tenant_id):
            raise NotFound
        return root_of(self.leaf_hashes(tenant_id, index << level, (index + 1) << level))

    def root(self, tenant_id: TenantId, size: int) -> bytes:
        if not 0 <= size <= self.size(tenant_id):
            raise NotFound
        return root_of(self.leaf_hashes(tenant_id, 0, size))

    def inclusion(self, tenant_id: TenantId, index: int, size: int) -> list[bytes]:
        if not 0 <= index < size <= self.size(tenant_id):
            raise NotFound
        return inclusion_proof(index, size, lambda level, at: self.node(tenant_id, level, at))

    def consistency(self, tenant_id: TenantId, old: int, new: int) -> list[bytes]:
        if not 0 <= old <= new <= self.size(tenant_id):
            raise NotFound
        return consistency_proof(old, new, lambda level, at: self.node(tenant_id, level, at))

    def add_cosignature(self, tenant_id: TenantId, size: int, name: str, note: str) -> None:
        self._unit.write("log_cosignature")[tenant_id, size, name] = note

    def cosigned(self, tenant_id: TenantId) -> Sequence[tuple[int, str]]:
        rows = self._unit.read("log_cosignature")
        mine = sorted((key for key in rows if key[0] == tenant_id), key=lambda key: (-key[1], key[2]))
        return merge_cosigned([(key[1], rows[key]) for key in mine])

"""What the use cases need for approver rosters: the part of `ports` on the keys that decide for a tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from openlockbox.domain.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRoster:
    """One version: the roster's text, and the signed form around it."""

    tenant_id: TenantId
    version: int
    signed_text: str
    roster_text: str


class RosterStore(Protocol):
    """The versions of each tenant's roster, which are never changed, and the one-time codes for the first."""

    def latest(self, tenant_id: TenantId, *, lock: bool = False) -> StoredRoster | None:
        """Return the newest version; with `lock` no other can be added until the transaction ends, also where there is none."""

    def versions(self, tenant_id: TenantId) -> Sequence[str]:
        """Return the signed texts, oldest first."""

    def add(self, tenant_id: TenantId, version: int, signed_text: str, roster_text: str) -> None:
        """Add a version; raises AlreadyExists, NotFound without the tenant. Whether it may follow, the caller has checked."""

    def set_code(self, tenant_id: TenantId, code_sha256: str, *, ends_at: datetime) -> None:
        """Keep a code for the first key; the tenant's earlier one is forgotten. Raises NotFound without the tenant."""

    def code_holds(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> bool:
        """Tell whether this is the tenant's code, and its time has not come."""

    def take_code(self, tenant_id: TenantId, code_sha256: str, *, at: datetime) -> None:
        """Use a code up: of two transactions that take it, one gets it.

        Raises:
            NotFound: another code, none, used already, or ended.
        """

"""A database in memory for fast tests. It passes the same conformance suite as the real ones, and lasts as long as it is held."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from openlockbox.services.passkey_ports import PasskeyStore
from openlockbox.services.ports import (
    ActivityLog,
    Database,
    GatewayStore,
    GrantStore,
    IdentityStore,
    JitRequestStore,
    LockboxRequestStore,
    LockStore,
    Outbox,
    PrincipalStore,
    ResourceStore,
    ServiceRequestStore,
    SessionStore,
    TenantStore,
    UnitOfWork,
)
from openlockbox.services.roster_ports import RosterStore
from openlockbox.testing.memory_locks import MemoryLocks
from openlockbox.testing.memory_machines import (
    MemoryGrants,
    MemoryJitRequests,
    MemoryLockboxRequests,
    MemorySessions,
)
from openlockbox.testing.memory_organizations import (
    MemoryPrincipals,
    MemoryResources,
    MemoryServiceRequests,
    MemoryTenants,
)
from openlockbox.testing.memory_passkeys import MemoryPasskeys
from openlockbox.testing.memory_records import MemoryActivity, MemoryGateways, MemoryIdentity, MemoryOutbox
from openlockbox.testing.memory_rosters import MemoryRosters
from openlockbox.testing.memory_tables import MemoryUnit, Tables

WRITER_WAIT: Final = 10  # seconds; a test that opens two writing units in one thread fails instead of hanging


class MemoryDatabase:
    """Implements `Database`: one writer at a time, readers see the last commit."""

    def __init__(self, *, salt: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.tables: Tables = {}
        self.writer: Final = threading.Lock()
        self.salt: Final = salt

    def unit_of_work(self, *, read_only: bool = False) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self, read_only=read_only)

    def revocation_bell(self) -> "MemoryBell":
        return MemoryBell()

    def close(self) -> None:
        """Nothing to close."""


class MemoryBell:
    """Implements `RevocationBell`: never rings."""

    async def wait(self, seconds: float, *, deaf_seconds: float) -> None:  # noqa: ARG002  it hears nothing
        await asyncio.sleep(deaf_seconds)

    async def close(self) -> None:
        """Nothing to close."""


class MemoryUnitOfWork:
    """Implements `UnitOfWork`."""

    tenants: TenantStore
    resources: ResourceStore
    principals: PrincipalStore
    service_requests: ServiceRequestStore
    jit_requests: JitRequestStore
    lockbox_requests: LockboxRequestStore
    grants: GrantStore
    locks: LockStore
    sessions: SessionStore
    gateways: GatewayStore
    activity: ActivityLog
    outbox: Outbox
    identity: IdentityStore
    passkeys: PasskeyStore
    rosters: RosterStore

    def __init__(self, database: MemoryDatabase, *, read_only: bool) -> None:
        self._database = database
        self._read_only = read_only
        self._unit: MemoryUnit | None = None

    def __enter__(self) -> Self:
        if not self._read_only and not self._database.writer.acquire(timeout=WRITER_WAIT):
            raise TimeoutError("another unit of work is writing")
        unit = self._unit = MemoryUnit(self._database.tables, read_only=self._read_only)
        self.tenants = MemoryTenants(unit)
        self.resources = MemoryResources(unit)
        self.principals = MemoryPrincipals(unit)
        self.service_requests = MemoryServiceRequests(unit)
        self.jit_requests = MemoryJitRequests(unit)
        self.lockbox_requests = MemoryLockboxRequests(unit)
        self.grants = MemoryGrants(unit)
        self.locks = MemoryLocks(unit)
        self.sessions = MemorySessions(unit)
        self.gateways = MemoryGateways(unit)
        self.activity = self._activity = MemoryActivity(unit, self._database.salt)
        self.outbox = MemoryOutbox(unit)
        self.identity = MemoryIdentity(unit)
        self.passkeys = MemoryPasskeys(unit)
        self.rosters = MemoryRosters(unit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unit = None
        if not self._read_only:
            self._database.writer.release()

    def commit(self) -> None:
        """Append what was queued for the log, last, and commit."""
        unit = self._unit
        if unit is None:
            raise RuntimeError("a unit of work commits inside its block")
        unit.check_running()
        self._activity.flush()
        if not self._read_only:
            self._database.tables = unit.tables
        unit.over = "the unit of work is committed"


def _conforms(database: MemoryDatabase, unit: MemoryUnitOfWork) -> tuple[Database, UnitOfWork]:
    """Let mypy compare the classes with the ports."""
    return database, unit

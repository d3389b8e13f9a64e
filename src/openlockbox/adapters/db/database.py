"""The database port on SQLite and PostgreSQL. A unit of work is one transaction on one connection, and nothing outlives it."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import StatementError

from openlockbox.adapters.db.activity import SqlActivity
from openlockbox.adapters.db.engine import BUSY_TIMEOUT_MS, make_engine, reader_of
from openlockbox.adapters.db.errors import translate
from openlockbox.adapters.db.gateways import SqlGateways
from openlockbox.adapters.db.grants import SqlGrants
from openlockbox.adapters.db.identity import SqlIdentity
from openlockbox.adapters.db.jit_requests import SqlJitRequests
from openlockbox.adapters.db.lockbox_requests import SqlLockboxRequests
from openlockbox.adapters.db.locks import SqlLocks
from openlockbox.adapters.db.notify import RevocationBell
from openlockbox.adapters.db.organizations import SqlResources, SqlTenants
from openlockbox.adapters.db.outbox import SqlOutbox
from openlockbox.adapters.db.passkeys import SqlPasskeys
from openlockbox.adapters.db.people import SqlPrincipals
from openlockbox.adapters.db.rosters import SqlRosters
from openlockbox.adapters.db.service_requests import SqlServiceRequests
from openlockbox.adapters.db.sessions import SqlSessions
from openlockbox.adapters.db.statements import Statements
from openlockbox.adapters.db.store import Unit
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

POOL_SIZE: Final = 10  # connections a process; the web's threads wait for one rather than open more


class SqlDatabase:
    """Implements `Database`. `salt(n)` gives n bytes of fresh randomness for the log's commitments."""

    def __init__(self, url: str, *, salt: Callable[[int], bytes], pool_size: int = POOL_SIZE) -> None:
        self.engine: Final = make_engine(url, pool_size=pool_size)
        self._reader: Final = reader_of(self.engine)
        self._statements: Final = Statements(self.engine.dialect)
        self._salt: Final = salt
        # SQLite lets waiting writers poll; within a process a lock hands over at once and in fairer order.
        self._writer: Final = threading.Lock() if self.engine.dialect.name == "sqlite" else None

    def unit_of_work(self, *, read_only: bool = False) -> "SqlUnitOfWork":
        if read_only:
            return SqlUnitOfWork(self._reader, self._statements, salt=self._salt, read_only=True, writer=None)
        return SqlUnitOfWork(self.engine, self._statements, salt=self._salt, read_only=False, writer=self._writer)

    def revocation_bell(self) -> RevocationBell:
        """Return what rings when the revocation list has changed; one for each event loop that listens."""
        return RevocationBell(self.engine)

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


class SqlUnitOfWork:
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

    def __init__(
        self,
        engine: Engine,
        statements: Statements,
        *,
        salt: Callable[[int], bytes],
        read_only: bool,
        writer: "threading.Lock | None",
    ) -> None:
        self._engine = engine
        self._statements = statements
        self._salt = salt
        self._read_only = read_only
        self._writer = writer
        self._connection: Connection | None = None
        self._unit: Unit | None = None

    def __enter__(self) -> Self:
        if self._writer is not None and not self._writer.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise TimeoutError("another unit of work of this process holds SQLite's write lock")
        try:
            self._connection = self._engine.connect()
            self._connection.begin()
            unit = self._unit = Unit(self._connection, self._statements, read_only=self._read_only)
        except BaseException:
            self._leave()
            raise
        self.tenants = SqlTenants(unit)
        self.resources = SqlResources(unit)
        self.principals = SqlPrincipals(unit)
        self.service_requests = SqlServiceRequests(unit)
        self.jit_requests = SqlJitRequests(unit)
        self.lockbox_requests = SqlLockboxRequests(unit)
        self.grants = SqlGrants(unit)
        self.locks = SqlLocks(unit)
        self.sessions = SqlSessions(unit)
        self.gateways = SqlGateways(unit)
        self.activity = self._activity = SqlActivity(unit, self._salt)
        self.outbox = SqlOutbox(unit)
        self.identity = SqlIdentity(unit)
        self.passkeys = SqlPasskeys(unit)
        self.rosters = SqlRosters(unit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def commit(self) -> None:
        """Append what was queued for the log, last, and commit."""
        unit, connection = self._unit, self._connection
        if unit is None or connection is None:
            raise RuntimeError("a unit of work commits inside its block")
        unit.check_running()
        self._activity.flush()
        unit.over = "the unit of work is committed"
        try:
            connection.commit()
        except StatementError as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error

    def _leave(self) -> None:
        connection, self._connection, self._unit = self._connection, None, None
        try:
            if connection is not None:
                connection.close()  # rolls back what was not committed
        finally:
            if self._writer is not None:
                self._writer.release()


def _conforms(database: SqlDatabase, unit: SqlUnitOfWork) -> tuple[Database, UnitOfWork]:
    """Let mypy compare the classes with the ports."""
    return database, unit

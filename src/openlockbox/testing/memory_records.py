"""The in-memory gateways, activity log, outbox and sign-in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from openlockbox.activitylog.entry import SALT_BYTES, Entry, document_sha256, make_entry
from openlockbox.domain.errors import NotFound
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GatewayId, PrincipalId, TenantId
from openlockbox.grants.revocations import RevokedKind
from openlockbox.services.ports import EntryFilter, LocalCredential, OutboxRow, PersonalToken, SignIn
from openlockbox.testing.memory_log_tree import MemoryLogTree
from openlockbox.testing.memory_tables import MemoryUnit, Shelf


class MemoryGateways:
    """Implements `GatewayStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit
        self._gateways: Shelf[Gateway] = Shelf(unit, "gateway", key=lambda g: g.id)

    def get(self, gateway_id: GatewayId, *, lock: bool = False) -> Gateway:  # noqa: ARG002  one writer at a time
        return self._gateways.get(gateway_id)

    def add(self, gateway: Gateway) -> None:
        self._gateways.add(gateway)

    def replace(self, old: Gateway, new: Gateway) -> None:
        stored = self._gateways.find(new.id) or new
        self._gateways.replace(old, replace(new, applied_version=stored.applied_version, lease_at=stored.lease_at))

    def all(self) -> Sequence[Gateway]:
        return self._gateways.where(lambda _: True, by=lambda g: (g.name, g.id))

    def find_by_code(self, code_sha256: str) -> Gateway | None:
        if not code_sha256:
            return None
        return next((g for g in self._gateways.all() if g.enrolment_code_sha256 == code_sha256), None)

    def renew(self, gateway_id: GatewayId, *, applied_version: int, at: datetime) -> None:
        stored = self._gateways.get(gateway_id)
        applied = max(stored.applied_version, applied_version)
        self._gateways.save(replace(stored, applied_version=applied, lease_at=at))

    def add_revocation(self, kind: RevokedKind, subject_id: str, *, until: datetime) -> int:
        rows = self._unit.write("revocation")
        if until.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        version = len(rows) + 1
        rows[version] = (kind, subject_id, until)
        return version

    def end_revocation(self, version: int) -> int:
        rows = self._unit.write("revocation")
        kind, subject, _ = rows[version]
        rows[version] = (kind, subject, datetime.min.replace(tzinfo=UTC))
        rows[len(rows) + 1] = rows[version]  # versions have no gap: a change without an entry of its own
        return len(rows)

    def revocation_version(self) -> int:
        return len(self._unit.read("revocation"))

    def revocations(self, now: datetime) -> tuple[int, Sequence[tuple[RevokedKind, str]]]:
        rows = self._unit.read("revocation")
        return len(rows), [(kind, subject) for kind, subject, until in rows.values() if until >= now]


class MemoryActivity(MemoryLogTree):
    """Implements `ActivityLog`. `flush` is the unit of work's to call, last before the commit."""

    def __init__(self, unit: MemoryUnit, salt: Callable[[int], bytes]) -> None:
        super().__init__(unit)
        self._salt = salt
        self._queue: list[tuple[Event, datetime]] = []

    def append(self, event: Event, *, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        self._queue.append((event, at))

    def append_now(self, event: Event, *, at: datetime) -> int:
        self.append(event, at=at)
        self.flush()
        return self.size(event.tenant_id) - 1

    def flush(self) -> None:
        """Append what was queued."""
        for event, at in self._queue:
            heads, rows = self._unit.write("log_head"), self._unit.write("activity_entry")
            tree = self.head(event.tenant_id)
            salt = self._salt(SALT_BYTES * len(event.personal)) if event.personal else b""
            entry = make_entry(event, index=tree.size, recorded_at=at, salt=salt)
            rows[event.tenant_id, entry.index] = replace(entry, event=replace(event, document=""))
            tree.append(entry.leaf_hash)
            heads[event.tenant_id] = tree.encode()
            if event.document:
                self._unit.write("log_document")[event.tenant_id, document_sha256(event.document)] = event.document
        self._queue.clear()

    def entries(self, tenant_id: TenantId, query: EntryFilter) -> Sequence[Entry]:
        rows = self._unit.read("activity_entry")
        newest_first = (rows[tenant_id, index] for index in reversed(range(self.size(tenant_id))))
        return [entry for entry in newest_first if _matches(entry, query)][: query.limit]

    def get(self, tenant_id: TenantId, index: int) -> Entry:
        entry: Entry | None = self._unit.read("activity_entry").get((tenant_id, index))
        if entry is None:
            raise NotFound
        return entry

    def erase(self, tenant_id: TenantId, index: int, *, names: frozenset[str]) -> None:
        entry = self.get(tenant_id, index)
        opened = {name: field for name, field in entry.opened.items() if name not in names}
        personal = {name: field.value for name, field in opened.items()}
        erased = replace(entry, opened=opened, event=replace(entry.event, personal=personal))
        self._unit.write("activity_entry")[tenant_id, index] = erased


def _matches(entry: Entry, query: EntryFilter) -> bool:
    event = entry.event
    texts = (event.subject, event.resource_id or "", event.actor, *event.detail.values(), *event.personal.values())
    return (
        (not query.codes or event.code in query.codes)
        and (query.since is None or entry.recorded_at >= query.since)
        and (query.until is None or entry.recorded_at <= query.until)
        and (not query.actor or event.actor == query.actor)
        and (not query.resource_id or event.resource_id == query.resource_id)
        and (not query.subject or event.subject == query.subject)
        and (not query.correlation_id or event.correlation_id == query.correlation_id)
        and (not query.text or any(query.text.casefold() in text.casefold() for text in texts))
        and (query.before_index is None or entry.index < query.before_index)
    )


class MemoryOutbox:
    """Implements `Outbox`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._rows: Shelf[OutboxRow] = Shelf(unit, "outbox", key=lambda r: r.key)

    def add(self, row: OutboxRow) -> None:
        self._rows.add(row)

    def due(self, now: datetime, *, limit: int) -> Sequence[OutboxRow]:
        return self._rows.where(lambda r: r.done_at is None and r.due_at <= now, by=lambda r: (r.due_at, r.key))[:limit]

    def mark_done(self, key: str, *, at: datetime) -> None:
        self._rows.save(replace(self._rows.get(key), done_at=at))

    def retry(self, key: str, *, due_at: datetime, error: str) -> None:
        row = self._rows.get(key)
        self._rows.save(replace(row, due_at=due_at, last_error=error, attempts=row.attempts + 1))

    def undelivered(self) -> int:
        return sum(1 for row in self._rows.all() if row.done_at is None)


class MemoryIdentity:
    """Implements `IdentityStore`."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._unit = unit
        self._sign_ins: Shelf[SignIn] = Shelf(
            unit, "sign_in", key=lambda s: s.token_sha256, parents=[("principal", lambda s: s.principal_id)]
        )
        self._tokens: Shelf[PersonalToken] = Shelf(
            unit,
            "personal_token",
            key=lambda t: t.id,
            unique=[lambda t: t.token_sha256],
            parents=[("principal", lambda t: t.principal_id)],
        )

    def find_credential(self, principal_id: PrincipalId, *, lock: bool = False) -> LocalCredential | None:  # noqa: ARG002  one writer at a time
        return self._unit.read("local_credential").get(principal_id)

    def save_credential(self, credential: LocalCredential) -> None:
        if credential.principal_id not in self._unit.read("principal"):
            raise self._unit.refuse(NotFound())
        self._unit.write("local_credential")[credential.principal_id] = credential

    def add_sign_in(self, sign_in: SignIn) -> None:
        self._sign_ins.add(sign_in)

    def find_sign_in(self, token_sha256: str) -> SignIn | None:
        return self._sign_ins.find(token_sha256)

    def touch_sign_in(self, token_sha256: str, *, at: datetime) -> None:
        self._sign_ins.save(replace(self._sign_ins.get(token_sha256), last_seen_at=at))

    def step_up(self, token_sha256: str, *, at: datetime) -> None:
        self._sign_ins.save(replace(self._sign_ins.get(token_sha256), mfa_at=at))

    def remove_sign_in(self, token_sha256: str) -> None:
        self._sign_ins.remove(token_sha256)

    def remove_sign_ins_of(self, principal_id: PrincipalId) -> None:
        for sign_in in self._sign_ins.all():
            if sign_in.principal_id == principal_id:
                self._sign_ins.remove(sign_in.token_sha256)

    def add_token(self, token: PersonalToken) -> None:
        self._tokens.add(token)

    def find_token(self, token_sha256: str) -> PersonalToken | None:
        return next((t for t in self._tokens.all() if t.token_sha256 == token_sha256), None)

    def tokens(self, principal_id: PrincipalId) -> Sequence[PersonalToken]:
        return self._tokens.where(
            lambda t: t.principal_id == principal_id, by=lambda t: (t.created_at, t.id), newest=True
        )

    def revoke_token(self, token_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        token = self._tokens.get(token_id)
        if token.principal_id != principal_id:
            raise NotFound
        self._tokens.save(replace(token, revoked_at=at))

    def revoke_tokens_of(self, principal_id: PrincipalId, *, at: datetime) -> None:
        for token in self.tokens(principal_id):
            if token.revoked_at is None:
                self._tokens.save(replace(token, revoked_at=at))

    def count_attempt(self, key: str, *, at: datetime, window: timedelta) -> int:
        if at.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        rows = self._unit.write("attempt")
        rows[key] = (*rows.get(key, ()), at)
        return sum(1 for attempted in rows[key] if at - window < attempted <= at)

    def forget_attempts(self, key: str) -> None:
        self._unit.write("attempt").pop(key, None)

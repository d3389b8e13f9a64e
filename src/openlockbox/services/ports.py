"""What the use cases need from the outside. The docstrings are the contract; `openlockbox.testing` has the conformance suite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from openlockbox.activitylog.entry import Entry
from openlockbox.activitylog.tree import CompactRange
from openlockbox.domain.elevation import Elevation
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import (
    ActorId,
    CorrelationId,
    GatewayId,
    GrantId,
    JitRequestId,
    LockId,
    PrincipalId,
    RequestId,
    ResourceId,
    ServiceRequestId,
    SessionId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.jit_request import JitRequest, Verdict
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.lockdown import Lock, LockKind
from openlockbox.domain.principal import Principal, Role, RoleAssignment
from openlockbox.domain.resource import Resource
from openlockbox.domain.service_request import Message, ServiceRequest
from openlockbox.domain.session import Session
from openlockbox.domain.tenant import Subscription, SupportPlan, Tenant
from openlockbox.grants.envelope import Signer
from openlockbox.grants.revocations import RevokedKind
from openlockbox.services.passkey_ports import PasskeyStore
from openlockbox.services.roster_ports import RosterStore

# ---- stores ---------------------------------------------------------------------------------------------------------
# Common contract. `get` raises NotFound; `find` returns None; `add` raises AlreadyExists; `replace(old, new)` writes
# `new` where the row still has `old.version` and raises ConcurrentUpdate otherwise (also where the row is gone), and
# IllegalTransition where the database's own transition table refuses the step; `save` writes an unversioned value.
# `get(..., lock=True)` holds the row until the end of the transaction (PostgreSQL: FOR UPDATE). Reads see own writes.
# What a row belongs to must exist: `add` raises NotFound otherwise. A state machine is added in its first state, and
# `replace` does not write what belongs to others (`GatewayStore.renew`). A naive datetime is a ValueError, a write in a
# read-only unit a RuntimeError. After a refusal by the database itself (all but NotFound of `get` and ConcurrentUpdate)
# the unit can only be left: PostgreSQL has given the transaction up.


class TenantStore(Protocol):
    """Tenants and subscriptions."""

    def get(self, tenant_id: TenantId) -> Tenant: ...
    def add(self, tenant: Tenant) -> None: ...
    def save(self, tenant: Tenant) -> None: ...
    def all(self) -> Sequence[Tenant]:
        """Return every tenant by name."""

    def provider(self) -> Tenant:
        """Return the provider's own tenant. Raises NotFound before `lockbox init`."""

    def get_subscription(self, subscription_id: SubscriptionId) -> Subscription: ...
    def add_subscription(self, subscription: Subscription) -> None: ...
    def subscriptions(self, tenant_id: TenantId) -> Sequence[Subscription]: ...


class ResourceStore(Protocol):
    """Resources, by lower-cased id."""

    def find(self, resource_id: ResourceId) -> Resource | None: ...
    def get(self, resource_id: ResourceId) -> Resource: ...
    def add(self, resource: Resource) -> None: ...
    def save(self, resource: Resource) -> None: ...
    def of_tenant(self, tenant_id: TenantId) -> Sequence[Resource]:
        """Return the tenant's resources by name."""


class PrincipalStore(Protocol):
    """Principals and their roles."""

    def get(self, principal_id: PrincipalId) -> Principal: ...
    def find_by_mail(self, mail: str) -> Principal | None:
        """Find by mail address, compared in lower case; addresses are unique."""

    def add(self, principal: Principal) -> None: ...
    def save(self, principal: Principal) -> None: ...
    def of_tenant(self, tenant_id: TenantId) -> Sequence[Principal]: ...
    def many(self, ids: Iterable[PrincipalId]) -> Mapping[PrincipalId, Principal]:
        """Return those that exist, in one query."""

    def roles(self, principal_id: PrincipalId, *, lock: bool = False) -> tuple[RoleAssignment, ...]:
        """Return the assignments; with `lock` none of them can be removed until the transaction ends."""

    def roles_of_tenant(self, tenant_id: TenantId) -> tuple[RoleAssignment, ...]: ...
    def add_role(self, assignment: RoleAssignment) -> None:
        """Add an assignment; raises AlreadyExists for the same (principal, role, tenant, subscription)."""

    def remove_role(self, assignment: RoleAssignment) -> None:
        """Remove it; raises NotFound."""

    def approvers(self, subscription_id: SubscriptionId) -> Sequence[Principal]:
        """Return the active principals with an approver role on the subscription, by name."""

    def holders(self, roles: frozenset[Role], tenant_id: TenantId) -> Sequence[Principal]:
        """Return the active principals with any of the roles in the tenant, by name."""


class ServiceRequestStore(Protocol):
    """Service requests and their messages."""

    def get(self, service_request_id: ServiceRequestId, *, lock: bool = False) -> ServiceRequest: ...
    def add(self, service_request: ServiceRequest) -> None: ...
    def replace(self, old: ServiceRequest, new: ServiceRequest) -> None: ...
    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[ServiceRequest]:
        """Return the tenant's, newest first."""

    def open(self, *, limit: int = 500) -> Sequence[ServiceRequest]:
        """Return all open ones of all tenants, newest first: the provider's queue."""

    def add_message(self, message: Message) -> None:
        """Add a message; raises AlreadyExists for a taken number."""

    def messages(self, service_request_id: ServiceRequestId) -> Sequence[Message]:
        """Return the conversation, oldest first."""


class JitRequestStore(Protocol):
    """JIT requests."""

    def get(self, jit_request_id: JitRequestId, *, lock: bool = False) -> JitRequest: ...
    def add(self, request: JitRequest) -> None: ...
    def replace(self, old: JitRequest, new: JitRequest) -> None: ...
    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[JitRequest]:
        """Return newest first."""

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[JitRequest]:
        """Return newest first."""

    def in_review(self, *, limit: int = 200) -> Sequence[JitRequest]:
        """Return those whose stored state is internal_review, oldest first."""

    def overdue(self, now: datetime, *, limit: int) -> Sequence[JitRequest]:
        """Claim waiting ones with expires_at <= now for this transaction; rows another worker holds are skipped."""


class LockboxRequestStore(Protocol):
    """Lockbox requests."""

    def get(self, request_id: RequestId, *, lock: bool = False) -> LockboxRequest: ...
    def add(self, request: LockboxRequest) -> None: ...
    def replace(self, old: LockboxRequest, new: LockboxRequest) -> None: ...
    def find_of_jit(self, jit_request_id: JitRequestId) -> LockboxRequest | None: ...
    def of_tenant(self, tenant_id: TenantId, *, limit: int = 200) -> Sequence[LockboxRequest]:
        """Return newest first, all states."""

    def waiting(self, tenant_id: TenantId) -> Sequence[LockboxRequest]:
        """Return those stored as customer_notified, the one to answer first first. Read from the requests themselves."""

    def of_requester(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[LockboxRequest]:
        """Return newest first."""

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[LockboxRequest]:
        """Return newest first."""

    def overdue(self, now: datetime, *, limit: int) -> Sequence[LockboxRequest]:
        """Claim waiting ones with answer_by <= now for this transaction; rows another worker holds are skipped."""


class GrantStore(Protocol):
    """Grants. At most one a Lockbox request: `add` raises AlreadyExists for a second."""

    def get(self, grant_id: GrantId, *, lock: bool = False) -> Grant: ...
    def add(self, grant: Grant) -> None: ...
    def replace(self, old: Grant, new: Grant) -> None: ...
    def find_of_request(self, request_id: RequestId) -> Grant | None: ...
    def of_engineer(self, principal_id: PrincipalId, *, limit: int = 100) -> Sequence[Grant]:
        """Return newest first."""

    def of_service_request(self, service_request_id: ServiceRequestId) -> Sequence[Grant]:
        """Return newest first."""

    def unended(self, tenant_id: TenantId) -> Sequence[Grant]:
        """Return those stored as active or revoking, newest first."""

    def overdue(self, now: datetime, *, limit: int) -> Sequence[Grant]:
        """Claim those stored as active with not_after <= now; rows another worker holds are skipped."""

    def active_of(self, kind: LockKind, subject_id: str) -> Sequence[Grant]:
        """Return and lock, by id, those stored as active that a lock on this subject ends."""

    def revoked_by_list(self, version: int) -> Sequence[Grant]:
        """Return, by id, those that were revoked by this version of the revocation list."""

    def revoking(self, gateway_id: GatewayId, *, up_to_version: int) -> Sequence[Grant]:
        """Return and lock those of the gateway stored as revoking whose revocation_version <= up_to_version."""


class LockStore(Protocol):
    """Locks. At most one stands on a subject: `add` raises AlreadyExists for a second."""

    def get(self, lock_id: LockId, *, lock: bool = False) -> Lock: ...
    def add(self, lock: Lock) -> None: ...
    def replace(self, old: Lock, new: Lock) -> None: ...
    def claim(self, kind: LockKind, subject_id: str) -> Lock | None:
        """Keep everybody who calls `over` with `hold` off the subject until the transaction ends; return its standing lock."""

    def over(
        self, *, tenant_id: TenantId, resource_id: ResourceId, engineer: PrincipalId, hold: bool = False
    ) -> Sequence[Lock]:
        """Return the standing locks that forbid such an access; with `hold` none can be added until the transaction ends."""

    def standing(self, tenant_id: TenantId) -> Sequence[Lock]:
        """Return those in the tenant's log that stand, newest first."""

    def locking(self, up_to_version: int) -> Sequence[Lock]:
        """Return and lock those stored as locking whose revocation_version <= up_to_version."""


class SessionStore(Protocol):
    """Sessions."""

    def get(self, session_id: SessionId, *, lock: bool = False) -> Session: ...
    def add(self, session: Session) -> None: ...
    def replace(self, old: Session, new: Session) -> None: ...
    def of_grant(self, grant_id: GrantId) -> Sequence[Session]:
        """Return newest first."""

    def active(self, tenant_id: TenantId) -> Sequence[Session]:
        """Return those stored as active, newest first."""

    def lapsed(self, now: datetime, *, limit: int) -> Sequence[Session]:
        """Claim those stored as pending with offer_ends_at <= now; rows another worker holds are skipped."""

    def unreported(self, before: datetime, *, limit: int) -> Sequence[Session]:
        """Claim those stored as active under a grant with not_after <= before; rows another worker holds are skipped."""


class GatewayStore(Protocol):
    """Gateways, and the numbered list of revocations that they follow."""

    def get(self, gateway_id: GatewayId, *, lock: bool = False) -> Gateway: ...
    def add(self, gateway: Gateway) -> None: ...
    def replace(self, old: Gateway, new: Gateway) -> None: ...
    def all(self) -> Sequence[Gateway]: ...
    def find_by_code(self, code_sha256: str) -> Gateway | None: ...
    def renew(self, gateway_id: GatewayId, *, applied_version: int, at: datetime) -> None:
        """Note what a gateway confirmed, in one UPDATE without a version check; applied_version never goes down.

        `applied_version` and `lease_at` are this method's alone: `replace` leaves them. Raises NotFound.
        """

    def add_revocation(self, kind: RevokedKind, subject_id: str, *, until: datetime) -> int:
        """Append to the list and return its new version (1, 2, …). Holds the list's head until the transaction ends."""

    def end_revocation(self, version: int) -> int:
        """Take the entry that came with this version off the list and return the list's new version."""

    def revocation_version(self) -> int:
        """Return the list's version, 0 when empty. One cheap read: it is polled many times a second."""

    def revocations(self, now: datetime) -> tuple[int, Sequence[tuple[RevokedKind, str]]]:
        """Return the version and the (kind, id) pairs whose `until` is not past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries of one tenant's log. Empty fields do not filter."""

    codes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    actor: ActorId | None = None
    resource_id: ResourceId | None = None
    subject: str | None = None
    correlation_id: CorrelationId | None = None
    text: str = ""  # matched without case in subject, resource, actor, detail and unerased personal fields
    before_index: int | None = None
    limit: int = 50


class ActivityLog(Protocol):
    """One log per tenant, appended in the transaction of the change."""

    def append(self, event: Event, *, at: datetime) -> None:
        """Queue an event.

        At commit the heads of the tenants concerned are locked in id order, last in the transaction, and the queued
        events take the next indexes in the order in which they were appended. Their documents are kept beside the log.
        """

    def append_now(self, event: Event, *, at: datetime) -> int:
        """Append what is queued, then this event, and return its index: the log as it then stands is read in this unit.

        The heads stay locked until the unit ends. What it appends later goes to the same tenant, or two units wait for each other.
        """

    def entries(self, tenant_id: TenantId, query: EntryFilter) -> Sequence[Entry]:
        """Return committed entries, newest first."""

    def get(self, tenant_id: TenantId, index: int) -> Entry:
        """Return one entry; raises NotFound."""

    def size(self, tenant_id: TenantId) -> int: ...

    def erase(self, tenant_id: TenantId, index: int, *, names: frozenset[str]) -> None:
        """Erase opened personal fields of an entry; its leaf stands as it is. Idempotent. Raises NotFound: no such entry."""

    def document(self, tenant_id: TenantId, sha256: str) -> str | None:
        """Return a document by its digest; None where the log never had it or it was erased."""

    def erase_document(self, tenant_id: TenantId, sha256: str) -> None:
        """Erase a document; the entries that name it stand as they are. Idempotent."""

    def head(self, tenant_id: TenantId) -> CompactRange:
        """Return the tree's right edge, and with it size and root. What is queued is not in it."""

    def leaves(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        """Return the leaves from `start` to before `end`, as many as there are."""

    def leaf_hashes(self, tenant_id: TenantId, start: int, end: int) -> list[bytes]:
        """Return their hashes."""

    def tile(self, tenant_id: TenantId, level: int, start: int, end: int) -> list[bytes]:
        """Return the hashes of the complete subtrees of 256**level leaves from `start` to before `end`, as many as there are."""

    def node(self, tenant_id: TenantId, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree number `index` of 2**level leaves. Raises NotFound: it is not complete."""

    def root(self, tenant_id: TenantId, size: int) -> bytes:
        """Return the root that the log had at a size. Raises NotFound: it never had so many entries."""

    def inclusion(self, tenant_id: TenantId, index: int, size: int) -> list[bytes]:
        """Prove that an entry is in the log of a size. Raises NotFound: the log has or had no such entry."""

    def consistency(self, tenant_id: TenantId, old: int, new: int) -> list[bytes]:
        """Prove that the log of size `new` begins with that of size `old`. Raises NotFound: it never was of these sizes."""

    def add_cosignature(self, tenant_id: TenantId, size: int, name: str, note: str) -> None:
        """Keep a checkpoint of this size with the witness's signature. A later one of the same witness takes its place."""

    def cosigned(self, tenant_id: TenantId) -> Sequence[tuple[int, str]]:
        """Return the newest sizes that witnesses cosigned, newest first, each with its checkpoint under all their signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A mail to send, written with the change that causes it. `key` is unique and becomes the Message-ID."""

    key: str
    tenant_id: TenantId
    recipient: PrincipalId
    template: str
    values: Mapping[str, str]
    due_at: datetime
    attempts: int = 0
    last_error: str = ""
    done_at: datetime | None = None


class Outbox(Protocol):
    """Rows written in the transaction of the change; delivered at least once."""

    def add(self, row: OutboxRow) -> None:
        """Add a row; a taken key is AlreadyExists."""

    def due(self, now: datetime, *, limit: int) -> Sequence[OutboxRow]:
        """Claim rows that are due and not done; rows another worker holds are skipped."""

    def mark_done(self, key: str, *, at: datetime) -> None:
        """Take a row off; raises NotFound."""

    def retry(self, key: str, *, due_at: datetime, error: str) -> None:
        """Count an attempt and try again later; raises NotFound."""

    def undelivered(self) -> int:
        """Count the rows that are not done."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LocalCredential:
    """How one principal signs in locally. No repr: it holds secrets."""

    principal_id: PrincipalId
    password_hash: str  # argon2id, PHC string
    totp_secret: str  # base32, encrypted by the adapter's key
    totp_last_step: int = 0  # a code counts once


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A signed-in browser. Stored under the SHA-256 of the cookie."""

    token_sha256: str
    principal_id: PrincipalId
    mfa_at: datetime
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalToken:
    """A personal API token. Stored under the SHA-256 of the secret."""

    id: str
    token_sha256: str
    principal_id: PrincipalId
    name: str
    scopes: frozenset[str]
    mfa_at: datetime
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None


class IdentityStore(Protocol):
    """What local sign-in keeps."""

    def find_credential(self, principal_id: PrincipalId, *, lock: bool = False) -> LocalCredential | None: ...
    def save_credential(self, credential: LocalCredential) -> None:
        """Insert or replace."""

    def add_sign_in(self, sign_in: SignIn) -> None: ...
    def find_sign_in(self, token_sha256: str) -> SignIn | None: ...
    def touch_sign_in(self, token_sha256: str, *, at: datetime) -> None:
        """Note its use; raises NotFound where it was removed meanwhile."""

    def step_up(self, token_sha256: str, *, at: datetime) -> None:
        """Note that the second factor was shown again; raises NotFound where it was removed meanwhile."""

    def remove_sign_in(self, token_sha256: str) -> None:
        """End it. Idempotent: signing out twice is signing out."""

    def remove_sign_ins_of(self, principal_id: PrincipalId) -> None: ...
    def add_token(self, token: PersonalToken) -> None: ...
    def find_token(self, token_sha256: str) -> PersonalToken | None: ...
    def tokens(self, principal_id: PrincipalId) -> Sequence[PersonalToken]: ...
    def revoke_tokens_of(self, principal_id: PrincipalId, *, at: datetime) -> None:
        """Revoke all that are not revoked yet. Idempotent."""

    def revoke_token(self, token_id: str, principal_id: PrincipalId, *, at: datetime) -> None:
        """Revoke a token; raises NotFound where it is not this principal's."""

    def count_attempt(self, key: str, *, at: datetime, window: timedelta) -> int:
        """Count an attempt under a key (a hash, never a raw name) and return how many fell in the window ending at `at`."""

    def forget_attempts(self, key: str) -> None: ...


class UnitOfWork(Protocol):
    """One transaction. Leaving the block without `commit()` rolls back. SQLite: BEGIN IMMEDIATE unless `read_only`."""

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

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def commit(self) -> None:
        """Append what was queued for the log and commit. After it the block may only be left."""


class RevocationBell(Protocol):
    """Rings when the revocation list has changed, where the database can tell. Belongs to one event loop."""

    async def wait(self, seconds: float, *, deaf_seconds: float) -> None:
        """Return when the list may have changed, or after `seconds`; after `deaf_seconds` where nothing can ring now."""

    async def close(self) -> None: ...


class Database(Protocol):
    """Where units of work come from. Safe to share between threads; a unit of work is not."""

    def unit_of_work(self, *, read_only: bool = False) -> UnitOfWork: ...
    def revocation_bell(self) -> RevocationBell: ...


# ---- the other ports ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JitFacts:
    """What the JIT rules weigh (specification W5), read inside the deciding transaction."""

    engineer: Principal
    roles: frozenset[Role]
    assigned: bool  # the service request is assigned or was escalated to this engineer
    mfa_age: timedelta | None  # None: no second factor
    resource: Resource
    service_request: ServiceRequest
    support_plan: SupportPlan
    elevation: Elevation
    touches_customer_data: bool
    now: datetime


class PolicyEngine(Protocol):
    """The JIT rules. Nothing permits: refused. An error in any rule: refused."""

    version: str  # digest of policies and schema

    def weigh(self, facts: JitFacts) -> Verdict:
        """Return the verdict. `customer_approval` equals `facts.touches_customer_data` or stricter; never raises for bad policy."""


class Keys(Protocol):
    """The provider's signing keys, by purpose; separate ones. `trust` is what gateways are given."""

    def signer(self, purpose: str) -> Signer:
        """Return the current signer for "grants", "revocations" or "checkpoints". Raises KeyError for an unknown purpose."""

    def trust(self) -> Mapping[str, object]:
        """Return the trust bundle as plain JSON values (`openlockbox.grants.trust`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What somebody presented to sign in."""

    mail: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    source: str  # the client's network address, for throttling


Acceptance = Callable[[UnitOfWork], Principal]


class SignInMethod(Protocol):
    """The one door for people. Passkeys and OIDC come as further implementations.

    A sign-in takes three transactions: `check_throttle`, committed, because a refusal would roll the count back; `examine`,
    which only reads, because checking a password takes long and must not hold a write lock; then what it returned, committed.
    """

    def check_throttle(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> None:
        """Count an attempt for the name and for the source. Commit it before `examine`, or guesses are not counted.

        Raises:
            Throttled: too many attempts; those beyond the limit need not be counted.
        """

    def examine(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> "Acceptance":
        """Check the credentials and return what finishes the sign-in; takes the same time for unknown names.

        What is returned takes a writing unit of work, checks that nothing changed meanwhile, notes that the code was used,
        and returns the active principal; it raises SignInFailed too.

        Raises:
            SignInFailed: never says which part was wrong.
        """

    def examine_password(self, uow: UnitOfWork, presented: Presented, *, now: datetime) -> "Acceptance":
        """Check name and password alone, before a passkey is asked for; otherwise as `examine`, but nothing is noted.

        Raises:
            SignInFailed: never says which part was wrong.
        """

    def use_code(self, uow: UnitOfWork, principal: Principal, code: str, *, now: datetime) -> None:
        """Check a code of somebody who is signed in, and note that it was used.

        Raises:
            CodeRefused: wrong, or used already.
        """

    def forget_attempts(self, uow: UnitOfWork, presented: Presented) -> None:
        """Start counting afresh for this name from this place, after a success."""

    def enrol(self, uow: UnitOfWork, principal: Principal, *, password: str) -> str:
        """Set a password, make a new TOTP secret, end all sign-ins and ceremonies under way, and return the otpauth:// URI, shown once.

        Raises:
            InvalidInput: the password is shorter than 12 characters.
        """

"""What the API returns, as values. Times are RFC 3339 in UTC, lengths ISO 8601; nothing secret but what `Connection` is for."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer is made of."""


class PersonDocument(Document, frozen=True, kw_only=True):
    """A person, as named in other documents."""

    id: str
    name: str


class TenantDocument(Document, frozen=True, kw_only=True):
    """An organization, as named in other documents."""

    id: str
    name: str


class SubscriptionDocument(Document, frozen=True, kw_only=True):
    """A subscription of an organization."""

    id: str
    name: str


class ResourceDocument(Document, frozen=True, kw_only=True):
    """A resource, as named in other documents. `name` and `type` are empty where it no longer exists."""

    id: str
    name: str
    type: str


class MeDocument(Document, frozen=True, kw_only=True):
    """The caller, and which doors are theirs."""

    person: PersonDocument
    mail: str
    roles: list[str]
    provider: TenantDocument
    tenants: list[TenantDocument]
    readable: list[str]
    administered: list[str]
    waiting: dict[str, int]
    reviews: int
    scopes: list[str]


class TokenDocument(Document, frozen=True, kw_only=True):
    """A personal token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


class SigningKeyDocument(Document, frozen=True, kw_only=True):
    """A key that the caller signs with: a passkey, or an automation's Ed25519 key. `public_key` is SPKI DER or raw, base64url."""

    key_id: str
    kind: Literal["passkey", "ed25519"]
    public_key: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class ReasonDocument(Document, frozen=True, kw_only=True):
    """Why a JIT rule came out as it did. `texts` maps a language to a sentence."""

    rule: str
    outcome: str
    texts: dict[str, str]


class VerdictDocument(Document, frozen=True, kw_only=True):
    """What the JIT rules say. `internal_approval` lists the roles of which one must approve."""

    allowed: bool
    reasons: list[ReasonDocument]
    internal_approval: list[str]
    customer_approval: bool
    maximum_duration: timedelta | None


class ElevationPart(Document, frozen=True, kw_only=True):
    """What is asked for."""

    resource: ResourceDocument
    scenario: str
    permission: str
    channels: list[str]
    duration: timedelta
    justification: str


class SessionDocument(Document, frozen=True, kw_only=True):
    """One connection made under a grant."""

    id: str
    state: str
    front: str
    offered_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    recording_sha256: str


class GrantDocument(Document, frozen=True, kw_only=True):
    """One access. `state` is by the clock: an overdue one is `ended`."""

    id: str
    tenant: TenantDocument
    request_id: str
    service_request_id: str
    engineer: PersonDocument
    elevation: ElevationPart
    state: str
    not_before: datetime
    not_after: datetime
    revoked_by: PersonDocument | None
    revoked_at: datetime | None
    revoke_reason: str
    is_usable: bool
    may_end: bool
    sessions: list[SessionDocument]


class EndedDocument(Document, frozen=True, kw_only=True):
    """A grant that is being revoked: `revoking` until its gateway has confirmed."""

    id: str
    state: str
    revoked_at: datetime | None
    not_after: datetime


class LockDocument(Document, frozen=True, kw_only=True):
    """A lock: `locking` until every enrolled gateway has confirmed, then `locked`, and `lifted` in the end."""

    id: str
    kind: str
    subject_id: str
    side: str
    state: str
    ordered_by: str | None
    ordered_at: datetime
    reason: str
    confirmed_at: datetime | None
    lifted_by: str | None
    lifted_at: datetime | None


class MissingGatewayDocument(Document, frozen=True, kw_only=True):
    """A gateway that has not confirmed a lock, and when it was last heard of."""

    id: str
    name: str
    heard_at: datetime | None


class StandingLockDocument(Document, frozen=True, kw_only=True):
    """A lock that stands."""

    lock: LockDocument
    missing: list[MissingGatewayDocument]
    may_lift: bool


class LocksDocument(Document, frozen=True, kw_only=True):
    """The locks that stand, and whether the caller may set one."""

    standing: list[StandingLockDocument]
    may_lock: bool


class DecisionDocument(Document, frozen=True, kw_only=True):
    """An approver's answer."""

    by: PersonDocument
    at: datetime
    reason: str
    granted_duration: timedelta | None
    statement: str
    method: str
    key_id: str
    signature: str


class RequestDocument(Document, frozen=True, kw_only=True):
    """A Lockbox request. `digest` is the SHA-256 of `displayed`, the canonical JSON of all that an approver is shown."""

    id: str
    tenant: TenantDocument
    subscription: SubscriptionDocument
    state: str
    requester: PersonDocument
    requester_title: str
    isolated_identity: bool
    service_request_id: str
    service_request_title: str
    elevation: ElevationPart
    reasons: list[ReasonDocument]
    reviewed_by: PersonDocument | None
    approvers: list[PersonDocument]
    created_at: datetime
    answer_by: datetime
    decision: DecisionDocument | None
    ended_at: datetime | None
    ended_because: str
    may_decide: bool
    digest: str
    displayed: str
    grant: GrantDocument | None


class DecidedDocument(Document, frozen=True, kw_only=True):
    """What a decision has made of a Lockbox request."""

    id: str
    state: str
    decided_at: datetime | None
    granted_duration: timedelta | None
    method: str | None
    key_id: str


class ElevationDocument(Document, frozen=True, kw_only=True):
    """A JIT request, with the Lockbox request and the grant that came of it."""

    id: str
    state: str
    tenant: TenantDocument
    service_request_id: str
    requester: PersonDocument
    elevation: ElevationPart
    verdict: VerdictDocument
    submitted_at: datetime
    expires_at: datetime
    reviewed_by: PersonDocument | None
    reviewed_at: datetime | None
    review_reason: str
    request_id: str | None
    request_state: str | None
    grant: GrantDocument | None


class AskedDocument(Document, frozen=True, kw_only=True):
    """What came of asking for elevation, or of a step on it. `request_id` is the customer's, once there is one."""

    id: str
    state: str
    verdict: VerdictDocument
    request_id: str | None


class MessageDocument(Document, frozen=True, kw_only=True):
    """One message of a conversation."""

    number: int
    author: PersonDocument
    body: str
    sent_at: datetime


class ServiceRequestPart(Document, frozen=True, kw_only=True):
    """A service request, as listed."""

    id: str
    tenant_id: str
    subscription_id: str
    resource_id: str | None
    title: str
    description: str
    severity: str
    state: str
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None
    engineers: list[str]


class ScenarioDocument(Document, frozen=True, kw_only=True):
    """A way in that a type of resource offers."""

    name: str
    label: str
    permissions: list[str]
    channels: list[str]
    preview: bool


class ServiceRequestDocument(Document, frozen=True, kw_only=True):
    """A service request with its conversation. The last three are the support engineer's, and empty for the customer."""

    service_request: ServiceRequestPart
    tenant: TenantDocument
    subscription: SubscriptionDocument
    people: list[PersonDocument]
    messages: list[MessageDocument]
    elevations: list[ElevationDocument]
    resources: list[ResourceDocument]
    scenarios: dict[str, list[ScenarioDocument]]
    engineers: list[PersonDocument]


class QueueDocument(Document, frozen=True, kw_only=True):
    """One service request of the provider's queue, with its latest elevation."""

    service_request: ServiceRequestPart
    tenant: TenantDocument
    is_mine: bool
    latest: ElevationDocument | None


class ConnectionDocument(Document, frozen=True, kw_only=True):
    """What one connection needs. Token and password are secrets: good once, for a minute."""

    session_id: str
    token: str
    gateway_url: str
    native_password: str | None
    rdp_file: str | None
    offer_ends_at: datetime


class RoleDocument(Document, frozen=True, kw_only=True):
    """One role at a scope."""

    principal_id: str
    role: str
    subscription_id: str | None
    assigned_at: datetime


class RolesDocument(Document, frozen=True, kw_only=True):
    """Who holds what in an organization."""

    tenant: TenantDocument
    people: list[PersonDocument]
    roles: list[RoleDocument]
    subscriptions: list[SubscriptionDocument]
    may_administer: bool


class ChoicesDocument(Document, frozen=True, kw_only=True):
    """What a service request may be opened on."""

    subscriptions: list[SubscriptionDocument]
    resources: list[ResourceDocument]


class EntryDocument(Document, frozen=True, kw_only=True):
    """One entry of an activity log. `personal` holds what has not been erased."""

    index: int
    recorded_at: datetime
    code: str
    operation_name: str
    actor: str
    actor_name: str
    subject: str
    resource_id: str | None
    correlation_id: str
    detail: dict[str, str]
    personal: dict[str, str]


class ActivityDocument(Document, frozen=True, kw_only=True):
    """Some entries, newest first. Pass `next_before` as `before_index` for older ones; null: there are none."""

    tenant: TenantDocument
    size: int
    next_before: int | None
    entries: list[EntryDocument]


class OpenedDocument(Document, frozen=True, kw_only=True):
    """A personal field with the salt that opens its commitment in the leaf."""

    salt: str
    value: str


class EntryWithLeafDocument(Document, frozen=True, kw_only=True):
    """An entry with its leaf as it is hashed (docs/spec/activity-log.md)."""

    entry: EntryDocument
    leaf: str
    leaf_hash: str
    opened: dict[str, OpenedDocument]

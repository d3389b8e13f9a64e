"""The tables as the statements use them. The migrations make them, with the triggers; a test holds both equal.

Every tenant-owned table carries `tenant_id`. `access_grant` and `entry_index` are named so because GRANT and INDEX are
reserved words of SQL.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from openlockbox.adapters.db.columns import col, elevation, index, key, lifecycle, metadata, refers_to
from openlockbox.adapters.db.types import Duration, Instant, JsonObject, TextSet, TextTuple

# ---- organizations and people ---------------------------------------------------------------------------------------

tenant = Table(
    "tenant",
    metadata,
    key(),
    col("name"),
    col("kind"),
    col("support_plan"),
    col("preview_scenarios", TextSet),
    Index(
        "uq_tenant_one_provider",
        "kind",
        unique=True,
        sqlite_where=text("kind = 'provider'"),
        postgresql_where=text("kind = 'provider'"),
    ),
)

subscription = Table(
    "subscription",
    metadata,
    key(),
    col("tenant_id", Text, refers_to("tenant")),
    col("name"),
    index("subscription_tenant", "tenant_id"),
)

resource = Table(
    "resource",
    metadata,
    key(),
    col("tenant_id"),
    col("subscription_id", Text, refers_to("subscription")),
    col("name"),
    col("type"),
    col("operating_system"),
    col("description"),
    col("deployment_model"),
    col("target", JsonObject, null=True),
    index("resource_tenant", "tenant_id"),
)

principal = Table(
    "principal",
    metadata,
    key(),
    col("person_id"),
    col("tenant_id", Text, refers_to("tenant")),
    col("name"),
    col("mail"),
    col("mail_key"),  # the address in lower case: SQLite's lower() knows ASCII only
    col("title"),
    col("language"),
    col("time_zone"),
    col("isolated_identity", Boolean),
    col("state"),
    UniqueConstraint("mail_key"),
    index("principal_tenant", "tenant_id"),
)

role_assignment = Table(
    "role_assignment",
    metadata,
    Column("principal_id", Text, refers_to("principal"), primary_key=True),
    key("role"),
    key("tenant_id"),
    key("subscription_id"),  # empty for the whole tenant: NULL would not be unique
    col("assigned_at", Instant),
    index("role_assignment_tenant", "tenant_id", "role"),
    index("role_assignment_subscription", "subscription_id", "role"),
)

service_request = Table(
    "service_request",
    metadata,
    key(),
    col("tenant_id"),
    col("subscription_id", Text, refers_to("subscription")),
    col("resource_id", null=True),
    col("title"),
    col("description"),
    col("severity"),
    col("state"),
    col("opened_by"),
    col("opened_at", Instant),
    col("engineers", TextTuple),
    col("closed_at", Instant, null=True),
    col("version", BigInteger),
    index("service_request_tenant", "tenant_id", "opened_at"),
    index("service_request_open", "opened_at", where="state = 'open'"),
)

service_message = Table(
    "service_message",
    metadata,
    Column("service_request_id", Text, refers_to("service_request"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    col("tenant_id"),
    col("author"),
    col("body"),
    col("sent_at", Instant),
)

# ---- the four state machines ----------------------------------------------------------------------------------------

lifecycle_transition = Table("lifecycle_transition", metadata, key("machine"), key("prior_state"), key("state"))

jit_request = Table(
    "jit_request",
    metadata,
    key(),
    col("tenant_id"),
    col("subscription_id"),
    col("service_request_id", Text, refers_to("service_request")),
    col("requester"),
    col("requester_person"),
    *elevation(),
    col("verdict", JsonObject),
    col("policy_version"),
    col("resource_digest"),
    col("mfa_at", Instant, null=True),
    col("submitted_at", Instant),
    col("expires_at", Instant),
    col("reviewed_by", null=True),
    col("reviewed_at", Instant, null=True),
    col("review_reason"),
    *lifecycle("jit_request", "jit_request"),
    index("jit_request_requester", "requester", "submitted_at"),
    index("jit_request_service_request", "service_request_id"),
    index("jit_request_review", "submitted_at", where="state = 'internal_review'"),
    index("jit_request_due", "expires_at", where="state IN ('submitted', 'internal_review')"),
)

lockbox_request = Table(
    "lockbox_request",
    metadata,
    key(),
    col("tenant_id"),
    col("subscription_id"),
    col("jit_request_id", Text, refers_to("jit_request")),
    col("service_request_id"),
    col("requester"),
    col("requester_person"),
    *elevation(),
    col("approvers", TextSet),
    col("displayed"),
    col("digest"),
    col("created_at", Instant),
    col("answer_by", Instant),
    col("decided_by", null=True),
    col("decided_at", Instant, null=True),
    col("decision_reason", null=True),
    col("granted_duration", Duration, null=True),
    col("decision_statement", null=True),
    col("decision_method", null=True),
    col("decision_key_id", null=True),
    col("decision_signature", null=True),
    col("ended_at", Instant, null=True),
    col("ended_because"),
    *lifecycle("lockbox_request", "lockbox_request"),
    UniqueConstraint("jit_request_id"),
    index("lockbox_request_tenant", "tenant_id", "created_at"),
    index("lockbox_request_requester", "requester", "created_at"),
    index("lockbox_request_service_request", "service_request_id"),
    index("lockbox_request_waiting", "tenant_id", "answer_by", where="state = 'customer_notified'"),
    index("lockbox_request_due", "answer_by", where="state = 'customer_notified'"),
)

access_grant = Table(
    "access_grant",
    metadata,
    key(),
    col("tenant_id"),
    col("subscription_id"),
    col("request_id", Text, refers_to("lockbox_request")),
    col("service_request_id"),
    col("engineer"),
    col("engineer_person"),
    col("gateway_id"),
    *elevation(),
    col("not_before", Instant),
    col("not_after", Instant),
    col("wire"),
    col("revoked_by", null=True),
    col("revoked_at", Instant, null=True),
    col("revoke_reason"),
    col("revocation_version", BigInteger, null=True),
    col("confirmed_at", Instant, null=True),
    *lifecycle("grant", "access_grant"),
    UniqueConstraint("request_id"),
    index("access_grant_engineer", "engineer", "not_before"),
    index("access_grant_service_request", "service_request_id"),
    index("access_grant_unended", "tenant_id", "not_before", where="state IN ('active', 'revoking')"),
    index("access_grant_due", "not_after", where="state = 'active'"),
    index("access_grant_revoking", "gateway_id", "revocation_version", where="state = 'revoking'"),
)

session = Table(
    "session",
    metadata,
    key(),
    col("tenant_id"),
    col("grant_id", Text, refers_to("access_grant")),
    col("gateway_id"),
    col("engineer"),
    col("front"),
    col("offered_at", Instant),
    col("offer_ends_at", Instant),
    col("started_at", Instant, null=True),
    col("client_address"),
    col("ended_at", Instant, null=True),
    col("end_reason", null=True),
    col("recording_sha256"),
    col("recording_bytes", BigInteger),
    col("recording_chunks", BigInteger),
    *lifecycle("session", "session"),
    index("session_grant", "grant_id"),
    index("session_active", "tenant_id", where="state = 'active'"),
    index("session_lapsed", "offer_ends_at", where="state = 'pending'"),
)

access_lock = Table(
    "access_lock",
    metadata,
    key(),
    col("tenant_id"),
    col("kind"),
    col("subject_id"),
    col("side"),
    col("ordered_by", null=True),
    col("ordered_at", Instant),
    col("reason"),
    col("revocation_version", BigInteger),
    col("confirmed_at", Instant, null=True),
    col("lifted_by", null=True),
    col("lifted_at", Instant, null=True),
    *lifecycle("lock", "access_lock"),
    index("access_lock_standing", "kind", "subject_id", unique=True, where="state <> 'lifted'"),
    index("access_lock_tenant", "tenant_id", "ordered_at"),
)

# ---- approver rosters -----------------------------------------------------------------------------------------------

roster = Table(
    "roster",
    metadata,
    Column("tenant_id", Text, refers_to("tenant"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    col("signed_text"),
    col("roster_text"),
)

roster_code = Table(
    "roster_code",
    metadata,
    Column("tenant_id", Text, refers_to("tenant"), primary_key=True),
    col("code_sha256"),
    col("ends_at", Instant),
)

# ---- gateways and the revocation list -------------------------------------------------------------------------------

gateway = Table(
    "gateway",
    metadata,
    key(),
    col("name"),
    col("enrolment_code_sha256"),
    col("enrolment_ends_at", Instant, null=True),
    col("public_key"),
    col("browser_url"),
    col("native_address"),
    col("native_certificate_sha256"),
    col("applied_version", BigInteger),
    col("lease_at", Instant, null=True),
    col("version", BigInteger),
    index("gateway_code", "enrolment_code_sha256"),
)

revocation_head = Table(  # one row; locked by whoever appends, read by whoever polls
    "revocation_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    col("version", BigInteger),
    CheckConstraint("id = 1", name="one_row"),
)

revocation = Table(
    "revocation",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    col("kind"),
    col("subject_id"),
    col("until_at", Instant),
    index("revocation_until", "until_at"),
)

# ---- the activity log -----------------------------------------------------------------------------------------------

log_head = Table(
    "log_head",
    metadata,
    key("tenant_id"),
    col("size", BigInteger),
    col("compact_range", LargeBinary),  # the tree's right edge, `activitylog.tree.CompactRange.encode`
)

log_node = Table(  # complete subtrees at levels 8, 16 and 24; the leaf hashes stand in the entries
    "log_node",
    metadata,
    key("tenant_id"),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("node_index", BigInteger, primary_key=True, autoincrement=False),
    col("hash", LargeBinary),
)

log_document = Table("log_document", metadata, key("tenant_id"), key("sha256"), col("body"))

log_cosignature = Table(
    "log_cosignature",
    metadata,
    key("tenant_id"),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    key("name"),
    col("note"),
)

activity_entry = Table(
    "activity_entry",
    metadata,
    key("tenant_id"),
    Column("entry_index", BigInteger, primary_key=True, autoincrement=False),
    col("recorded_at", Instant),
    col("code"),
    col("actor"),
    col("subject"),
    col("resource_id", null=True),
    col("correlation_id"),
    col("detail", JsonObject),
    col("opened", JsonObject),
    col("search"),  # case-folded, of what stays for ever
    col("search_opened"),  # case-folded, of the personal fields that are not erased
    col("leaf", LargeBinary),
    col("leaf_hash", LargeBinary),
    index("activity_entry_time", "tenant_id", "recorded_at"),
    index("activity_entry_code", "tenant_id", "code", "entry_index"),
    index("activity_entry_actor", "tenant_id", "actor", "entry_index"),
    index("activity_entry_subject", "tenant_id", "subject", "entry_index"),
    index("activity_entry_resource", "tenant_id", "resource_id", "entry_index", where="resource_id IS NOT NULL"),
    index("activity_entry_correlation", "tenant_id", "correlation_id", "entry_index"),
)

# ---- outbox and sign-in ---------------------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    key("key"),
    col("tenant_id"),
    col("recipient"),
    col("template"),
    col("template_values", JsonObject),
    col("due_at", Instant),
    col("attempts", Integer),
    col("last_error"),
    col("done_at", Instant, null=True),
    index("outbox_due", "due_at", where="done_at IS NULL"),
)

local_credential = Table(
    "local_credential",
    metadata,
    Column("principal_id", Text, refers_to("principal"), primary_key=True),
    col("password_hash"),
    col("totp_secret"),
    col("totp_last_step", BigInteger),
)

sign_in = Table(
    "sign_in",
    metadata,
    key("token_sha256"),
    col("principal_id", Text, refers_to("principal")),
    col("mfa_at", Instant),
    col("created_at", Instant),
    col("last_seen_at", Instant),
    col("ends_at", Instant),
    index("sign_in_principal", "principal_id"),
)

personal_token = Table(
    "personal_token",
    metadata,
    key(),
    col("token_sha256"),
    col("principal_id", Text, refers_to("principal")),
    col("name"),
    col("scopes", TextSet),
    col("mfa_at", Instant),
    col("created_at", Instant),
    col("ends_at", Instant),
    col("revoked_at", Instant, null=True),
    UniqueConstraint("token_sha256"),
    index("personal_token_principal", "principal_id"),
)

attempt_head = Table("attempt_head", metadata, key("key"), col("number", BigInteger))  # its row lock makes counts exact

attempt = Table(
    "attempt",
    metadata,
    key("key"),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    col("attempted_at", Instant),
)

# ---- passkeys and automation keys -----------------------------------------------------------------------------------

passkey = Table(
    "passkey",
    metadata,
    key("credential_id"),
    col("principal_id", Text, refers_to("principal")),
    col("key_id"),
    col("public_key_spki"),
    col("cose"),
    col("name"),
    col("transports", TextTuple),
    col("sign_count", BigInteger),
    col("created_at", Instant),
    col("last_used_at", Instant, null=True),
    col("removed_at", Instant, null=True),
    index("passkey_principal", "principal_id"),
)

webauthn_challenge = Table(
    "webauthn_challenge",
    metadata,
    key("challenge_sha256"),
    col("principal_id", Text, refers_to("principal")),
    col("purpose"),
    col("ends_at", Instant),
    index("webauthn_challenge_principal", "principal_id"),
)

automation_key = Table(
    "automation_key",
    metadata,
    key("key_id"),
    col("principal_id", Text, refers_to("principal")),
    col("public_key"),
    col("name"),
    col("created_at", Instant),
    col("removed_at", Instant, null=True),
    index("automation_key_principal", "principal_id"),
)

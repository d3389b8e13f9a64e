"""The state machines as version 0001 made them. Frozen: never edit after a release."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and indexes."""
    op.create_table(
        "lifecycle_transition",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "prior_state", "state", name="pk_lifecycle_transition"),
    )
    op.create_table(
        "jit_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("service_request_id", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("requester_person", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("resource_digest", sa.Text(), nullable=False),
        sa.Column("mfa_at", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.BigInteger(), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False, server_default="jit_request"),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jit_request"),
        sa.CheckConstraint("machine = 'jit_request'", name=op.f("ck_jit_request_machine")),
        sa.ForeignKeyConstraint(
            ["service_request_id"], ["service_request.id"], name="fk_jit_request_service_request_id"
        ),
        sa.ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name="fk_jit_request_transition",
        ),
    )
    op.create_index(
        "ix_jit_request_due",
        "jit_request",
        ["expires_at"],
        sqlite_where=sa.text("state IN ('submitted', 'internal_review')"),
        postgresql_where=sa.text("state IN ('submitted', 'internal_review')"),
    )
    op.create_index("ix_jit_request_requester", "jit_request", ["requester", "submitted_at"])
    op.create_index(
        "ix_jit_request_review",
        "jit_request",
        ["submitted_at"],
        sqlite_where=sa.text("state = 'internal_review'"),
        postgresql_where=sa.text("state = 'internal_review'"),
    )
    op.create_index("ix_jit_request_service_request", "jit_request", ["service_request_id"])
    op.create_table(
        "lockbox_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("jit_request_id", sa.Text(), nullable=False),
        sa.Column("service_request_id", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("requester_person", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("approvers", sa.Text(), nullable=False),
        sa.Column("displayed", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("answer_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("granted_duration", sa.BigInteger(), nullable=True),
        sa.Column("decision_statement", sa.Text(), nullable=True),
        sa.Column("decision_method", sa.Text(), nullable=True),
        sa.Column("decision_key_id", sa.Text(), nullable=True),
        sa.Column("decision_signature", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False, server_default="lockbox_request"),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lockbox_request"),
        sa.CheckConstraint("machine = 'lockbox_request'", name=op.f("ck_lockbox_request_machine")),
        sa.ForeignKeyConstraint(["jit_request_id"], ["jit_request.id"], name="fk_lockbox_request_jit_request_id"),
        sa.ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name="fk_lockbox_request_transition",
        ),
        sa.UniqueConstraint("jit_request_id", name="uq_lockbox_request_jit_request_id"),
    )
    op.create_index(
        "ix_lockbox_request_due",
        "lockbox_request",
        ["answer_by"],
        sqlite_where=sa.text("state = 'customer_notified'"),
        postgresql_where=sa.text("state = 'customer_notified'"),
    )
    op.create_index("ix_lockbox_request_requester", "lockbox_request", ["requester", "created_at"])
    op.create_index("ix_lockbox_request_service_request", "lockbox_request", ["service_request_id"])
    op.create_index("ix_lockbox_request_tenant", "lockbox_request", ["tenant_id", "created_at"])
    op.create_index(
        "ix_lockbox_request_waiting",
        "lockbox_request",
        ["tenant_id", "answer_by"],
        sqlite_where=sa.text("state = 'customer_notified'"),
        postgresql_where=sa.text("state = 'customer_notified'"),
    )
    op.create_table(
        "access_grant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("service_request_id", sa.Text(), nullable=False),
        sa.Column("engineer", sa.Text(), nullable=False),
        sa.Column("engineer_person", sa.Text(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("wire", sa.Text(), nullable=False),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=False),
        sa.Column("revocation_version", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("machine", sa.Text(), nullable=False, server_default="grant"),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_grant"),
        sa.CheckConstraint("machine = 'grant'", name=op.f("ck_access_grant_machine")),
        sa.ForeignKeyConstraint(["request_id"], ["lockbox_request.id"], name="fk_access_grant_request_id"),
        sa.ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name="fk_access_grant_transition",
        ),
        sa.UniqueConstraint("request_id", name="uq_access_grant_request_id"),
    )
    op.create_index(
        "ix_access_grant_due",
        "access_grant",
        ["not_after"],
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("ix_access_grant_engineer", "access_grant", ["engineer", "not_before"])
    op.create_index(
        "ix_access_grant_revoking",
        "access_grant",
        ["gateway_id", "revocation_version"],
        sqlite_where=sa.text("state = 'revoking'"),
        postgresql_where=sa.text("state = 'revoking'"),
    )
    op.create_index("ix_access_grant_service_request", "access_grant", ["service_request_id"])
    op.create_index(
        "ix_access_grant_unended",
        "access_grant",
        ["tenant_id", "not_before"],
        sqlite_where=sa.text("state IN ('active', 'revoking')"),
        postgresql_where=sa.text("state IN ('active', 'revoking')"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("engineer", sa.Text(), nullable=False),
        sa.Column("front", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("offer_ends_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("client_address", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("recording_sha256", sa.Text(), nullable=False),
        sa.Column("recording_bytes", sa.BigInteger(), nullable=False),
        sa.Column("recording_chunks", sa.BigInteger(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False, server_default="session"),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.CheckConstraint("machine = 'session'", name=op.f("ck_session_machine")),
        sa.ForeignKeyConstraint(["grant_id"], ["access_grant.id"], name="fk_session_grant_id"),
        sa.ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name="fk_session_transition",
        ),
    )
    op.create_index(
        "ix_session_active",
        "session",
        ["tenant_id"],
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("ix_session_grant", "session", ["grant_id"])
    op.create_index(
        "ix_session_lapsed",
        "session",
        ["offer_ends_at"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "access_lock",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=True),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revocation_version", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("machine", sa.Text(), nullable=False, server_default="lock"),
        sa.Column("prior_state", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_lock"),
        sa.CheckConstraint("machine = 'lock'", name=op.f("ck_access_lock_machine")),
        sa.ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name="fk_access_lock_transition",
        ),
    )
    op.create_index(
        "ix_access_lock_standing",
        "access_lock",
        ["kind", "subject_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'lifted'"),
        postgresql_where=sa.text("state <> 'lifted'"),
    )
    op.create_index("ix_access_lock_tenant", "access_lock", ["tenant_id", "ordered_at"])

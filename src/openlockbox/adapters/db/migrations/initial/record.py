"""Gateways, revocations, logs and outbox as version 0001 made them. Frozen: never edit after a release."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and indexes."""
    op.create_table(
        "gateway",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enrolment_code_sha256", sa.Text(), nullable=False),
        sa.Column("enrolment_ends_at", sa.BigInteger(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("browser_url", sa.Text(), nullable=False),
        sa.Column("native_address", sa.Text(), nullable=False),
        sa.Column("native_certificate_sha256", sa.Text(), nullable=False),
        sa.Column("applied_version", sa.BigInteger(), nullable=False),
        sa.Column("lease_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gateway"),
    )
    op.create_index("ix_gateway_code", "gateway", ["enrolment_code_sha256"])
    op.create_table(
        "revocation_head",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocation_head"),
        sa.CheckConstraint("id = 1", name=op.f("ck_revocation_head_one_row")),
    )
    op.create_table(
        "revocation",
        sa.Column("version", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_revocation"),
    )
    op.create_index("ix_revocation_until", "revocation", ["until_at"])
    op.create_table(
        "log_head",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("compact_range", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_log_head"),
    )
    op.create_table(
        "log_node",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("node_index", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "level", "node_index", name="pk_log_node"),
    )
    op.create_table(
        "log_document",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name="pk_log_document"),
    )
    op.create_table(
        "log_cosignature",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "size", "name", name="pk_log_cosignature"),
    )
    op.create_table(
        "activity_entry",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("entry_index", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("search_opened", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "entry_index", name="pk_activity_entry"),
    )
    op.create_index("ix_activity_entry_actor", "activity_entry", ["tenant_id", "actor", "entry_index"])
    op.create_index("ix_activity_entry_code", "activity_entry", ["tenant_id", "code", "entry_index"])
    op.create_index("ix_activity_entry_correlation", "activity_entry", ["tenant_id", "correlation_id", "entry_index"])
    op.create_index(
        "ix_activity_entry_resource",
        "activity_entry",
        ["tenant_id", "resource_id", "entry_index"],
        sqlite_where=sa.text("resource_id IS NOT NULL"),
        postgresql_where=sa.text("resource_id IS NOT NULL"),
    )
    op.create_index("ix_activity_entry_subject", "activity_entry", ["tenant_id", "subject", "entry_index"])
    op.create_index("ix_activity_entry_time", "activity_entry", ["tenant_id", "recorded_at"])
    op.create_table(
        "outbox",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("template_values", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )

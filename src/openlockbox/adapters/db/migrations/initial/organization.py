"""Tenants, people, resources and service requests as version 0001 made them. Frozen: never edit after a release."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and indexes."""
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("support_plan", sa.Text(), nullable=False),
        sa.Column("preview_scenarios", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
    )
    op.create_index(
        "uq_tenant_one_provider",
        "tenant",
        ["kind"],
        unique=True,
        sqlite_where=sa.text("kind = 'provider'"),
        postgresql_where=sa.text("kind = 'provider'"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_subscription_tenant_id"),
    )
    op.create_index("ix_subscription_tenant", "subscription", ["tenant_id"])
    op.create_table(
        "resource",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("operating_system", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("deployment_model", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_resource"),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name="fk_resource_subscription_id"),
    )
    op.create_index("ix_resource_tenant", "resource", ["tenant_id"])
    op.create_table(
        "principal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("mail_key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("isolated_identity", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_principal"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_principal_tenant_id"),
        sa.UniqueConstraint("mail_key", name="uq_principal_mail_key"),
    )
    op.create_index("ix_principal_tenant", "principal", ["tenant_id"])
    op.create_table(
        "role_assignment",
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "role", "tenant_id", "subscription_id", name="pk_role_assignment"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_role_assignment_principal_id"),
    )
    op.create_index("ix_role_assignment_subscription", "role_assignment", ["subscription_id", "role"])
    op.create_index("ix_role_assignment_tenant", "role_assignment", ["tenant_id", "role"])
    op.create_table(
        "service_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("engineers", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_service_request"),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name="fk_service_request_subscription_id"),
    )
    op.create_index(
        "ix_service_request_open",
        "service_request",
        ["opened_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_service_request_tenant", "service_request", ["tenant_id", "opened_at"])
    op.create_table(
        "service_message",
        sa.Column("service_request_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service_request_id", "number", name="pk_service_message"),
        sa.ForeignKeyConstraint(
            ["service_request_id"], ["service_request.id"], name="fk_service_message_service_request_id"
        ),
    )
    op.create_table(
        "roster",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("signed_text", sa.Text(), nullable=False),
        sa.Column("roster_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version", name="pk_roster"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_roster_tenant_id"),
    )
    op.create_table(
        "roster_code",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("code_sha256", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_roster_code"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_roster_code_tenant_id"),
    )

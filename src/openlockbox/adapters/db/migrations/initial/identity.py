"""Sign-in as version 0001 made it. Frozen: never edit after a release."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and indexes."""
    op.create_table(
        "local_credential",
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("totp_secret", sa.Text(), nullable=False),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name="pk_local_credential"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_local_credential_principal_id"),
    )
    op.create_table(
        "sign_in",
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("mfa_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_sign_in"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_sign_in_principal_id"),
    )
    op.create_index("ix_sign_in_principal", "sign_in", ["principal_id"])
    op.create_table(
        "personal_token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("mfa_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_personal_token"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_personal_token_principal_id"),
        sa.UniqueConstraint("token_sha256", name="uq_personal_token_token_sha256"),
    )
    op.create_index("ix_personal_token_principal", "personal_token", ["principal_id"])
    op.create_table(
        "attempt_head",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempt_head"),
    )
    op.create_table(
        "attempt",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("attempted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "number", name="pk_attempt"),
    )
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key_spki", sa.Text(), nullable=False),
        sa.Column("cose", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transports", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("credential_id", name="pk_passkey"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_passkey_principal_id"),
    )
    op.create_index("ix_passkey_principal", "passkey", ["principal_id"])
    op.create_table(
        "webauthn_challenge",
        sa.Column("challenge_sha256", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("challenge_sha256", name="pk_webauthn_challenge"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_webauthn_challenge_principal_id"),
    )
    op.create_index("ix_webauthn_challenge_principal", "webauthn_challenge", ["principal_id"])
    op.create_table(
        "automation_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_automation_key"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_automation_key_principal_id"),
    )
    op.create_index("ix_automation_key_principal", "automation_key", ["principal_id"])

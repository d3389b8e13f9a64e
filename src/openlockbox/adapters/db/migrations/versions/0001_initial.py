"""The first schema: tables, indexes, and the triggers that refuse illegal steps and a rewritten log."""

from alembic import op

from openlockbox.adapters.db.migrations.initial import (
    identity,
    lifecycle,
    organization,
    record,
    triggers_postgresql,
    triggers_sqlite,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    organization.create()
    lifecycle.create()
    record.create()
    identity.create()
    triggers = triggers_postgresql if op.get_bind().dialect.name == "postgresql" else triggers_sqlite
    for statement in triggers.STATEMENTS:
        op.get_bind().exec_driver_sql(statement)

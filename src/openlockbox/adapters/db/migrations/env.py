"""What Alembic runs. The connection, and the transaction around everything, are `upgrade`'s."""

from alembic import context

from openlockbox.adapters.db import tables

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=tables.tenant.metadata, transactional_ddl=True)
context.run_migrations()

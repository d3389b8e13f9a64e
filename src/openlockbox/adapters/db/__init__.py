"""SQLite and PostgreSQL behind the database port: SQLAlchemy Core, synchronous, explicit row mapping. Holds no rule."""

from openlockbox.adapters.db.database import SqlDatabase

__all__ = ["SqlDatabase"]

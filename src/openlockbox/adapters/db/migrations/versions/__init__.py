"""The migrations, in order. Alembic loads them by path."""

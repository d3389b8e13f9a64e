"""The kinds of columns and constraints that the tables are made of."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from openlockbox.adapters.db.types import Duration, TextSet

TypeArgument = type[TypeEngine[Any]]

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def col(name: str, type_: TypeArgument = Text, *items: SchemaItem, null: bool = False) -> Column[Any]:
    """Make a column; NOT NULL unless said otherwise."""
    return Column(name, type_, *items, nullable=null)


def key(name: str = "id") -> Column[Any]:
    """Make a text column of the primary key."""
    return Column(name, Text, primary_key=True)


def refers_to(table: str) -> ForeignKey:
    """Refer to the row of another table by its id."""
    return ForeignKey(f"{table}.id")


def index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> Index:
    """Make an index, over the rows of a literal condition where one is given."""
    clause = None if where is None else text(where)
    return Index(f"ix_{name}", *columns, unique=unique, sqlite_where=clause, postgresql_where=clause)


def lifecycle(machine: str, table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of a state machine; the transition table has a row for each legal (prior_state, state)."""
    return (
        Column("machine", Text, nullable=False, server_default=machine),
        col("prior_state"),
        col("state"),
        col("version", BigInteger),
        CheckConstraint(f"machine = '{machine}'", name="machine"),
        ForeignKeyConstraint(
            ["machine", "prior_state", "state"],
            ["lifecycle_transition.machine", "lifecycle_transition.prior_state", "lifecycle_transition.state"],
            name=f"fk_{table}_transition",
        ),
    )


def elevation() -> tuple[SchemaItem, ...]:
    """Return the columns of an elevation."""
    return (
        col("resource_id"),
        col("scenario"),
        col("permission"),
        col("channels", TextSet),
        col("duration", Duration),
        col("justification"),
    )

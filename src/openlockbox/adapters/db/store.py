"""What all stores share: running statements in the unit's transaction, and the statements of one mapped table.

Statements are built once, at import, and compiled once a database.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Table,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, StatementError

from openlockbox.adapters.db.errors import translate
from openlockbox.adapters.db.statements import Params, Statements
from openlockbox.domain.errors import ConcurrentUpdate, NotFound

T = TypeVar("T")
FAILED: Final = "the transaction has failed"


class Unit:
    """The transaction of one unit of work, as the stores see it. After an error of the database it can only be left."""

    def __init__(self, connection: Connection, statements: Statements, *, read_only: bool) -> None:
        self.connection: Final = connection
        self.read_only: Final = read_only
        self.over = ""  # why nothing more may run
        self._statements = statements
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()

    def rows(self, statement: Executable, **params: object) -> list[Any]:
        """Run a statement of a module and return its rows."""
        return self._run(statement, params)[0]

    def row(self, statement: Executable, **params: object) -> Any | None:  # noqa: ANN401  the columns are the statement's
        """Run a statement of a module and return its first row."""
        rows = self.rows(statement, **params)
        return rows[0] if rows else None

    def composed_rows(self, statement: Executable, **params: object) -> Sequence[Row[Any]]:
        """Run a statement whose text depends on the call: filters, or a list of values. It goes the long way, through Core."""
        self.check_running()
        try:
            return self.connection.execute(statement, params).fetchall()
        except StatementError as error:
            self.over = FAILED
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error

    def write(self, statement: Executable, params: Params) -> int:
        """Run a statement that changes rows and return how many it changed."""
        return self._change(statement, params)[1]

    def returned(self, statement: Executable, params: Params) -> Any:  # noqa: ANN401  the column is the statement's
        """Run a statement that changes one row, and return the one cell that it gives back."""
        ((cell,),) = self._change(statement, params)[0]
        return cell

    def write_all(self, statement: Executable, params: Sequence[Params]) -> None:
        """Run a statement that changes rows once for each set of parameters; all have the same names."""
        for one in params:
            self.write(statement, one)

    def check_running(self) -> None:
        """Refuse to go on in a transaction that failed or was committed: it can only be left."""
        if self.over:
            raise RuntimeError(f"{self.over}: the unit of work can only be left")

    def _change(self, statement: Executable, params: Params) -> tuple[list[Any], int]:
        if self.read_only:
            raise RuntimeError("a read-only unit of work cannot write")
        return self._run(statement, params)

    def _run(self, statement: Executable, params: Params) -> tuple[list[Any], int]:
        self.check_running()
        ready, cursor = self._statements.get(statement, tuple(params)), self._cursor
        try:
            cursor.execute(ready.text, ready.parameters(params))
            # All rows: a statement that SQLite has not run to its end would hold its snapshot beyond the transaction.
            rows = ready.rows(cursor.fetchall()) if ready.has_rows else []
        except BaseException as error:
            self.over = FAILED
            if isinstance(error, self._dialect.loaded_dbapi.Error):
                raise self._refusal(ready.text, error) from error
            raise
        return rows, cursor.rowcount

    def _refusal(self, text: str, error: Any) -> Exception:  # noqa: ANN401  each driver has its own
        """Do with an error of the driver what Core would have done, and translate it."""
        driver, dialect = self.connection.connection.driver_connection, self._dialect
        gone = dialect.is_disconnect(error, driver, self._cursor)
        wrapped = DBAPIError.instance(
            text,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=gone,
            dialect=dialect,
        )
        if gone:
            self.connection.invalidate(error)  # or the pool would hand it out again
        return translate(wrapped)


class Mapped(Generic[T]):
    """One table whose rows are values with a primary key of one column; `version` guards `replace` where there is one."""

    def __init__(
        self,
        table: Table,
        *,
        row_of: Callable[[T], dict[str, Any]],
        value_of: Callable[[Row[Any]], T],
        kept: frozenset[str] = frozenset(),
    ) -> None:
        """`kept` are columns that `replace` and `save` leave as they are; the key and the tenant always are."""
        (key,) = table.primary_key.columns
        self.table: Final = table
        self.value_of: Final = value_of
        self._row_of = row_of
        self._key = key.name
        self._kept = kept | {key.name, "tenant_id"}
        self._insert = insert(table)
        self._by_key = select(table).where(key == bindparam("key_"))
        self._locked = self._by_key.with_for_update()
        self._update = update(table).where(key == bindparam("key_"))
        if "version" in table.c:
            self._replace = self._update.where(table.c.version == bindparam("old_version_"))

    def find(self, unit: Unit, key: str, *, lock: bool = False) -> T | None:
        row = unit.row(self._locked if lock else self._by_key, key_=key)
        return None if row is None else self.value_of(row)

    def get(self, unit: Unit, key: str, *, lock: bool = False) -> T:
        row = unit.row(self._locked if lock else self._by_key, key_=key)
        if row is None:
            raise NotFound
        return self.value_of(row)

    def add(self, unit: Unit, value: T) -> None:
        unit.write(self._insert, self._row_of(value))

    def save(self, unit: Unit, value: T) -> None:
        """Write an unversioned value where its row is. Raises NotFound."""
        if unit.write(self._update, self._changes(value)) != 1:
            raise NotFound

    def replace(self, unit: Unit, value: T, *, old_version: int) -> None:
        if unit.write(self._replace, self._changes(value) | {"old_version_": old_version}) != 1:
            raise ConcurrentUpdate

    def list(self, unit: Unit, statement: Executable, **params: object) -> list[T]:
        """Return the values of a statement that selects this table's rows."""
        return [self.value_of(row) for row in unit.rows(statement, **params)]

    def first(self, unit: Unit, statement: Executable, **params: object) -> T | None:
        row = unit.row(statement, **params)
        return None if row is None else self.value_of(row)

    def _changes(self, value: T) -> dict[str, Any]:
        row = self._row_of(value)
        changes = {name: cell for name, cell in row.items() if name not in self._kept}
        changes["key_"] = row[self._key]
        return changes


def deleting(table: Table, *columns: str) -> Executable:
    """Build a DELETE of the rows where these columns have the values given under the columns' names."""
    return delete(table).where(*(table.c[name] == bindparam(name) for name in columns))


def in_state(column: Column[Any], *states: StrEnum) -> ColumnElement[bool]:
    """Match rows in these states, written as literals: a partial index is used only where the planner sees the value."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{state.value}'") for state in states]
    return column.in_(literals) if len(literals) > 1 else column == literals[0]

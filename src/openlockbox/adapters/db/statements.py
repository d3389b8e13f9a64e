"""Statements in one driver's words: Core writes them once, the driver runs them. Nothing here decides what a statement says.

Run through Core, a read by primary key took seven times the processor time of the driver alone on SQLite, and twice on
PostgreSQL (bench/README.md).
"""

from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Executable
from sqlalchemy.sql import ClauseElement

Params = Mapping[str, Any]
Convert = Callable[[Any], Any]


class Statement:
    """One statement for one driver: its text, and how values get into it and out of its rows."""

    def __init__(self, statement: Executable, names: Collection[str], dialect: Dialect) -> None:
        """Compile a statement that will be given these parameters.

        Raises:
            TypeError: its text depends on the values (a list behind IN), so it can only run through Core.
        """
        if not isinstance(statement, ClauseElement):
            raise TypeError("not a statement of Core")
        compiled: Any = statement.compile(dialect=dialect, column_keys=sorted(names) or None)
        binds = compiled.binds
        if any(bind.expanding or bind.literal_execute for bind in binds.values()):
            raise TypeError("the text depends on the values")
        self.text: Final[str] = str(compiled)
        order = compiled.positiontup if compiled.positional else list(binds)
        # What differs from call to call, and where it goes: a place in a sequence, or a name.
        places: list[Any] = list(range(len(order))) if compiled.positional else list(order)
        self._fixed: Any = [None] * len(order) if compiled.positional else {}
        self._plain: list[tuple[Any, str]] = []
        self._converted: list[tuple[Any, str, Convert]] = []
        given = frozenset(names)
        for place, name in zip(places, order, strict=True):
            convert = binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if name not in given:
                self._fixed[place] = binds[name].value if convert is None else convert(binds[name].value)
            elif convert is None:
                self._plain.append((place, name))
            else:
                self._converted.append((place, name, convert))
        columns = list(getattr(statement, "exported_columns", ()))
        self.has_rows: Final = bool(columns)
        self._row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024  named by the statement
        converts = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._converts = [(place, convert) for place, convert in enumerate(converts) if convert is not None]

    def parameters(self, params: Params) -> Sequence[Any] | dict[str, Any]:
        """Return the values as the driver takes them."""
        values: Any = self._fixed.copy()
        for place, name in self._plain:
            values[place] = params[name]
        for place, name, convert in self._converted:
            values[place] = convert(params[name])
        return values  # type: ignore[no-any-return]  # a list or a dict, as the driver counts or names

    def rows(self, cells: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what the driver fetched, as rows with Python's values under the columns' names."""
        make, converts = self._row._make, self._converts
        if not converts:
            return [make(row) for row in cells]
        found = []
        for row in cells:
            values = list(row)
            for place, convert in converts:
                values[place] = convert(values[place])
            found.append(make(values))
        return found


class Statements:
    """The statements of one database, each compiled when it is first met. For those of modules only: it keeps them."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._found: dict[tuple[Executable, tuple[str, ...]], Statement] = {}

    def get(self, statement: Executable, names: tuple[str, ...]) -> Statement:
        """Return a statement in the driver's words. Two threads may both compile it; either result is good."""
        key = (statement, names)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Statement(statement, names, self._dialect)
        return found

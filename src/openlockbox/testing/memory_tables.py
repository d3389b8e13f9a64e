"""The dictionaries of the in-memory database and the rules that a real one enforces. Knows nothing of SQL."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from openlockbox.adapters.db.transitions import NEW, transitions
from openlockbox.domain.errors import AlreadyExists, ConcurrentUpdate, IllegalTransition, LockboxError, NotFound

STEPS: Final = transitions()

T = TypeVar("T")
Tables = dict[str, dict[Any, Any]]


class Machine(Protocol):
    """What the four state machines have in common."""

    @property
    def state(self) -> str: ...
    @property
    def prior_state(self) -> str: ...


class MemoryUnit:
    """One transaction: the tables as they were when it began, and copies of those that it writes."""

    def __init__(self, tables: Tables, *, read_only: bool) -> None:
        self.tables: Final = dict(tables)
        self.read_only: Final = read_only
        self.over = ""  # why nothing more may run
        self._own: set[str] = set()

    def check_running(self) -> None:
        """Refuse to go on in a transaction that failed or was committed."""
        if self.over:
            raise RuntimeError(f"{self.over}: the unit of work can only be left")

    def read(self, table: str) -> dict[Any, Any]:
        self.check_running()
        return self.tables.get(table, {})

    def write(self, table: str) -> dict[Any, Any]:
        """Return a table to change; it is copied at the first time."""
        self.check_running()
        if self.read_only:
            raise RuntimeError("a read-only unit of work cannot write")
        if table not in self._own:
            self.tables[table] = dict(self.tables.get(table, {}))
            self._own.add(table)
        return self.tables[table]

    def refuse(self, refusal: LockboxError) -> LockboxError:
        """Note that a database would have given the transaction up."""
        self.over = "the transaction has failed"
        return refusal


class Shelf(Generic[T]):
    """One table of values by key."""

    def __init__(
        self,
        unit: MemoryUnit,
        name: str,
        *,
        key: Callable[[T], Any],
        unique: Iterable[Callable[[T], object]] = (),
        parents: Iterable[tuple[str, Callable[[T], Any]]] = (),
        machine: str = "",
    ) -> None:
        """Name the table and its rules. `unique` functions return None to claim nothing; `parents` are (table, key there)."""
        self._unit = unit
        self._name = name
        self._key = key
        self._unique = tuple(unique)
        self._parents = tuple(parents)
        self._machine = machine

    def find(self, key: object) -> T | None:
        return self._unit.read(self._name).get(key)

    def get(self, key: object) -> T:
        value = self.find(key)
        if value is None:
            raise NotFound
        return value

    def all(self) -> list[T]:
        return list(self._unit.read(self._name).values())

    def where(self, condition: Callable[[T], bool], *, by: Callable[[T], Any], newest: bool = False) -> list[T]:
        return sorted(filter(condition, self.all()), key=by, reverse=newest)

    def add(self, value: T) -> None:
        rows = self._unit.write(self._name)
        check_times(value)
        if self._key(value) in rows:
            raise self._unit.refuse(AlreadyExists())
        if self._machine:
            self._check_first(value)
        self._check_unique(value, rows.values())
        if any(parent(value) not in self._unit.read(table) for table, parent in self._parents):
            raise self._unit.refuse(NotFound())
        rows[self._key(value)] = value

    def save(self, value: T) -> None:
        rows = self._unit.write(self._name)
        check_times(value)
        if self._key(value) not in rows:
            raise NotFound
        self._check_unique(value, (row for key, row in rows.items() if key != self._key(value)))
        rows[self._key(value)] = value

    def replace(self, old: Any, new: Any) -> None:  # noqa: ANN401  every versioned value
        rows = self._unit.write(self._name)
        check_times(new)
        stored = rows.get(self._key(new))
        if stored is None or stored.version != old.version:
            raise ConcurrentUpdate
        if self._machine:
            self._check_step(stored, new)
        rows[self._key(new)] = new

    def remove(self, key: object) -> bool:
        return self._unit.write(self._name).pop(key, None) is not None

    def _check_unique(self, value: T, others: Iterable[T]) -> None:
        claims = [(function, function(value)) for function in self._unique]
        for other in others:
            if any(claim is not None and function(other) == claim for function, claim in claims):
                raise self._unit.refuse(AlreadyExists())

    def _check_first(self, value: Any) -> None:  # noqa: ANN401  any of the four machines
        if value.prior_state != NEW or (self._machine, NEW, str(value.state)) not in STEPS:
            raise self._unit.refuse(IllegalTransition())

    def _check_step(self, stored: Machine, new: Machine) -> None:
        if new.state == stored.state:
            legal = new.prior_state == stored.prior_state
        else:
            step = (self._machine, str(stored.state), str(new.state))
            legal = new.prior_state == stored.state and step in STEPS
        if not legal:
            raise self._unit.refuse(IllegalTransition())


def check_times(value: object) -> None:
    """Refuse a naive datetime in a value."""
    names = [field.name for field in fields(value)]  # type: ignore[arg-type]  # every value of the domain is a dataclass
    if any(isinstance(at := getattr(value, name), datetime) and at.tzinfo is None for name in names):
        raise ValueError("a naive datetime cannot be stored")

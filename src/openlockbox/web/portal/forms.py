"""A submitted form (or a filter's query) and what is wrong with it. Keeps what was typed; changes nothing and asks nobody.

Each `text`, `choice`, … returns a value of the right type even where it notes an error, so that a handler parses all fields
first and then looks at `errors` once.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from litestar.connection import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from openlockbox.domain.errors import InvalidInput, LockboxError, NotFound
from openlockbox.domain.text import N_
from openlockbox.web.errors import STATUS_OF

E = TypeVar("E", bound=StrEnum)
PortalRequest = Request[Any, Any, State]

MOST_FIELDS: Final = 60  # a form of ours has fewer; more is nobody's honest click
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_DURATION: Final = re.compile(r"PT(?:(\d{1,3})H)?(?:(\d{1,4})M)?")

EMPTY: Final = N_("Write something here.")
TOO_LONG: Final = N_("This is too long: at most %(most)s characters.")
CONTROL: Final = N_("This holds characters that cannot be shown.")
NO_CHOICE: Final = N_("Choose one of these.")
NOT_TAKEN: Final = N_("This cannot be taken as it stands: %(problem)s.")
NO_DATE: Final = N_("This is no date.")
# What services say of single fields, in the reader's language. A problem that is not here is said in English.
PROBLEMS: Final = (
    N_("it is empty"),
    N_("it holds control characters"),
    N_("this is no support engineer"),
    N_("this way in has no such channel"),
    N_("it is shorter than a minute or no whole number of seconds"),
    N_("there is none, or one that does not exist"),
    N_("a second factor is needed"),
    N_("you have as many as there can be"),
    N_("it is no Ed25519 key"),
    N_("the key did not sign this"),
    N_("it is no witness's verifier key"),
    N_("it is no number"),
    N_("it is too long"),
    N_("the portal does not speak it"),
    N_("there is no such zone"),
    N_("it is not a role of your organization"),
    N_("the last administrator stays"),
    N_("it belongs to the other side"),
    N_("provider and customer roles are held by different accounts"),
    N_("this role is given on a subscription, others are not"),
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: a message id with its parameters."""

    text: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Form:
    """What was typed, by field, and what is wrong with it."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    errors: dict[str, FieldError] = field(default_factory=dict)
    problem: LockboxError | None = None  # a refusal that belongs to no single field

    def typed(self, name: str, default: str = "") -> str:
        """Return a field as typed, to show it again."""
        found = self.values.get(name)
        return found[0] if found else default

    def all(self, name: str) -> frozenset[str]:
        """Return all values of a field that can be ticked several times."""
        return frozenset(self.values.get(name, ()))

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was submitted at all."""
        return not self.values

    def text(self, name: str, *, at_most: int, required: bool = True) -> str:
        """Take a text, trimmed."""
        value = self.typed(name).replace("\r\n", "\n").strip()
        if required and not value:
            self.errors[name] = FieldError(EMPTY)
        elif len(value) > at_most:
            self.errors[name] = FieldError(TOO_LONG, {"most": str(at_most)})
        elif any(c != "\n" and c != "\t" and ord(c) < ord(" ") for c in value):  # noqa: PLR1714  two comparisons read better
            self.errors[name] = FieldError(CONTROL)
        return value

    def choice(self, name: str, kind: type[E], default: E) -> E:
        """Take one of a closed set of words."""
        try:
            return kind(self.typed(name))
        except ValueError:
            self.errors[name] = FieldError(NO_CHOICE)
            return default

    def one_of(self, name: str, allowed: Collection[str], *, default: str = "") -> str:
        """Take one of the words that the page offered."""
        value = self.typed(name)
        if value not in allowed:
            self.errors[name] = FieldError(NO_CHOICE)
            return default
        return value

    def duration(self, name: str) -> timedelta:
        """Take a length such as PT8H or PT1H30M."""
        length = parse_duration(self.typed(name))
        if length is None:
            self.errors[name] = FieldError(NO_CHOICE)
        return length or timedelta(hours=1)

    def day(self, name: str, zone: ZoneInfo, *, days_later: int = 0) -> datetime | None:
        """Take a date as the start of that day in the reader's zone; an empty field is None."""
        typed = self.typed(name).strip()
        if not typed:
            return None
        try:
            day = date.fromisoformat(typed) + timedelta(days=days_later)
            return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            self.errors[name] = FieldError(NO_DATE)
            return None

    def refuse(self, refusal: LockboxError, **fields: str) -> int:
        """Note a service's refusal at the field that it names, or above the form; return the HTTP status."""
        name = refusal.params.get("field", "") if isinstance(refusal, InvalidInput) else ""
        shown = fields.get(name, name)
        if shown and shown in self.values:
            self.errors[shown] = FieldError(NOT_TAKEN, {"problem": refusal.params.get("problem", "")})
        else:
            self.problem = refusal
        return status_of(refusal)


Filled: TypeAlias = NamedDependency[SkipValidation[Form]]  # how a handler asks for the submitted form


def parse_duration(text: str) -> timedelta | None:
    """Read hours and minutes of an ISO 8601 duration; None for anything else or nothing."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return timedelta(hours=int(match.group(1) or 0), minutes=int(match.group(2) or 0)) or None


def write_duration(length: timedelta) -> str:
    """Write a length as `parse_duration` reads it."""
    hours, minutes = divmod(int(length / timedelta(minutes=1)), 60)
    return "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes or not hours else "")


async def provide_form(request: PortalRequest) -> Form:
    """Return the submitted form; a dependency, because sync handlers cannot wait for the body."""
    return Form(_texts((await request.form()).multi_items()) if request.method == "POST" else {})


def query_form(request: PortalRequest) -> Form:
    """Return a filter's query as a form."""
    return Form(_texts(request.query_params.multi_items()))


def _texts(items: Iterable[tuple[str, object]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in islice(items, MOST_FIELDS):
        if isinstance(value, str):  # files are not taken anywhere
            values.setdefault(name, []).append(value)
    return values


def status_of(refusal: LockboxError) -> int:
    """Return the HTTP status of a refusal."""
    return int(STATUS_OF[refusal.code])


def parse_id(text: str) -> str:
    """Take an id from an address: the letters that ids have, nothing else.

    Raises:
        NotFound: it can be nobody's id.
    """
    if not _ID.fullmatch(text):
        raise NotFound
    return text

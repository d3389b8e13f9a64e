"""How one reader is spoken to: language, time zone and the present moment. Reads no clock: `now` is given.

Every deadline is said twice, relative and exact. Two units at most; under an hour minutes, never seconds; the year always.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from gettext import NullTranslations
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_decimal

from openlockbox.web.i18n import translations

LOCALES: Final = {"en": Locale("en", "GB"), "ja": Locale("ja", "JP")}
DATE: Final = {"en": "d MMM y", "ja": "y年M月d日"}
DATE_WITH_WEEKDAY: Final = {"en": "EEE d MMM y", "ja": "y年M月d日（EEE）"}
BEFORE_TIME: Final = {"en": ", ", "ja": ""}
MINUTE: Final = timedelta(minutes=1)


def find_zone(name: str) -> ZoneInfo:
    """Return the zone, or UTC where the profile names one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@dataclass(frozen=True)
class Speech:
    """Language and zone of one reader at one moment. No slots: the catalogue is looked up once."""

    language: str
    zone: ZoneInfo
    now: datetime

    @cached_property
    def catalogue(self) -> NullTranslations:
        """Return the reader's catalogue."""
        return translations(self.language)

    @property
    def locale(self) -> Locale:
        """Return what Babel calls the language."""
        return LOCALES[self.language]

    def gettext(self, text: str) -> str:
        """Translate a message id; the empty one stays empty."""
        return self.catalogue.gettext(text) if text else ""

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Translate with a plural; the text holds `%(num)d`."""
        return self.catalogue.ngettext(one, many, number) % {"num": number}

    def number(self, value: int) -> str:
        """Write a number with the language's separators."""
        return str(format_decimal(value, locale=self.locale))

    # ---- instants ----

    def exact(self, at: datetime) -> str:
        """Write an instant in the reader's zone, with weekday, year and zone; today is called so."""
        local = at.astimezone(self.zone)
        is_today = local.date() == self.now.astimezone(self.zone).date()
        day = self._pattern(local, DATE if is_today else DATE_WITH_WEEKDAY)
        if is_today:
            day = self.gettext("today %(date)s") % {"date": day}
        return f"{day}{BEFORE_TIME[self.language]}{self._time(local)}"

    def day(self, at: datetime) -> str:
        """Write only the day, with weekday and year."""
        return self._pattern(at.astimezone(self.zone), DATE_WITH_WEEKDAY)

    def utc(self, at: datetime) -> str:
        """Write an instant in UTC, to the second, for those who compare logs."""
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def machine(self, at: datetime) -> str:
        """Write an instant for `<time datetime>`."""
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _pattern(self, local: datetime, patterns: dict[str, str]) -> str:
        return str(format_datetime(local, patterns[self.language], locale=self.locale))

    def _time(self, local: datetime) -> str:
        name = local.tzname() or ""
        if not name.isalpha():  # zones without letters call themselves "+03"
            name = _offset(local)
        return f"{local.hour:02}:{local.minute:02} {name}"

    def zone_name(self) -> str:
        """Name the reader's zone, with its present distance from UTC."""
        if self.zone.key == "UTC":
            return self.zone.key
        name = get_timezone_name(self.zone, width="long", locale=self.locale, zone_variant="generic")
        return self.gettext("%(zone)s (%(offset)s)") % {"zone": name, "offset": _offset(self.now.astimezone(self.zone))}

    # ---- lengths ----

    def duration(self, length: timedelta) -> str:
        """Write a length: "8 hours", "3 days 2 hours"."""
        minutes = int(length / MINUTE)
        if minutes < 1:
            return self.gettext("less than a minute")
        days, hours = divmod(minutes // 60, 24)
        parts = []
        if days:
            parts.append(self.ngettext("%(num)d day", "%(num)d days", days))
        if hours:
            parts.append(self.ngettext("%(num)d hour", "%(num)d hours", hours))
        if minutes % 60 and not days:
            parts.append(self.ngettext("%(num)d minute", "%(num)d minutes", minutes % 60))
        return self.gettext("%(large)s %(small)s") % {"large": parts[0], "small": parts[1]} if parts[1:] else parts[0]

    def left(self, until: datetime) -> str:
        """Write how much time is left."""
        return self.gettext("%(duration)s left") % {"duration": self.duration(max(until - self.now, timedelta(0)))}

    def ago(self, at: datetime) -> str:
        """Write how long something is past."""
        past = self.now - at
        if past < MINUTE:
            return self.gettext("just now")
        return self.gettext("%(duration)s ago") % {"duration": self.duration(past)}

    def milliseconds(self, length: timedelta) -> str:
        """Write a short length in milliseconds."""
        return self.gettext("%(num)s ms") % {"num": self.number(round(length / timedelta(milliseconds=1)))}


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta(0)) / MINUTE)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")

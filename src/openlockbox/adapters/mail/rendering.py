"""Makes subject, text and HTML of a mail in the recipient's language and time zone. Sends nothing.

Values come from people, so each is one line without control characters before any template sees it: nobody forges a header
with a title, nor a second paragraph.
"""

# Japanese sentences have full-width punctuation.

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, select_autoescape

from openlockbox.domain.principal import Principal
from openlockbox.domain.text import N_

Translations = Callable[[str], NullTranslations]

DEFAULT_LANGUAGE: Final = "en"
LONGEST_VALUE: Final = 300
PERMISSIONS: Final = {"read": N_("Read"), "operate": N_("Operate"), "administrator": N_("Administrator")}

_LINK: Final = re.compile(r"https?://[^\s<>\"']{1,2000}")
_GAPS: Final = re.compile(r"\n{3,}")
_TEMPLATE: Final = re.compile(r"[a-z][a-z_]*")
_BIDI_CONTROLS: Final = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)  # they show a name other than it is
_PATTERNS: Final = {"en": "EEE d MMM y, HH:mm", "ja": "y年M月d日（EEE）H:mm"}


class NotRenderable(Exception):
    """The row does not fit its template: a fault of ours, which an update can mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A mail's content."""

    subject: str
    text: str
    html: str
    language: str


def one_line(text: str, *, most: int = LONGEST_VALUE) -> str:
    """Return the text on one line, without control characters, cut where it is longer than a mail needs."""
    visible = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text.translate(_BIDI_CONTROLS))
    line = " ".join(visible.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


class Renderer:
    """Templates by language. Safe to share between threads."""

    def __init__(self, translations: Translations) -> None:
        self._translations = translations
        self._environments: dict[str, Environment] = {}

    def render(self, recipient: Principal, template: str, values: Mapping[str, str]) -> Rendered:
        """Render for this recipient.

        Raises:
            NotRenderable: no such template, a value missing, or a link or time that is none.
        """
        language = recipient.language or DEFAULT_LANGUAGE
        link = values.get("link", "")
        if not _LINK.fullmatch(link) or not _TEMPLATE.fullmatch(template):
            raise NotRenderable(f"template {template!r}, link {link!r}")
        clean = {name: one_line(value) for name, value in values.items()} | {"link": link}
        environment = self._environment(language)
        zone = _zone(recipient.time_zone)
        context = clean | {
            "recipient_name": one_line(recipient.name),
            "language": language,
            "when": lambda instant: _when(instant, zone, language),
        }
        try:
            subject, _, text = environment.get_template(f"{template}.txt").render(context).partition("\n")
            html = environment.get_template(f"{template}.html").render(context)
        except (TemplateError, ValueError) as error:
            raise NotRenderable(f"template {template!r}: {error}") from error
        return Rendered(
            subject=one_line(subject), text=_GAPS.sub("\n\n", text.strip()) + "\n", html=html, language=language
        )

    def _environment(self, language: str) -> Environment:
        environment = self._environments.get(language)
        if environment is None:
            environment = _new_environment(self._translations(language))
            self._environments[language] = environment
        return environment


def _new_environment(translations: NullTranslations) -> Environment:
    environment = Environment(
        loader=PackageLoader("openlockbox.adapters.mail"),
        autoescape=select_autoescape(enabled_extensions=["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    # Labels that come with the row: plain lookups, because a "%" in them is no placeholder.
    environment.filters["translated"] = lambda text: translations.gettext(text) if text else ""
    environment.filters["permission"] = lambda text: _permission(text, translations)
    environment.filters["hours"] = lambda text: _hours(text, translations)
    return environment


def _permission(text: str, translations: NullTranslations) -> str:
    return translations.gettext(PERMISSIONS.get(text, text))


def _hours(text: str, translations: NullTranslations) -> str:
    minutes = round(float(text) * 60)
    hours, rest = divmod(minutes, 60)
    if rest:
        return translations.ngettext("%(num)d minute", "%(num)d minutes", minutes) % {"num": minutes}
    return translations.ngettext("%(num)d hour", "%(num)d hours", hours) % {"num": hours}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _when(instant: str, zone: ZoneInfo, language: str) -> str:
    moment = datetime.fromisoformat(instant)
    if moment.tzinfo is None:
        raise ValueError(f"an instant without a zone: {instant!r}")
    local = moment.astimezone(zone)
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    written = format_datetime(local, _PATTERNS.get(locale.language, "medium"), locale=locale)
    short = local.tzname() or ""
    return f"{written} {short if short.isalpha() else zone.key}"  # zones without letters call themselves "+03"

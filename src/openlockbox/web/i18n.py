"""Languages of portal, API and mails: which are spoken, which one a reader wants, and its catalogue. Formats no dates."""

import functools
import gettext
import io
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE_LANGUAGE: Final = "en"
LANGUAGES: Final = (SOURCE_LANGUAGE, "ja")
LANGUAGE_NAMES: Final = {"en": "English", "ja": "日本語"}
LONGEST_HEADER: Final = 500  # characters of Accept-Language that are looked at


@functools.cache
def translations(language: str) -> gettext.NullTranslations:
    """Return a language's catalogue; English, and whatever is not spoken, is the text as written in the source."""
    if language == SOURCE_LANGUAGE or language not in LANGUAGES:
        return gettext.NullTranslations()
    catalogue = Path(
        str(resources.files("openlockbox.web").joinpath("locales", language, "LC_MESSAGES", "messages.po"))
    )
    compiled = catalogue.with_suffix(".mo")
    if compiled.exists() and (not catalogue.exists() or compiled.stat().st_mtime >= catalogue.stat().st_mtime):
        return gettext.GNUTranslations(io.BytesIO(compiled.read_bytes()))
    # A tree where `make setup` has not run yet still speaks Japanese.
    buffer = io.BytesIO()
    write_mo(buffer, read_po(io.BytesIO(catalogue.read_bytes()), locale=language))
    buffer.seek(0)
    return gettext.GNUTranslations(buffer)


def choose_language(*wishes: str | None, accept_language: str = "") -> str:
    """Return the first wish that is spoken (a link's, a profile's), else the browser's best, else English."""
    for wish in wishes:
        if wish in LANGUAGES:
            return wish
    for tag in _by_quality(accept_language[:LONGEST_HEADER]):
        primary = tag.split("-", 1)[0]
        if primary in LANGUAGES:
            return primary
    return SOURCE_LANGUAGE


def _by_quality(header: str) -> Iterable[str]:
    ranked = []
    for place, part in enumerate(header.split(",")):
        tag, _, quality = part.strip().lower().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if tag and 0 < weight <= 1:  # not for nan and inf, which float() also reads
            ranked.append((-weight, place, tag))
    return [tag for _, _, tag in sorted(ranked)]

"""The template engine of the portal: Jinja with translation, times as elements, icons and the shape of a countdown.

Whatever a template gets from here as markup was escaped piece by piece; templates never mark anything as safe themselves.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig
from markupsafe import Markup, escape

from openlockbox.domain.errors import LockboxError
from openlockbox.domain.session import END_SENTENCES
from openlockbox.web.i18n import LANGUAGE_NAMES
from openlockbox.web.portal import activity_words, gateway_words, words
from openlockbox.web.portal.forms import FieldError, write_duration
from openlockbox.web.portal.speech import Speech

STATIC: Final = Path(__file__).parent / "static"
BLOCK: Final = 100  # the countdown's own units: four blocks of 100 with gaps of 4, as wide as their box
GAP: Final = 4
MOST_BLOCKS: Final = 7


@cache
def static_path() -> str:
    """Return the path of the static files. It names their content, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(STATIC).as_posix().encode() + b"\0" + file.read_bytes())
    return f"/static/{digest.hexdigest()[:12]}"


def portal_template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Return the template configuration for the app."""
    return TemplateConfig(engine=JinjaTemplateEngine(engine_instance=new_environment()))


def new_environment() -> Environment:
    """Make the environment. Language and zone come with each page, as `speech`."""
    environment = Environment(
        loader=PackageLoader("openlockbox.web.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.filters |= {
        "tr": _translate,
        "when": _when,
        "day": _day,
        "left": _left,
        "ago": _ago,
        "span": _length,
        "ms": _milliseconds,
        "num": _number,
        "error": _error,
        "midsentence": _midsentence,
        "iso": write_duration,
        "pretty": _pretty,
        "lead_word": _lead_word,
    }
    environment.globals |= {
        "icon": icon,
        "strong": _strong,
        "keep": _keep,
        "days": countdown_blocks,
        "asset": lambda name: f"{static_path()}/{name}",
        "words": words,
        "log_words": activity_words,
        "languages": LANGUAGE_NAMES,
        "has_scripts": (STATIC / "vendor" / "htmx.min.js").exists(),
        "sentence": _sentence,
        "end_sentences": END_SENTENCES,
        "refusals": gateway_words.REFUSALS,
        "refused": gateway_words.REFUSED,
        "page_problems": gateway_words.PAGE_PROBLEMS,
    }
    return environment


def _speech(context: Context) -> Speech:
    speech = context["speech"]
    if not isinstance(speech, Speech):
        raise TypeError("a page needs its reader's speech")
    return speech


@pass_context
def _gettext(context: Context, text: str) -> str:
    return _speech(context).catalogue.gettext(text)


@pass_context
def _ngettext(context: Context, one: str, many: str, number: int) -> str:
    return _speech(context).catalogue.ngettext(one, many, number)


@pass_context
def _translate(context: Context, text: str) -> str:
    return _speech(context).gettext(text)


@pass_context
def _when(context: Context, at: datetime) -> Markup:
    speech = _speech(context)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        speech.machine(at), speech.utc(at), speech.exact(at)
    )


@pass_context
def _day(context: Context, at: datetime) -> Markup:
    speech = _speech(context)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(speech.machine(at), speech.utc(at), speech.day(at))


@pass_context
def _ago(context: Context, at: datetime) -> Markup:
    speech = _speech(context)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        speech.machine(at), f"{speech.exact(at)} · {speech.utc(at)}", speech.ago(at)
    )


@pass_context
def _left(context: Context, until: datetime) -> str:
    return _speech(context).left(until)


@pass_context
def _length(context: Context, length: timedelta) -> str:
    return _speech(context).duration(length)


@pass_context
def _milliseconds(context: Context, length: timedelta) -> str:
    return _speech(context).milliseconds(length)


@pass_context
def _number(context: Context, value: int) -> str:
    return _speech(context).number(value)


@pass_context
def _error(context: Context, error: FieldError) -> str:
    speech = _speech(context)
    return speech.gettext(error.text) % {k: speech.gettext(v) for k, v in error.params.items()}


@pass_context
def _sentence(context: Context, refusal: LockboxError) -> str:
    """Say a refusal: its own sentence, with states and the like in the reader's words."""
    speech = _speech(context)
    states = {badge_of.value: badge.label for badge_of, badge in words.REQUEST_BADGES.items()}
    states |= {state.value: badge.label for state, badge in words.JIT_BADGES.items() if state.value not in states}
    params = {k: speech.gettext(states.get(v, v)) for k, v in refusal.params.items()}
    return speech.gettext(refusal.sentence) % params if params else speech.gettext(refusal.sentence)


def _midsentence(label: str) -> str:
    """Write a label as it stands inside an English sentence: "Remote desktop" but not "SSH" begins small."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def _pretty(leaf: bytes) -> str:
    return json.dumps(json.loads(leaf), indent=2, ensure_ascii=False)


def _lead_word(text: str) -> Markup:
    """Set what stands before the first colon in bold: rules say "Scope: one machine …"."""
    for colon in ("：", ": "):
        head, found, tail = text.partition(colon)
        if found:
            return Markup("<strong>{}{}</strong>{}").format(head, colon, tail)
    return escape(text)


def icon(name: str) -> Markup:
    """Draw an icon of the page's own set; hidden from screen readers, because a word always stands beside it."""
    return Markup('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def _strong(text: str) -> Markup:
    return Markup("<strong>{}</strong>").format(text)


def _keep(text: str) -> Markup:
    """Keep a name on one line."""
    return Markup('<strong class="keep">{}</strong>').format(text)


def countdown_blocks(created_at: datetime, answer_by: datetime, now: datetime) -> Mapping[str, object]:
    """Return the blocks of a countdown, one a day of the whole time, emptying from the left. Proportions are SVG attributes."""
    whole = max(answer_by - created_at, timedelta(minutes=1))
    in_days = whole / timedelta(days=1)
    count = round(in_days) if 1 <= round(in_days) <= MOST_BLOCKS and abs(in_days - round(in_days)) < 0.01 else 4  # noqa: PLR2004
    gone = min(max((now - created_at) / whole, 0.0), 1.0) * count
    blocks = []
    for number in range(count):
        empty = round(min(max(gone - number, 0.0), 1.0) * BLOCK)
        x = number * (BLOCK + GAP)
        blocks.append({"x": x, "left_x": x + empty, "left": BLOCK - empty})
    return {"width": count * (BLOCK + GAP) - GAP, "blocks": blocks}

"""Nothing that people read is without its Japanese, and no text stands in a template outside a translation call."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from jinja2 import nodes

import openlockbox
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.events import LABELS
from openlockbox.services.accounts import SCOPES
from openlockbox.web import i18n
from openlockbox.web.portal import words
from openlockbox.web.portal.page import SAID
from openlockbox.web.portal.templating import new_environment

SOURCE = Path(openlockbox.__file__).parent
ROOT = Path(__file__).parents[3]
TEMPLATES = SOURCE / "web/portal/templates"
CATALOGUE = SOURCE / "web/locales/ja/LC_MESSAGES/messages.po"
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
PROPER_NAMES = {"OpenLockbox"}
LETTERS = re.compile(r"[^\W\d_]")
# Blocks and macros that are written into a tag hold attributes and no text.
ATTRIBUTES = re.compile(r'\s(?!aria-label|title|placeholder|alt)[a-z-]+="[^"]*"')


def _messages():
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
    for _file, _line, message, _comments, _context in extract_from_dir(
        SOURCE, method_map=methods, options_map=options, keywords=keywords
    ):
        if message and message != "":
            yield message


def test_every_message_has_its_japanese():
    catalogue = read_po(io.BytesIO(CATALOGUE.read_bytes()), locale="ja")
    found = set(_messages())
    assert len(found) > 500
    missing = [m for m in found if m not in catalogue or not _text(catalogue[m]) or catalogue[m].fuzzy]
    assert not missing
    assert not catalogue.obsolete
    assert {m.id for m in catalogue if m.id} <= found | {(m,) for m in found}, "the catalogue holds what nobody says"


def _text(message):
    return message.string[0] if isinstance(message.string, (tuple, list)) else message.string


def test_translations_keep_their_placeholders():
    for message in read_po(io.BytesIO(CATALOGUE.read_bytes()), locale="ja"):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
        wanted = {name for text in ids for name in PLACEHOLDER.findall(text)}
        assert set(PLACEHOLDER.findall(_text(message))) == wanted, message.id


class _Text(HTMLParser):
    """Collects what a browser would show: text and the attributes that are read aloud or shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def handle_data(self, data):
        self.shown.append(data)

    def handle_starttag(self, tag, attributes):
        self.shown += [v for n, v in attributes if v and n in {"aria-label", "title", "placeholder", "alt"}]


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_no_template_holds_text_outside_a_translation_call(path):
    environment = new_environment()
    parts = []
    for _line, kind, value in environment.lex(path.read_text()):
        if kind == "data":
            parts.append(value)
        elif kind in {"variable_end", "block_end"}:
            parts.append("{}")
    parser = _Text()
    parser.feed("".join(parts))
    for text in parser.shown:
        left = ATTRIBUTES.sub(" ", text.replace("{}", " "))
        for name in PROPER_NAMES:
            left = left.replace(name, " ")
        assert not LETTERS.search(left), f"{path.name}: {text.strip()!r}"
    for output in environment.parse(path.read_text()).find_all(nodes.Output):
        for node in output.nodes:
            assert not isinstance(node, nodes.Const), f"{path.name}, line {node.lineno}: a bare text in an expression"


def test_no_template_marks_anything_as_safe():
    for path in TEMPLATES.rglob("*.html"):
        assert "|safe" not in path.read_text().replace(" ", ""), path
        assert "autoescape" not in path.read_text(), path


def test_every_code_of_the_core_has_its_words():
    assert set(words.SAID) == SAID
    assert set(words.SCOPES) >= set(SCOPES)
    japanese = i18n.translations("ja")
    for text in [*LABELS.values(), *(t for c in LockboxError.__subclasses__() for t in (c.sentence, c.advice))]:
        assert LETTERS.search(japanese.gettext(text))


@pytest.mark.parametrize(
    "wishes,header,chosen",
    [
        (("ja",), "en", "ja"),
        (("", ""), "ja,en;q=0.8", "ja"),
        ((None, "en"), "ja", "en"),
        (("",), "de, ja-JP;q=0.5, en;q=0.4", "ja"),
        (("",), "de, fr", "en"),
        (("xx",), "", "en"),
        (("",), "ja;q=0, en;q=0.1", "en"),
        (("",), "ja;q=nan, *;q=inf, ;;;, en", "en"),
    ],
)
def test_the_language_is_the_first_wish_that_is_spoken(wishes, header, chosen):
    assert i18n.choose_language(*wishes, accept_language=header) == chosen


def test_english_is_the_text_as_written():
    assert i18n.translations("en").gettext("Approve") == "Approve"
    assert i18n.translations("xx").gettext("Approve") == "Approve"


def test_a_tree_without_compiled_catalogues_speaks_japanese_too():
    i18n.translations.cache_clear()
    assert i18n.translations("ja").gettext("Approve") == "承認"

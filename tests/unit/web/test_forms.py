from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import pytest

from openlockbox.domain.errors import AlreadyDecided, InvalidInput, NotFound
from openlockbox.web.portal.forms import Form, parse_duration, parse_id, write_duration


class Word(StrEnum):
    YES = "yes"
    NO = "no"


def test_what_was_typed_stays_beside_its_error():
    form = Form({"title": ["  "], "body": ["x" * 11], "word": ["maybe"]})
    form.text("title", at_most=10)
    form.text("body", at_most=10)
    assert form.choice("word", Word, Word.NO) is Word.NO
    assert set(form.errors) == {"title", "body", "word"}
    assert form.typed("body") == "x" * 11


def test_a_text_is_trimmed_and_keeps_its_lines():
    form = Form({"body": [" one\r\ntwo "]})
    assert form.text("body", at_most=20) == "one\ntwo"
    assert not form.errors


@pytest.mark.parametrize("text", ["\x00", "a\x1b[0m", "a\x07"])
def test_control_characters_are_refused(text):
    form = Form({"body": [text + "b"]})
    form.text("body", at_most=20)
    assert "body" in form.errors


@pytest.mark.parametrize(
    "text,length",
    [
        ("PT8H", timedelta(hours=8)),
        ("PT30M", timedelta(minutes=30)),
        ("PT1H30M", timedelta(hours=1, minutes=30)),
        ("PT", None),
        ("PT0H", None),
        ("8", None),
        ("PT-1H", None),
        ("P1D", None),
        ("PT1H ", None),
        ("PT٣H", timedelta(hours=3)),
    ],
)
def test_a_length_is_read_strictly(text, length):
    assert parse_duration(text) == length


def test_a_length_is_written_as_it_is_read():
    for minutes in (1, 30, 60, 90, 480):
        assert parse_duration(write_duration(timedelta(minutes=minutes))) == timedelta(minutes=minutes)


def test_a_day_begins_in_the_readers_zone():
    form = Form({"from": ["2026-11-24"], "to": ["24.11.2026"], "end": ["9999-12-31"]})
    assert form.day("from", ZoneInfo("Asia/Tokyo")) == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert form.day("missing", ZoneInfo("UTC")) is None
    assert form.day("to", ZoneInfo("UTC")) is None
    assert form.day("end", ZoneInfo("UTC"), days_later=1) is None
    assert set(form.errors) == {"to", "end"}


@pytest.mark.parametrize("text", ["", "a/b", "a b", "%00", "\x00", "a" * 101, "é", "a\n"])
def test_what_can_be_nobodys_id_is_not_found(text):
    with pytest.raises(NotFound):
        parse_id(text)


def test_a_refusal_stands_at_its_field_or_above_the_form():
    form = Form({"title": ["x"]})
    assert form.refuse(InvalidInput(field="title", problem="it is empty")) == 422
    assert "title" in form.errors
    assert form.problem is None
    assert form.refuse(AlreadyDecided(state="approved")) == 409
    assert isinstance(form.problem, AlreadyDecided)

"""The quick spelling of plain JSON against rfc8785, which knows the whole rule."""

import enum

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from openlockbox.domain.canonical_json import GREATEST, find_plain_form
from openlockbox.grants.encoding import canonical_bytes

TEXTS = st.text() | st.text(st.characters(codec="utf-8", max_codepoint=0x9F)) | st.just("\u2028\u2029\x7f/</\U0001f511")
INTEGERS = st.integers(-GREATEST, GREATEST)
LEAVES = st.none() | st.booleans() | INTEGERS | TEXTS
KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=6)


def documents(leaves, keys):
    return st.dictionaries(
        keys,
        st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)),
        max_size=6,
    )


@given(documents(LEAVES, KEYS))
@example({})
@example({"a": [], "b": {}, "A": [{}], "": [[]]})
@example({"\x7f": "\x7f", "\x00": '\x00\x1f\b\t\n\f\r"\\/', "~": -0})
@example({"least": -GREATEST, "most": GREATEST})
def test_plain_documents_are_spelled_as_rfc_8785_says(document):
    assert find_plain_form(document) == rfc8785.dumps(document)


@given(documents(LEAVES | st.floats(allow_nan=False, allow_infinity=False), KEYS | st.text(max_size=4)))
@example({"\ufb33": 1, "\U0001f600": 2})  # these two sort otherwise as UTF-16 than as code points
def test_every_document_is_spelled_as_rfc_8785_says(document):
    assert canonical_bytes(document) == rfc8785.dumps(document)


class Word(enum.StrEnum):
    ONE = "one"


@pytest.mark.parametrize(
    "value", [1.0, GREATEST + 1, -GREATEST - 1, (1,), Word.ONE, enum.IntEnum("N", "ONE").ONE, b"", {1}, "\ud800"]
)
def test_what_is_not_plain_is_left_to_the_full_implementation(value):
    assert find_plain_form({"a": [value]}) is None


@pytest.mark.parametrize("key", [1, None, True, "é", "\ud800", Word.ONE])
def test_keys_that_are_not_plain_are_left_to_the_full_implementation(key):
    assert find_plain_form({"a": {key: 1}}) is None


@pytest.mark.parametrize("value", [GREATEST + 1, float("nan"), float("inf"), "\ud800", b"", {1}])
def test_what_json_does_not_keep_is_refused(value):
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_bytes({"a": value})

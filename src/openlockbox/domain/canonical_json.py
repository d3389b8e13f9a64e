"""The RFC 8785 spelling of plain JSON, quickly. It never spells what it is not sure of: that is left to a full implementation."""

import json
from typing import Final

GREATEST: Final = 2**53 - 1  # greater integers are not kept by JSON's numbers
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def find_plain_form(document: object) -> bytes | None:
    """Return the canonical form of a plain document, or None where only a full implementation may tell.

    Plain are None, bool, int within JSON's range and str, and lists and dicts of these with ASCII keys; no subclasses. Of these the
    standard library's encoder writes the same bytes as RFC 8785 asks for: the escapes are the same, and ASCII keys sort alike as
    UTF-16 and as code points. tests/property/test_canonical_json.py compares.
    """
    if not _is_plain(document):
        return None
    try:
        return _ENCODER.encode(document).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which the full implementation refuses in its own words
        return None


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return type(value) is str
    if isinstance(value, dict):
        return type(value) is dict and all(
            type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items()
        )
    if isinstance(value, list):
        return type(value) is list and all(map(_is_plain, value))
    if isinstance(value, int):
        return type(value) is bool or (type(value) is int and -GREATEST <= value <= GREATEST)
    return value is None

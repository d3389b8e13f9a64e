"""Strict JSON for what is signed: one canonical text for each value, closed sets of fields. No I/O, no defaults."""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn, TypeAlias, cast

import rfc8785

from openlockbox.domain.canonical_json import find_plain_form

# No fractions: they have no place in a signed form.
Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

MAX_TEXT: Final = 1024  # longer names and addresses are mistakes
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)  # becomes a file name and a URL segment
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class EnvelopeRefused(Exception):
    """A wire form that cannot be taken. `code` is stable and listed in docs/spec/grant-format.md."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(f"{code}: {detail}" if detail else code)


def _refuse(detail: str) -> NoReturn:
    raise EnvelopeRefused("payload_malformed", detail)


def b64url(data: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def parse_b64url(text: str) -> bytes:
    """Decode the one spelling that `b64url` gives.

    Raises:
        EnvelopeRefused: padding, foreign characters or stray bits (`envelope_malformed`).
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeRefused("envelope_malformed", "base64url") from error
    if b64url(data) != text:
        raise EnvelopeRefused("envelope_malformed", "base64url")
    return data


def canonical_bytes(document: Mapping[str, object]) -> bytes:
    """Return the RFC 8785 form.

    Raises:
        ValueError: a value that JSON does not have, or a number that it does not keep.
    """
    plain = find_plain_form(document)
    # The cast only meets the library's closed type.
    return rfc8785.dumps(cast("dict[str, None]", document)) if plain is None else plain


def _no_fraction(text: str) -> NoReturn:
    raise ValueError(text)


def parse_canonical(data: bytes) -> dict[str, Json]:
    """Parse an object that is spelled canonically; double fields, fractions and foreign spellings are refused.

    Raises:
        EnvelopeRefused: `payload_not_canonical`.
    """
    try:
        value = cast("Json", json.loads(data.decode("utf-8"), parse_float=_no_fraction, parse_constant=_no_fraction))
        if not isinstance(value, dict) or canonical_bytes(value) != data:
            raise EnvelopeRefused("payload_not_canonical")
    except (ValueError, RecursionError) as error:
        raise EnvelopeRefused("payload_not_canonical") from error
    return value


def encode_instant(at: datetime) -> str:
    """Spell an aware instant as RFC 3339 in UTC with six digits, so that texts sort like times.

    Raises:
        ValueError: a time without a zone.
    """
    if at.tzinfo is None:
        message = "an instant needs a time zone"
        raise ValueError(message)
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Read what `encode_instant` wrote.

    Raises:
        EnvelopeRefused: any other spelling (`payload_malformed`).
    """
    if _INSTANT.fullmatch(text) is None:
        _refuse("instant")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise EnvelopeRefused("payload_malformed", "instant") from error
    if encode_instant(at) != text:
        _refuse("instant")
    return at


class Fields:
    """An object with exactly the named fields, read by type. Whatever does not fit is `payload_malformed`."""

    def __init__(self, payload: Json, names: Sequence[str]) -> None:
        if not isinstance(payload, dict):
            _refuse("not an object")
        if payload.keys() != set(names):
            _refuse(f"fields differ: {', '.join(sorted(payload.keys() ^ set(names)))[:200]}")
        self._payload = payload

    def value(self, field: str) -> Json:
        """Return it unread."""
        return self._payload[field]

    def long_text(self, field: str, *, limit: int) -> str:
        """Read any text up to the limit, empty too."""
        value = self._payload[field]
        if not isinstance(value, str) or len(value) > limit:
            _refuse(field)
        return value

    def text(self, field: str) -> str:
        """Read one line, not empty."""
        value = self.long_text(field, limit=MAX_TEXT)
        if not value or _CONTROL.search(value):
            _refuse(field)
        return value

    def name(self, field: str) -> str:
        """Read an identifier that is safe as a file name and a URL segment."""
        value = self.long_text(field, limit=MAX_TEXT)
        if _NAME.fullmatch(value) is None:
            _refuse(field)
        return value

    def sha256(self, field: str) -> str:
        """Read a digest in lower-case hex."""
        value = self.long_text(field, limit=MAX_TEXT)
        if _SHA256.fullmatch(value) is None:
            _refuse(field)
        return value

    def choice(self, field: str, allowed: Sequence[str]) -> str:
        """Read one word of a closed list."""
        value = self._payload[field]
        if not isinstance(value, str) or value not in allowed:
            _refuse(field)
        return value

    def integer(self, field: str, *, least: int, most: int) -> int:
        """Read an integer within bounds; `true` is none."""
        value = self._payload[field]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            _refuse(field)
        return value

    def instant(self, field: str) -> datetime:
        """Read a time."""
        return parse_instant(self.long_text(field, limit=MAX_TEXT))

    def array(self, field: str) -> list[Json]:
        """Read a list whose items the caller reads."""
        value = self._payload[field]
        if not isinstance(value, list):
            _refuse(field)
        return value

    def mapping(self, field: str) -> dict[str, Json]:
        """Read an object with open field names, such as key ids."""
        value = self._payload[field]
        if not isinstance(value, dict):
            _refuse(field)
        return value

    def format(self, known: int) -> None:
        """Check the version of the form; an unknown one is refused, never guessed at.

        Raises:
            EnvelopeRefused: `format_unknown`.
        """
        if self._payload["format"] != known or isinstance(self._payload["format"], bool):
            raise EnvelopeRefused("format_unknown")

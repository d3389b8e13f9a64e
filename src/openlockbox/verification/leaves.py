"""A log's leaves as a stranger reads them: strictly, and quickly where only their shape matters. Believes nothing; no I/O."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from openlockbox.activitylog.entry import LEAF_VERSION
from openlockbox.grants.encoding import EnvelopeRefused, Fields, parse_canonical

MAX_INDEX: Final = 2**53 - 1
MAX_SUBJECT: Final = 4_096
_FIELDS: Final = (
    "v", "tenant", "index", "at", "action", "operation", "actor", "subject", "resource", "correlation", "detail",
    "document", "personal",
)  # fmt: skip

# The canonical spelling of a leaf without escapes: members in their one order, nothing between them. A quote cannot stand inside a
# string without a backslash, and leaves with backslashes take the slow way, so this finds the same members as a JSON reader.
_PAIRS: Final = rb'\{(?:"[^"]*+":"[^"]*+"(?:,(?=")|(?=\})))*+\}'
_SHAPE: Final = re.compile(
    rb'\{"action":"([^"]*+)","actor":"[^"]*+","at":"([0-9T:.-]{26}Z)","correlation":"[^"]*+","detail":' + _PAIRS
    + rb',"document":"[^"]*+","index":(0|[1-9]\d{0,15}+),"operation":"[^"]*+","personal":(' + _PAIRS
    + rb'),"resource":"[^"]*+","subject":"[^"]*+","tenant":"([^"]*+)","v":' + str(LEAF_VERSION).encode() + rb"\}"
)  # fmt: skip
_CONTROL: Final = bytes(range(0x20))


class LeafRefused(Exception):
    """Bytes that are no leaf. `detail` says what does not fit."""

    code = "leaf_malformed"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One entry's leaf, every member read. `at` is RFC 3339 as it stands; `personal` maps names to commitments."""

    index: int
    tenant: str
    at: str
    action: str
    actor: str
    subject: str
    resource: str
    correlation: str
    document: str
    detail: Mapping[str, str]
    personal: Mapping[str, str]

    def shape(self) -> "Shape":
        """Return the part that `read_shape` reads."""
        personal = tuple(part.encode() for pair in self.personal.items() for part in pair)
        return Shape(self.action.encode(), str(self.index).encode(), personal, self.tenant.encode(), self.at.encode())


class Shape(NamedTuple):
    """What the audit wants of every leaf, whatever it is about. `personal`: names and commitments by turns."""

    action: bytes
    place: bytes
    personal: tuple[bytes, ...]
    tenant: bytes
    at: bytes  # of one width, so that texts compare as times


def _texts(fields: Fields, name: str) -> dict[str, str]:
    found = {key: value for key, value in fields.mapping(name).items() if isinstance(value, str)}
    if len(found) != len(fields.mapping(name)):
        raise LeafRefused(name)
    return found


def read_leaf(data: bytes) -> Leaf:
    """Read a leaf: exactly its members, canonically spelled.

    Raises:
        LeafRefused: anything else.
    """
    try:
        fields = Fields(parse_canonical(data), _FIELDS)
        if fields.integer("v", least=0, most=MAX_INDEX) != LEAF_VERSION:
            raise LeafRefused("v")
        fields.instant("at")
        document = fields.long_text("document", limit=64)
        return Leaf(
            index=fields.integer("index", least=0, most=MAX_INDEX),
            tenant=fields.text("tenant"),
            at=fields.long_text("at", limit=27),
            action=fields.text("action"),
            actor=fields.text("actor"),
            subject=fields.long_text("subject", limit=MAX_SUBJECT),
            resource=fields.long_text("resource", limit=MAX_SUBJECT),
            correlation=fields.long_text("correlation", limit=MAX_SUBJECT),
            document=fields.sha256("document") if document else "",
            detail=_texts(fields, "detail"),
            personal=_texts(fields, "personal"),
        )
    except EnvelopeRefused as error:
        raise LeafRefused(str(error)) from error


def check_text(data: bytes) -> None:
    """Check what `read_shape` does not look at; quick on a whole bundle.

    Raises:
        LeafRefused: the bytes are not UTF-8, or hold control characters.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise LeafRefused("not UTF-8") from error
    if len(data.translate(None, _CONTROL)) != len(data):
        raise LeafRefused("control characters")


def read_shape(data: bytes) -> Shape:
    """Read what every leaf must have. The caller has seen that the bytes are UTF-8 without control characters.

    Raises:
        LeafRefused: no leaf.
    """
    found = None if b"\\" in data else _SHAPE.fullmatch(data)
    if found is None:
        return read_leaf(data).shape()
    action, at, index, personal, tenant = found.groups()
    names = tuple(personal.split(b'"')[1::2]) if len(personal) > 2 else ()  # noqa: PLR2004  {}
    return Shape(action, index, names, tenant, at)


def split_bundle(data: bytes) -> list[bytes]:
    """Take a tlog-tiles entry bundle apart: each leaf behind its length in two bytes.

    Raises:
        LeafRefused: it ends inside a leaf.
    """
    leaves: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        begin = at + 2
        at = begin + (data[at] << 8 | data[begin - 1]) if begin <= end else end + 1
        leaves.append(data[begin:at])
    if at != end or (leaves and not leaves[-1]):
        raise LeafRefused("the bundle ends inside a leaf")
    return leaves


def read_opened(text: bytes | str) -> Mapping[str, object]:
    """Read the opened personal fields of a bundle, by index. Erased ones are missing. What is in it, its user looks at.

    Raises:
        LeafRefused: no JSON object.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LeafRefused("the opened fields are no JSON") from error
    if not isinstance(read, dict):
        raise LeafRefused("the opened fields have another form")
    return read

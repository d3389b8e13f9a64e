"""Opens the commitments to personal values: many at a time, because a log has millions. Pure."""

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from openlockbox.activitylog.entry import OpenedField, commitment
from openlockbox.verification.findings import Findings
from openlockbox.verification.leaves import Shape

# 16 bytes of salt are 22 letters, 32 of a digest 43. Filled up with A to whole groups of four, they decode to 18 and 33 bytes.
SALT: Final = 16
_SALT_LETTERS, _SALT_DECODED = 24, 18
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_NOTHING: Final[Mapping[str, Mapping[str, str]]] = {}
_sha256 = hashlib.sha256

Found: TypeAlias = tuple[bytes, bytes, bytes, str, str]  # place, name, commitment, salt, value


def check_opened(shapes: Sequence[Shape], opened: Mapping[str, object], findings: Findings) -> int:
    """Compare what is opened beside the leaves with the commitments in them; return how many values have been erased."""
    found: list[Found] = []
    erased = 0
    for shape in shapes:
        beside = opened.get(shape.place.decode(), _NOTHING)
        if isinstance(beside, dict):
            erased += _match(shape, beside, found, findings)
        else:
            findings.add("personal_differs", int(shape.place), "What is opened beside the entry has another form.")
    if found and not _all_hold(found):
        for place, name, committed, salt, value in found:
            if not _holds(committed, salt, value):
                sentence = f"The value {name.decode()!r} beside the entry is not the logged one."
                findings.add("personal_differs", int(place), sentence)
    return erased


def _match(shape: Shape, beside: Mapping[str, Mapping[str, str]], found: list[Found], findings: Findings) -> int:
    """Put the opened values beside their commitments; return how many are not there."""
    erased = 0
    parts = iter(shape.personal)
    for name, committed in zip(parts, parts, strict=True):
        field = beside.get(name.decode())
        if field is None:
            erased += 1
            continue
        try:
            found.append((shape.place, name, committed, field["salt"], field["value"]))
        except (KeyError, TypeError):
            found.append((shape.place, name, committed, "", ""))  # holds nothing, so it differs
    if len(beside) + erased != len(shape.personal) >> 1:
        findings.add("opened_unknown", int(shape.place), "A value is opened that the entry did not commit to.")
    return erased


def _all_hold(found: Sequence[Found]) -> bool:
    """Decode all salts and all commitments in one go, then hash."""
    try:
        texts = "AA".join([salt for *_, salt, _ in found]).encode("ascii") + b"AA"
        salts = binascii.a2b_base64(texts.translate(_STANDARD))
        committed = binascii.a2b_base64(b"A".join([text for _, _, text, _, _ in found]).translate(_STANDARD) + b"A")
        if len(texts) != _SALT_LETTERS * len(found) or len(salts) != _SALT_DECODED * len(found):
            return False
        digests = [
            _sha256(salts[at : at + SALT] + value.encode()).digest()
            for at, (*_, value) in zip(range(0, len(salts), _SALT_DECODED), found, strict=True)
        ]
    except (ValueError, TypeError, AttributeError):  # looked at one by one
        return False
    return b"\x00".join(digests) + b"\x00" == committed


def _holds(committed: bytes, salt: object, value: object) -> bool:
    try:
        return commitment(OpenedField(salt=str(salt), value=str(value))).encode() == committed
    except ValueError:
        return False

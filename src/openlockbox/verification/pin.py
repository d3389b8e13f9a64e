"""What the customer holds on to from outside the log: the roster's root, or the log's key where there is no roster yet. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openlockbox.activitylog.note import NoteRefused, parse_vkey
from openlockbox.grants.encoding import MAX_TEXT, EnvelopeRefused, Fields, canonical_bytes, parse_canonical

TYPE: Final = "openlockbox.pin"
FORMAT: Final = 1
_FIELDS: Final = ("type", "format", "tenant_id", "roster_root", "log_keys")
_DIGEST_LENGTH: Final = 64


class PinRefused(Exception):
    """A text that pins nothing."""

    code = "pin_malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """At least one of `roster_root` (digest of the roster's first version) and `log_keys`. `tenant_id` is "" where not told."""

    tenant_id: str = ""
    roster_root: str = ""
    log_keys: Sequence[str] = ()


def write_pin(pin: Pin) -> str:
    """Write a pin file.

    Raises:
        PinRefused: it pins nothing.
    """
    text = canonical_bytes(
        {
            "type": TYPE,
            "format": FORMAT,
            "tenant_id": pin.tenant_id,
            "roster_root": pin.roster_root,
            "log_keys": list(pin.log_keys),
        }
    ).decode()
    read_pin(text)
    return text + "\n"


def read_pin(text: str) -> Pin:
    """Read a pin file, a bare roster fingerprint, or the log's verifier key.

    Raises:
        PinRefused: none of these.
    """
    text = text.strip()
    if text.startswith("{"):
        return _read_file(text)
    if len(text) == _DIGEST_LENGTH:
        return _checked(Pin(roster_root=text.lower()))
    return _checked(Pin(log_keys=(text,)))


def _read_file(text: str) -> Pin:
    try:
        fields = Fields(parse_canonical(text.encode()), _FIELDS)
        fields.choice("type", (TYPE,))
        fields.format(FORMAT)
        root = fields.long_text("roster_root", limit=_DIGEST_LENGTH)
        keys = [key for key in fields.array("log_keys") if isinstance(key, str)]
        if len(keys) != len(fields.array("log_keys")):
            raise PinRefused("log_keys")
        return _checked(
            Pin(tenant_id=fields.long_text("tenant_id", limit=MAX_TEXT), roster_root=root, log_keys=tuple(keys))
        )
    except (EnvelopeRefused, UnicodeEncodeError) as error:
        raise PinRefused(str(error)) from error


def _checked(pin: Pin) -> Pin:
    if not (pin.roster_root or pin.log_keys):
        raise PinRefused("neither a roster's fingerprint nor a log's key")
    if pin.roster_root and (len(pin.roster_root) != _DIGEST_LENGTH or set(pin.roster_root) - set("0123456789abcdef")):
        raise PinRefused("the roster's fingerprint is 64 hexadecimal digits")
    for key in pin.log_keys:
        try:
            parse_vkey(key)
        except NoteRefused as error:
            raise PinRefused(f"{key[:80]!r} is neither a roster's fingerprint nor a log's key") from error
    return pin

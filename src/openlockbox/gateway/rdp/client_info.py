"""Client Info: read for the one-time password of a native client, written anew with the injected account for the target."""

import hashlib
import hmac
import struct
from typing import Final

from openlockbox.gateway.contract import Credential
from openlockbox.gateway.rdp.ends import MalformedPdu
from openlockbox.gateway.rdp.octets import Octets

MAX_TEXT: Final = 512  # bytes of one string, MS-RDPBCGR 2.2.1.11.1.1
_SEC_INFO: Final = 0x0040
_UNICODE: Final = 0x0010
# Mouse, no Ctrl+Alt+Del screen, autologon, Unicode, maximized shell, logon notify, Windows key, logon errors, mouse wheel.
# Not set: bulk compression (0x80, 0x1E00), remote applications (0x8000), saved-session cookies.
_FLAGS: Final = 0x1 | 0x2 | 0x8 | _UNICODE | 0x20 | 0x40 | 0x100 | 0x10000 | 0x20000
_NO_SOUND: Final = 0x80000
_LEAN_DESKTOP: Final = 0x01 | 0x02 | 0x04  # no wallpaper, no full-window drag, no menu animation: smaller recordings
_AF_INET: Final = 2
_TIME_ZONE: Final = bytes(172)  # UTC


def password_matches(payload: bytes, *, password_sha256: str) -> bool:
    """Tell whether this Client Info carries the password with this lower-case hex digest; compared in constant time.

    Raises:
        MalformedPdu: not a Client Info.
    """
    return hmac.compare_digest(hashlib.sha256(_parse_password(payload).encode()).hexdigest(), password_sha256)


def is_client_info(payload: bytes) -> bool:
    """Tell whether this is the PDU that ends the client's connection sequence."""
    return len(payload) >= 4 and struct.unpack_from("<H", payload)[0] & _SEC_INFO != 0  # noqa: PLR2004


def client_info(credential: Credential, *, sound: bool) -> bytes:
    """Build the Client Info for the target. Nothing in it comes from the client: no shell, no address, no reconnect cookie.

    Raises:
        MalformedPdu: the stored account does not fit into the protocol's 512 bytes a string.
    """
    texts = [text.encode("utf-16-le") for text in (credential.domain, credential.username, credential.password, "", "")]
    if max(len(text) for text in texts) > MAX_TEXT - 2:
        raise MalformedPdu("stored account too long")
    flags = _FLAGS if sound else _FLAGS | _NO_SOUND
    head = struct.pack("<HHII", _SEC_INFO, 0, 0, flags) + struct.pack("<5H", *(len(text) for text in texts))
    empty = struct.pack("<H", 2) + b"\0\0"
    extra = struct.pack("<H", _AF_INET) + empty + empty + _TIME_ZONE + struct.pack("<IIH", 0, _LEAN_DESKTOP, 0)
    return head + b"".join(text + b"\0\0" for text in texts) + extra


def _parse_password(payload: bytes) -> str:
    fields = Octets(payload)
    security = fields.u16()
    fields.u16()
    if not security & _SEC_INFO:
        raise MalformedPdu("not a client info")
    fields.u32()  # code page
    unicode = bool(fields.u32() & _UNICODE)
    end = 2 if unicode else 1
    domain, user, password = fields.u16(), fields.u16(), fields.u16()
    fields.u16()  # shell
    fields.u16()  # directory
    if max(domain, user, password) > MAX_TEXT:
        raise MalformedPdu("client info string too long")
    fields.take(domain + end)
    fields.take(user + end)
    raw = fields.take(password)
    try:
        return raw.decode("utf-16-le" if unicode else "ascii").rstrip("\0")
    except UnicodeDecodeError:
        raise MalformedPdu("client info text") from None  # the cause would hold the password's bytes

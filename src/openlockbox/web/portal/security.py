"""What stands between the portal and other people's pages: cookies, CSRF values, sealed drafts, headers, local paths.

A CSRF value is an HMAC over the sign-in's secret (before sign-in: over a random cookie of the sign-in page), so one made
for another sign-in is worth nothing, and nothing has to be stored.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection, Request
from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler

from openlockbox.web.settings import WebSettings

Connection = ASGIConnection[Any, Any, Any, Any]

SIGN_IN_COOKIE: Final = "lockbox"
DOOR_COOKIE: Final = "lockbox-door"  # before sign-in: what the sign-in form's CSRF value is made of
SAID_COOKIE: Final = "lockbox-said"  # one word that the next page turns into a sentence
DRAFT_COOKIE: Final = "lockbox-draft"  # a decision between writing and confirming, for one request
CSRF_FIELD: Final = "csrf"
DOOR_PATHS: Final = frozenset({"/sign-in", "/sign-in/passkey", "/sign-in/passkey/begin"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
DRAFT_SECONDS: Final = 30 * 60
SAID_SECONDS: Final = 60

# Each page: nothing but our own scripts and styles, no frames around it, no forms to elsewhere.
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), "
    "publickey-credentials-create=(self), publickey-credentials-get=(self)",
}


class FormRefused(PermissionDeniedException):
    """A form without the CSRF value of this sign-in."""


def cookie_name(web: WebSettings, name: str) -> str:
    """Return the name that the cookie has in this installation; __Host- binds it to host, path / and https."""
    return f"__Host-{name}" if web.cookie_secure else name


def make_cookie(web: WebSettings, name: str, value: str, *, seconds: int | None = None) -> Cookie:
    """Make a cookie for the whole portal; 0 seconds takes it back."""
    return Cookie(
        key=cookie_name(web, name),
        value=value,
        path="/",
        max_age=seconds,
        httponly=True,
        secure=web.cookie_secure,
        samesite="lax",
    )


def read_cookie(connection: Connection, name: str) -> str:
    """Return a cookie's value, or an empty string."""
    return connection.cookies.get(cookie_name(settings_of(connection), name), "")


def settings_of(connection: Connection) -> WebSettings:
    """Return the web settings of the app that serves this connection."""
    web = connection.app.state.web
    if not isinstance(web, WebSettings):
        raise TypeError("app.state.web is missing")
    return web


def _mac(web: WebSettings, purpose: Literal["csrf", "door", "draft", "file"], *parts: str) -> str:
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in (purpose, *parts))
    return base64.urlsafe_b64encode(hmac.digest(web.csrf_secret, message, hashlib.sha256)).decode().rstrip("=")


def csrf_value(web: WebSettings, *, sign_in: str = "", door: str = "") -> str:
    """Return the value for the forms of a signed-in page, or of the sign-in page."""
    return _mac(web, "csrf", sign_in) if sign_in else _mac(web, "door", door)


async def check_form(connection: Connection, _: BaseRouteHandler) -> None:
    """Let nothing through that acts without the CSRF value of this browser: a guard of every portal route.

    Raises:
        FormRefused: the value is missing or another sign-in's.
    """
    if not isinstance(connection, Request):
        raise FormRefused
    if connection.method in SAFE_METHODS:
        return
    sign_in, door = read_cookie(connection, SIGN_IN_COOKIE), read_cookie(connection, DOOR_COOKIE)
    presented = (await connection.form()).get(CSRF_FIELD)
    accepted = [csrf_value(settings_of(connection), sign_in=sign_in)] if sign_in else []
    # Signing in again replaces a sign-in that has ended but whose cookie is still there.
    if door and connection.scope["path"] in DOOR_PATHS:
        accepted.append(csrf_value(settings_of(connection), door=door))
    if not isinstance(presented, str) or not any(hmac.compare_digest(presented.encode(), a.encode()) for a in accepted):
        raise FormRefused


def seal(
    web: WebSettings, purpose: Literal["draft", "file"], sign_in: str, about: str, content: Mapping[str, str]
) -> str:
    """Write values down so that the browser can carry them and nobody can change them or use them elsewhere."""
    text = json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{body}.{_mac(web, purpose, sign_in, about, body)}"


def unseal(
    web: WebSettings, purpose: Literal["draft", "file"], sign_in: str, about: str, sealed: str
) -> dict[str, str]:
    """Return what was sealed, or nothing where it was changed or made for something else."""
    body, _, mac = sealed.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(web, purpose, sign_in, about, body).encode()):
        return {}
    try:
        content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def headers(*, gateway: str | None = None, is_public: bool = False) -> dict[str, str]:
    """Return the security headers of a page. With a gateway's address: those of the one page that draws a desktop."""
    policy = dict(_POLICY)
    if gateway is not None:
        policy["script-src"] += " 'wasm-unsafe-eval'"
        policy["style-src"] += " 'unsafe-inline'"  # the viewer's component writes its own style element
        policy["connect-src"] += f" {origin(gateway)}"
    answer = dict(_HEADERS) | {"Content-Security-Policy": "; ".join(f"{k} {v}" for k, v in policy.items())}
    if not is_public:
        answer["Cache-Control"] = "no-store"
    return answer


def origin(address: str) -> str:
    """Return scheme, host and port of a gateway's WebSocket address.

    Raises:
        ValueError: it is none; what stands in it must not reach a header.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in {"ws", "wss"} or not host or not all(c.isalnum() or c in "-.:" for c in host):
        raise ValueError("not a WebSocket address")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{parts.port}" if parts.port else "")


def local_path(text: str, *, otherwise: str = "/") -> str:
    """Return a path of this portal as it stands; anything that a browser could read as another place is replaced.

    Browsers drop tabs and line breaks and take a backslash for a slash, so both are refused wherever they stand.
    """
    safe = (
        text.startswith("/")
        and not text.startswith("//")
        and "\\" not in text
        and text.isprintable()
        and " " not in text
    )
    return text if safe and len(text) <= 2000 else otherwise  # noqa: PLR2004  longer ones are nobody's bookmark

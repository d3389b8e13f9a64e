"""The settings: one frozen tree from a TOML file and LOCKBOX_* variables. Nothing here sets a clock, and nothing unknown passes.

A variable names section and key: LOCKBOX_BASE_URL, LOCKBOX_WEB__PORT. It wins over the file. Paths in the file are relative to
the file. docs/operate/settings.md describes every key; a test compares it with this module.
"""

import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

CONFIG_VARIABLE: Final = "LOCKBOX_CONFIG"
PREFIX: Final = "LOCKBOX_"
CONFIG_FILES: Final = (Path("lockbox.toml"), Path("/etc/openlockbox/lockbox.toml"))
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LARGEST_PORT: Final = 65_535
SQLITE: Final = "sqlite:///"
_DURATION: Final = re.compile(r"([0-9]{1,6})(ms|s|m|h|d)")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class InvalidSettings(Exception):
    """The settings cannot be used. The message says where they stand and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A network address to listen on or to connect to, written "host:port" or "[::1]:port"."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read "host:port".

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host) != bracketed or not port.isascii() or not port.isdigit() or int(port) > LARGEST_PORT:
        raise ValueError(f"{text!r} is no address like 127.0.0.1:3389")
    return Address(host=host, port=int(port))


def parse_duration(text: str) -> timedelta:
    """Read a number with its unit: "4d", "8h", "30m", "10s", "250ms".

    Raises:
        ValueError: it is none, or zero.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration like 4d, 8h, 30m or 10s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class MailSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """[database]."""

    url: str = "sqlite:///lockbox.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSection:
    """[web]."""

    host: str = "127.0.0.1"
    port: int = 8400
    mailbox_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    passkey_rp_id: str = ""
    passkey_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSection:
    """[mail]."""

    host: str = "localhost"
    port: int = 587
    security: MailSecurity = MailSecurity.STARTTLS
    sender: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=10)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesSection:
    """[rules]."""

    queue_time: timedelta = timedelta(days=4)  # specification W8
    access_duration: timedelta = timedelta(hours=8)  # specification W11


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySection:
    """[policy]."""

    directory: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSection:
    """[keys]."""

    directory: Path = Path("keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSection:
    """[worker]."""

    interval: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySection:
    """[gateway]. On a gateway's own machine the file holds base_url and this section only."""

    state_directory: Path = Path("gateway")
    control_plane_url: str = ""
    control_plane_ca: Path | None = None
    browser_listen: Address = Address(host="127.0.0.1", port=8401)
    browser_url: str = "ws://gateway.localhost:8401/rdp"
    native_listen: Address = Address(host="127.0.0.1", port=3389)
    native_address: Address = Address(host="localhost", port=3389)
    allowed_origins: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    ready_file: Path | None = None
    max_sessions: int = 200
    max_sessions_per_grant: int = 4
    max_connections: int = 400
    max_connections_per_address: int = 100
    first_contact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator sets."""

    base_url: str
    database: DatabaseSettings = DatabaseSettings()
    web: WebSection = WebSection()
    mail: MailSection = MailSection()
    rules: RulesSection = RulesSection()
    policy: PolicySection = PolicySection()
    keys: KeysSection = KeysSection()
    worker: WorkerSection = WorkerSection()
    gateway: GatewaySection = GatewaySection()

    @property
    def is_encrypted(self) -> bool:
        """Tell whether browsers reach the portal by https. Without it cookies lack Secure, which localhost alone may have."""
        return self.base_url.startswith("https://")

    @property
    def passkey_rp_id(self) -> str:
        """Return the host name that passkeys are made for: the portal's, unless a parent domain is set."""
        return self.web.passkey_rp_id or urlsplit(self.base_url).hostname or ""

    @property
    def passkey_origins(self) -> tuple[str, ...]:
        """Return the origins whose pages may use them: the portal's, unless others are set."""
        if self.web.passkey_origins:
            return self.web.passkey_origins
        scheme, _, rest = self.base_url.lower().partition("://")  # as browsers write it: no port that is the scheme's
        return (f"{scheme}://{rest.removesuffix(':443' if scheme == 'https' else ':80')}",)


def find_file(given: str | None, environment: Mapping[str, str]) -> Path:
    """Return the settings file: the one given, LOCKBOX_CONFIG's, ./lockbox.toml or /etc/openlockbox/lockbox.toml.

    Raises:
        InvalidSettings: there is none.
    """
    named = given or environment.get(CONFIG_VARIABLE)
    candidates = (Path(named),) if named else CONFIG_FILES
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    looked = ", ".join(str(c) for c in candidates)
    raise InvalidSettings(f"there is no settings file at {looked}; make one with: lockbox init DIRECTORY")


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the file and the variables.

    Raises:
        InvalidSettings: an unknown key, a value that does not fit, a file that cannot be read.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from error
    return parse_settings(document, environment, base=path.parent, name=str(path))


def parse_settings(
    document: Mapping[str, object], environment: Mapping[str, str], *, base: Path, name: str = "settings"
) -> Settings:
    """Turn a TOML document and variables into settings. Relative paths are taken from `base`.

    Raises:
        InvalidSettings: see `load_settings`.
    """
    known = dict(_keys(Settings))
    values: dict[str, dict[str, Any]] = {}
    for where, key, value in (*_of_document(document, name), *_of_environment(environment)):
        section, _, word = key.rpartition(".")
        if key not in known:
            near = [k for k in known if k.rpartition(".")[0] == section] or list(known)
            raise InvalidSettings(f"{where}: there is no setting {key!r}; there are: {', '.join(sorted(near))}")
        try:
            values.setdefault(section, {})[word] = _convert(value, known[key])
        except ValueError as error:
            raise InvalidSettings(f"{where}: {key}: {error}") from error
    sections = {part: _with_paths(kind(**values.get(part, {})), base) for part, kind in _sections().items()}
    try:
        settings = Settings(base_url=values.get("", {}).get("base_url", "").rstrip("/"), **sections)
        _check(settings)
    except ValueError as error:
        raise InvalidSettings(f"{name}: {error}") from error
    return replace(settings, database=replace(settings.database, url=_located(settings.database.url, base)))


def setting_names() -> tuple[str, ...]:
    """Return every key as it is documented, such as "base_url" and "web.port"."""
    return tuple(name for name, _ in _keys(Settings))


def _sections() -> dict[str, Any]:
    return {part.name: part.type for part in fields(Settings) if is_dataclass(part.type)}


def _keys(kind: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  a class, read as a value
    for part in fields(kind):
        if not prefix and is_dataclass(part.type):
            yield from _keys(part.type, f"{part.name}.")
        else:
            yield f"{prefix}{part.name}", part.type


def _of_document(document: Mapping[str, object], name: str) -> Iterator[tuple[str, str, object]]:
    for key, value in document.items():
        if key not in _sections():
            yield name, key, value
        elif isinstance(value, dict):
            yield from ((name, f"{key}.{inner}", content) for inner, content in value.items())
        else:
            raise InvalidSettings(f"{name}: {key} is a section: write [{key}]")


def _of_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    for variable, value in sorted(environment.items()):
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE:
            yield f"variable {variable}", variable.removeprefix(PREFIX).lower().replace("__", "."), _Word(value)


class _Word(str):
    """A value from a variable: text that may also stand for a number or a list."""

    __slots__ = ()


def _convert(value: object, kind: Any) -> object:  # noqa: ANN401  an annotation, read as a value
    """Take a value for a field of this type. Raises ValueError."""
    if isinstance(kind, types.UnionType):  # X | None: a key that is left out is None
        kind = next(k for k in typing.get_args(kind) if k is not types.NoneType)
    if isinstance(value, _Word):
        if typing.get_origin(kind) is tuple:
            value = [word.strip() for word in value.split(",") if word.strip()]
        elif kind is int and value.isascii() and value.isdigit():
            value = int(value)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError("a list of strings is needed")
        return tuple(value)
    if kind is bool:
        return _truth(value)
    if kind is int:
        return _number(value)
    if not isinstance(value, str):
        raise ValueError("a string is needed")  # noqa: TRY004  the caller adds the place to this one kind of error
    readers: dict[Any, Any] = {timedelta: parse_duration, Address: parse_address, Path: _path, MailSecurity: _security}
    return readers.get(kind, str)(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool) and not (isinstance(value, _Word) and value in {"true", "false"}):
        raise ValueError("true or false is needed")
    return value in {True, "true"}


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a whole number is needed")
    return value


def _path(text: str) -> Path:
    if not text:
        raise ValueError("a path is needed")
    return Path(text).expanduser()


def _security(text: str) -> MailSecurity:
    if text not in set(MailSecurity):
        raise ValueError(f"{text!r} is none of {', '.join(MailSecurity)}")
    return MailSecurity(text)


def _with_paths(section: Any, base: Path) -> Any:  # noqa: ANN401  any of the sections
    paths = {part.name: getattr(section, part.name) for part in fields(section)}
    return replace(section, **{name: base / path for name, path in paths.items() if isinstance(path, Path)})


def _located(database_url: str, base: Path) -> str:
    """Let a relative SQLite file lie beside the settings: sqlite:///name, where an absolute one has a fourth slash."""
    name = database_url.removeprefix(SQLITE)
    if name == database_url or not name or name.startswith((":", "/")):
        return database_url
    return f"{SQLITE}{base / name}"


def _check(settings: Settings) -> None:
    """Refuse what would only fail, or be unsafe, later on. Raises ValueError."""
    url = urlsplit(settings.base_url)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path or url.query or url.fragment:
        raise ValueError("base_url: the address of the portal is needed, like https://lockbox.example")
    if url.scheme == "http" and url.hostname not in LOCAL_HOSTS:
        raise ValueError(
            "base_url: only localhost may do without https, because passwords and cookies would travel in clear"
        )
    _check_passkeys(settings)
    if settings.web.port > LARGEST_PORT or settings.mail.port > LARGEST_PORT:
        raise ValueError(f"a port is at most {LARGEST_PORT}")
    if (settings.gateway.tls_certificate is None) != (settings.gateway.tls_key is None):
        raise ValueError("gateway.tls_certificate and gateway.tls_key come together")


def _check_passkeys(settings: Settings) -> None:
    """Refuse what no browser would accept: an origin belongs to the passkeys' domain. Raises ValueError."""
    site = settings.passkey_rp_id
    for origin in settings.passkey_origins:
        url = urlsplit(origin)
        host = url.hostname or ""
        if origin != f"{url.scheme}://{url.netloc}" or url.scheme not in {"http", "https"}:
            raise ValueError(f"web.passkey_origins: {origin!r} is no origin like https://lockbox.example")
        if host != site and not host.endswith(f".{site}"):
            raise ValueError(
                f"web.passkey_rp_id: {site!r} is not the domain of {origin!r}, so its browsers would refuse"
            )

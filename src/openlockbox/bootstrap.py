"""The only place where adapters meet services, and where clock and randomness become arguments. Holds no rule of the product."""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from openlockbox.adapters.db import SqlDatabase
from openlockbox.adapters.db.migrations import check_current
from openlockbox.adapters.identity.local import LocalSignIn
from openlockbox.adapters.identity.passkeys import WebauthnPasskeys
from openlockbox.adapters.keys.files import COOKIE_SECRET, TOTP_SECRET, FileKeys
from openlockbox.adapters.mail.smtp import SmtpMailer, SmtpSecurity, SmtpSettings
from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.config import InvalidSettings, Settings
from openlockbox.connectors.registry import Registry
from openlockbox.gateway.logs import FieldFormatter
from openlockbox.gateway.settings import GatewaySettings
from openlockbox.services.delivery import Mailer
from openlockbox.services.work import Lockbox, Rules
from openlockbox.web.i18n import translations
from openlockbox.web.settings import WebSettings

Clock = Callable[[], datetime]

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 without I, L, O, U: read aloud over a telephone
GROUP: Final = 4
SHORT: Final = 8  # 40 bits: an id that people read, which opens nothing by being known
LONG: Final = 24  # 120 bits: an id that must not be guessed
UNGUESSABLE: Final = frozenset({"SES", "GRT", "TOK"})


def system_clock() -> datetime:
    """Read the machine's clock."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Make an id such as LBX-7K3M-Q0ZT; sessions, grants and tokens get one that nobody guesses."""
    length = LONG if prefix in UNGUESSABLE else SHORT
    # One read of randomness; 256 is a multiple of the 32 letters, so that none is likelier than another.
    letters = "".join(CROCKFORD[byte % len(CROCKFORD)] for byte in secrets.token_bytes(length))
    groups = [letters] if length == LONG else [letters[i : i + GROUP] for i in range(0, length, GROUP)]
    return "-".join([prefix, *groups])


def new_secret() -> str:
    """Make a secret of 256 bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def bootstrap(settings: Settings, *, clock: Clock = system_clock) -> Lockbox:
    """Wire everything a use case needs.

    Raises:
        SchemaNotCurrent: the database needs `lockbox database upgrade`.
        KeyFileRefused, InvalidPolicy: keys or JIT rules cannot be used.
    """
    check_current(settings.database.url)
    keys = FileKeys(settings.keys.directory)
    return Lockbox(
        database=SqlDatabase(settings.database.url, salt=secrets.token_bytes),
        policy=CedarPolicyEngine.from_directory(settings.policy.directory),
        keys=keys,
        sign_in=LocalSignIn(keys.secret(TOTP_SECRET)),
        passkeys=WebauthnPasskeys(settings.passkey_rp_id, settings.passkey_origins),
        registry=Registry(),
        rules=Rules(
            base_url=settings.base_url,
            queue_time=settings.rules.queue_time,
            access_duration=settings.rules.access_duration,
        ),
        clock=clock,
        new_id=new_id,
        new_secret=new_secret,
    )


def mailer(settings: Settings, *, clock: Clock = system_clock) -> Mailer:
    """Make what sends mail.

    Raises:
        InvalidSettings: [mail] lacks something.
    """
    mail = settings.mail
    try:
        smtp = SmtpSettings(
            host=mail.host,
            port=mail.port,
            sender=mail.sender,
            security=SmtpSecurity(mail.security.value),
            username=mail.username,
            password=mail.password,
            timeout=mail.timeout,
            ca_file=mail.ca_file,
        )
    except ValueError as error:
        raise InvalidSettings(f"[mail]: {error}") from error
    return SmtpMailer(smtp, translations=translations, clock=clock)


def web_settings(settings: Settings) -> WebSettings:
    """Return what the web process is told about itself.

    Raises:
        KeyFileRefused: the keys cannot be read.
    """
    return WebSettings(
        base_url=settings.base_url,
        cookie_secure=settings.is_encrypted,
        csrf_secret=FileKeys(settings.keys.directory).secret(COOKIE_SECRET),
        mailbox_url=settings.web.mailbox_url or None,
    )


def gateway_settings(settings: Settings) -> GatewaySettings:
    """Return what a gateway is told; control plane and allowed origin are the portal's where nothing else is set."""
    section = settings.gateway
    tls = (section.tls_certificate, section.tls_key)
    return GatewaySettings(
        state_dir=section.state_directory,
        control_plane_url=section.control_plane_url or settings.base_url,
        control_plane_ca=section.control_plane_ca,
        browser_listen=(section.browser_listen.host, section.browser_listen.port),
        browser_url=section.browser_url,
        browser_tls=None if tls[0] is None or tls[1] is None else (tls[0], tls[1]),
        native_listen=(section.native_listen.host, section.native_listen.port),
        native_address=str(section.native_address),
        allowed_origins=section.allowed_origins or (settings.base_url,),
        ready_file=section.ready_file,
        max_sessions=section.max_sessions,
        max_sessions_per_grant=section.max_sessions_per_grant,
        max_connections=section.max_connections,
        max_connections_per_address=section.max_connections_per_address,
        first_contact=section.first_contact,
    )


def log_with_fields(process: str) -> None:
    """Send everything that is logged to standard error, one line an event, each naming its process."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter())
    handler.addFilter(lambda record: _named(record, process))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("alembic", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _named(record: logging.LogRecord, process: str) -> bool:
    record.service = process
    vars(record).pop("color_message", None)  # uvicorn says everything a second time, in colour
    return True


def close(lockbox: Lockbox) -> None:
    """Give back what `bootstrap` opened."""
    if isinstance(lockbox.database, SqlDatabase):
        lockbox.database.close()

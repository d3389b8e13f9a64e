"""Sends a mail through an SMTP server. Tells for good from for now, and never speaks without TLS where TLS was asked for."""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Final

from openlockbox.adapters.mail.rendering import NotRenderable, Renderer, Translations, one_line
from openlockbox.domain.principal import Principal
from openlockbox.services.delivery import MailDelayed, MailRefused

# Quoted local parts, address literals and letters beyond ASCII are refused: nothing in an address needs quoting then.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LONGEST_ADDRESS: Final = 254
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_POLICY: Final = SMTP.clone(cte_type="7bit")  # no server on the way has to know 8BITMIME
_PERMANENT: Final = range(500, 600)


class SmtpSecurity(StrEnum):
    """How the connection to the server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Which server, and as whom."""

    host: str
    port: int
    sender: str  # "lockbox@provider.example" or "OpenLockbox <lockbox@provider.example>"
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=10)  # for each answer of the server
    ca_file: Path | None = None  # None: the system's certificates

    def __post_init__(self) -> None:
        """Refuse what would fail or leak at the first mail.

        Raises:
            ValueError: the sender is no address, or a password would travel in the clear.
        """
        if one_line(self.sender) != self.sender or not is_address(parseaddr(self.sender)[1]):
            raise ValueError(f"mail sender {self.sender!r}: not a mail address")
        if self.username and self.security is SmtpSecurity.NONE and self.host not in _LOOPBACK:
            raise ValueError("mail: a user name needs starttls or tls, or the password travels in the clear")


def is_address(text: str) -> bool:
    """Tell whether this is a mail address that we send from or to."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def message_id(key: str, domain: str) -> str:
    """Return the Message-ID of an outbox row: a second copy of the same mail has the same one."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


class SmtpMailer:
    """A `Mailer`: one connection a mail. Safe to share between threads."""

    def __init__(self, settings: SmtpSettings, *, translations: Translations, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._renderer = Renderer(translations)
        self._clock = clock
        name, self._sender = parseaddr(settings.sender)
        self._from = Address(display_name=one_line(name), addr_spec=self._sender)
        self._domain = self._sender.rpartition("@")[2]

    def send(self, recipient: Principal, template: str, values: Mapping[str, str], *, key: str) -> None:
        """Send one mail; see `Mailer.send`."""
        if not is_address(recipient.mail):
            raise MailRefused("the recipient's mail address is not one that we send to")
        try:
            message = self._compose(recipient, template, values, key)
            data = message.as_bytes(policy=_POLICY)
        except (NotRenderable, MessageError, ValueError) as error:
            raise MailDelayed(f"the mail cannot be written: {error}") from error
        try:
            self._transmit(recipient.mail, data)
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise _outcome(code, answer) from error
        except smtplib.SMTPDataError as error:
            raise _outcome(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            # Also a refused sender or password: a fault of the installation, not of this mail. It waits for the operator.
            raise MailDelayed(one_line(f"{type(error).__name__}: {error}")) from error

    def _compose(self, recipient: Principal, template: str, values: Mapping[str, str], key: str) -> EmailMessage:
        rendered = self._renderer.render(recipient, template, values)
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._from
        message["To"] = Address(display_name=one_line(recipient.name), addr_spec=recipient.mail)
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = message_id(key, self._domain)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office replies stay away
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        message["Content-Language"] = one_line(rendered.language)  # last: an alternative takes Content- headers along
        return message

    def _transmit(self, to: str, data: bytes) -> None:
        settings = self._settings
        seconds = settings.timeout.total_seconds()
        host, port, name = settings.host, settings.port, self._domain
        smtp: smtplib.SMTP
        if settings.security is SmtpSecurity.TLS:
            smtp = smtplib.SMTP_SSL(host, port, name, timeout=seconds, context=self._tls())
        else:
            smtp = smtplib.SMTP(host, port, name, timeout=seconds)
        try:
            if settings.security is SmtpSecurity.STARTTLS:
                smtp.starttls(context=self._tls())  # raises where the server does not offer it
            if settings.username:
                smtp.login(settings.username, settings.password)
            smtp.sendmail(self._sender, [to], data)
            # The server has taken the mail: a bad good-bye must not make us send it again.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca_file)


def _outcome(code: int, answer: bytes | str) -> MailRefused | MailDelayed:
    words = one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer)
    return (MailRefused if code in _PERMANENT else MailDelayed)(f"{code} {words}")

"""A real SMTP server that keeps what it is given in memory: for tests, and for the mail page of `lockbox demo`. Relays nothing."""

import asyncio
import email
import email.policy
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Final, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

KEPT: Final = 1_000  # messages; the oldest make room
_START_TIMEOUT: Final = 10.0
_OK: Final = "250 OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message that arrived."""

    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    text: str
    html: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """Return the parsed message, for its other headers."""
        return _parse(self.raw)


class SmtpServer:
    """A server on a loopback port, in a thread of its own. `recipient_reply` and `data_reply` may be set at any time.

    Restarting it keeps port and messages, so that "down, then up again" can be tried.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        """Take a server context to offer STARTTLS, and then to require it."""
        self.host = host
        self.port = 0  # chosen at the first start
        self.recipient_reply = _OK
        self.data_reply = _OK
        self._tls = tls
        self._messages: deque[Received] = deque(maxlen=KEPT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def messages(self) -> list[Received]:
        """Return what arrived, oldest first."""
        return list(self._messages)

    def start(self) -> None:
        """Listen. Returns when connections are accepted."""
        loop = asyncio.new_event_loop()
        listening: asyncio.Future[asyncio.Server] = loop.create_future()
        ready = threading.Event()
        self._loop = loop
        self._thread = threading.Thread(target=self._serve, args=(loop, listening, ready), daemon=True)
        self._thread.start()
        if not ready.wait(_START_TIMEOUT):
            raise TimeoutError("the SMTP server did not start")
        self.port = listening.result().sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port and all connections. Idempotent."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(
        self, loop: asyncio.AbstractEventLoop, listening: "asyncio.Future[asyncio.Server]", ready: threading.Event
    ) -> None:
        asyncio.set_event_loop(loop)
        protocols: list[SMTP] = []

        def protocol() -> SMTP:
            connection = SMTP(
                self,
                hostname="sink.openlockbox.test",
                tls_context=self._tls,
                require_starttls=self._tls is not None,
                loop=loop,
            )
            protocols.append(connection)
            return connection

        try:
            server = loop.run_until_complete(loop.create_server(protocol, self.host, self.port))
            listening.set_result(server)
        except OSError as error:
            listening.set_exception(error)
            ready.set()
            loop.close()
            return
        ready.set()
        loop.run_forever()
        server.close()
        for connection in protocols:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    # aiosmtpd calls these by name.

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        if self.recipient_reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient_reply

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the message, then answer."""
        if self.data_reply.startswith("2"):
            content = envelope.content
            raw = content.encode() if isinstance(content, str) else bytes(content or b"")
            self._messages.append(_received(raw, envelope))
        return self.data_reply


def _parse(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


def _received(raw: bytes, envelope: Envelope) -> Received:
    message = _parse(raw)
    return Received(
        sender=envelope.mail_from or "",
        recipients=tuple(str(r) for r in envelope.rcpt_tos),
        message_id=str(message["Message-ID"] or ""),
        subject=str(message["Subject"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        raw=raw,
    )

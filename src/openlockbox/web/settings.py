"""What the web process is told about itself. Values only; nothing here reads the environment."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The settings of the web process, built by bootstrap and put in `app.state.web`.

    There is no list of trusted proxies: a client's address is the one of its connection, so nobody escapes the throttle with
    a header. Gateways are not listed either: the session page names the gateway of its grant in its Content-Security-Policy.
    """

    base_url: str  # "https://lockbox.example", without a slash at the end
    cookie_secure: bool  # False only for http://localhost, where browsers refuse the __Host- prefix
    csrf_secret: bytes = field(repr=False)  # at least 32 random bytes, the same in all web processes
    mailbox_url: str | None = None  # the demo's page of mails sent

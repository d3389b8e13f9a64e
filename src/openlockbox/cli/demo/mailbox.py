"""Two small pages of the demo: the mails that were sent, and everybody's one-time code. They answer this machine only.

Everything shown comes from elsewhere, so everything is escaped; the pages run no script.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from openlockbox.cli.demo.cast import CUSTOMERS, PROVIDER_NAME, Account
from openlockbox.testing.smtp_server import Received

HOST: Final = "127.0.0.1"
REFRESH_SECONDS: Final = 5
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)
STYLE: Final = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8886;vertical-align:top}
pre{white-space:pre-wrap;border:1px solid #8886;border-radius:8px;padding:1rem}code{font-size:1.05em}
iframe{width:100%;height:40rem;border:1px solid #8886;border-radius:8px;background:#fff}nav a{margin-right:1.5rem}
"""

Answer = tuple[HTTPStatus, str]


@contextmanager
def serve_pages(
    mails: Callable[[], list[Received]], accounts: Mapping[str, Account], *, portal: str, port: int = 0
) -> Iterator[str]:
    """Serve the pages and give their address."""

    class Handler(BaseHTTPRequestHandler):
        server_version = "openlockbox-demo"

        def do_GET(self) -> None:
            """Answer a page."""
            # Another site's page must not reach this one under a name of its own that points here.
            name = (self.headers.get("Host") or "").rpartition(":")[0]
            if name not in {"localhost", HOST}:
                status, page = HTTPStatus.MISDIRECTED_REQUEST, "This address is not served."
            else:
                status, page = answer(self.path, mails(), accounts, portal=portal)
            content = page.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:  # the demo's terminal has better things to show
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(path: str, mails: list[Received], accounts: Mapping[str, Account], *, portal: str) -> Answer:
    """Return the page at a path."""
    if path == "/":
        return HTTPStatus.OK, _page("Mails of this demo", _list(mails), refresh=True)
    if path == "/codes":
        return HTTPStatus.OK, _page("Who can sign in", _codes(accounts, portal), refresh=True)
    number = re.fullmatch(r"/mails/([0-9]{1,6})", path)
    if number is not None and int(number[1]) < len(mails):
        mail = mails[int(number[1])]
        return HTTPStatus.OK, _page(mail.subject, _mail(mail, portal), refresh=False)
    return HTTPStatus.NOT_FOUND, _page("There is no such page", "", refresh=False)


def _page(title: str, body: str, *, refresh: bool) -> str:
    again = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f'<body><nav><a href="/">Mails</a><a href="/codes">Who can sign in</a></nav><h1>{escape(title)}</h1>{body}</body></html>'
    )


def _list(mails: list[Received]) -> str:
    if not mails:
        return "<p>No mail yet. The first one goes out when an engineer's request needs the customer's answer.</p>"
    rows = "".join(
        f'<tr><td>{escape(", ".join(mail.recipients))}</td><td><a href="/mails/{number}">{escape(mail.subject)}</a></td></tr>'
        for number, mail in reversed(list(enumerate(mails)))
    )
    return f"<table><tr><th>To</th><th>Subject</th></tr>{rows}</table>"


def _mail(mail: Received, portal: str) -> str:
    text = escape(mail.text)
    # Only addresses of the demo's own portal become links: whatever else stands in a mail is text.
    address = re.escape(escape(portal)) + r"/(?:&amp;|[^\s&])*"
    text = re.sub(address, lambda found: f'<a href="{found[0]}">{found[0]}</a>', text)
    return (
        f"<p>From {escape(mail.sender)} to {escape(', '.join(mail.recipients))}</p><pre>{text}</pre>"
        f'<h2>As a mail program shows it</h2><iframe sandbox="" srcdoc="{escape(mail.html)}"></iframe>'
    )


def _codes(accounts: Mapping[str, Account], portal: str) -> str:
    rows = "".join(
        f"<tr><td>{escape(account.person.name)}<br>{escape(organization(account))}</td>"
        f"<td>{escape(account.person.does)}</td><td><code>{escape(account.person.mail)}</code></td>"
        f"<td><code>{escape(account.password)}</code></td><td><code>{escape(account.code())}</code></td></tr>"
        for account in accounts.values()
    )
    return (
        f'<p>Sign in at <a href="{escape(portal)}">{escape(portal)}</a>. A code works once; every half minute there is a new one.'
        " Use a private window for each person.</p>"
        f"<table><tr><th>Who</th><th>Can try</th><th>Mail</th><th>Password</th><th>Code</th></tr>{rows}</table>"
    )


def organization(account: Account) -> str:
    """Return the name of a person's organization."""
    return CUSTOMERS.get(account.person.tenant_id, PROVIDER_NAME)

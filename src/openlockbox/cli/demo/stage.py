"""Builds the demo and takes it down again: directory, desktop, mail server, pages, processes. Leaves nothing behind."""

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from openlockbox import bootstrap
from openlockbox.cli.demo.cast import CUSTOMERS, GATEWAY, PROVIDER, PROVIDER_NAME, SECRETS, Account, add_resources, seed
from openlockbox.cli.demo.mailbox import serve_pages
from openlockbox.cli.installation import install, write_settings
from openlockbox.cli.processes import child_processes
from openlockbox.cli.supervisor import Supervisor
from openlockbox.config import Settings, load_settings
from openlockbox.domain.ids import TenantId
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.enrolment import enrol
from openlockbox.gateway.secret_store import write_secret
from openlockbox.services.roster import issue_code
from openlockbox.services.setup import invite_gateway
from openlockbox.testing.desktop_processes import DesktopUnavailable
from openlockbox.testing.desktops import (
    Desktop,
    missing_packages,
    start_shadow_desktop,
    start_xrdp_desktop,
)
from openlockbox.testing.smtp_server import Received, SmtpServer

FIRST_PORT: Final = 8400  # a number to remember, when it is free
START_SECONDS: Final = 60.0
LAST_LINES: Final = 30
LONG_LINE: Final = 800  # a traceback in one line: its beginning and its end tell enough
DESKTOP_WAIT_SECONDS: Final = 60.0  # how long another demo or test may keep the machine's one xrdp

Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running demo."""

    directory: Path
    settings: Settings
    accounts: Mapping[str, Account]
    roster_codes: Mapping[TenantId, str]  # with which a customer puts its first key on its roster
    desktop: Desktop | None
    mails: Callable[[], list[Received]]
    pages: str  # address of the mail page; the codes are at "codes" below it
    log_file: Path


@contextmanager
def build(*, port: int | None, postgres: str | None, say: Say) -> Iterator[Stage]:
    """Start everything, and undo it at the end.

    Raises:
        DemoFailed: a process does not come up.
    """
    with ExitStack() as undo:
        directory = Path(tempfile.mkdtemp(prefix="lockbox-demo-"))
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        desktop = undo.enter_context(_desktop(say))
        sink = undo.enter_context(SmtpServer())
        accounts: dict[str, Account] = {}
        address = f"http://localhost:{port or _free_port(FIRST_PORT)}"
        pages = undo.enter_context(serve_pages(lambda: sink.messages, accounts, portal=address))
        file, settings = _settings(directory, address, smtp_port=sink.port, pages=pages, postgres=postgres)
        say("Database, keys and the provider's organization …")
        install(settings, provider_id=PROVIDER, provider_name=PROVIDER_NAME)
        lockbox = bootstrap.bootstrap(settings)
        undo.callback(bootstrap.close, lockbox)
        accounts.update(seed(lockbox))
        codes = {tenant_id: issue_code(lockbox, tenant_id=tenant_id) for tenant_id in CUSTOMERS}
        log_file = directory / "processes.log"
        # A demo has no variables of its own: those of an installation on this machine must not reach into it.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCKBOX_")}
        supervisor = Supervisor(children=child_processes(file, settings), log_file=log_file, environment=environment)
        say("Portal, worker and gateway …")
        undo.enter_context(_in_background(supervisor))
        _until(lambda: _answers(f"{address}/readyz"), "the portal", log_file)
        gateway = bootstrap.gateway_settings(settings)
        _, code = invite_gateway(lockbox, gateway_id=GATEWAY, name="Gateway of the demo")
        enrol(gateway, code, now=bootstrap.system_clock())
        if desktop is not None:
            account = Credential(username=desktop.username, password=desktop.password, domain=desktop.domain)
            for tenant_id, names in SECRETS.items():
                for name in names.values():
                    write_secret(gateway.files.secrets, name, account, tenant_id=tenant_id)
        add_resources(lockbox, desktop)
        listen = settings.gateway.browser_listen
        _until(lambda: _answers(f"http://{listen}/healthz"), "the gateway", log_file)
        yield Stage(
            directory=directory,
            settings=settings,
            accounts=accounts,
            roster_codes=codes,
            desktop=desktop,
            mails=lambda: sink.messages,
            pages=pages,
            log_file=log_file,
        )
        say("Taking everything down …")


@contextmanager
def _desktop(say: Say) -> Iterator[Desktop | None]:
    """Start a desktop to connect to, or say what is missing for one."""
    kinds: list[tuple[str, Callable[[], AbstractContextManager[Desktop]]]] = []
    if os.geteuid() == 0:
        kinds.append(("xrdp", lambda: start_xrdp_desktop(lock_seconds=DESKTOP_WAIT_SECONDS)))
    kinds.append(("shadow", lambda: start_shadow_desktop("nla")))
    for kind, start in kinds:
        if missing := missing_packages(kind):
            say(f"No {kind} desktop: apt-get install {' '.join(missing)}")
            continue
        with ExitStack() as running:
            try:
                desktop = running.enter_context(start())
            except DesktopUnavailable as error:
                say(f"No {kind} desktop: {error}")
                continue
            if kind == "xrdp":
                say(
                    f"A desktop by xrdp on port {desktop.port}, with the Unix account {desktop.username}, removed at the end."
                )
            else:
                say(f"A desktop by FreeRDP's shadow server on port {desktop.port}, drawn on a virtual screen.")
            yield desktop
            return
    say("This demo has no desktop to connect to; everything before that works.")
    yield None


def _settings(
    directory: Path, address: str, *, smtp_port: int, pages: str, postgres: str | None
) -> tuple[Path, Settings]:
    browser, native = _free_port(), _free_port()
    sections: dict[str, dict[str, str | int]] = {
        "": {"base_url": address},
        "database": {"url": postgres or "sqlite:///lockbox.db"},
        "web": {"port": int(address.rpartition(":")[2]), "mailbox_url": pages},
        "mail": {
            "host": "127.0.0.1",
            "port": smtp_port,
            "security": "none",
            "sender": f"{PROVIDER_NAME} <lockbox@{PROVIDER}.example>",
        },
        "gateway": {
            "control_plane_url": address,
            "browser_listen": f"127.0.0.1:{browser}",
            "browser_url": f"ws://gateway.localhost:{browser}/rdp",
            "native_listen": f"127.0.0.1:{native}",
            "native_address": f"localhost:{native}",
            "first_contact": True,  # a demo's customers have nobody who could tell a fingerprint out of band
        },
    }
    file = directory / "lockbox.toml"
    write_settings(file, sections)
    return file, load_settings(file, {})


@contextmanager
def _in_background(supervisor: Supervisor) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stop,), name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _free_port(wanted: int = 0) -> int:
    """Return the wanted port where it is free, any free one otherwise."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return _free_port()
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _until(is_ready: Callable[[], bool], what: str, log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not come up\n{last_lines(log_file)}")
        time.sleep(0.1)


def last_lines(log_file: Path) -> str:
    """Return the end of what the processes said, which goes with the demo's directory."""
    if not log_file.exists():
        return ""
    lines = log_file.read_text(errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join(line if len(line) <= LONG_LINE else f"{line[:200]} … {line[-500:]}" for line in lines)

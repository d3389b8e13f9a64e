"""A whole installation with its processes, made by the commands of `lockbox` where there is one. Each test brings its own cases."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import pyotp

from openlockbox import bootstrap
from openlockbox.config import load_settings
from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import TenantId
from openlockbox.gateway.contract import Credential
from openlockbox.gateway.secret_store import write_secret
from openlockbox.services.ports import EntryFilter
from openlockbox.services.work import Lockbox
from openlockbox.testing.desktops import Desktop
from openlockbox.testing.smtp_server import Received, SmtpServer
from tests.e2e import cast
from tests.e2e.cast import put_resource
from tests.e2e.mains import FileClock
from tests.e2e.person import Person

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[2]
DEADLINE = 20.0  # seconds until what must happen counts as not happening
MAIN = (sys.executable, "-m", "tests.e2e.mains")
PROCESSES = ("web", "worker", "gateway")


def until(look: Callable[[], T | None], what: str, seconds: float = DEADLINE) -> T:
    """Poll until `look` gives something true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"in {seconds:.0f} s there was no {what}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class System:
    """The installation. `start`, `stop` and `kill` work on its processes by name; a number behind the name makes a second one."""

    def __init__(self, directory: Path, sink: SmtpServer, desktops: Mapping[str, Desktop]) -> None:
        self.directory, self.sink, self.desktops = directory, sink, desktops
        self.clock = FileClock.create(directory / "clock")
        self.web_port, self.browser_port, self.native_port = free_port(), free_port(), free_port()
        self.base_url = f"http://localhost:{self.web_port}"
        self.settings_file = directory / "lockbox" / "lockbox.toml"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCKBOX_")} | {
            "LOCKBOX_WEB__PORT": str(self.web_port),
            "LOCKBOX_MAIL__SECURITY": "none",
            "LOCKBOX_WORKER__INTERVAL": "200ms",
            "LOCKBOX_GATEWAY__BROWSER_LISTEN": f"127.0.0.1:{self.browser_port}",
            "LOCKBOX_GATEWAY__BROWSER_URL": f"ws://gateway.localhost:{self.browser_port}/rdp",
            "LOCKBOX_GATEWAY__NATIVE_LISTEN": f"127.0.0.1:{self.native_port}",
            "LOCKBOX_GATEWAY__FIRST_CONTACT": "true",
            "LOCKBOX_GATEWAY__NATIVE_ADDRESS": f"localhost:{self.native_port}",
            "PYTHONWARNINGS": "error",
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.people: dict[str, Person] = {}
        self.seen: list[str] = []  # every page and answer that a test got, for a last look
        self.lockbox: Lockbox

    # ---- building ----

    def command(self, *words: str, stdin: str = "") -> str:
        """Run `lockbox …` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "openlockbox.cli.main", *words],
            input=stdin,
            env=self.environment | {"LOCKBOX_CONFIG": str(self.settings_file)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"lockbox {' '.join(words)}: {done.stderr}"
        return done.stdout

    def install(self, database_url: str | None) -> None:
        self.command(
            *("init", str(self.settings_file.parent), "--provider-name", cast.PROVIDER_NAME),
            *("--provider-id", cast.PROVIDER, "--base-url", self.base_url),
            *("--mail-server", f"127.0.0.1:{self.sink.port}", "--mail-sender", "lockbox@ostervane.example"),
            *(() if database_url is None else ("--database-url", database_url)),
        )
        variables = {k: v for k, v in self.environment.items() if k.startswith("LOCKBOX_")}
        self.settings = load_settings(self.settings_file, variables)
        self.gateway_files = bootstrap.gateway_settings(self.settings).files
        self.lockbox = bootstrap.bootstrap(self.settings, clock=self.clock)
        uris = cast.seed(self.lockbox)
        for member in cast.PEOPLE:
            self.people[member.id] = Person(self, member, pyotp.parse_uri(uris[member.id]).secret)

    def enrol_gateway(self) -> None:
        """Do as docs/operate says: invite, enrol with the code, store the machines' accounts; then set up the resources."""
        code = self.command("gateway", "invite", cast.GATEWAY, "--name", "Gateway 1")
        self.command("gateway", "enrol", "--code-stdin", stdin=code)
        for desktop in self.desktops.values():
            for tenant in sorted({cast.tenant_of(resource_id) for resource_id in cast.TARGETS}):
                for level in cast.LEVELS:
                    self.store_secret(tenant, desktop, level)
        # One resource by the command, the others by what the command calls: each command costs a second.
        self.add_resource_by_command(cast.KILN, self.desktops.get("xrdp", self.desktops["nla"]))
        for resource_id, kind in cast.TARGETS.items():
            if resource_id != cast.KILN:
                put_resource(self.lockbox, resource_id, self.desktops.get(kind))

    def store_secret(self, tenant: str, desktop: Desktop, level: Permission) -> None:
        """Store one by the command, the others by what the command calls: each command costs a second."""
        name = cast.secret_of(tenant, desktop, level)
        if tenant == cast.tenant_of(cast.KILN):
            account = ("--tenant", tenant, "--username", desktop.username, "--password-stdin")
            self.command("gateway", "secret", "set", name, *account, stdin=desktop.password + "\n")
        else:
            account = Credential(username=desktop.username, password=desktop.password, domain="")
            write_secret(self.gateway_files.secrets, name, account, tenant_id=tenant)

    def add_resource_by_command(self, resource_id: str, desktop: Desktop) -> None:
        tenant = cast.tenant_of(resource_id)
        secrets = [("--secret", f"{level}={cast.secret_of(tenant, desktop, level)}") for level in cast.LEVELS]
        self.command(
            *("resource", "add", resource_id, "--tenant", tenant, "--os", "Linux"),
            *("--description", "Controls kiln line 3 and holds its firing records.", "--gateway", cast.GATEWAY),
            *("--target", f"{desktop.host}:{desktop.port}", "--security", desktop.security),
            *("--certificate-sha256", desktop.certificate_sha256),
            *(word for words in secrets for word in words),
        )

    # ---- processes ----

    def start(self, *names: str) -> None:
        self.launch(*names)
        self.wait_for(*names)

    def launch(self, *names: str) -> None:
        """Start processes. Call it in the main thread: the kernel ends them together with the thread that started them."""
        for name in names:
            kind, ready = name.rstrip("0123456789"), self._ready_file(name)
            ready.unlink(missing_ok=True)
            with self.log_file(name).open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [*MAIN, kind, self.settings_file, self.clock.file, ready, str(os.getpid())],
                    cwd=REPOSITORY,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def wait_for(self, *names: str) -> None:
        for name in names:
            try:
                until(lambda name=name: self._is_ready(name), f"ready {name}")
            except AssertionError as error:
                error.add_note(self.log_file(name).read_text()[-2000:])
                raise

    def _ready_file(self, name: str) -> Path:
        return self.directory / f"{name}.ready"

    def _is_ready(self, name: str) -> bool:
        assert self.running[name].poll() is None, f"{name} ended: {self.log_file(name).read_text()[-2000:]}"
        if not self._ready_file(name).exists():
            return False
        address = {"web": f"{self.base_url}/readyz", "gateway": f"http://127.0.0.1:{self.browser_port}/healthz"}
        return name not in address or _answers(address[name])

    def stop(self, *names: str) -> None:
        """End processes in order; each must end by itself and well."""
        for name in names:
            self.running[name].send_signal(signal.SIGTERM)
        for name in names:
            code = self.running.pop(name).wait(DEADLINE)
            assert code == 0, f"{name} ended with {code}: {self.log_file(name).read_text()[-2000:]}"

    def kill(self, name: str) -> None:
        """Kill a process as a power failure would; nothing in it runs any more."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def log_file(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    # ---- time ----

    def advance(self, by: timedelta) -> None:
        """Move every process's clock forward, and wait until the gateway holds a revocation list of the new time."""
        self.clock.advance(by)
        if "gateway" not in self.running:
            return
        # The call that begins after the jump is answered with a fresh list; the one behind it tells that it was taken.
        moved = self.clock()
        first = until(lambda: at if (at := self._lease_at()) > moved else None, "lease after the clock was moved")
        until(lambda: self._lease_at() > first, "second lease after the clock was moved")

    def _lease_at(self):
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            return uow.gateways.get(cast.GATEWAY).lease_at

    # ---- looking ----

    def mails_to(self, person: str, about: str) -> list[Received]:
        address = self.people[person].member.mail
        return [m for m in self.sink.messages if address in m.recipients and about in m.text]

    def entries(self, tenant: str = cast.AMBERTIDE, **wanted: object):
        """Return a tenant's log, oldest first, read in the database."""
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            found = uow.activity.entries(TenantId(tenant), EntryFilter(limit=100_000))
        return [e for e in found[::-1] if all(getattr(e.event, k) == v for k, v in wanted.items())]

    def logs(self) -> str:
        return "".join(file.read_text(errors="replace") for file in sorted(self.directory.glob("*.log")))

    def change_plan(self, tenant: str, plan: str) -> None:
        self.command("tenant", "plan", tenant, plan)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running_system(
    directory: Path,
    desktops: Mapping[str, Desktop],
    *,
    database_url: str | None = None,
    start: Iterable[str] = PROCESSES,
):
    """Install, start and, in the end, take down a system; what it wrote stays in the directory."""
    with ExitStack() as undo:
        sink = undo.enter_context(SmtpServer())
        sink._messages = deque()  # without the demo's limit: a long test sends thousands
        system = System(directory, sink, desktops)
        undo.callback(_end, system)
        system.install(database_url)
        undo.callback(bootstrap.close, system.lockbox)
        system.start("web")
        system.enrol_gateway()
        system.start(*(name for name in start if name != "web"))
        yield system
        for person in system.people.values():
            person.close()
        system.stop(*(name for name in ("gateway", "worker", "web") if name in system.running))


def _end(system: System) -> None:
    for process in system.running.values():
        process.kill()
        process.wait()

"""Real RDP desktops for tests and the demo: xrdp with an account of its own, and FreeRDP's shadow server. Never for production.

Every process, account and file is undone by a janitor process of its own, so that nothing is left even when the starter is
killed. The pitfalls behind the odd settings are in the comments.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import secrets
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

from openlockbox.testing.desktop_processes import (
    START_SECONDS,
    DesktopUnavailable,
    Undo,
    find_command,
    janitor,
    make_folder,
    start_screen,
    wait_until,
)
from openlockbox.testing.desktop_settings import sesman_ini, xrdp_ini

HOST: Final = "127.0.0.1"
SESMAN_PORT: Final = 3350  # xrdp reads it from /etc/xrdp/sesman.ini whatever it is told: one sesman a machine
LOCK_FILE: Final = Path("/run/lock/openlockbox-xrdp.lock")
LOCK_SECONDS: Final = 120.0
WINDOW_TEXT: Final = "OpenLockbox test desktop"
_CERTIFICATE_LIFE: Final = timedelta(days=30)
_XRDP_COMMANDS: Final = {
    "xrdp": "xrdp",
    "xrdp-sesman": "xrdp",
    "openbox": "openbox",
    "xterm": "xterm",
    "useradd": "passwd",
    "pkill": "procps",
}
_SHADOW_COMMANDS: Final = {
    "freerdp-shadow-cli": "freerdp2-shadow-x11",
    "winpr-hash": "winpr-utils",
    "pkill": "procps",
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "xterm": "xterm",
}
_XORGXRDP_MODULE: Final = Path("/usr/lib/xorg/modules/libxorgxrdp.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourPatch:
    """A part of the screen that has one known colour, for a desktop of 1024x768. Codecs may be off by a few steps."""

    red: int
    green: int
    blue: int
    x: int
    y: int
    width: int
    height: int


PATCH: Final = ColourPatch(red=0x1E, green=0x5A, blue=0xA8, x=220, y=260, width=200, height=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    """A running desktop and what a grant and a secret must say to reach it."""

    host: str
    port: int
    security: str  # "tls" | "nla"
    certificate_sha256: str
    username: str
    password: str
    domain: str
    patch: ColourPatch


def missing_packages(kind: str) -> tuple[str, ...]:
    """Name the Debian packages that `start_xrdp_desktop` ("xrdp") or `start_shadow_desktop` ("shadow") lack here, sorted."""
    commands = {"xrdp": _XRDP_COMMANDS, "shadow": _SHADOW_COMMANDS}[kind]
    missing = {package for command, package in commands.items() if find_command(command) is None}
    if kind == "xrdp" and not _XORGXRDP_MODULE.exists():
        missing.add("xorgxrdp")
    return tuple(sorted(missing))


@contextlib.contextmanager
def start_xrdp_desktop(*, lock_seconds: float = LOCK_SECONDS) -> Iterator[Desktop]:
    """Run xrdp with a session manager and a Unix account of its own. Needs root; waits for its turn on this machine.

    Raises:
        DesktopUnavailable: not root, packages missing, port 3350 taken by a service, or another desktop keeps the lock.
    """
    _require("xrdp")
    if os.geteuid() != 0:
        raise DesktopUnavailable("xrdp needs root: its session manager changes user and opens PAM")
    with _locked(lock_seconds) as lock, janitor(keeping=lock) as undo:
        if _is_listening(SESMAN_PORT, "::1") or _is_listening(SESMAN_PORT, HOST):
            raise DesktopUnavailable(
                "another xrdp-sesman is running: stop the service (systemctl stop xrdp xrdp-sesman)"
            )
        folder = make_folder(undo, mode=0o711)  # the session's user must reach startwm.sh in it
        _make_socket_folder(undo)
        username, password = _account(undo)
        port = _free_port()
        certificate_sha256 = _write_certificate(folder)
        (folder / "startwm.sh").write_text(_window_script())
        (folder / "startwm.sh").chmod(0o755)
        (folder / "xrdp.ini").write_text(xrdp_ini(folder, host=HOST, port=port))
        (folder / "sesman.ini").write_text(sesman_ini(folder, host=HOST, port=SESMAN_PORT))
        undo.start(["xrdp-sesman", "-n", "-c", str(folder / "sesman.ini")], log=folder / "sesman.out")
        undo.start(["xrdp", "-n", "-c", str(folder / "xrdp.ini")], log=folder / "xrdp.out")
        wait_until(lambda: _is_listening(SESMAN_PORT, "::1") or _is_listening(SESMAN_PORT, HOST), undo, "xrdp-sesman")
        wait_until(lambda: _is_listening(port, HOST), undo, "xrdp")
        yield Desktop(
            host=HOST,
            port=port,
            security="tls",
            certificate_sha256=certificate_sha256,
            username=username,
            password=password,
            domain="",
            patch=PATCH,
        )


@contextlib.contextmanager
def start_shadow_desktop(security: str) -> Iterator[Desktop]:
    """Run FreeRDP's shadow server on a virtual screen. `security` is "nla", or "tls" which asks for no account.

    Raises:
        DesktopUnavailable: packages missing, or it does not come up.
    """
    if security not in ("tls", "nla"):
        raise ValueError(security)
    _require("shadow")
    with janitor() as undo:
        folder = make_folder(undo, mode=0o700)
        environment = _start_screen(undo, folder)
        username, password = "engineer", secrets.token_urlsafe(12)
        port = _free_port()
        command = ["freerdp-shadow-cli", f"/bind-address:{HOST}", f"/port:{port}"]
        if security == "nla":
            accounts = folder / "sam"
            accounts.touch(mode=0o600)
            accounts.write_text(_sam_line(username, password))
            command += ["/sec:nla", "+auth", f"/sam-file:{accounts}"]
        else:
            command += ["-auth", "-sec-nla", "-sec-rdp"]
        undo.start(command, log=folder / "shadow.out", environment=environment)
        wait_until(lambda: _is_listening(port, HOST), undo, "freerdp-shadow-cli")
        yield Desktop(
            host=HOST,
            port=port,
            security=security,
            certificate_sha256=hashlib.sha256(presented_certificate(HOST, port)).hexdigest(),
            username=username,
            password=password,
            domain="",
            patch=PATCH,
        )


def presented_certificate(host: str, port: int) -> bytes:
    """Connect as an RDP client would and return the DER certificate that the server shows."""
    # X.224 connection request for TLS or CredSSP (protocols 3), then TLS on the same socket.
    request = bytes.fromhex("030000130ee000000000000100080003000000")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), timeout=START_SECONDS) as connection:
        connection.sendall(request)
        if len(connection.recv(64)) < 19:  # noqa: PLR2004  a connection confirm with negotiation response
            raise DesktopUnavailable(f"{host}:{port} does not negotiate TLS")
        with context.wrap_socket(connection) as tls:
            certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        raise DesktopUnavailable(f"{host}:{port} shows no certificate")
    return certificate


@contextlib.contextmanager
def _locked(seconds: float) -> Iterator[IO[bytes]]:
    """Hold the machine's one xrdp. The janitor inherits the lock, so that it lasts until all is undone."""
    deadline = time.monotonic() + seconds
    with LOCK_FILE.open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DesktopUnavailable(f"another desktop holds {LOCK_FILE}") from None
                time.sleep(0.1)
        yield lock


def _require(kind: str) -> None:
    if missing := missing_packages(kind):
        raise DesktopUnavailable("apt-get install " + " ".join(missing))


def _is_listening(port: int, host: str) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _make_socket_folder(undo: Undo) -> None:
    """Do what xrdp's service file has socksetup do."""
    if not Path("/run/xrdp").exists():
        undo.later("rm", "-rf", "/run/xrdp")
    subprocess.run(["/bin/sh", "/usr/share/xrdp/socksetup"], check=True)


def _account(undo: Undo) -> tuple[str, str]:
    """Create a Unix account whose processes, home and X locks go with it."""
    name, password = f"lbx-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    home = Path(tempfile.gettempdir()) / f"lockbox-home-{name}"
    undo.later("userdel", "-f", name)
    undo.later("rm", "-rf", "--", str(home))
    # Killed X servers leave lock and socket, which would push the next session to another display.
    for where in ("/tmp", "/tmp/.X11-unix", "/run/xrdp/sockdir"):  # noqa: S108  where X and xrdp put them
        undo.later("find", where, "-maxdepth", "1", "-user", name, "-delete")
    # Sessions outlive sesman and disconnects, so their processes are killed by name; twice, because of forks in between.
    for _ in range(2):
        undo.later("pkill", "-KILL", "-u", name)
    subprocess.run(  # noqa: S603
        [find_command("useradd") or "useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/sh", name],
        check=True,
        capture_output=True,
    )
    subprocess.run(  # noqa: S603
        [find_command("chpasswd") or "chpasswd"], input=f"{name}:{password}\n".encode(), check=True, capture_output=True
    )
    pwd.getpwnam(name)
    return name, password


def _window_script() -> str:
    colour = f"#{PATCH.red:02x}{PATCH.green:02x}{PATCH.blue:02x}"
    # Openbox needs a moment before the first window, otherwise that window may stay unmapped.
    return f"""#!/bin/sh
openbox &
sleep 0.7
exec xterm -geometry 90x30+100+100 -bg '{colour}' -fg white +sb -b 0 -cr '{colour}' -T lockbox \
  -e sh -c 'echo "{WINDOW_TEXT}"; [ -z "$LOCKBOX_READY" ] || touch "$LOCKBOX_READY"; exec sleep 86400'
"""


def _write_certificate(folder: Path) -> str:
    """Make a self-signed certificate and return the SHA-256 of its DER form."""
    from cryptography import x509  # noqa: PLC0415  only xrdp needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "openlockbox-test-desktop")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _CERTIFICATE_LIFE)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _start_screen(undo: Undo, folder: Path) -> dict[str, str]:
    """Start a screen with the known window on it."""
    environment = start_screen(undo, folder)
    ready = folder / "window-ready"
    script = folder / "startwm.sh"
    script.write_text(_window_script())
    script.chmod(0o755)
    undo.start(["sh", str(script)], log=folder / "window.out", environment={**environment, "LOCKBOX_READY": str(ready)})
    wait_until(ready.exists, undo, "xterm")
    return environment


def _sam_line(username: str, password: str) -> str:
    """Hash the password as the shadow server's account file wants it."""
    program = find_command("winpr-hash")
    assert program is not None
    done = subprocess.run(  # noqa: S603  a random password of a test desktop, on the command line of an own process
        [program, "-u", username, "-p", password, "-f", "sam"], check=True, capture_output=True, text=True
    )
    line = re.search(rf"{username}:.*", done.stdout)
    assert line is not None
    return line[0] + "\n"


@contextlib.contextmanager
def start_client_screen(*, size: str = "1100x850") -> Iterator[dict[str, str]]:
    """Run an empty virtual screen for a native client, and give the environment for it."""
    _require("shadow")
    with janitor() as undo:
        yield start_screen(undo, make_folder(undo, mode=0o700), size=size)

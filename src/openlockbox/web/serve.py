"""Runs the web application on uvicorn. Logs no address line, says when it is ready.

It believes no forwarding header but a trusted proxy's.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar

from openlockbox.web.gateway_api.watch import RevocationWatch

BACKLOG: Final = 512
STOP_SECONDS: Final = 8  # requests that still run may finish; long polls are let go at once
KEEP_ALIVE_SECONDS: Final = 20


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, watch: RevocationWatch, port: int, ready_file: Path | None) -> None:
        super().__init__(config)
        self._watch, self._port, self._ready_file = watch, port, ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready_file is not None:
            write_ready_file(self._ready_file, port=self._port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._watch.close()  # before uvicorn waits for the requests that run, which the long polls are
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                # uvicorn would send itself the signal again, and an orderly stop would look like a crash to the supervisor.
                self._captured_signals.clear()


def run_web(
    app: Litestar, *, host: str, port: int, ready_file: Path | None = None, trusted_proxies: Sequence[str] = ()
) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one; the ready file tells which.

    `X-Forwarded-For` is believed from the trusted proxies only: the last hop that is none of them is the client.

    Raises:
        OSError: the address is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listening:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,  # its lines would hold ids that belong to customers; the activity log is the record
            log_config=None,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        watch: RevocationWatch = app.state.revocation_watch
        _Server(config, watch=watch, port=listening.getsockname()[1], ready_file=ready_file).run([listening])


def write_ready_file(path: Path, *, port: int) -> None:
    """Write process id and port, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(json.dumps({"pid": os.getpid(), "port": port}) + "\n", encoding="utf-8")
    new.replace(path)

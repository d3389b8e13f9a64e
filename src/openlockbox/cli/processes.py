"""`lockbox serve`, `lockbox web run` and `lockbox worker run`: the long-running processes."""

import os
import signal
import sys
import threading
from pathlib import Path

import click

from openlockbox.cli.session import lockbox_of, settings_file, settings_of
from openlockbox.cli.supervisor import Child, Supervisor, end_with_parent
from openlockbox.config import Settings

parent_option = click.option("--with-parent", type=int, metavar="PID", hidden=True, help="End when this process ends.")


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def child_processes(file: Path, settings: Settings) -> tuple[Child, ...]:
    """Return the three processes of an installation. The gateway waits until it is enrolled."""
    enrolled = settings.gateway.state_directory / "gateway.json"
    program = [sys.executable, "-m", "openlockbox.cli.main", "--config", str(file)]
    parent = ["--with-parent", str(os.getpid())]
    return (
        Child(name="gateway", command=[*program, "gateway", "run", *parent], may_start=enrolled.exists),
        Child(name="web", command=[*program, "web", "run", *parent]),
        Child(name="worker", command=[*program, "worker", "run", *parent]),
    )


@click.command()
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Run portal, worker and gateway on this machine, and start again what falls over."""
    from openlockbox.bootstrap import log_with_fields

    log_with_fields("serve")
    file, settings = settings_file(ctx), settings_of(ctx)
    lockbox_of(ctx)  # says what is wrong once, instead of three children again and again
    children = child_processes(file, settings)
    if not children[0].may_start():
        click.echo(
            "The gateway starts as soon as it is enrolled: lockbox gateway invite, lockbox gateway enrol.", err=True
        )
    click.echo(f"Portal: {settings.base_url}", err=True)
    Supervisor(children=children).run(stop_on_signals())


@click.group()
def web() -> None:
    """Run the portal's process."""


@web.command("run")
@parent_option
@click.pass_context
def run_the_web(ctx: click.Context, *, with_parent: int | None) -> None:
    """Run portal and REST API."""
    from openlockbox.bootstrap import log_with_fields, web_settings
    from openlockbox.web.app import create_app
    from openlockbox.web.serve import run_web

    if with_parent is not None:
        end_with_parent(with_parent)
    log_with_fields("web")
    settings = settings_of(ctx)
    app = create_app(lockbox_of(ctx), web_settings(settings))
    run_web(app, host=settings.web.host, port=settings.web.port, trusted_proxies=settings.web.trusted_proxies)


@click.group()
def worker() -> None:
    """Run the worker's process."""


@worker.command("run")
@parent_option
@click.pass_context
def run_the_worker(ctx: click.Context, *, with_parent: int | None) -> None:
    """Send mails and write down deadlines."""
    from openlockbox.bootstrap import log_with_fields, mailer
    from openlockbox.worker.loops import run_worker

    if with_parent is not None:
        end_with_parent(with_parent)
    log_with_fields("worker")
    settings = settings_of(ctx)
    run_worker(lockbox_of(ctx), mailer(settings), stop_on_signals(), interval=settings.worker.interval)

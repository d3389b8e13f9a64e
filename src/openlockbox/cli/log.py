"""`lockbox log …`: for customers and auditors, on their own machine. Needs a token and a pin, no settings of an installation."""

import time
from datetime import timedelta
from pathlib import Path

import click

from openlockbox.verification.findings import Report
from openlockbox.verification.pin import Pin

TOKEN = click.option("--token", envvar="LOCKBOX_TOKEN", hidden=True, help="Use the environment variable LOCKBOX_TOKEN.")
SERVER = click.option("--server", required=True, metavar="URL", help="The portal's address, https://…")
TENANT = click.option("--tenant", "tenant_id", required=True, metavar="T", help="The organization's id.")
PIN = click.option(
    "--pin", "given", required=True, metavar="FILE|FINGERPRINT", help="What you hold on to; see `log pin`."
)

ALLOW_ERASED = click.option("--allow-erased", is_flag=True, help="Missing documents are noted, not wrong.")


@click.group()
def log() -> None:
    """Mirror the activity log, verify it, witness it: as its owner, on your own machine."""


@log.command("mirror")
@SERVER
@TENANT
@TOKEN
@click.argument("directory", type=click.Path(path_type=Path))
def mirror(server: str, tenant_id: str, token: str | None, directory: Path) -> None:
    """Copy what is new into DIRECTORY, and refuse a log that does not extend the copy."""
    from openlockbox.auditor.mirror import Mirror
    from openlockbox.auditor.server import LogServer, Server
    from openlockbox.bootstrap import system_clock

    with Server(server, token or "") as connection:
        done = Mirror(directory).sync(LogServer(connection, tenant_id), now=system_clock())
    erased = f" {done.erased} documents have been erased." if done.erased else ""
    if done.withdrawn:
        erased += f" {done.withdrawn} personal values have been erased there and are kept here."
    click.echo(f"{done.size - done.before} new entries, {done.size} in all.{erased}")


@log.command("verify")
@PIN
@ALLOW_ERASED
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def verify(ctx: click.Context, given: str, directory: Path, *, allow_erased: bool) -> None:
    """Verify a mirror offline: entries, roster, decisions, grants, sessions. Exit code 1 where anything is wrong."""
    from openlockbox.auditor.mirror import Mirror

    say(ctx, Mirror(directory).verify(pin_of(given), allow_erased=allow_erased))


@log.command("pin")
@TENANT
@click.option("--roster", default="", metavar="FINGERPRINT", help="Of the approver roster's first version.")
@click.option("--log-key", "log_keys", multiple=True, metavar="VKEY", help="The log's verifier key.")
@click.argument("file", type=click.Path(path_type=Path))
def pin(tenant_id: str, roster: str, log_keys: tuple[str, ...], file: Path) -> None:
    """Write FILE, the pin: what you have compared out of band and hold on to from now on."""
    from openlockbox.verification.pin import write_pin

    text = write_pin(Pin(tenant_id=tenant_id, roster_root=roster.strip().lower(), log_keys=log_keys))
    with file.open("x", encoding="utf-8") as stream:  # a pin is never overwritten in passing
        stream.write(text)
    click.echo(f"{file} pins the log of {tenant_id}. Keep it where the provider cannot reach it.")


@log.command("witness")
@SERVER
@TENANT
@TOKEN
@PIN
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="Made on first use, mode 0600.")
@click.option("--name", default="", help="The witness's name, on first use only; default T-witness.")
@click.option("--once", is_flag=True, help="Cosign once and end.")
@click.option("--interval", type=click.IntRange(min=1), default=60, metavar="S", help="Seconds between looks.")
def witness(  # noqa: PLR0917  click calls it by keyword
    server: str, tenant_id: str, token: str | None, given: str, key_file: Path, name: str, *, once: bool, interval: int
) -> None:
    """Cosign each checkpoint that extends the last one cosigned. Prints the verifier key for the roster."""
    from openlockbox.auditor.server import LogServer, Server, ServerRefused
    from openlockbox.auditor.witness import load_witness, witness_once
    from openlockbox.bootstrap import system_clock

    key = load_witness(key_file, name=name or f"{tenant_id}-witness")
    click.echo(key.vkey)
    pinned = pin_of(given)
    if not pinned.log_keys:
        raise click.UsageError("a witness needs the log's key: make a pin with `lockbox log pin --log-key`")
    with Server(server, token or "") as connection:
        while True:
            try:
                size = witness_once(LogServer(connection, tenant_id), key, log_keys=pinned.log_keys, now=system_clock())
                if size is not None:
                    click.echo(f"cosigned {size} entries")
            except ServerRefused as refusal:
                if once:
                    raise
                click.echo(str(refusal), err=True)  # a server that is away comes back; a forked log ends the witness
            if once:
                return
            time.sleep(timedelta(seconds=interval).total_seconds())


def pin_of(given: str) -> Pin:
    """Read a pin: a file, a roster's fingerprint, or the log's verifier key.

    Raises:
        PinRefused: none of these.
    """
    from openlockbox.verification.pin import read_pin

    file = Path(given)
    return read_pin(file.read_text("utf-8") if "+" not in given and file.is_file() else given)


def say(ctx: click.Context, report: Report) -> None:
    """Print a report and end with exit code 1 where something is wrong."""
    for sentence in report.passed:
        click.echo(f"✓ {sentence}")
    shown = set()
    for note in report.notes:
        if note.code not in shown:
            shown.add(note.code)
            more = report.note_counts[note.code] - 1
            click.echo(f"· {note}" + (f" and {more} more" if more else ""))
    for finding in report.wrong:
        click.echo(f"✗ {finding}")
    if report.wrong_count > len(report.wrong):
        click.echo(f"✗ and {report.wrong_count - len(report.wrong)} more")
    click.echo("VERIFIED" if report.holds else "WRONG: do not rely on it")
    ctx.exit(0 if report.holds else 1)

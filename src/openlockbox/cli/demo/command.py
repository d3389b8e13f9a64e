"""The command `lockbox demo`: builds the stage, tells the way, and waits or walks."""

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openlockbox.cli.refusals import Refused

if TYPE_CHECKING:
    from openlockbox.cli.demo.stage import Stage


class Interrupted(BaseException):
    """Somebody ended the demo. Like KeyboardInterrupt no error, so nothing on the way takes it for one."""


@click.command()
@click.option("--walkthrough", is_flag=True, help="Walk through the whole workflow by itself, then end.")
@click.option("--seconds-to-keep", type=float, metavar="N", help="End by itself after so long.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The portal's port; otherwise 8400 or a free one.")
@click.option(
    "--postgres", metavar="URL", help="An empty PostgreSQL database; otherwise SQLite in a temporary directory."
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the walkthrough saves the desktop's picture.",
)
def demo(
    *,
    walkthrough: bool,
    seconds_to_keep: float | None,
    port: int | None,
    postgres: str | None,
    picture: Path | None,
) -> None:
    """Show everything on this machine, with invented organizations. Ctrl-C ends it and removes all of it."""
    from openlockbox.cli.demo.stage import DemoFailed, build
    from openlockbox.cli.demo.walkthrough import walk

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with build(port=port, postgres=postgres, say=click.echo) as stage:
            try:
                if walkthrough:
                    walk(stage, picture=picture, say=click.echo)
                else:
                    _tell(stage)
                    _wait(seconds_to_keep)
            finally:
                # From here on everything is taken down; a second Ctrl-C must not leave half of it.
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)
    except Interrupted:
        click.echo("Ended.")
        if walkthrough:
            raise Refused("the walkthrough was interrupted") from None
    except DemoFailed as error:
        raise Refused(str(error)) from error


def _interrupt(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted


def _tell(stage: "Stage") -> None:
    """Say where everything is and who can sign in."""
    from openlockbox.cli.demo.cast import CUSTOMERS
    from openlockbox.cli.demo.mailbox import organization
    from openlockbox.cli.session import table

    click.echo("")
    click.echo(f"Portal              {stage.settings.base_url}")
    click.echo(f"Mails               {stage.pages}")
    click.echo(f"One-time codes      {stage.pages}codes    (open this one: each sign-in needs a code)")
    click.echo("")
    rows = [("name", "organization", "mail to sign in", "password", "code now", "secret of the codes")]
    rows += [
        (a.person.name, organization(a), a.person.mail, a.password, a.code(), a.totp_secret)
        for a in stage.accounts.values()
    ]
    table(rows)
    click.echo("")
    click.echo(
        "Try: Bram opens a service request for vm-kiln-07, Idris takes it and asks for elevation, Maud approves it"
    )
    click.echo(
        "internally if it is for an administrator, Senna gets a mail and approves, Idris connects, Senna ends it."
    )
    click.echo(
        "Signed decisions: add a passkey under Profile, then put it on the roster (Settings, Roster) with the code of"
    )
    for tenant_id, code in stage.roster_codes.items():
        click.echo(f"  {CUSTOMERS[tenant_id]:<19} {code}")
    click.echo("From then on only that key decides. Idris needs a passkey too, and asks anew.")
    click.echo(f"What the processes say: {stage.log_file}")
    click.echo("Ctrl-C ends the demo and removes everything that it made.")


def _wait(seconds: float | None) -> None:
    """Wait for a signal, or so long."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        time.sleep(0.5)

"""The command `lockbox` with all its parts. Says refusals in one line; a traceback means a fault of ours."""

import importlib
from typing import Final

import click

from openlockbox.cli.refusals import Refusals

# Where each command lives: imported when it is used, so that `lockbox --help` answers at once.
COMMANDS: Final = {
    "init": ("installation", "Make a new installation in a directory."),
    "serve": ("processes", "Run portal, worker and gateway on this machine."),
    "demo": ("demo.command", "Show everything on this machine, with invented organizations."),
    "tenant": ("organization", "Organizations: the provider's customers and their support plans."),
    "subscription": ("organization", "Subscriptions of a customer."),
    "person": ("people", "People and how they sign in."),
    "role": ("people", "Who may do what, and where."),
    "resource": ("resource", "What engineers may be given access to."),
    "gateway": ("gateway", "Gateways: invite, enrol, secrets, run."),
    "web": ("processes", "The portal's process."),
    "worker": ("processes", "The worker's process."),
    "database": ("installation", "The database's schema."),
    "keys": ("installation", "The provider's signing keys."),
    "signing-key": ("signing_key", "For customers: keys with which an automation signs."),
    "roster": ("roster", "For customers: which keys decide; check, sign and send changes."),
    "decide": ("decide", "For customers: an automation answers a request with its own key."),
    "log": ("log", "For customers: mirror the activity log, verify it, witness it."),
    "evidence": ("evidence", "For customers: everything about one request in one file, verified offline."),
}


class Lazy(Refusals):
    """Loads a command's module when the command is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"openlockbox.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101  the table above is ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", metavar="FILE", help="Settings; otherwise LOCKBOX_CONFIG, ./lockbox.toml or /etc/openlockbox."
)
@click.version_option(package_name="openlockbox")
@click.pass_context
def main(ctx: click.Context, config: str | None) -> None:
    """OpenLockbox: support engineers reach a customer's resources only with the customer's approval."""
    ctx.obj = config


if __name__ == "__main__":
    main()

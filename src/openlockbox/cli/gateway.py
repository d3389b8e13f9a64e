"""`lockbox gateway …`. Secrets and codes come from a prompt or standard input, never from the command line."""

import re
import sys
from dataclasses import replace

import click

from openlockbox.cli.session import lockbox_of, settings_of, table
from openlockbox.domain.ids import GatewayId


@click.group()
def gateway() -> None:
    """Gateways: invite, enrol, secrets, run."""


@gateway.command("invite")
@click.argument("gateway_id", metavar="ID")
@click.option("--name", required=True, help="What people call it.")
@click.pass_context
def invite(ctx: click.Context, gateway_id: str, name: str) -> None:
    """Print a one-time code, good for a day. Inviting again makes a new one and forgets the gateway's key."""
    from openlockbox.services.setup import invite_gateway

    invited, code = invite_gateway(lockbox_of(ctx), gateway_id=GatewayId(gateway_id), name=name)
    click.echo(f"{invited.name} is invited. On its machine: lockbox gateway enrol", err=True)
    click.echo(code)


@gateway.command("list")
@click.pass_context
def list_gateways(ctx: click.Context) -> None:
    """List the gateways with their addresses and when each last asked for its lease."""
    with lockbox_of(ctx).database.unit_of_work(read_only=True) as uow:
        known = uow.gateways.all()
    table(
        [
            (g.id, "enrolled" if g.public_key else "invited", str(g.lease_at or "-"), g.browser_url or "-", g.name)
            for g in known
        ]
    )


@gateway.command("enrol")
@click.option("--code-stdin", is_flag=True, help="Read the code from standard input.")
@click.pass_context
def enrol_gateway(ctx: click.Context, *, code_stdin: bool) -> None:
    """Enrol the gateway of this machine with a code of `lockbox gateway invite`. The portal must be running."""
    from openlockbox.bootstrap import gateway_settings, system_clock
    from openlockbox.gateway.enrolment import enrol, load_identity

    settings = gateway_settings(settings_of(ctx))
    code = _line("Code", from_stdin=code_stdin)
    gateway_id = enrol(settings, code, now=system_clock())
    trust = load_identity(settings.files).trust
    click.echo(f"This machine is the gateway {gateway_id}. It trusts these keys; compare with `lockbox keys list`:")
    table(
        [("grants", key) for key in sorted(trust.grant_keys)]
        + [("revocations", key) for key in sorted(trust.revocation_keys)]
        + [("checkpoints", key) for key in sorted(trust.checkpoint_keys)]
    )


@gateway.command("trust")
@click.argument("tenant", required=False)
@click.option(
    "--roster", metavar="FINGERPRINT", help="Of the customer's roster, 64 hexadecimal digits, told by the customer."
)
@click.option("--list", "shows", is_flag=True, help="Show what this gateway holds on to.")
@click.pass_context
def trust_tenant(ctx: click.Context, tenant: str | None, roster: str | None, *, shows: bool) -> None:
    """Pin a customer: by the fingerprint of the roster, or, without one, to what is seen at the first contact."""
    from openlockbox.bootstrap import gateway_settings
    from openlockbox.gateway.pins import Pins
    from openlockbox.gateway.private_files import make_private_directory
    from openlockbox.grants.pin import TenantPin

    settings = gateway_settings(settings_of(ctx))
    pins = Pins(settings.files.tenants, first_contact=False)
    if shows or tenant is None:
        table(
            [
                (
                    pin.tenant_id,
                    f"roster {pin.roster_root or '-'}",
                    f"version {pin.roster_version}",
                    f"log {pin.log_size} {pin.log_root or '-'}",
                )
                for pin in pins.all()
            ]
        )
        return
    root = (roster or "").replace(":", "").replace(" ", "").lower()
    if roster is not None and re.fullmatch(r"[0-9a-f]{64}", root, re.ASCII) is None:
        raise click.ClickException("a fingerprint is 64 hexadecimal digits")
    make_private_directory(settings.state_dir)
    known = pins.find(tenant)
    if known is not None and root and known.roster_root not in {"", root}:
        raise click.ClickException(f"{tenant} is pinned to the roster {known.roster_root}; it is never replaced")
    pin = known or TenantPin(tenant_id=tenant)
    pins.keep(replace(pin, roster_root=root or pin.roster_root))
    click.echo(f"{tenant}: {f'roster {root}' if root else 'pinned at the first contact'}")


@gateway.command("run")
@click.option("--with-parent", type=int, metavar="PID", hidden=True)
@click.pass_context
def run(ctx: click.Context, *, with_parent: int | None) -> None:
    """Run the gateway of this machine."""
    from openlockbox.bootstrap import gateway_settings, system_clock
    from openlockbox.cli.supervisor import end_with_parent
    from openlockbox.gateway.main import run_gateway

    if with_parent is not None:
        end_with_parent(with_parent)
    run_gateway(gateway_settings(settings_of(ctx)), clock=system_clock)


@gateway.group("secret")
def secret() -> None:
    """Names and passwords of accounts on the customers' machines; they never leave this gateway."""


@secret.command("set")
@click.argument("name")
@click.option("--tenant", required=True, help="The customer whose machine it is; no other's grant can use it.")
@click.option("--username", required=True, help="The account on the machine.")
@click.option("--domain", default="", help="Its Windows domain, if any.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_context
def set_secret(ctx: click.Context, name: str, tenant: str, username: str, domain: str, *, password_stdin: bool) -> None:
    """Store or replace a secret in this gateway's directory."""
    from openlockbox.bootstrap import gateway_settings
    from openlockbox.gateway.contract import Credential
    from openlockbox.gateway.private_files import make_private_directory
    from openlockbox.gateway.secret_store import write_secret

    settings = gateway_settings(settings_of(ctx))
    make_private_directory(settings.state_dir)
    password = _line("Password", from_stdin=password_stdin)
    credential = Credential(username=username, password=password, domain=domain)
    write_secret(settings.files.secrets, name, credential, tenant_id=tenant)
    click.echo(f"{name} is stored in {settings.files.secrets}.")


@secret.command("list")
@click.pass_context
def list_secret_names(ctx: click.Context) -> None:
    """List the names of this gateway's secrets."""
    from openlockbox.bootstrap import gateway_settings
    from openlockbox.gateway.secret_store import list_secrets

    for name in list_secrets(gateway_settings(settings_of(ctx)).files.secrets):
        click.echo(name)


@secret.command("remove")
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Delete a secret."""
    from openlockbox.bootstrap import gateway_settings
    from openlockbox.gateway.secret_store import remove_secret

    remove_secret(gateway_settings(settings_of(ctx)).files.secrets, name)
    click.echo(f"{name} is removed.")


def _line(what: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt(what, hide_input=True))

"""`lockbox roster …`: for customers, on their own machine: check the approver roster, sign a change of it, keep a recovery key."""

import json
import sys

import click

from openlockbox.cli.session import table
from openlockbox.cli.signing_key import API, JSON, KEY_FILE, SERVER, TOKEN, load_signer, new

TENANT = click.option("--tenant", required=True, help="The organization's id.")


@click.group()
def roster() -> None:
    """Which keys decide for your organization."""


@roster.command("show")
@SERVER
@TOKEN
@TENANT
@click.option("--root", help="The fingerprint that you know; spaces do not matter.")
def show(server: str, token: str | None, tenant: str, root: str | None) -> None:
    """Check every version's signatures from the first on, and print the fingerprint and the keys. Needs the scope requests.read."""
    from openlockbox.auditor.server import Server
    from openlockbox.grants.roster import RosterRefused, verify_chain

    with Server(server, token or "") as connection:
        found = json.loads(connection.get(f"{API}/tenants/{tenant}/roster"))
    if not found["signed"]:
        click.echo(f"{tenant} has no approver roster.")
        return
    try:
        rosters = verify_chain(found["signed"], root="".join((root or found["root"]).split()).lower())
    except RosterRefused as error:
        raise click.ClickException(f"the roster does not hold: {error}") from error
    newest = rosters[-1]
    if newest.tenant_id != tenant:
        raise click.ClickException(f"this is the roster of {newest.tenant_id}")
    click.echo(f"fingerprint {rosters[0].digest}{'' if root else '  (compare it out of band)'}")
    click.echo(f"version {newest.version} of {newest.at:%Y-%m-%d %H:%M} UTC, every signature holds")
    click.echo(f"unsigned decisions {'count' if newest.unsigned_decisions else 'do not count'}")
    table([(key.key_id, key.kind, key.principal_id, f"since version {key.added_in}") for key in newest.keys])
    for recovery_key in newest.recovery_keys:
        click.echo(f"{recovery_key.key_id}  recovery key")


@roster.command("sign")
@KEY_FILE
def sign(file: str) -> None:
    """Sign the roster on standard input with the key in FILE, and print it signed. What it says is shown on standard error."""
    from pathlib import Path

    from openlockbox.grants.assertion import sign_text
    from openlockbox.grants.roster import RosterRefused, SignedBy, open_roster, signed_roster_text, unwrap

    signer = load_signer(Path(file))
    try:
        text, others = unwrap(sys.stdin.buffer.read().decode("utf-8").strip())
        described = open_roster(text)
    except RosterRefused as error:
        raise click.ClickException(f"this is no roster: {error}") from error
    for key in described.keys:
        click.echo(f"lists {key.key_id} {key.kind} of {key.principal_id}, since version {key.added_in}", err=True)
    click.echo(f"version {described.version} of {described.tenant_id}, digest {described.digest}", err=True)
    kept = [other for other in others if other.key_id != signer.key_id]
    click.echo(signed_roster_text(text, [*kept, SignedBy(signer.key_id, sign_text(text, signer))]))


@roster.command("submit")
@SERVER
@TOKEN
@TENANT
@click.option("--code", default="", help="The one-time code, for the first roster.")
def submit(server: str, token: str | None, tenant: str, code: str) -> None:
    """Send in the signed roster on standard input. Needs the scopes requests.read and roster.write."""
    from openlockbox.auditor.server import Server

    body = json.dumps({"signed": sys.stdin.buffer.read().decode("utf-8").strip(), "code": code}).encode()
    with Server(server, token or "") as connection:
        taken = json.loads(connection.post(f"{API}/tenants/{tenant}/roster", body, JSON))
    click.echo(f"version {taken['version']} counts; the fingerprint is {taken['root']}")


roster.add_command(new, "recovery-key")

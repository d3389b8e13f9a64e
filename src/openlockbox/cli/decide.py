"""`lockbox decide …`: a customer's automation answers a Lockbox request with its own key. Signs only what it has read back."""

import json
from pathlib import Path

import click

from openlockbox.cli.roster import TENANT
from openlockbox.cli.signing_key import API, JSON, SERVER, TOKEN, load_signer


@click.command("decide")
@SERVER
@TOKEN
@TENANT
@click.option(
    "--key",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="From “lockbox signing-key new”.",
)
@click.option("--duration", help="ISO 8601, like PT1H; otherwise as asked.")
@click.option("--permission", type=click.Choice(["read", "operate", "administrator"]), help="Otherwise as asked.")
@click.option("--no-channels", is_flag=True, help="Switch every channel off.")
@click.option("--reason", default="")
@click.argument("request_id", metavar="REQUEST")
@click.argument("answer", type=click.Choice(["approve", "deny"]))
def decide(
    *,
    server: str,
    token: str | None,
    tenant: str,
    file: Path,
    duration: str | None,
    permission: str | None,
    no_channels: bool,
    reason: str,
    request_id: str,
    answer: str,
) -> None:
    """Approve or deny REQUEST, signed with a key on the roster. Needs the scopes requests.read and requests.decide."""
    from openlockbox.auditor.server import Server
    from openlockbox.grants.assertion import sign_text

    signer = load_signer(file)
    with Server(server, token or "") as connection:
        path = f"{API}/tenants/{tenant}/requests/{request_id}"
        request = json.loads(connection.get(path))
        chosen = {"answer": answer, "digest": request["digest"], "reason": reason, "duration": duration,
                  "permission": permission, "channels": [] if no_channels else None}  # fmt: skip
        offered = json.loads(connection.post(f"{path}/statement", json.dumps(chosen).encode(), JSON))
        statement = offered["statement"]
        check_statement(statement, request["displayed"], chosen, tenant=tenant, request_id=request_id)
        signed = {"statement": statement, "signature": sign_text(statement, signer), "key_id": signer.key_id}
        made = json.loads(connection.post(f"{path}/decision", json.dumps(signed).encode(), JSON))
    click.echo(f"{request_id} is {made['state']}, signed with {made['key_id']}")


def check_statement(statement: str, displayed: str, chosen: dict[str, object], *, tenant: str, request_id: str) -> None:
    """Compare what the server wrote with what was asked for, so that it cannot have something else signed.

    Raises:
        ClickException: it differs.
    """
    from datetime import timedelta

    import msgspec

    from openlockbox.domain.elevation import Permission
    from openlockbox.grants.displayed import open_displayed
    from openlockbox.grants.encoding import EnvelopeRefused
    from openlockbox.grants.statement import digest, open_statement

    try:
        shown, said = open_displayed(displayed), open_statement(statement)
        level = Permission(said.permission)
    except (EnvelopeRefused, ValueError) as error:
        raise click.ClickException(f"the server's answer cannot be read: {error}") from error
    about = (
        shown.id,
        shown.tenant_id,
        said.request_id,
        said.tenant_id,
        said.request_digest,
        said.decision,
        said.reason,
    )
    wanted = (
        request_id,
        tenant,
        request_id,
        tenant,
        digest(displayed),
        chosen["answer"],
        str(chosen["reason"]).strip(),
    )
    most = set(shown.channels) if chosen["channels"] is None else set[str]()
    highest = Permission(str(chosen["permission"] or shown.permission))
    longest = msgspec.convert(chosen["duration"] or shown.duration, timedelta)
    is_wider = (
        (said.granted_duration or timedelta(0)) > longest
        or level.rank > highest.rank
        or (said.decision == "approve" and not set(said.channels) <= most)
    )
    if about != wanted or is_wider or said.roster_version != shown.roster_version:
        raise click.ClickException("the server wrote down something else than was asked for; nothing was signed")

"""`lockbox evidence …`: everything about one request in one file, and its verification offline."""

import sys
from pathlib import Path

import click

from openlockbox.cli.log import ALLOW_ERASED, PIN, SERVER, TOKEN, pin_of, say


@click.group()
def evidence() -> None:
    """Evidence: everything about one request in one file."""


@evidence.command("export")
@SERVER
@click.option("--tenant", "tenant_id", required=True, metavar="T", help="The organization's id.")
@TOKEN
@click.option("--output", type=click.Path(path_type=Path), metavar="F", help="Otherwise standard output.")
@click.argument("request_id", metavar="REQUEST")
def export(server: str, tenant_id: str, token: str | None, output: Path | None, request_id: str) -> None:
    """Fetch the evidence on REQUEST. The export is recorded in the log."""
    from urllib.parse import quote

    from openlockbox.auditor.server import Server

    path = f"/api/v1/tenants/{quote(tenant_id, safe='')}/requests/{quote(request_id, safe='')}/evidence"
    with Server(server, token or "") as connection:
        data = connection.post(path, b"", "")
    if output is None:
        sys.stdout.buffer.write(data)
        return
    output.write_bytes(data)
    click.echo(f"{output} holds the evidence on {request_id}. Verify it: lockbox evidence verify {output} --pin …")


@evidence.command("verify")
@PIN
@ALLOW_ERASED
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def verify(ctx: click.Context, given: str, file: Path, *, allow_erased: bool) -> None:
    """Verify FILE offline and name the first thing that is wrong. Exit code 1 then."""
    from openlockbox.verification.evidence import verify_evidence

    text = file.read_bytes().decode("utf-8", errors="replace")
    say(ctx, verify_evidence(text, pin_of(given), allow_erased=allow_erased))

"""`lockbox init`, `lockbox database …` and `lockbox keys …`: what stands before everything else."""

import json
import os
from pathlib import Path

import click

from openlockbox.cli.session import settings_of, table
from openlockbox.config import Settings, load_settings, parse_address

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--provider-name", required=True, help="The name of your company, as customers know it.")
@click.option("--provider-id", default="provider", show_default=True)
@click.option("--base-url", default="http://localhost:8400", show_default=True, help="Where browsers find the portal.")
@click.option("--database-url", help="postgresql://…; otherwise a SQLite file in the directory.")
@click.option("--mail-server", default="localhost:587", show_default=True, metavar="HOST:PORT")
@click.option("--mail-sender", required=True, help="From whom mails come, such as lockbox@provider.example.")
def init(
    directory: Path,
    *,
    provider_name: str,
    provider_id: str,
    base_url: str,
    database_url: str | None,
    mail_server: str,
    mail_sender: str,
) -> None:
    """Make a new installation: settings, keys, database and the provider's own organization.

    Changes nothing where there is one already.
    """
    file = directory / "lockbox.toml"
    if file.exists() or (directory / "keys").exists():
        raise click.ClickException(f"{directory} holds an installation already; nothing was changed")
    server = parse_address(mail_server)
    settings: dict[str, dict[str, str | int]] = {
        "": {"base_url": base_url},
        "database": {"url": database_url or "sqlite:///lockbox.db"},
        "mail": {"host": server.host, "port": server.port, "sender": mail_sender},
    }
    directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    write_settings(file, settings)
    try:
        install(load_settings(file, os.environ), provider_id=provider_id, provider_name=provider_name)
    except BaseException:
        file.unlink()  # so that the next try is not told that everything is there
        raise
    click.echo(f"Installed in {directory.resolve()}. Back up {directory.resolve() / 'keys'}: it cannot be made again.")
    click.echo(f"Next: export LOCKBOX_CONFIG={file.resolve()}")


def install(settings: Settings, *, provider_id: str, provider_name: str) -> None:
    """Make keys, the schema and the provider's organization for these settings."""
    from openlockbox import bootstrap
    from openlockbox.adapters.db.migrations import upgrade
    from openlockbox.adapters.keys.files import FileKeys
    from openlockbox.domain.ids import TenantId
    from openlockbox.domain.tenant import SupportPlan, TenantKind
    from openlockbox.gateway.private_files import make_private_directory
    from openlockbox.services.setup import add_tenant

    before = os.umask(0o077)  # the database file too is for this account only
    try:
        if not settings.keys.directory.exists():
            FileKeys.create(settings.keys.directory)
        make_private_directory(settings.gateway.state_directory)
        upgrade(settings.database.url)
    finally:
        os.umask(before)
    lockbox = bootstrap.bootstrap(settings)
    try:
        add_tenant(
            lockbox,
            tenant_id=TenantId(provider_id),
            name=provider_name,
            kind=TenantKind.PROVIDER,
            support_plan=SupportPlan.NONE,
        )
    finally:
        bootstrap.close(lockbox)


def write_settings(file: Path, sections: dict[str, dict[str, str | int]]) -> None:
    """Write a settings file that only its owner reads. A section without a name comes first."""
    lines = ["# Every key: docs/operate/settings.md"]
    for name, values in sections.items():
        lines += ["", f"[{name}]"] if name else []
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.write("\n".join(lines) + "\n")


def _toml(value: str | int) -> str:
    # JSON's strings, whole numbers and truths are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value).replace("\x7f", "\\u007f")


@click.group()
def database() -> None:
    """Bring the database's schema up to date, or check it."""


@database.command("upgrade")
@click.pass_context
def upgrade_database(ctx: click.Context) -> None:
    """Bring the schema to this program's version. Stop web and worker first."""
    from openlockbox.adapters.db.migrations import upgrade

    upgrade(settings_of(ctx).database.url)
    click.echo("The schema is up to date.")


@database.command("check")
@click.pass_context
def check_database(ctx: click.Context) -> None:
    """Tell whether the schema is this program's."""
    from openlockbox.adapters.db.migrations import check_current

    check_current(settings_of(ctx).database.url)
    click.echo("The schema is up to date.")


@click.group()
def keys() -> None:
    """Show the provider's signing keys."""


@keys.command("list")
@click.pass_context
def list_keys(ctx: click.Context) -> None:
    """List the ids of the keys, the one that signs first; gateways show whom they trust when they enrol."""
    from openlockbox.adapters.keys.files import PURPOSES, FileKeys

    held = FileKeys(settings_of(ctx).keys.directory)
    table([(purpose, key) for purpose in PURPOSES for key in held.key_ids(purpose)])

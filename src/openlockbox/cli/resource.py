"""`lockbox resource …`: what engineers may be given access to, and how a gateway reaches it."""

import hashlib
import re

import click

from openlockbox.cli.session import lockbox_of, table
from openlockbox.config import Address, parse_address
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.ids import GatewayId, TenantId
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.services import setup

FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@click.group()
def resource() -> None:
    """Set up what engineers may be given access to."""


@resource.command("add")
@click.argument("resource_id", metavar="ID")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.option("--os", "operating_system", type=click.Choice(["Windows", "Linux", ""]), default="")
@click.option("--description", default="", help="What the customer calls it, and what is on it.")
@click.option("--gateway", "gateway_id", help="The gateway that reaches it.")
@click.option("--target", metavar="HOST:PORT", help="Where the gateway reaches it.")
@click.option("--security", type=click.Choice([s.value for s in TargetSecurity]), default="tls", show_default=True)
@click.option("--certificate-sha256", metavar="HEX", help="SHA-256 of the certificate that the target shows.")
@click.option("--fetch-certificate", is_flag=True, help="Ask the target for its certificate, show it, and ask you.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="PERMISSION=NAME",
    help="Which secret of the gateway serves a permission level; may be repeated.",
)
@click.pass_context
def add_resource(
    ctx: click.Context,
    *,
    resource_id: str,
    tenant_id: str,
    operating_system: str,
    description: str,
    gateway_id: str | None,
    target: str | None,
    security: str,
    certificate_sha256: str | None,
    secrets: tuple[str, ...],
    fetch_certificate: bool,
) -> None:
    """Add a resource, or change it: requests that wait for it are then superseded."""
    lockbox = lockbox_of(ctx)
    if target is not None and gateway_id is None:
        raise click.UsageError("--target needs --gateway")
    parsed = None if target is None else _address(target)
    if parsed is not None and fetch_certificate:
        certificate_sha256 = _confirmed_certificate(parsed)
    added = setup.put_resource(
        lockbox,
        tenant_id=TenantId(tenant_id),
        resource_id=resource_id,
        operating_system=operating_system,
        description=description,
        target=None
        if parsed is None
        else Target(
            gateway_id=GatewayId(gateway_id or ""),
            address=parsed.host,
            port=parsed.port,
            security=TargetSecurity(security),
            certificate_sha256=_fingerprint(certificate_sha256),
            secret_refs=tuple(_secret_ref(text) for text in secrets),
        ),
    )
    click.echo(f"{added.name} is set up: {added.id}")


@resource.command("list")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.pass_context
def list_resources(ctx: click.Context, tenant_id: str) -> None:
    """List an organization's resources."""
    with lockbox_of(ctx).database.unit_of_work(read_only=True) as uow:
        uow.tenants.get(TenantId(tenant_id))
        resources = uow.resources.of_tenant(TenantId(tenant_id))
    table([(r.name, r.target.gateway_id if r.target else "-", r.id) for r in resources])


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidInput(field="target", problem=str(error)) from error


def _fingerprint(text: str | None) -> str:
    digits = (text or "").replace(":", "").lower()
    if FINGERPRINT.fullmatch(digits) is None:
        raise InvalidInput(
            field="certificate", problem="64 hexadecimal digits are needed: give them or use --fetch-certificate"
        )
    return digits


def _secret_ref(text: str) -> tuple[Permission, str]:
    permission, _, name = text.partition("=")
    if permission not in set(Permission) or not name:
        raise InvalidInput(field="secret", problem=f"{text!r} is not like operate=NAME or administrator=NAME")
    return Permission(permission), name


def _confirmed_certificate(target: Address) -> str:
    from openlockbox.cli.certificate import presented_certificate

    certificate = presented_certificate(target)
    digest = hashlib.sha256(certificate.der).hexdigest()
    click.echo(
        f"{target} shows the certificate of {certificate.subject}, valid until {certificate.not_after}:", err=True
    )
    click.echo(f"  SHA-256 {digest}", err=True)
    click.echo("Compare it with what the machine itself says: whoever answers now is trusted from then on.", err=True)
    click.confirm("Is this the machine's certificate?", abort=True, err=True)
    return digest

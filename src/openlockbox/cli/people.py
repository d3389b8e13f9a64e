"""`lockbox person …` and `lockbox role …`. Passwords come from a prompt or standard input, never from the command line."""

import sys

import click
import pyotp

from openlockbox.cli.session import lockbox_of, table
from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.ids import OPERATOR_COMMAND, PersonId, PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import Role
from openlockbox.services import setup
from openlockbox.services.accounts import enrol_locally
from openlockbox.services.work import Lockbox

MINIMUM_PASSWORD = 12  # what sign-in asks for; checked here before the person is added
ROLES = click.Choice([role.value for role in Role])

password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def person() -> None:
    """People and how they sign in."""


@person.command("add")
@click.argument("principal_id", metavar="ID")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.option("--name", required=True)
@click.option("--mail", required=True, help="Where mails go, and the name to sign in with.")
@click.option("--title", default="", help="What the person does.")
@click.option("--language", type=click.Choice(["", "en", "ja"]), default="", help="Otherwise the browser's.")
@click.option("--time-zone", default="UTC", show_default=True, help="IANA name, like Europe/Madrid.")
@click.option("--isolated-identity", is_flag=True, help="An account that is used for customer access only.")
@click.option("--same-person-as", "person_id", help="The person's id where they have an account already.")
@password_option
@click.pass_context
def add_person(
    ctx: click.Context,
    *,
    principal_id: str,
    tenant_id: str,
    name: str,
    mail: str,
    title: str,
    language: str,
    time_zone: str,
    person_id: str | None,
    isolated_identity: bool,
    password_stdin: bool,
) -> None:
    """Add an account; asks for its password and shows the secret of its second factor once."""
    lockbox = lockbox_of(ctx)
    password = _read_password(from_stdin=password_stdin)
    added = setup.add_person(
        lockbox,
        tenant_id=TenantId(tenant_id),
        principal_id=PrincipalId(principal_id),
        person_id=None if person_id is None else PersonId(person_id),
        name=name,
        mail=mail,
        title=title,
        language=language,
        time_zone=time_zone,
        isolated_identity=isolated_identity,
    )
    click.echo(f"Added {added.name}.")
    _enrol(lockbox, added.id, password)


@person.command("credentials")
@click.argument("principal_id", metavar="ID")
@password_option
@click.pass_context
def set_credentials(ctx: click.Context, principal_id: str, *, password_stdin: bool) -> None:
    """Set a new password and second factor; ends the person's sign-ins."""
    lockbox = lockbox_of(ctx)
    _enrol(lockbox, PrincipalId(principal_id), _read_password(from_stdin=password_stdin))


@person.command("disable")
@click.argument("principal_id", metavar="ID")
@click.pass_context
def disable(ctx: click.Context, principal_id: str) -> None:
    """Disable an account; its sign-ins and personal tokens end at once."""
    click.echo(f"Disabled {setup.disable_person(lockbox_of(ctx), principal_id=PrincipalId(principal_id)).name}.")


@person.command("list")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.pass_context
def list_people(ctx: click.Context, tenant_id: str) -> None:
    """List an organization's accounts."""
    with lockbox_of(ctx).database.unit_of_work(read_only=True) as uow:
        uow.tenants.get(TenantId(tenant_id))
        table([(p.id, p.state.value, p.mail, p.name) for p in uow.principals.of_tenant(TenantId(tenant_id))])


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    if len(password) < MINIMUM_PASSWORD:
        raise InvalidInput(field="password", problem=f"it needs at least {MINIMUM_PASSWORD} characters")
    return password


def _enrol(lockbox: Lockbox, principal_id: PrincipalId, password: str) -> None:
    uri = enrol_locally(lockbox, principal_id, password=password, actor=OPERATOR_COMMAND)
    totp = pyotp.parse_uri(uri)
    click.echo("Second factor, shown this once: put it into an authenticator app.")
    click.echo(f"  secret  {totp.secret}")
    click.echo(f"  {uri}")


@click.group()
def role() -> None:
    """Who may do what, and where."""


@role.command("add")
@click.argument("principal_id", metavar="PERSON")
@click.argument("name", metavar="ROLE", type=ROLES)
@click.option("--tenant", "tenant_id", help="The organization's id; otherwise the person's own.")
@click.option("--subscription", help="For subscription_owner and lockbox_approver.")
@click.pass_context
def add_role(ctx: click.Context, principal_id: str, name: str, tenant_id: str | None, subscription: str | None) -> None:
    """Give a role. Once a customer has a tenant administrator, its roles are given in the portal only."""
    lockbox = lockbox_of(ctx)
    given = setup.give_role(
        lockbox,
        principal_id=PrincipalId(principal_id),
        role=Role(name),
        tenant_id=TenantId(tenant_id) if tenant_id else _home(lockbox, PrincipalId(principal_id)),
        subscription_id=SubscriptionId(subscription) if subscription else None,
    )
    where = f"subscription {given.subscription_id}" if given.subscription_id else f"tenant {given.tenant_id}"
    click.echo(f"{given.principal_id} is {given.role.value} on {where}.")


@role.command("remove")
@click.argument("principal_id", metavar="PERSON")
@click.argument("name", metavar="ROLE", type=ROLES)
@click.pass_context
def remove_role(ctx: click.Context, principal_id: str, name: str) -> None:
    """Take a role of the provider away; it counts at once. A customer's roles are its administrator's."""
    setup.take_provider_role(lockbox_of(ctx), principal_id=PrincipalId(principal_id), role=Role(name))
    click.echo(f"{principal_id} is no longer {name}.")


@role.command("list")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.pass_context
def list_roles(ctx: click.Context, tenant_id: str) -> None:
    """List the roles that are held in an organization."""
    with lockbox_of(ctx).database.unit_of_work(read_only=True) as uow:
        uow.tenants.get(TenantId(tenant_id))
        roles = uow.principals.roles_of_tenant(TenantId(tenant_id))
    table([(r.principal_id, r.role.value, r.subscription_id or "whole organization") for r in roles])


def _home(lockbox: Lockbox, principal_id: PrincipalId) -> TenantId:
    with lockbox.database.unit_of_work(read_only=True) as uow:
        return uow.principals.get(principal_id).tenant_id

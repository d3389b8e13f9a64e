"""`lockbox tenant …` and `lockbox subscription …`."""

import click

from openlockbox.cli.session import lockbox_of, table
from openlockbox.domain.ids import SubscriptionId, TenantId
from openlockbox.domain.tenant import SupportPlan, TenantKind
from openlockbox.services import roster, setup

PLANS = click.Choice([plan.value for plan in SupportPlan])


@click.group()
def tenant() -> None:
    """Organizations: the provider's customers and their support plans."""


@tenant.command("add")
@click.argument("tenant_id", metavar="ID")
@click.option("--name", required=True, help="What people call it.")
@click.option("--plan", type=PLANS, required=True, help="Support plan; Lockbox needs developer or higher.")
@click.pass_context
def add_tenant(ctx: click.Context, tenant_id: str, name: str, plan: str) -> None:
    """Add a customer."""
    added = setup.add_tenant(
        lockbox_of(ctx),
        tenant_id=TenantId(tenant_id),
        name=name,
        kind=TenantKind.CUSTOMER,
        support_plan=SupportPlan(plan),
    )
    click.echo(f"Added {added.name}.")
    _show_code(ctx, added.id)


@tenant.command("roster-code")
@click.argument("tenant_id", metavar="ID")
@click.pass_context
def roster_code(ctx: click.Context, tenant_id: str) -> None:
    """Make the one-time code for the first key on a customer's approver roster; an earlier one counts no more."""
    _show_code(ctx, TenantId(tenant_id))


def _show_code(ctx: click.Context, tenant_id: TenantId) -> None:
    code = roster.issue_code(lockbox_of(ctx), tenant_id=tenant_id)
    click.echo("Code for the first key on the approver roster, shown this once; it counts once, for seven days.")
    click.echo(f"  {code}")
    click.echo("Give it to the customer's administrator by letter or telephone.")


@tenant.command("list")
@click.pass_context
def list_tenants(ctx: click.Context) -> None:
    """List the organizations with their subscriptions."""
    with lockbox_of(ctx).database.unit_of_work(read_only=True) as uow:
        rows = [
            (
                t.id,
                t.kind.value,
                t.support_plan.value if t.kind is TenantKind.CUSTOMER else "-",
                t.name,
                ", ".join(s.id for s in uow.tenants.subscriptions(t.id)),
            )
            for t in uow.tenants.all()
        ]
    table(rows)


@tenant.command("plan")
@click.argument("tenant_id", metavar="ID")
@click.argument("plan", type=PLANS)
@click.pass_context
def change_plan(ctx: click.Context, tenant_id: str, plan: str) -> None:
    """Change a customer's support plan."""
    changed = setup.change_tenant(lockbox_of(ctx), tenant_id=TenantId(tenant_id), support_plan=SupportPlan(plan))
    click.echo(f"{changed.name} has the plan {changed.support_plan.value}.")


@click.group()
def subscription() -> None:
    """Subscriptions of a customer."""


@subscription.command("add")
@click.argument("subscription_id", metavar="ID")
@click.option("--tenant", "tenant_id", required=True, help="The organization's id.")
@click.option("--name", required=True, help="What people call it.")
@click.pass_context
def add_subscription(ctx: click.Context, subscription_id: str, tenant_id: str, name: str) -> None:
    """Add a subscription; its id is the one in /subscriptions/ID/resourceGroups and so on."""
    added = setup.add_subscription(
        lockbox_of(ctx), tenant_id=TenantId(tenant_id), subscription_id=SubscriptionId(subscription_id), name=name
    )
    click.echo(f"Added {added.name}.")

"""What a customer's organization reads about itself and administers: its activity log and its roles."""

from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter

from openlockbox.activitylog.entry import Entry
from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.ids import ActorId, CorrelationId, PrincipalId, SubscriptionId
from openlockbox.domain.principal import RoleAssignment
from openlockbox.services import setup, views
from openlockbox.services.ports import EntryFilter
from openlockbox.web.api import documents as d
from openlockbox.web.api import rendering
from openlockbox.web.api.bodies import RoleBody
from openlockbox.web.api.callers import CallerArgument, LockboxArgument, as_resource, as_tenant

LARGEST_PAGE = 200
LARGEST_INDEX = 2**53  # what JSON numbers keep; databases take no more than 2**63
Index = Annotated[int, PathParameter(ge=0, le=LARGEST_INDEX)]


def _aware(field: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise InvalidInput(field=field, problem="it has no time zone")
    return at


@get("/tenants/{tenant_id:str}/activity", sync_to_thread=True)
def read_activity(  # noqa: PLR0917  the framework calls it by keyword; each argument is a filter
    lockbox: LockboxArgument,
    caller: CallerArgument,
    tenant_id: FromPath[str],
    code: FromQuery[list[str] | None] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    actor: FromQuery[str | None] = None,
    resource_id: FromQuery[str | None] = None,
    subject: FromQuery[str | None] = None,
    correlation_id: FromQuery[str | None] = None,
    text: Annotated[str, QueryParameter(max_length=200)] = "",
    before_index: Annotated[int | None, QueryParameter(ge=0, le=LARGEST_INDEX)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE)] = 50,
) -> d.ActivityDocument:
    """Return entries of an organization's activity log, newest first. `code` may be given several times."""
    page = views.activity(
        lockbox,
        caller,
        tenant_id=as_tenant(tenant_id),
        filter_by=EntryFilter(
            codes=frozenset(code or ()),
            since=_aware("since", since),
            until=_aware("until", until),
            actor=ActorId(actor) if actor else None,
            resource_id=as_resource(resource_id) if resource_id else None,
            subject=subject or None,
            correlation_id=CorrelationId(correlation_id) if correlation_id else None,
            text=text,
            before_index=before_index,
            limit=limit,
        ),
    )
    return d.ActivityDocument(
        tenant=rendering.tenant(page.tenant),
        size=page.size,
        next_before=page.next_before,
        entries=[rendering.entry(e, page.people) for e in page.entries],
    )


@get("/tenants/{tenant_id:str}/activity/{index:int}", sync_to_thread=True)
def read_entry(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], index: Index
) -> d.EntryWithLeafDocument:
    """Return one entry with its leaf, so that its hash can be computed again."""
    found: Entry = views.activity_entry(lockbox, caller, tenant_id=as_tenant(tenant_id), index=index)
    return d.EntryWithLeafDocument(
        entry=rendering.entry(found, {}),
        leaf=found.leaf.decode(),
        leaf_hash=found.leaf_hash.hex(),
        opened={name: d.OpenedDocument(salt=f.salt, value=f.value) for name, f in found.opened.items()},
    )


@get("/tenants/{tenant_id:str}/roles", sync_to_thread=True)
def read_roles(lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str]) -> d.RolesDocument:
    """Return who holds which role in an organization."""
    found = views.tenant_settings(lockbox, caller, tenant_id=as_tenant(tenant_id))
    return d.RolesDocument(
        tenant=rendering.tenant(found.tenant),
        people=[rendering.person(p) for p in found.people],
        roles=[_role(a) for a in found.roles],
        subscriptions=[rendering.subscription(s) for s in found.subscriptions],
        may_administer=found.may_administer,
    )


def _role(assignment: RoleAssignment) -> d.RoleDocument:
    return d.RoleDocument(
        principal_id=assignment.principal_id,
        role=assignment.role.value,
        subscription_id=assignment.subscription_id,
        assigned_at=assignment.assigned_at,
    )


@post("/tenants/{tenant_id:str}/roles/assign", sync_to_thread=True)
def assign_role(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[RoleBody]
) -> d.RoleDocument:
    """Give a customer role, as the organization's administrator. It does not count for requests that already wait."""
    assigned = setup.assign_role(
        lockbox,
        caller,
        tenant_id=as_tenant(tenant_id),
        principal_id=PrincipalId(data.principal_id),
        role=data.role,
        subscription_id=None if data.subscription_id is None else SubscriptionId(data.subscription_id),
    )
    return _role(assigned)


@post("/tenants/{tenant_id:str}/roles/remove", sync_to_thread=True, status_code=204)
def remove_role(
    lockbox: LockboxArgument, caller: CallerArgument, tenant_id: FromPath[str], data: JSONBody[RoleBody]
) -> None:
    """Take a customer role away, as the organization's administrator. It counts at once, for waiting requests too."""
    setup.remove_role(
        lockbox,
        caller,
        tenant_id=as_tenant(tenant_id),
        principal_id=PrincipalId(data.principal_id),
        role=data.role,
        subscription_id=None if data.subscription_id is None else SubscriptionId(data.subscription_id),
    )

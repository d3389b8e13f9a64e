"""What the pages and the API show: reads with the reader's right checked. Nothing here changes anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openlockbox.activitylog.entry import Entry
from openlockbox.connectors.api import Scenario
from openlockbox.domain import grant as grants
from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain.errors import LockboxError, NotFound
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import Grant, GrantState
from openlockbox.domain.ids import GrantId, JitRequestId, PrincipalId, RequestId, ServiceRequestId, TenantId
from openlockbox.domain.jit_request import Allowed, JitRequest, JitState
from openlockbox.domain.lockbox_request import LockboxRequest, RequestState
from openlockbox.domain.principal import APPROVER_ROLES, INTERNAL_APPROVER_ROLES, Principal, Role, RoleAssignment
from openlockbox.domain.resource import Resource
from openlockbox.domain.service_request import Message, ServiceRequest
from openlockbox.domain.session import Session
from openlockbox.domain.tenant import Subscription, Tenant, TenantKind
from openlockbox.services.authority import (
    SEE_SERVICE_REQUESTS,
    at_provider,
    in_tenant,
    need,
    see_service_request,
    see_tenant,
)
from openlockbox.services.ports import EntryFilter
from openlockbox.services.resource_ids import CLASSIC_PREFIX, RESOURCE_MANAGER_PREFIX
from openlockbox.services.work import Work, query

People = Mapping[PrincipalId, Principal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The caller, and which doors are theirs."""

    principal: Principal
    provider: Tenant
    roles: frozenset[Role]
    tenants: tuple[Tenant, ...]  # customer organizations the caller belongs to or holds a role in
    readable: frozenset[TenantId]  # those whose requests and log the caller may read
    administered: frozenset[TenantId]
    waiting: Mapping[TenantId, int]  # requests that wait for an answer, by readable organization
    reviews: int  # elevations that wait for this internal approver


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """A grant as of `now`, with its sessions and what it belongs to."""

    grant: Grant
    request: LockboxRequest
    resource: Resource | None
    tenant: Tenant
    sessions: tuple[Session, ...]
    people: People
    gateway: Gateway | None  # while its confirmation is missing
    is_usable: bool
    is_over: bool
    may_end: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A Lockbox request as of `now`, with everything that its page shows."""

    request: LockboxRequest
    state: RequestState  # by the clock
    asked: JitRequest
    service_request: ServiceRequest
    resource: Resource | None
    subscription: Subscription
    scenario: Scenario
    tenant: Tenant
    provider: Tenant
    people: People
    grant: GrantView | None
    may_decide: bool
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A customer's landing page: who waits, who has access, what was decided lately."""

    tenant: Tenant
    pending: tuple[RequestView, ...]
    live: tuple[GrantView, ...]
    lately: tuple[RequestView, ...]
    service_requests: tuple[ServiceRequest, ...]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevationView:
    """A JIT request with its Lockbox request and grant, if it got so far."""

    asked: JitRequest
    state: JitState  # by the clock
    request: LockboxRequest | None
    request_state: RequestState | None
    grant: GrantView | None
    resource: Resource | None
    tenant: Tenant
    service_request: ServiceRequest
    people: People
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequestView:
    """A service request with its conversation and the elevations asked under it."""

    service_request: ServiceRequest
    tenant: Tenant
    subscription: Subscription
    messages: tuple[Message, ...]
    elevations: tuple[ElevationView, ...]
    resources: tuple[Resource, ...]  # what could be asked for; empty for the customer
    scenarios: Mapping[str, tuple[Scenario, ...]]  # by resource type
    engineers: tuple[Principal, ...]  # whom it could be escalated to; empty for the customer
    people: People
    resource: Resource | None
    now: datetime


@query("profile.read", scope="profile.read")
def me(work: Work) -> Me:
    """Return who the caller is and which doors are theirs."""
    provider = work.uow.tenants.provider()
    ids = {a.tenant_id for a in work.roles.assignments} | {work.principal.tenant_id}
    tenants = tuple(t for t in (work.uow.tenants.get(i) for i in sorted(ids)) if t.kind is TenantKind.CUSTOMER)
    readable = frozenset(t.id for t in tenants if in_tenant(work, t.id))
    waiting = {
        t: sum(
            core.effective_state(r, work.now) is RequestState.CUSTOMER_NOTIFIED
            for r in work.uow.lockbox_requests.waiting(t)
        )
        for t in readable
    }
    return Me(
        principal=work.principal,
        provider=provider,
        roles=frozenset(a.role for a in work.roles.assignments),
        tenants=tenants,
        readable=readable,
        administered=frozenset(t for t in readable if Role.TENANT_ADMINISTRATOR in in_tenant(work, t)),
        waiting=waiting,
        reviews=len(_in_review(work)) if at_provider(work) & INTERNAL_APPROVER_ROLES else 0,
    )


def _people(work: Work, ids: Iterable[PrincipalId | None]) -> People:
    return work.uow.principals.many({i for i in ids if i is not None})


def _grant_view(work: Work, grant: Grant) -> GrantView:
    found = tuple(work.uow.sessions.of_grant(grant.id))
    provider = at_provider(work)
    try:
        grants.may_revoke(
            grant,
            by=work.principal.id,
            person=work.principal.person_id,
            on_subscription=work.roles.on_subscription(grant.subscription_id),
            on_tenant=work.roles.on_tenant(grant.tenant_id),
            at_provider=provider,
        )
        may_end = grants.is_usable(grant, work.now)
    except LockboxError:
        may_end = False
    return GrantView(
        grant=grant,
        request=work.uow.lockbox_requests.get(grant.request_id),
        resource=work.uow.resources.find(grant.elevation.resource_id),
        tenant=work.uow.tenants.get(grant.tenant_id),
        sessions=found,
        people=_people(work, [grant.engineer, grant.revoked_by]),
        gateway=work.uow.gateways.get(grant.gateway_id) if grant.state is GrantState.REVOKING else None,
        is_usable=grants.is_usable(grant, work.now),
        is_over=grants.is_over(grant, work.now),
        may_end=may_end,
        now=work.now,
    )


def _request_view(work: Work, request: LockboxRequest) -> RequestView:
    asked = work.uow.jit_requests.get(request.jit_request_id)
    service_request = work.uow.service_requests.get(request.service_request_id)
    grant = work.uow.grants.find_of_request(request.id)
    state = core.effective_state(request, work.now)
    try:
        core.may_decide(
            request,
            by=work.principal.id,
            person=work.principal.person_id,
            roles=work.roles.on_subscription(request.subscription_id),
        )
        may_decide = state is RequestState.CUSTOMER_NOTIFIED
    except LockboxError:
        may_decide = False
    people = [request.requester, asked.reviewed_by, service_request.opened_by, *request.approvers]
    if request.decision is not None:
        people.append(request.decision.by)
    return RequestView(
        request=request,
        state=state,
        asked=asked,
        service_request=service_request,
        resource=work.uow.resources.find(request.elevation.resource_id),
        subscription=work.uow.tenants.get_subscription(request.subscription_id),
        scenario=work.lockbox.registry.get(request.elevation.scenario),
        tenant=work.uow.tenants.get(request.tenant_id),
        provider=work.uow.tenants.provider(),
        people=_people(work, people),
        grant=None if grant is None else _grant_view(work, grant),
        may_decide=may_decide,
        now=work.now,
    )


@query("tenant.read", scope="requests.read")
def overview(work: Work, *, tenant_id: TenantId) -> Overview:
    """Return a customer's landing page.

    Raises:
        NotFound, NotAllowed: not the caller's organization; no role in it.
    """
    _of_tenant(work, tenant_id)
    requests = work.uow.lockbox_requests.of_tenant(tenant_id, limit=10)
    waiting = [
        r
        for r in work.uow.lockbox_requests.waiting(tenant_id)
        if core.effective_state(r, work.now) is RequestState.CUSTOMER_NOTIFIED
    ]
    return Overview(
        tenant=work.uow.tenants.get(tenant_id),
        pending=tuple(_request_view(work, r) for r in waiting),
        live=tuple(_grant_view(work, g) for g in work.uow.grants.unended(tenant_id) if not grants.is_over(g, work.now)),
        lately=tuple(
            _request_view(work, r)
            for r in requests
            if core.effective_state(r, work.now) is not RequestState.CUSTOMER_NOTIFIED
        )[:5],
        service_requests=tuple(work.uow.service_requests.of_tenant(tenant_id, limit=5)),
        now=work.now,
    )


def _of_tenant(work: Work, tenant_id: TenantId) -> None:
    work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    see_tenant(work, tenant_id)


@query("request.read", scope="requests.read")
def requests_of_tenant(work: Work, *, tenant_id: TenantId) -> tuple[RequestView, ...]:
    """Return all requests of an organization, newest first. Raises NotFound, NotAllowed."""
    _of_tenant(work, tenant_id)
    return tuple(_request_view(work, r) for r in work.uow.lockbox_requests.of_tenant(tenant_id))


@query("request.read", scope="requests.read")
def request_view(work: Work, *, request_id: RequestId) -> RequestView:
    """Return one request, to its organization's role holders and to its requester. Raises NotFound, NotAllowed."""
    request = work.uow.lockbox_requests.get(request_id)
    work.concerns(
        request.tenant_id,
        f"request:{request.id}",
        correlation_id=request.service_request_id,
        resource_id=request.elevation.resource_id,
    )
    if request.requester != work.principal.id:
        see_tenant(work, request.tenant_id)
    return _request_view(work, request)


@query("service_request.read", scope="service_requests.read")
def service_requests_of_tenant(work: Work, *, tenant_id: TenantId) -> tuple[ServiceRequest, ...]:
    """Return an organization's service requests, newest first: all for role holders, their own for other members.

    Raises:
        NotFound: not the caller's organization.
    """
    work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    everything = bool(in_tenant(work, tenant_id))
    if not everything and work.principal.tenant_id != tenant_id:
        raise NotFound
    return tuple(
        s for s in work.uow.service_requests.of_tenant(tenant_id) if everything or s.opened_by == work.principal.id
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServiceRequest:
    """What somebody may choose from when opening a service request."""

    tenant: Tenant
    subscriptions: tuple[Subscription, ...]
    resources: tuple[Resource, ...]


@query("service_request.read", scope="service_requests.read")
def new_service_request(work: Work, *, tenant_id: TenantId) -> NewServiceRequest:
    """Return the choices for a new service request. Raises NotFound."""
    tenant = work.uow.tenants.get(tenant_id)
    if not (work.principal.tenant_id == tenant_id or in_tenant(work, tenant_id)):
        raise NotFound
    return NewServiceRequest(
        tenant=tenant,
        subscriptions=tuple(work.uow.tenants.subscriptions(tenant_id)),
        resources=tuple(work.uow.resources.of_tenant(tenant_id)),
    )


@query("service_request.read", scope="service_requests.read")
def service_request_view(work: Work, *, service_request_id: ServiceRequestId) -> ServiceRequestView:
    """Return one service request with its history. Raises NotFound."""
    service_request = work.uow.service_requests.get(service_request_id)
    work.concerns(
        service_request.tenant_id,
        f"service_request:{service_request.id}",
        correlation_id=service_request.id,
        resource_id=service_request.resource_id,
    )
    see_service_request(work, service_request)
    support = bool(at_provider(work) & SEE_SERVICE_REQUESTS)
    messages = tuple(work.uow.service_requests.messages(service_request.id))
    elevations = tuple(
        _elevation_view(work, asked, service_request)
        for asked in work.uow.jit_requests.of_service_request(service_request.id)
    )
    resources = tuple(work.uow.resources.of_tenant(service_request.tenant_id)) if support else ()
    provider = work.uow.tenants.provider()
    return ServiceRequestView(
        service_request=service_request,
        tenant=work.uow.tenants.get(service_request.tenant_id),
        subscription=work.uow.tenants.get_subscription(service_request.subscription_id),
        messages=messages,
        elevations=elevations,
        resources=resources,
        # A classic machine shows the ways in to its successor: whoever asks for it is told to migrate (specification V4).
        scenarios={
            r.type: work.lockbox.registry.for_type(r.type.replace(CLASSIC_PREFIX, RESOURCE_MANAGER_PREFIX, 1))
            for r in resources
        },
        engineers=tuple(work.uow.principals.holders(frozenset({Role.SUPPORT_ENGINEER}), provider.id))
        if support
        else (),
        people=_people(
            work,
            [service_request.opened_by, *service_request.engineers, *(m.author for m in messages)],
        ),
        resource=None if service_request.resource_id is None else work.uow.resources.find(service_request.resource_id),
        now=work.now,
    )


def _elevation_view(work: Work, asked: JitRequest, service_request: ServiceRequest) -> ElevationView:
    request = work.uow.lockbox_requests.find_of_jit(asked.id)
    grant = None if request is None else work.uow.grants.find_of_request(request.id)
    return ElevationView(
        asked=asked,
        state=jit.effective_state(asked, work.now),
        request=request,
        request_state=None if request is None else core.effective_state(request, work.now),
        grant=None if grant is None else _grant_view(work, grant),
        resource=work.uow.resources.find(asked.elevation.resource_id),
        tenant=work.uow.tenants.get(asked.tenant_id),
        service_request=service_request,
        people=_people(work, [asked.requester, asked.reviewed_by]),
        now=work.now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """One service request in the provider's queue, with its latest elevation."""

    service_request: ServiceRequest
    tenant: Tenant
    is_mine: bool
    latest: ElevationView | None


@query("queue.read", scope="service_requests.read")
def engineer_queue(work: Work) -> tuple[QueueItem, ...]:
    """Return the open service requests, the caller's first. Raises NotAllowed."""
    need(work, *SEE_SERVICE_REQUESTS)
    items = []
    for service_request in work.uow.service_requests.open():
        asked = work.uow.jit_requests.of_service_request(service_request.id)
        items.append(
            QueueItem(
                service_request=service_request,
                tenant=work.uow.tenants.get(service_request.tenant_id),
                is_mine=work.principal.id in service_request.engineers,
                latest=_elevation_view(work, asked[0], service_request) if asked else None,
            )
        )
    return tuple(sorted(items, key=lambda item: not item.is_mine))


@query("elevation.read", scope="grants.read")
def my_elevations(work: Work) -> tuple[ElevationView, ...]:
    """Return what the caller asked for and what came of it, newest first. Raises NotAllowed."""
    need(work, Role.SUPPORT_ENGINEER)
    return tuple(
        _elevation_view(work, asked, work.uow.service_requests.get(asked.service_request_id))
        for asked in work.uow.jit_requests.of_requester(work.principal.id)
    )


@query("grant.read", scope="grants.read")
def grant_view(work: Work, *, grant_id: GrantId) -> GrantView:
    """Return a grant to its engineer and to the role holders of its organization. Raises NotFound, NotAllowed."""
    grant = work.uow.grants.get(grant_id)
    work.concerns(
        grant.tenant_id,
        f"grant:{grant.id}",
        correlation_id=grant.service_request_id,
        resource_id=grant.elevation.resource_id,
    )
    if grant.engineer != work.principal.id and not at_provider(work) & {Role.OPERATOR, Role.SUPPORT_LEAD}:
        see_tenant(work, grant.tenant_id)
    return _grant_view(work, grant)


def _in_review(work: Work) -> Sequence[JitRequest]:
    roles = at_provider(work)
    return [
        asked
        for asked in work.uow.jit_requests.in_review()
        if jit.effective_state(asked, work.now) is JitState.INTERNAL_REVIEW
        and isinstance(asked.verdict, Allowed)
        and asked.verdict.internal_approval & roles
        and asked.requester_person != work.principal.person_id
    ]


@query("review.read", scope="elevation.review")
def review_queue(work: Work) -> tuple[ElevationView, ...]:
    """Return the elevations that wait for the caller's internal approval, oldest first. Raises NotAllowed."""
    need(work, *INTERNAL_APPROVER_ROLES)
    return tuple(
        _elevation_view(work, asked, work.uow.service_requests.get(asked.service_request_id))
        for asked in _in_review(work)
    )


@query("review.read", scope="elevation.review")
def review_view(work: Work, *, jit_request_id: JitRequestId) -> ElevationView:
    """Return one elevation to an internal approver. Raises NotFound, NotAllowed."""
    need(work, *INTERNAL_APPROVER_ROLES)
    asked = work.uow.jit_requests.get(jit_request_id)
    return _elevation_view(work, asked, work.uow.service_requests.get(asked.service_request_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """Some entries of one organization's log, newest first."""

    tenant: Tenant
    entries: tuple[Entry, ...]
    size: int
    people: People
    next_before: int | None  # pass as before_index for older ones
    members: tuple[Principal, ...]
    resources: tuple[Resource, ...]


@query("activity.read", scope="activity.read")
def activity(work: Work, *, tenant_id: TenantId, filter_by: EntryFilter) -> ActivityPage:
    """Return entries of an organization's log; the provider's own log is its operator's. Raises NotFound, NotAllowed."""
    tenant = work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    if tenant.kind is TenantKind.PROVIDER:
        need(work, Role.OPERATOR)
    else:
        see_tenant(work, tenant_id)
    entries = tuple(work.uow.activity.entries(tenant_id, filter_by))
    actors = {
        PrincipalId(e.event.actor.removeprefix("principal:")) for e in entries if e.event.actor.startswith("principal:")
    }
    return ActivityPage(
        tenant=tenant,
        entries=entries,
        size=work.uow.activity.size(tenant_id),
        people=_people(work, actors),
        next_before=entries[-1].index if len(entries) == filter_by.limit and entries[-1].index > 0 else None,
        members=tuple(work.uow.principals.of_tenant(tenant_id)),
        resources=tuple(work.uow.resources.of_tenant(tenant_id)),
    )


@query("activity.read", scope="activity.read")
def activity_entry(work: Work, *, tenant_id: TenantId, index: int) -> Entry:
    """Return one entry. Raises NotFound, NotAllowed."""
    tenant = work.uow.tenants.get(tenant_id)
    work.concerns(tenant_id, f"tenant:{tenant_id}", correlation_id=tenant_id)
    if tenant.kind is TenantKind.PROVIDER:
        need(work, Role.OPERATOR)
    else:
        see_tenant(work, tenant_id)
    return work.uow.activity.get(tenant_id, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who decides and what is signed up for, in one organization."""

    tenant: Tenant
    people: tuple[Principal, ...]
    roles: tuple[RoleAssignment, ...]
    subscriptions: tuple[Subscription, ...]
    may_administer: bool
    may_see_roster: bool


@query("tenant.read", scope="requests.read")
def tenant_settings(work: Work, *, tenant_id: TenantId) -> Settings:
    """Return an organization's people and roles to its role holders. Raises NotFound, NotAllowed."""
    _of_tenant(work, tenant_id)
    people = {p.id: p for p in work.uow.principals.of_tenant(tenant_id)}
    roles = work.uow.principals.roles_of_tenant(tenant_id)
    people |= work.uow.principals.many({a.principal_id for a in roles} - set(people))
    return Settings(
        tenant=work.uow.tenants.get(tenant_id),
        people=tuple(sorted(people.values(), key=lambda p: p.name)),
        roles=roles,
        subscriptions=tuple(work.uow.tenants.subscriptions(tenant_id)),
        may_administer=Role.TENANT_ADMINISTRATOR in in_tenant(work, tenant_id),
        may_see_roster=bool(in_tenant(work, tenant_id) & (APPROVER_ROLES | {Role.TENANT_ADMINISTRATOR})),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccess:
    """Who of the provider has access to what now, over all customers, and how the gateways are."""

    live: tuple[GrantView, ...]
    gateways: tuple[Gateway, ...]
    now: datetime


@query("access.read", scope="grants.read")
def provider_access(work: Work) -> ProviderAccess:
    """Return what operators and support leads may end, newest first. Raises NotAllowed."""
    need(work, Role.OPERATOR, Role.SUPPORT_LEAD)
    live = [g for t in work.uow.tenants.all() for g in work.uow.grants.unended(t.id) if not grants.is_over(g, work.now)]
    return ProviderAccess(
        live=tuple(_grant_view(work, g) for g in sorted(live, key=lambda g: g.not_before, reverse=True)),
        gateways=tuple(work.uow.gateways.all()),
        now=work.now,
    )

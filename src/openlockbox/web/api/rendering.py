"""Turns what services return into documents. Chooses what is shown, computes nothing but names and the state by the clock."""

from openlockbox.activitylog.entry import Entry
from openlockbox.connectors.api import Scenario
from openlockbox.domain.elevation import Elevation
from openlockbox.domain.grant import Grant, GrantState
from openlockbox.domain.ids import PrincipalId
from openlockbox.domain.jit_request import Allowed, Reason, Verdict
from openlockbox.domain.principal import Principal
from openlockbox.domain.resource import Resource
from openlockbox.domain.service_request import ServiceRequest
from openlockbox.domain.session import Session
from openlockbox.domain.tenant import Subscription, Tenant
from openlockbox.services.views import ElevationView, GrantView, People, RequestView
from openlockbox.web.api import documents as d


def person(principal: Principal) -> d.PersonDocument:
    """Name a person."""
    return d.PersonDocument(id=principal.id, name=principal.name)


def named(people: People, principal_id: PrincipalId) -> d.PersonDocument:
    """Name a person by id, with the id for a name where nobody knows better."""
    found = people.get(principal_id)
    return d.PersonDocument(id=principal_id, name=principal_id if found is None else found.name)


def maybe_named(people: People, principal_id: PrincipalId | None) -> d.PersonDocument | None:
    """Name a person where there is one."""
    return None if principal_id is None else named(people, principal_id)


def tenant(value: Tenant) -> d.TenantDocument:
    """Name an organization."""
    return d.TenantDocument(id=value.id, name=value.name)


def subscription(value: Subscription) -> d.SubscriptionDocument:
    """Name a subscription."""
    return d.SubscriptionDocument(id=value.id, name=value.name)


def resource(value: Resource) -> d.ResourceDocument:
    """Name a resource."""
    return d.ResourceDocument(id=value.id, name=value.name, type=value.type)


def elevation_part(value: Elevation, on: Resource | None) -> d.ElevationPart:
    """Show what is asked for."""
    gone = d.ResourceDocument(id=value.resource_id, name="", type="")
    return d.ElevationPart(
        resource=gone if on is None else resource(on),
        scenario=value.scenario,
        permission=value.permission.value,
        channels=sorted(value.channels),
        duration=value.duration,
        justification=value.justification,
    )


def reasons(values: tuple[Reason, ...]) -> list[d.ReasonDocument]:
    """Show why."""
    return [d.ReasonDocument(rule=r.rule, outcome=r.outcome, texts=dict(r.texts)) for r in values]


def verdict(value: Verdict) -> d.VerdictDocument:
    """Show what the JIT rules say."""
    allowed = isinstance(value, Allowed)
    return d.VerdictDocument(
        allowed=allowed,
        reasons=reasons(value.reasons),
        internal_approval=sorted(r.value for r in value.internal_approval) if isinstance(value, Allowed) else [],
        customer_approval=isinstance(value, Allowed) and value.customer_approval,
        maximum_duration=value.maximum_duration if isinstance(value, Allowed) else None,
    )


def session(value: Session) -> d.SessionDocument:
    """Show a session."""
    return d.SessionDocument(
        id=value.id,
        state=value.state.value,
        front=value.front,
        offered_at=value.offered_at,
        started_at=value.started_at,
        ended_at=value.ended_at,
        end_reason=None if value.end_reason is None else value.end_reason.value,
        recording_sha256=value.recording_sha256,
    )


def grant_state(value: Grant, *, is_over: bool) -> str:
    """Return the state by the clock: an overdue active grant has ended even where no worker wrote it down."""
    return GrantState.ENDED.value if is_over and value.state is GrantState.ACTIVE else value.state.value


def grant(view: GrantView) -> d.GrantDocument:
    """Show a grant; never its signed form, which is the gateway's."""
    value = view.grant
    return d.GrantDocument(
        id=value.id,
        tenant=tenant(view.tenant),
        request_id=value.request_id,
        service_request_id=value.service_request_id,
        engineer=named(view.people, value.engineer),
        elevation=elevation_part(value.elevation, view.resource),
        state=grant_state(value, is_over=view.is_over),
        not_before=value.not_before,
        not_after=value.not_after,
        revoked_by=maybe_named(view.people, value.revoked_by),
        revoked_at=value.revoked_at,
        revoke_reason=value.revoke_reason,
        is_usable=view.is_usable,
        may_end=view.may_end,
        sessions=[session(s) for s in view.sessions],
    )


def request(view: RequestView) -> d.RequestDocument:
    """Show a Lockbox request with all that its page shows."""
    value, made = view.request, view.request.decision
    requester = view.people.get(value.requester)
    return d.RequestDocument(
        id=value.id,
        tenant=tenant(view.tenant),
        subscription=subscription(view.subscription),
        state=view.state.value,
        requester=named(view.people, value.requester),
        requester_title="" if requester is None else requester.title,
        isolated_identity=requester is not None and requester.isolated_identity,
        service_request_id=value.service_request_id,
        service_request_title=view.service_request.title,
        elevation=elevation_part(value.elevation, view.resource),
        reasons=reasons(view.asked.verdict.reasons),
        reviewed_by=maybe_named(view.people, view.asked.reviewed_by),
        approvers=sorted((named(view.people, a) for a in value.approvers), key=lambda p: (p.name, p.id)),
        created_at=value.created_at,
        answer_by=value.answer_by,
        decision=None
        if made is None
        else d.DecisionDocument(
            by=named(view.people, made.by),
            at=made.at,
            reason=made.reason,
            granted_duration=made.granted_duration,
            statement=made.statement,
            method=made.method,
            key_id=made.key_id,
            signature=made.signature,
        ),
        ended_at=value.ended_at,
        ended_because=value.ended_because,
        may_decide=view.may_decide,
        digest=value.digest,
        displayed=value.displayed,
        grant=None if view.grant is None else grant(view.grant),
    )


def elevation(view: ElevationView) -> d.ElevationDocument:
    """Show a JIT request."""
    asked = view.asked
    return d.ElevationDocument(
        id=asked.id,
        state=view.state.value,
        tenant=tenant(view.tenant),
        service_request_id=asked.service_request_id,
        requester=named(view.people, asked.requester),
        elevation=elevation_part(asked.elevation, view.resource),
        verdict=verdict(asked.verdict),
        submitted_at=asked.submitted_at,
        expires_at=asked.expires_at,
        reviewed_by=maybe_named(view.people, asked.reviewed_by),
        reviewed_at=asked.reviewed_at,
        review_reason=asked.review_reason,
        request_id=None if view.request is None else view.request.id,
        request_state=None if view.request_state is None else view.request_state.value,
        grant=None if view.grant is None else grant(view.grant),
    )


def service_request(value: ServiceRequest) -> d.ServiceRequestPart:
    """Show a service request."""
    return d.ServiceRequestPart(
        id=value.id,
        tenant_id=value.tenant_id,
        subscription_id=value.subscription_id,
        resource_id=value.resource_id,
        title=value.title,
        description=value.description,
        severity=value.severity.value,
        state=value.state.value,
        opened_by=value.opened_by,
        opened_at=value.opened_at,
        closed_at=value.closed_at,
        engineers=list(value.engineers),
    )


def scenario(value: Scenario) -> d.ScenarioDocument:
    """Show a way in."""
    return d.ScenarioDocument(
        name=value.name,
        label=value.label,
        permissions=[permission.value for permission, _ in value.permissions],
        channels=[channel for channel, _ in value.channels],
        preview=value.preview,
    )


def entry(value: Entry, people: People) -> d.EntryDocument:
    """Show an entry of an activity log."""
    event = value.event
    actor = people.get(PrincipalId(event.actor.removeprefix("principal:")))
    return d.EntryDocument(
        index=value.index,
        recorded_at=value.recorded_at,
        code=event.code,
        operation_name=value.operation_name,
        actor=event.actor,
        actor_name="" if actor is None else actor.name,
        subject=event.subject,
        resource_id=event.resource_id,
        correlation_id=event.correlation_id,
        detail=dict(event.detail),
        personal=dict(event.personal),
    )

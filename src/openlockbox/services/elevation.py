"""Ask the JIT service for elevation, review it internally, and put it before the customer (specification W4 to W7)."""

from datetime import timedelta

from openlockbox.connectors.api import Scenario
from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.errors import (
    ClassicResource,
    ForeignResource,
    InvalidInput,
    NotAssigned,
    NotFound,
    PlanTooLow,
    RequestSuperseded,
    ScenarioNotEnabled,
    ScenarioNotSupported,
    ServiceRequestClosed,
    UnknownResource,
)
from openlockbox.domain.ids import JitRequestId, ResourceId, ServiceRequestId
from openlockbox.domain.jit_request import Allowed, JitRequest, JitState, Verdict
from openlockbox.domain.principal import INTERNAL_APPROVER_ROLES, PrincipalState, Role
from openlockbox.domain.resource import DeploymentModel, Resource
from openlockbox.domain.service_request import ServiceRequest, ServiceRequestState
from openlockbox.domain.tenant import QUALIFYING_PLANS, Tenant
from openlockbox.grants.statement import canonical, digest
from openlockbox.services.authority import at_provider, need
from openlockbox.services.lockbox_requests import (
    hours,
    jit_facts,
    latest_roster,
    mail,
    notify_customer,
    reachable,
    requester_key,
    resource_as_displayed,
)
from openlockbox.services.lockdown import check_unlocked
from openlockbox.services.service_requests import REASON_LENGTH, clean, load
from openlockbox.services.work import Work, command

JUSTIFICATION_LENGTH = 800


@command("jit_request.submit", scope="elevation.request")
def request_elevation(
    work: Work,
    *,
    service_request_id: ServiceRequestId,
    resource_id: ResourceId,
    scenario: str,
    permission: Permission,
    channels: frozenset[str],
    duration: timedelta | None,
    justification: str,
) -> JitRequest:
    """Ask for elevation. The JIT rules weigh it at once; what they say is in the returned request.

    `duration` None asks for the installation's default (eight hours).

    Raises:
        NotAllowed, NotAssigned, ServiceRequestClosed: the engineer or the case is not in a position to ask.
        PlanTooLow, ClassicResource, UnknownResource, ForeignResource, ScenarioNotSupported, ScenarioNotEnabled,
        TenantLocked, ResourceLocked, EngineerLocked: a lock stands.
        ResourceNotReachable, NoDesignatedApprover: the specification's refusals, each recorded.
        EngineerKeyRequired: the customer has an approver roster, and the engineer no key.
        InvalidInput: a value that cannot be taken.
    """
    service_request, tenant, resource, elevation = _check_question(
        work,
        service_request_id=service_request_id,
        resource_id=resource_id,
        scenario_name=scenario,
        permission=permission,
        channels=channels,
        duration=duration,
        justification=justification,
    )
    verdict = _weigh_question(work, service_request, tenant, resource, elevation)
    submitted = JitRequest(
        id=JitRequestId(work.lockbox.new_id("JIT")),
        tenant_id=tenant.id,
        subscription_id=resource.subscription_id,
        service_request_id=service_request.id,
        requester=work.principal.id,
        requester_person=work.principal.person_id,
        elevation=elevation,
        verdict=verdict,
        policy_version=work.lockbox.policy.version,
        resource_digest=digest(canonical(resource_as_displayed(resource, permission))),
        mfa_at=work.caller.mfa_at,
        submitted_at=work.now,
        expires_at=work.now + jit.REVIEW_TIME,
    )
    weighed = jit.weigh(submitted, now=work.now)
    work.uow.jit_requests.add(submitted)
    work.uow.jit_requests.replace(submitted, weighed)
    subject = f"jit_request:{weighed.id}"
    detail = {
        "scenario": scenario,
        "permission": permission.value,
        "duration_s": str(int(elevation.duration.total_seconds())),
        "service_request": service_request.id,
        "policy": weighed.policy_version,
    }
    work.record("jit_request.submitted", subject=subject, detail=detail, personal={"justification": justification})
    match weighed.state:
        case JitState.REFUSED:
            rules = ",".join(sorted({r.rule for r in verdict.reasons if r.outcome in {"forbid", "error", "default"}}))
            work.record("jit_request.refused", subject=subject, detail={"rules": rules})
        case JitState.INTERNAL_REVIEW:
            _ask_review(work, weighed, resource, tenant, service_request)
        case JitState.FORWARDED:
            notify_customer(
                work,
                weighed,
                resource=resource,
                tenant=tenant,
                service_request=service_request,
                requester=work.principal,
            )
        case _:
            work.record("jit_request.allowed", subject=subject)
    return weighed


@command("jit_request.preview", scope="elevation.request")
def preview_elevation(
    work: Work,
    *,
    service_request_id: ServiceRequestId,
    resource_id: ResourceId,
    scenario: str,
    permission: Permission,
    channels: frozenset[str],
    duration: timedelta | None,
    justification: str,
) -> Verdict:
    """Tell what the rules would say if the engineer asked now. Changes nothing; refuses like `request_elevation`."""
    service_request, tenant, resource, elevation = _check_question(
        work,
        service_request_id=service_request_id,
        resource_id=resource_id,
        scenario_name=scenario,
        permission=permission,
        channels=channels,
        duration=duration,
        justification=justification or "-",
    )
    return _weigh_question(work, service_request, tenant, resource, elevation)


def _check_question(
    work: Work,
    *,
    service_request_id: ServiceRequestId,
    resource_id: ResourceId,
    scenario_name: str,
    permission: Permission,
    channels: frozenset[str],
    duration: timedelta | None,
    justification: str,
) -> tuple[ServiceRequest, Tenant, Resource, Elevation]:
    service_request = load(work, service_request_id)
    need(work, Role.SUPPORT_ENGINEER)
    if service_request.state is ServiceRequestState.CLOSED:
        raise ServiceRequestClosed
    if work.principal.id not in service_request.engineers:
        raise NotAssigned
    tenant = work.uow.tenants.get(service_request.tenant_id)
    resource, scenario = _check_scope(work, tenant, resource_id, scenario_name, permission)
    check_unlocked(work.uow, tenant_id=tenant.id, resource_id=resource.id, engineer=work.principal.id)
    if not channels <= set(dict(scenario.channels)):
        raise InvalidInput(field="channels", problem="this way in has no such channel")
    asked = work.lockbox.rules.access_duration if duration is None else duration
    if asked < timedelta(minutes=1) or asked.microseconds:
        raise InvalidInput(field="duration", problem="it is shorter than a minute or no whole number of seconds")
    elevation = Elevation(
        resource_id=resource.id,
        scenario=scenario.name,
        permission=permission,
        channels=channels,
        duration=asked,
        justification=clean("justification", justification, at_most=JUSTIFICATION_LENGTH),
    )
    reachable(resource, permission)
    requester_key(work, work.principal.id, latest_roster(work, tenant.id))
    return service_request, tenant, resource, elevation


def _check_scope(
    work: Work, tenant: Tenant, resource_id: ResourceId, scenario_name: str, permission: Permission
) -> tuple[Resource, Scenario]:
    if tenant.support_plan not in QUALIFYING_PLANS:
        raise PlanTooLow
    resource = work.uow.resources.find(resource_id)
    if resource is None:
        raise UnknownResource
    if resource.tenant_id != tenant.id:
        work.about.foreign, work.about.resource_id = resource, None
        raise ForeignResource
    work.about.resource_id = resource.id
    if resource.deployment_model is DeploymentModel.CLASSIC:
        raise ClassicResource
    scenario = work.lockbox.registry.get(scenario_name)
    if resource.type not in scenario.resource_types or permission not in dict(scenario.permissions):
        raise ScenarioNotSupported
    if scenario.preview and scenario.name not in tenant.preview_scenarios:
        raise ScenarioNotEnabled
    return resource, scenario


def _weigh_question(
    work: Work, service_request: ServiceRequest, tenant: Tenant, resource: Resource, elevation: Elevation
) -> Verdict:
    mfa_age = None if work.caller.mfa_at is None else work.now - work.caller.mfa_at
    return work.lockbox.policy.weigh(
        jit_facts(
            work,
            engineer=work.principal,
            service_request=service_request,
            tenant=tenant,
            resource=resource,
            elevation=elevation,
            mfa_age=mfa_age,
        )
    )


def _ask_review(
    work: Work, request: JitRequest, resource: Resource, tenant: Tenant, service_request: ServiceRequest
) -> None:
    roles = request.verdict.internal_approval if isinstance(request.verdict, Allowed) else INTERNAL_APPROVER_ROLES
    provider = work.uow.tenants.provider()
    work.record(
        "jit_request.review_asked",
        subject=f"jit_request:{request.id}",
        detail={"roles": ",".join(sorted(r.value for r in roles))},
    )
    for reviewer in work.uow.principals.holders(roles, provider.id):
        if reviewer.person_id != request.requester_person:
            mail(
                work,
                key=f"review-{request.id}-{reviewer.id}",
                to=reviewer.id,
                template="review_asked",
                values={
                    "request_id": request.id,
                    "requester_name": work.principal.name,
                    "provider_name": provider.name,
                    "tenant_name": tenant.name,
                    "resource_name": resource.name,
                    "scenario_label": work.lockbox.registry.get(request.elevation.scenario).label,
                    "permission": request.elevation.permission.value,
                    "duration_hours": hours(request.elevation.duration),
                    "answer_by": request.expires_at.isoformat(),
                    "service_request_id": service_request.id,
                    "service_request_title": service_request.title,
                    "link": f"{work.lockbox.rules.base_url}/review/{request.id}",
                },
            )


def _load_for_review(work: Work, jit_request_id: JitRequestId) -> JitRequest:
    request = work.uow.jit_requests.get(jit_request_id, lock=True)
    work.locked()
    work.concerns(
        request.tenant_id,
        f"jit_request:{request.id}",
        correlation_id=request.service_request_id,
        resource_id=request.elevation.resource_id,
    )
    return request


def _still_holds(
    work: Work, request: JitRequest, service_request: ServiceRequest, tenant: Tenant, resource: Resource
) -> bool:
    requester = work.uow.principals.get(request.requester)
    if requester.state is not PrincipalState.ACTIVE or tenant.support_plan not in QUALIFYING_PLANS:
        return False
    if request.resource_digest != digest(canonical(resource_as_displayed(resource, request.elevation.permission))):
        return False
    facts = jit_facts(
        work,
        engineer=requester,
        service_request=service_request,
        tenant=tenant,
        resource=resource,
        elevation=request.elevation,
        mfa_age=None if request.mfa_at is None else request.submitted_at - request.mfa_at,
    )
    return isinstance(request.verdict, Allowed) and not jit.is_stricter(
        work.lockbox.policy.weigh(facts), request.verdict
    )


@command("jit_request.review", scope="elevation.review")
def approve_internally(work: Work, *, jit_request_id: JitRequestId, reason: str) -> JitRequest:
    """Give the internal approval; the request goes to the customer in the same transaction.

    Raises:
        SelfApproval, NotAnInternalApprover, RequestExpired, AlreadyDecided: see `openlockbox.domain.jit_request`.
        ServiceRequestClosed, NoDesignatedApprover, TenantLocked, ResourceLocked, EngineerLocked: as at the submission.
        RequestSuperseded: resource, target, requester, plan or rules changed since the question; it is now canceled.
    """
    request = _load_for_review(work, jit_request_id)
    moved = jit.review_approve(
        request,
        by=work.principal.id,
        person=work.principal.person_id,
        roles=at_provider(work),
        reason=clean("reason", reason, at_most=REASON_LENGTH, required=False),
        now=work.now,
    )
    check_unlocked(
        work.uow,
        tenant_id=request.tenant_id,
        resource_id=request.elevation.resource_id,
        engineer=request.requester,
    )
    service_request = work.uow.service_requests.get(request.service_request_id, lock=True)
    if service_request.state is ServiceRequestState.CLOSED:
        raise ServiceRequestClosed
    tenant = work.uow.tenants.get(request.tenant_id)
    resource = work.uow.resources.find(request.elevation.resource_id)
    requester = work.uow.principals.get(request.requester)
    if resource is None or not _still_holds(work, request, service_request, tenant, resource):
        canceled = jit.cancel(request, now=work.now)
        work.uow.jit_requests.replace(request, canceled)
        work.record("jit_request.canceled", detail={"because": "superseded"})
        work.uow.commit()
        raise RequestSuperseded
    work.uow.jit_requests.replace(request, moved)
    work.record(
        "jit_request.review_approved", personal={"reason": moved.review_reason} if moved.review_reason else None
    )
    if moved.state is JitState.FORWARDED:
        notify_customer(
            work, moved, resource=resource, tenant=tenant, service_request=service_request, requester=requester
        )
    return moved


@command("jit_request.review", scope="elevation.review")
def deny_internally(work: Work, *, jit_request_id: JitRequestId, reason: str) -> JitRequest:
    """Deny internally; the customer is never asked, and sees the denial in the log.

    Raises:
        SelfApproval, NotAnInternalApprover, RequestExpired, AlreadyDecided: see `openlockbox.domain.jit_request`.
    """
    request = _load_for_review(work, jit_request_id)
    moved = jit.review_deny(
        request,
        by=work.principal.id,
        person=work.principal.person_id,
        roles=at_provider(work),
        reason=clean("reason", reason, at_most=REASON_LENGTH, required=False),
        now=work.now,
    )
    work.uow.jit_requests.replace(request, moved)
    work.record("jit_request.review_denied", personal={"reason": moved.review_reason} if moved.review_reason else None)
    return moved


@command("jit_request.withdraw", scope="elevation.request")
def withdraw(work: Work, *, jit_request_id: JitRequestId) -> JitRequest:
    """Withdraw one's own question, in internal review or already before the customer.

    Raises:
        NotFound: not the caller's.
        AlreadyDecided, RequestExpired: too late.
    """
    request = _load_for_review(work, jit_request_id)
    if request.requester != work.principal.id:
        raise NotFound
    waiting = work.uow.lockbox_requests.find_of_jit(request.id)
    if waiting is None:
        canceled = jit.cancel(request, now=work.now)
        work.uow.jit_requests.replace(request, canceled)
        work.record("jit_request.canceled", detail={"because": "withdrawn"})
        return canceled
    locked = work.uow.lockbox_requests.get(waiting.id, lock=True)
    work.locked()
    work.uow.lockbox_requests.replace(locked, core.cancel(locked, because="withdrawn", now=work.now))
    work.record("request.canceled", subject=f"request:{locked.id}", detail={"because": "withdrawn"})
    return request

"""The Lockbox request as the customer sees it: what is displayed and digested, who is told, and whether it still holds."""

import json
from dataclasses import dataclass
from datetime import timedelta

from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.errors import EngineerKeyRequired, ResourceNotReachable
from openlockbox.domain.ids import PrincipalId, RequestId, TenantId, principal_actor
from openlockbox.domain.jit_request import Allowed, JitRequest
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.principal import PROVIDER_ROLES, Principal, PrincipalState
from openlockbox.domain.resource import Resource, Target
from openlockbox.domain.service_request import ServiceRequest, ServiceRequestState
from openlockbox.domain.tenant import QUALIFYING_PLANS, Tenant
from openlockbox.grants.roster import Roster, open_roster
from openlockbox.grants.statement import canonical, digest
from openlockbox.services.passkeys import signing_keys
from openlockbox.services.ports import JitFacts, OutboxRow
from openlockbox.services.service_requests import roles_of
from openlockbox.services.work import Work


def reachable(resource: Resource, permission: Permission) -> tuple[Target, str]:
    """Return the target and the name of the gateway's secret for the permission level.

    Raises:
        ResourceNotReachable: one is missing.
    """
    secret_ref = None if resource.target is None else resource.target.secret_ref(permission)
    if resource.target is None or secret_ref is None:
        raise ResourceNotReachable
    return resource.target, secret_ref


def jit_facts(
    work: Work,
    *,
    engineer: Principal,
    service_request: ServiceRequest,
    tenant: Tenant,
    resource: Resource,
    elevation: Elevation,
    mfa_age: timedelta | None,
) -> JitFacts:
    """Read what the JIT rules weigh, in this transaction."""
    # The caller's own roles have been read in this transaction already.
    assignments = (work.roles if engineer.id == work.principal.id else roles_of(work, engineer.id)).assignments
    return JitFacts(
        engineer=engineer,
        roles=frozenset(a.role for a in assignments if a.tenant_id == engineer.tenant_id and a.role in PROVIDER_ROLES),
        assigned=engineer.id in service_request.engineers,
        mfa_age=mfa_age,
        resource=resource,
        service_request=service_request,
        support_plan=tenant.support_plan,
        elevation=elevation,
        touches_customer_data=work.lockbox.registry.get(elevation.scenario).touches_customer_data,
        now=work.now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a Lockbox request rests on, read once a transaction: what was checked is also what goes into the grant."""

    asked: JitRequest
    service_request: ServiceRequest
    tenant: Tenant
    resource: Resource | None
    requester: Principal


def load_basis(work: Work, request: LockboxRequest) -> Basis:
    """Read what a request rests on, in this transaction."""
    return Basis(
        asked=work.uow.jit_requests.get(request.jit_request_id),
        service_request=work.uow.service_requests.get(request.service_request_id),
        tenant=work.uow.tenants.get(request.tenant_id),
        resource=work.uow.resources.find(request.elevation.resource_id),
        requester=work.uow.principals.get(request.requester),
    )


def still_holds(work: Work, request: LockboxRequest, basis: Basis, *, mfa_age: timedelta | None) -> bool:
    """Tell whether what the request rests on is as it was: resource and target, the case, the engineer, a verdict no stricter.

    `mfa_age` is the age of the engineer's second factor to weigh now: as it was when asked (at the decision, where the
    engineer is not present), or the present one (at a connect).
    """
    resource, engineer = basis.resource, basis.requester
    if (
        resource is None
        or engineer.state is not PrincipalState.ACTIVE
        or basis.service_request.state is ServiceRequestState.CLOSED
    ):
        return False
    if basis.tenant.support_plan not in QUALIFYING_PLANS:
        return False
    shown = json.loads(request.displayed)
    if shown["resource"] != resource_as_displayed(resource, request.elevation.permission):
        return False
    key = shown["requester"]["key"]
    if key is not None and key["key_id"] not in {held.key_id for held in signing_keys(work.uow, engineer.id)}:
        return False  # the engineer took it off the account, perhaps because it was stolen
    facts = jit_facts(
        work,
        engineer=engineer,
        service_request=basis.service_request,
        tenant=basis.tenant,
        resource=resource,
        elevation=request.elevation,
        mfa_age=mfa_age,
    )
    was = basis.asked.verdict
    return isinstance(was, Allowed) and not jit.is_stricter(work.lockbox.policy.weigh(facts), was)


def resource_as_displayed(resource: Resource, permission: Permission) -> dict[str, object]:
    """Return the part of the displayed request that the resource fills. A change in any of it supersedes the request."""
    target = resource.target
    if target is None:
        return {"id": resource.id, "target": None}
    return {
        "id": resource.id,
        "subscription": resource.subscription_id,
        "name": resource.name,
        "type": resource.type,
        "operating_system": resource.operating_system,
        "description": resource.description,
        "target": {
            "gateway": target.gateway_id,
            "address": target.address,
            "port": target.port,
            "security": target.security.value,
            "certificate_sha256": target.certificate_sha256,
            "secret_refs": {
                level.value: secret_ref
                for level in Permission
                if level.rank <= permission.rank and (secret_ref := target.secret_ref(level)) is not None
            },
        },
    }


def latest_roster(work: Work, tenant_id: TenantId, *, lock: bool = False) -> Roster | None:
    """Return the tenant's newest roster; with `lock` it stays the newest until the transaction ends."""
    stored = work.uow.rosters.latest(tenant_id, lock=lock)
    return None if stored is None else open_roster(stored.roster_text)


def is_strict(roster: Roster | None) -> bool:
    """Tell whether only signed decisions count."""
    return roster is not None and not roster.unsigned_decisions


def requester_key(work: Work, engineer: PrincipalId, roster: Roster | None) -> dict[str, object] | None:
    """Return the engineer's own key as it is displayed: their first passkey, or their automation's; None without one.

    Raises:
        EngineerKeyRequired: there is none, and the customer's gateways would let nobody in without.
    """
    held = signing_keys(work.uow, engineer)
    if not held:
        if is_strict(roster):
            raise EngineerKeyRequired
        return None
    return {
        "key_id": held[0].key_id,
        "kind": held[0].kind,
        "public_key": held[0].public_key,
        "credential_id": held[0].credential_id,
        "rp_id": work.lockbox.passkeys.rp_id,
        "origins": sorted(work.lockbox.passkeys.origins),
    }


def notify_customer(
    work: Work,
    asked: JitRequest,
    *,
    resource: Resource,
    tenant: Tenant,
    service_request: ServiceRequest,
    requester: Principal,
) -> LockboxRequest:
    """Make the Lockbox request: fix the approvers, digest what is shown, and mail them, all in this transaction.

    Raises:
        NoDesignatedApprover: nobody could decide.
        EngineerKeyRequired: see `requester_key`.
    """
    roster = latest_roster(work, tenant.id)
    approvers = [
        p for p in work.uow.principals.approvers(resource.subscription_id) if p.person_id != asked.requester_person
    ]
    request_id = RequestId(work.lockbox.new_id("LBX"))
    answer_by = work.now + work.lockbox.rules.queue_time
    provider = work.uow.tenants.provider()
    elevation = asked.elevation
    verdict = asked.verdict
    displayed = canonical(
        {
            "type": "openlockbox/request",
            "v": 1,
            "id": request_id,
            "tenant": {"id": tenant.id, "name": tenant.name},
            "provider": {"id": provider.id, "name": provider.name},
            "requester": {"id": requester.id, "name": requester.name, "title": requester.title,
                          "isolated_identity": requester.isolated_identity,
                          "mfa_at": "" if asked.mfa_at is None else asked.mfa_at.isoformat(),
                          "key": requester_key(work, requester.id, roster)},
            "resource": resource_as_displayed(resource, elevation.permission),
            "scenario": elevation.scenario,
            "permission": elevation.permission.value,
            "channels": sorted(elevation.channels),
            "duration_s": int(elevation.duration.total_seconds()),
            "justification": elevation.justification,
            "service_request": {"id": service_request.id, "title": service_request.title,
                                "description": service_request.description},
            "verdict": {"policy": asked.policy_version, "reviewed_by": asked.reviewed_by or "",
                        "reasons": [{"rule": r.rule, "outcome": r.outcome, "texts": dict(r.texts)} for r in verdict.reasons]},
            "approvers": sorted(p.id for p in approvers),
            "roster_version": 0 if roster is None else roster.version,
            "created_at": work.now.isoformat(),
            "answer_by": answer_by.isoformat(),
        }
    )  # fmt: skip
    request = LockboxRequest(
        id=request_id,
        tenant_id=tenant.id,
        subscription_id=resource.subscription_id,
        jit_request_id=asked.id,
        service_request_id=service_request.id,
        requester=requester.id,
        requester_person=requester.person_id,
        elevation=elevation,
        approvers=frozenset(p.id for p in approvers),
        displayed=displayed,
        digest=digest(displayed),
        created_at=work.now,
        answer_by=answer_by,
    )
    core.check_submission(request)
    work.uow.lockbox_requests.add(request)
    work.record(
        "request.created",
        subject=f"request:{request.id}",
        actor=principal_actor(requester.id),  # theirs, also where an internal approval came last
        personal={"actor_name": requester.name},
        detail={
            "jit_request": asked.id,
            "service_request": service_request.id,
            "requester": requester.id,
            "scenario": elevation.scenario,
            "permission": elevation.permission.value,
            "channels": ",".join(sorted(elevation.channels)),
            "duration_s": str(int(elevation.duration.total_seconds())),
            "digest": request.digest,
            "approvers": ",".join(sorted(request.approvers)),
            "answer_by": answer_by.isoformat(),
        },
        document=displayed,
    )
    values = request_values(
        work,
        request,
        resource=resource,
        tenant=tenant,
        provider=provider,
        service_request=service_request,
        requester=requester,
    )
    for approver in approvers:
        mail(
            work,
            key=f"created-{request.id}-{approver.id}",
            to=approver.id,
            template="request_created",
            values=values,
        )
    return request


def request_values(
    work: Work,
    request: LockboxRequest,
    *,
    resource: Resource | None,
    tenant: Tenant,
    provider: Tenant,
    service_request: ServiceRequest,
    requester: Principal,
) -> dict[str, str]:
    """Collect what the mails about a Lockbox request say."""
    return {
        "request_id": request.id,
        "requester_name": requester.name,
        "provider_name": provider.name,
        "tenant_name": tenant.name,
        "resource_name": resource.name if resource else request.elevation.resource_id.rsplit("/", 1)[-1],
        "scenario_label": work.lockbox.registry.get(request.elevation.scenario).label,
        "permission": request.elevation.permission.value,
        "duration_hours": hours(request.elevation.duration),
        "answer_by": request.answer_by.isoformat(),
        "service_request_id": service_request.id,
        "service_request_title": service_request.title,
        "link": f"{work.lockbox.rules.base_url}/t/{tenant.id}/requests/{request.id}",
    }


def hours(duration: timedelta) -> str:
    """Return a length in hours as a number for a mail."""
    return f"{duration.total_seconds() / 3600:g}"


def mail(work: Work, *, key: str, to: PrincipalId, template: str, values: dict[str, str]) -> None:
    """Queue a mail in this transaction. `key` is unique for ever."""
    work.uow.outbox.add(
        OutboxRow(key=key, tenant_id=work.tenant_id, recipient=to, template=template, values=values, due_at=work.now)
    )

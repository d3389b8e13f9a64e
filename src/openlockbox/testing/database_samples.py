"""Values for the conformance suite of databases: one provider, two customers, and whatever happens between them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.events import Event
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import (
    ActorId,
    CorrelationId,
    GatewayId,
    GrantId,
    JitRequestId,
    PersonId,
    PrincipalId,
    RequestId,
    ResourceId,
    ServiceRequestId,
    SessionId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.jit_request import Allowed, JitRequest, Reason
from openlockbox.domain.lockbox_request import Decision, LockboxRequest, approve
from openlockbox.domain.principal import Principal, Role, RoleAssignment
from openlockbox.domain.resource import Resource, Target, TargetSecurity
from openlockbox.domain.service_request import ServiceRequest, ServiceRequestState, Severity
from openlockbox.domain.session import Session
from openlockbox.domain.tenant import Subscription, SupportPlan, Tenant, TenantKind
from openlockbox.services.ports import Database, OutboxRow, UnitOfWork

NOW: Final = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)  # the microseconds must survive
LATER: Final = NOW + timedelta(days=30)
HOUR: Final = timedelta(hours=1)
PROVIDER: Final = TenantId("provider")
CONTOSO: Final = TenantId("contoso")
FABRIKAM: Final = TenantId("fabrikam")
SUBSCRIPTION: Final = SubscriptionId("contoso-production")
RESOURCE: Final = ResourceId("/subscriptions/contoso-production/virtualmachines/web01")
OWNER: Final = PrincipalId("olga")
APPROVER: Final = PrincipalId("anton")
ENGINEER: Final = PrincipalId("erik")
GATEWAY: Final = GatewayId("gw-1")
CASE: Final = ServiceRequestId("SR-1")
ELEVATION: Final = Elevation(
    resource_id=RESOURCE,
    scenario="remote_desktop",
    permission=Permission.OPERATE,
    channels=frozenset({"files", "clipboard"}),
    duration=timedelta(hours=8, microseconds=1),
    justification="Der Dienst läuft nicht — „Fehler 5“",
)


def tenant(tenant_id: TenantId, kind: TenantKind = TenantKind.CUSTOMER) -> Tenant:
    """Make a tenant."""
    return Tenant(
        id=tenant_id,
        name=tenant_id.capitalize(),
        kind=kind,
        support_plan=SupportPlan.STANDARD,
        preview_scenarios=frozenset({"remote_desktop", "dump"}),
    )


def principal(principal_id: PrincipalId, tenant_id: TenantId, **more: Any) -> Principal:  # noqa: ANN401  any field
    """Make a person with one account."""
    given: dict[str, Any] = {"name": principal_id.capitalize(), "mail": f"{principal_id.capitalize()}@Example.com"}
    return Principal(id=principal_id, person_id=PersonId(f"p-{principal_id}"), tenant_id=tenant_id, **(given | more))


def role(
    principal_id: PrincipalId, name: Role, tenant_id: TenantId, on: SubscriptionId | None = None
) -> RoleAssignment:
    """Make a role assignment."""
    return RoleAssignment(
        principal_id=principal_id, role=name, tenant_id=tenant_id, subscription_id=on, assigned_at=NOW
    )


def resource() -> Resource:
    """Make a resource with a target."""
    return Resource(
        id=RESOURCE,
        tenant_id=CONTOSO,
        subscription_id=SUBSCRIPTION,
        name="Web01",
        type="microsoft.compute/virtualmachines",
        operating_system="Windows",
        target=Target(
            gateway_id=GATEWAY,
            address="10.0.0.4",
            port=3389,
            security=TargetSecurity.NLA,
            certificate_sha256="ab" * 32,
            secret_refs=((Permission.READ, "web01-read"), (Permission.ADMINISTRATOR, "web01-admin")),
        ),
    )


def service_request(number: int = 1, **more: Any) -> ServiceRequest:  # noqa: ANN401  any field
    """Make an open service request."""
    given: dict[str, Any] = {"tenant_id": CONTOSO, "subscription_id": SUBSCRIPTION, "engineers": (ENGINEER,)}
    return ServiceRequest(
        id=ServiceRequestId(f"SR-{number}"),
        resource_id=RESOURCE,
        title="The web server answers 500",
        description="Since noon.",
        severity=Severity.A,
        state=ServiceRequestState.OPEN,
        opened_by=OWNER,
        opened_at=NOW + number * HOUR,
        **(given | more),
    )


def jit_request(number: int = 1) -> JitRequest:
    """Make a submitted JIT request; the number moves it in time."""
    return JitRequest(
        id=JitRequestId(f"JIT-{number}"),
        tenant_id=CONTOSO,
        subscription_id=SUBSCRIPTION,
        service_request_id=CASE,
        requester=ENGINEER,
        requester_person=PersonId("p-erik"),
        elevation=ELEVATION,
        verdict=Allowed(
            reasons=(Reason(rule="R2", outcome="approval", texts={"en": "A lead looks.", "de": "Prüfung nötig."}),),
            internal_approval=frozenset({Role.SUPPORT_LEAD, Role.DEVOPS_MANAGER}),
            customer_approval=True,
            maximum_duration=4 * HOUR,
        ),
        policy_version="f" * 64,
        resource_digest="e" * 64,
        mfa_at=NOW,
        submitted_at=NOW + number * HOUR,
        expires_at=NOW + number * HOUR + timedelta(days=4),
    )


def lockbox_request(number: int = 1, **more: Any) -> LockboxRequest:  # noqa: ANN401  any field
    """Make a Lockbox request that waits, of the JIT request with the same number."""
    given: dict[str, Any] = {"tenant_id": CONTOSO, "subscription_id": SUBSCRIPTION}
    return LockboxRequest(
        id=RequestId(f"LBX-{number}"),
        jit_request_id=JitRequestId(f"JIT-{number}"),
        service_request_id=CASE,
        requester=ENGINEER,
        requester_person=PersonId("p-erik"),
        elevation=ELEVATION,
        approvers=frozenset({OWNER, APPROVER}),
        displayed='{"what":"all of it"}',
        digest="d" * 64,
        created_at=NOW + number * HOUR,
        answer_by=NOW + number * HOUR + timedelta(days=4),
        **(given | more),
    )


def approved(request: LockboxRequest) -> LockboxRequest:
    """Approve a request as its owner does."""
    return approve(
        request,
        decision=Decision(
            by=OWNER,
            at=request.created_at,
            reason="please",
            granted_duration=2 * HOUR,
            statement="{}",
            method="passkey",
            key_id="0123456789abcdef",
            signature="s",
        ),
        permission=request.elevation.permission,
        channels=request.elevation.channels,
        person=PersonId("p-olga"),
        roles=frozenset({Role.SUBSCRIPTION_OWNER}),
        digest=request.digest,
    )


def grant(number: int = 1) -> Grant:
    """Make an active grant on the Lockbox request with the same number."""
    return Grant(
        id=GrantId(f"G-{number}"),
        tenant_id=CONTOSO,
        subscription_id=SUBSCRIPTION,
        request_id=RequestId(f"LBX-{number}"),
        service_request_id=CASE,
        engineer=ENGINEER,
        engineer_person=PersonId("p-erik"),
        gateway_id=GATEWAY,
        elevation=ELEVATION,
        not_before=NOW + number * HOUR,
        not_after=NOW + number * HOUR + 8 * HOUR,
        wire="signed",
    )


def session(number: int = 1, of: int = 1) -> Session:
    """Make a pending session under a grant."""
    return Session(
        id=SessionId(f"S-{number}"),
        tenant_id=CONTOSO,
        grant_id=GrantId(f"G-{of}"),
        gateway_id=GATEWAY,
        engineer=ENGINEER,
        front="browser",
        offered_at=NOW + number * HOUR,
        offer_ends_at=NOW + number * HOUR + timedelta(seconds=60),
    )


def gateway(number: int = 1) -> Gateway:
    """Make an invited gateway."""
    return Gateway(
        id=GatewayId(f"gw-{number}"),
        name=f"Gateway {number}",
        enrolment_code_sha256=f"{number:064}",
        enrolment_ends_at=NOW + HOUR,
    )


def event(tenant_id: TenantId = CONTOSO, **more: Any) -> Event:  # noqa: ANN401  any field
    """Make an event of a tenant's log."""
    given: dict[str, Any] = {
        "code": "request.created",
        "actor": ActorId("principal:erik"),
        "subject": "request:LBX-1",
        "correlation_id": CorrelationId("c-1"),
        "resource_id": RESOURCE,
        "detail": {"scenario": "remote_desktop"},
        "personal": {"actor_name": "Erik Ångström", "reason": "100% of 5_000 requests fail"},
    }
    return Event(tenant_id=tenant_id, **(given | more))


def mail(number: int = 1, *, due_at: datetime = NOW) -> OutboxRow:
    """Make a mail to send."""
    return OutboxRow(
        key=f"mail-{number}",
        tenant_id=CONTOSO,
        recipient=OWNER,
        template="request_created",
        values={"request": f"LBX-{number}"},
        due_at=due_at,
    )


def seed(database: Database) -> None:
    """Write the organizations, people, resource, gateway and service request that everything else refers to."""
    with database.unit_of_work() as uow:
        uow.tenants.add(tenant(PROVIDER, TenantKind.PROVIDER))
        uow.tenants.add(tenant(FABRIKAM))
        uow.tenants.add(tenant(CONTOSO))
        uow.tenants.add_subscription(Subscription(id=SUBSCRIPTION, tenant_id=CONTOSO, name="Production"))
        uow.resources.add(resource())
        uow.principals.add(principal(OWNER, CONTOSO))
        uow.principals.add(principal(APPROVER, CONTOSO))
        uow.principals.add(principal(ENGINEER, PROVIDER))
        uow.principals.add_role(role(OWNER, Role.SUBSCRIPTION_OWNER, CONTOSO, SUBSCRIPTION))
        uow.principals.add_role(role(APPROVER, Role.LOCKBOX_APPROVER, CONTOSO, SUBSCRIPTION))
        uow.principals.add_role(role(ENGINEER, Role.SUPPORT_ENGINEER, PROVIDER))
        uow.gateways.add(gateway())
        uow.service_requests.add(service_request())
        uow.commit()


def add_request(uow: UnitOfWork, number: int = 1) -> LockboxRequest:
    """Write a JIT request and a waiting Lockbox request."""
    uow.jit_requests.add(jit_request(number))
    request = lockbox_request(number)
    uow.lockbox_requests.add(request)
    return request


def add_grant(uow: UnitOfWork, number: int = 1) -> Grant:
    """Write a request, its approval and its grant."""
    request = add_request(uow, number)
    uow.lockbox_requests.replace(request, approved(request))
    made = grant(number)
    uow.grants.add(made)
    return made


def committed(database: Database, act: Callable[[UnitOfWork], Any]) -> Any:  # noqa: ANN401  whatever the act returns
    """Run something in a unit of work of its own and commit it."""
    with database.unit_of_work() as uow:
        result = act(uow)
        uow.commit()
        return result


def seen(database: Database, look: Callable[[UnitOfWork], Any]) -> Any:  # noqa: ANN401  whatever is looked at
    """Read something in a unit of work of its own."""
    with database.unit_of_work(read_only=True) as uow:
        return look(uow)

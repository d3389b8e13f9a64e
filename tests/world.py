"""A small world for tests: a provider, two customers, people in every role, one machine. Real adapters but for the database given."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.adapters.identity.local import LocalSignIn
from openlockbox.adapters.identity.passkeys import WebauthnPasskeys
from openlockbox.adapters.keys.files import FileKeys
from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.connectors.registry import Registry
from openlockbox.domain.elevation import Permission
from openlockbox.domain.grant import Grant
from openlockbox.domain.ids import GatewayId, PersonId, PrincipalId, ResourceId, SubscriptionId, TenantId
from openlockbox.domain.jit_request import JitRequest
from openlockbox.domain.lockbox_request import LockboxRequest
from openlockbox.domain.principal import Role
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.domain.service_request import ServiceRequest, Severity
from openlockbox.domain.session import Session
from openlockbox.domain.tenant import SupportPlan, TenantKind
from openlockbox.grants.assertion import name_key
from openlockbox.grants.envelope import Ed25519Signer
from openlockbox.grants.keys import encode_public_key
from openlockbox.grants.roster import Roster, SignedBy, signed_roster_text
from openlockbox.grants.session_start import SessionStart, seal_session_start
from openlockbox.grants.statement import Decision as Answer
from openlockbox.services import (
    decisions,
    elevation,
    gateways,
    passkeys,
    roster,
    service_requests,
    setup,
    statements,
)
from openlockbox.services.ports import Database, EntryFilter
from openlockbox.services.work import Caller, Lockbox, Rules
from openlockbox.testing.authenticator import SoftAuthenticator

PROVIDER, AMBERTIDE, PELIMOOR = TenantId("ostervane"), TenantId("ambertide"), TenantId("pelimoor")
SUBSCRIPTION, OTHER_SUBSCRIPTION = SubscriptionId("ambertide-production"), SubscriptionId("pelimoor-production")
GATEWAY = GatewayId("gateway-1")
GATEWAY_KEY = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(b"g" * 32))  # a test key, worth nothing
MACHINE_TEXT = (
    "/subscriptions/Ambertide-Production/resourceGroups/kiln/providers/Microsoft.Compute/virtualMachines/vm-kiln-07"
)
MACHINE = ResourceId(MACHINE_TEXT.lower())
OTHER_MACHINE = ResourceId(MACHINE.replace("ambertide", "pelimoor").replace("kiln", "depot"))
CLASSIC = ResourceId(MACHINE.replace("microsoft.compute", "microsoft.classiccompute").replace("07", "01"))
UNREACHABLE = ResourceId(MACHINE.replace("07", "08"))

PEOPLE: Mapping[str, tuple[TenantId, tuple[Role, ...]]] = {
    "idris": (PROVIDER, (Role.SUPPORT_ENGINEER,)),
    "wrenna": (PROVIDER, (Role.SUPPORT_ENGINEER,)),
    "maud": (PROVIDER, (Role.SUPPORT_LEAD, Role.SUPPORT_ENGINEER)),
    "devi": (PROVIDER, (Role.DEVOPS_MANAGER,)),
    "oper": (PROVIDER, (Role.OPERATOR,)),
    "senna": (AMBERTIDE, (Role.SUBSCRIPTION_OWNER,)),
    "orla": (AMBERTIDE, (Role.LOCKBOX_APPROVER,)),
    "rhea": (AMBERTIDE, (Role.READER,)),
    "bram": (AMBERTIDE, ()),  # a member without a role: opens service requests
    "tessa": (AMBERTIDE, (Role.TENANT_ADMINISTRATOR,)),
    "piet": (PELIMOOR, (Role.SUBSCRIPTION_OWNER,)),
    "pia": (PELIMOOR, (Role.TENANT_ADMINISTRATOR,)),
}


class FakeClock:
    """Time as a value."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class World:
    """The lockbox with its people; the methods are the steps of the workflow that tests start from."""

    lockbox: Lockbox
    clock: FakeClock
    keys: FileKeys

    def caller(self, name: str, *, mfa: bool = True) -> Caller:
        return Caller(principal_id=PrincipalId(name), mfa_at=self.clock.now if mfa else None)

    def case(
        self, *, by: str = "bram", engineer: str | None = "idris", resource: ResourceId | None = MACHINE
    ) -> ServiceRequest:
        opened = service_requests.open_service_request(
            self.lockbox,
            self.caller(by),
            tenant_id=AMBERTIDE,
            subscription_id=SUBSCRIPTION,
            resource_id=resource,
            title="Kiln database drops connections",
            description="Since the update the kiln controller loses its database.",
            severity=Severity.B,
        )
        if engineer is None:
            return opened
        return service_requests.take(self.lockbox, self.caller(engineer), service_request_id=opened.id)

    def ask(
        self,
        case: ServiceRequest | None = None,
        *,
        by: str = "idris",
        resource: ResourceId = MACHINE,
        permission: Permission = Permission.OPERATE,
        channels: frozenset[str] = frozenset(),
        duration: timedelta | None = None,
        scenario: str = "remote_desktop",
        mfa: bool = True,
    ) -> JitRequest:
        return elevation.request_elevation(
            self.lockbox,
            self.caller(by, mfa=mfa),
            service_request_id=(case or self.case(engineer=by)).id,
            resource_id=resource,
            scenario=scenario,
            permission=permission,
            channels=channels,
            duration=duration,
            justification="I need the local event log.",
        )

    def pending(self, **asked: object) -> LockboxRequest:
        question = self.ask(**asked)  # type: ignore[arg-type]
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            request = uow.lockbox_requests.find_of_jit(question.id)
        assert request is not None, f"the question is {question.state}: {question.verdict}"
        return request

    def approve(
        self, request: LockboxRequest, *, by: str = "senna", duration: timedelta | None = None
    ) -> LockboxRequest:
        return decisions.approve(
            self.lockbox,
            self.caller(by),
            request_id=request.id,
            digest=request.digest,
            granted_duration=duration,
            reason="",
        )

    def granted(self, **asked: object) -> Grant:
        request = self.approve(self.pending(**asked))
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            grant = uow.grants.find_of_request(request.id)
        assert grant is not None
        return grant

    def actions(self, tenant_id: TenantId = AMBERTIDE) -> list[str]:
        """Return the codes of a tenant's whole log, oldest first."""
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            return [e.event.code for e in uow.activity.entries(tenant_id, EntryFilter(limit=100_000))][::-1]

    def last_refusal(self, tenant_id: TenantId = AMBERTIDE) -> tuple[str, str]:
        """Return action and code of the newest refusal in a tenant's log."""
        with self.lockbox.database.unit_of_work(read_only=True) as uow:
            for entry in uow.activity.entries(tenant_id, EntryFilter(limit=100_000)):
                if entry.event.code.endswith(".refused"):
                    return entry.event.code.removesuffix(".refused"), entry.event.detail.get("code", "")
        raise AssertionError("no refusal was recorded")

    def passkey(self, name: str, **made: object) -> SoftAuthenticator:
        """Give somebody a new passkey and return the authenticator that holds it."""
        authenticator = SoftAuthenticator(**made)  # type: ignore[arg-type]
        options = passkeys.begin_enrolment(self.lockbox, self.caller(name))
        passkeys.finish_enrolment(
            self.lockbox, self.caller(name), name="Telephone", response=authenticator.create(options)
        )
        return authenticator

    def start_of(self, offer: Session, signer: Ed25519Signer | None = None, **changes: str) -> str:
        """Sign an offered session's start as the gateway does."""
        start = SessionStart(
            session_id=offer.id,
            grant_id=offer.grant_id,
            tenant_id=offer.tenant_id,
            gateway_id=offer.gateway_id,
            engineer_id=offer.engineer,
            front=offer.front,
            at=self.clock.now,
        )
        return seal_session_start(replace(start, **changes), signer or GATEWAY_KEY)  # type: ignore[arg-type]  # tests name them

    def start(self, offer: Session, *, log_size: int = 0) -> tuple[Session, dict[str, object]]:
        """Have the gateway start an offered session."""
        return gateways.start_session(
            self.lockbox,
            gateways.find_gateway(self.lockbox, offer.gateway_id),
            session_id=offer.id,
            grant_id=offer.grant_id,
            front=offer.front,
            client_address="127.0.0.1",
            statement=self.start_of(offer),
            log_size=log_size,
        )

    def sign_roster(
        self, change: roster.Change, authenticator: SoftAuthenticator, *, by: str = "senna", code: str = ""
    ) -> Roster:
        """Propose a change of Ambertide's roster, sign it with somebody's passkey, and send it in."""
        proposal = roster.propose(self.lockbox, self.caller(by), tenant_id=AMBERTIDE, change=change)
        signatures = [SignedBy(name_key(authenticator.spki), authenticator.sign_statement(proposal.text))]
        signed = signed_roster_text(proposal.text, signatures)
        return roster.submit(self.lockbox, self.caller(by), tenant_id=AMBERTIDE, signed=signed, code=code)

    def rostered(self, *names: str) -> dict[str, SoftAuthenticator]:
        """Give these people passkeys and put them on Ambertide's first roster; the first of them signs it."""
        held = {name: self.passkey(name) for name in names}
        code = roster.issue_code(self.lockbox, tenant_id=AMBERTIDE)
        change = roster.Change(add=frozenset(name_key(one.spki) for one in held.values()))
        self.sign_roster(change, held[names[0]], by=names[0], code=code)
        return held

    def to_sign(
        self, request: LockboxRequest, *, by: str = "senna", answer: Answer = "approve", **chosen: object
    ) -> statements.ToSign:
        return statements.prepare(
            self.lockbox,
            self.caller(by),
            request_id=request.id,
            digest=request.digest,
            choice=statements.Choice(answer=answer, **chosen),  # type: ignore[arg-type]  # tests name what they choose
        )

    def approve_signed(
        self, request: LockboxRequest, authenticator: SoftAuthenticator, *, by: str = "senna", **chosen: object
    ) -> LockboxRequest:
        text = self.to_sign(request, by=by, **chosen).statement  # type: ignore[arg-type]  # as above
        signed = statements.Signed(statement=text, signature=authenticator.sign_statement(text))
        return decisions.approve_signed(self.lockbox, self.caller(by), request_id=request.id, signed=signed)

    def change_machine(self, **changes: object) -> None:
        """Change the machine's target as the operator would."""
        with self.lockbox.database.unit_of_work() as uow:
            machine = uow.resources.get(MACHINE)
            assert machine.target is not None
            uow.resources.save(replace(machine, target=replace(machine.target, **changes)))  # type: ignore[arg-type]
            uow.commit()


def build_world(
    database: Database,
    directory: Path,
    *,
    clock: FakeClock | None = None,
    wrap: Callable[[Lockbox], Lockbox] = lambda lockbox: lockbox,
) -> World:
    """Wire a lockbox on an empty database with a schema and seed it."""
    now = clock or FakeClock()
    keys = FileKeys.create(directory / "keys")
    lockbox = wrap(
        Lockbox(
            database=database,
            policy=CedarPolicyEngine.from_directory(None),
            keys=keys,
            sign_in=LocalSignIn(keys.secret("totp")),
            passkeys=WebauthnPasskeys("localhost", ("http://localhost",)),
            registry=Registry(),
            rules=Rules(base_url="http://localhost"),
            clock=now,
            new_id=lambda prefix: f"{prefix}-{secrets.token_hex(8)}",
            new_secret=lambda: secrets.token_urlsafe(32),
        )
    )
    for tenant_id, name, kind, plan in (
        (PROVIDER, "Ostervane Cloud", TenantKind.PROVIDER, SupportPlan.NONE),
        (AMBERTIDE, "Ambertide Ceramics", TenantKind.CUSTOMER, SupportPlan.DEVELOPER),
        (PELIMOOR, "Pelimoor Logistics", TenantKind.CUSTOMER, SupportPlan.STANDARD),
    ):
        setup.add_tenant(lockbox, tenant_id=tenant_id, name=name, kind=kind, support_plan=plan)
    for tenant_id, subscription in ((AMBERTIDE, SUBSCRIPTION), (PELIMOOR, OTHER_SUBSCRIPTION)):
        setup.add_subscription(
            lockbox, tenant_id=tenant_id, subscription_id=subscription, name=f"{tenant_id} production"
        )
    for person, (tenant_id, _) in PEOPLE.items():
        setup.add_person(
            lockbox,
            tenant_id=tenant_id,
            principal_id=PrincipalId(person),
            person_id=PersonId(person),
            name=person.capitalize(),
            mail=f"{person}@{tenant_id}.example",
            isolated_identity=person == "idris",
        )
    for person, (tenant_id, roles) in sorted(PEOPLE.items(), key=lambda p: Role.TENANT_ADMINISTRATOR in p[1][1]):
        for role in roles:
            on = {AMBERTIDE: SUBSCRIPTION, PELIMOOR: OTHER_SUBSCRIPTION}[tenant_id] if role in {
                Role.SUBSCRIPTION_OWNER, Role.LOCKBOX_APPROVER} else None  # fmt: skip
            setup.give_role(
                lockbox, principal_id=PrincipalId(person), role=role, tenant_id=tenant_id, subscription_id=on
            )
    _, code = setup.invite_gateway(lockbox, gateway_id=GATEWAY, name="Gateway 1")
    gateways.enrol(
        lockbox,
        code_sha256=hashlib.sha256(code.encode()).hexdigest(),
        enrolment=gateways.Enrolment(
            public_key=encode_public_key(GATEWAY_KEY.public_key),
            browser_url="ws://gateway.localhost:1/rdp",
            native_address="localhost:2",
            native_certificate_sha256="0" * 64,
        ),
    )
    target = Target(
        gateway_id=GATEWAY,
        address="127.0.0.1",
        port=13389,
        security=TargetSecurity.TLS,
        certificate_sha256="ab" * 32,
        secret_refs=((Permission.OPERATE, "vm-user"), (Permission.ADMINISTRATOR, "vm-admin")),
    )
    for tenant_id, resource_id, reach in (
        (AMBERTIDE, MACHINE_TEXT, target),
        (AMBERTIDE, UNREACHABLE, None),
        (AMBERTIDE, CLASSIC, target),
        (PELIMOOR, OTHER_MACHINE, target),
    ):
        setup.put_resource(
            lockbox,
            tenant_id=tenant_id,
            resource_id=resource_id,
            operating_system="Windows",
            description="The database server of kiln line 3",
            target=reach,
        )
    return World(lockbox=lockbox, clock=now, keys=keys)

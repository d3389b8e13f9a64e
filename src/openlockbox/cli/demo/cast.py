"""Who plays in the demo: one provider, two customers, people in every role. All names are invented."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyotp

from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import OPERATOR_COMMAND, GatewayId, PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import Role
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.domain.tenant import SupportPlan, TenantKind
from openlockbox.services import setup
from openlockbox.services.access import ONE_TIME_LETTERS
from openlockbox.services.accounts import enrol_locally
from openlockbox.services.work import Lockbox
from openlockbox.testing.desktops import Desktop

PROVIDER: Final = TenantId("ostervane")
PROVIDER_NAME: Final = "Ostervane Cloud"
AMBERTIDE: Final = TenantId("ambertide")
PELIMOOR: Final = TenantId("pelimoor")
CUSTOMERS: Final = {AMBERTIDE: "Ambertide Ceramics", PELIMOOR: "Pelimoor Logistics"}
SUBSCRIPTIONS: Final = {
    AMBERTIDE: (SubscriptionId("ambertide-production"), "Ambertide Production"),
    PELIMOOR: (SubscriptionId("pelimoor-operations"), "Pelimoor Operations"),
}
GATEWAY: Final = GatewayId("gateway-1")
# The demo's desktop has one account, stored under all names; a real machine has one for each level. A secret is one tenant's.
SECRETS: Final = {
    tenant: {Permission.OPERATE: f"{tenant}-desktop-user", Permission.ADMINISTRATOR: f"{tenant}-desktop-admin"}
    for tenant in CUSTOMERS
}

KILN: Final = "/subscriptions/ambertide-production/resourceGroups/kiln-line-3/providers/Microsoft.Compute/virtualMachines/vm-kiln-07"
OLD_KILN: Final = KILN.replace("Microsoft.Compute", "Microsoft.ClassicCompute").replace("vm-kiln-07", "vm-kiln-01")
DEPOT: Final = (
    "/subscriptions/pelimoor-operations/resourceGroups/depot/providers/Microsoft.Compute/virtualMachines/vm-depot-02"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One of the cast."""

    id: str
    name: str
    tenant_id: TenantId
    title: str
    roles: tuple[Role, ...]
    does: str  # what one can try as this person
    language: str = ""
    time_zone: str = "Europe/Vienna"
    isolated_identity: bool = False

    @property
    def mail(self) -> str:
        """Return an address that no mail server in the world delivers to (RFC 2606)."""
        return f"{self.id}@{self.tenant_id}.example"


CAST: Final = (
    Person(
        id="bram",
        name="Bram Tollivane",
        tenant_id=AMBERTIDE,
        title="Kiln operations",
        roles=(),
        does="opens service requests",
    ),
    Person(
        id="orla",
        name="Orla Fennick",
        tenant_id=AMBERTIDE,
        title="Information security",
        roles=(Role.LOCKBOX_APPROVER,),
        does="approves or denies as well",
    ),
    Person(
        id="senna",
        name="Senna Quillmere",
        tenant_id=AMBERTIDE,
        title="Head of production IT",
        roles=(Role.SUBSCRIPTION_OWNER, Role.TENANT_ADMINISTRATOR),
        does="approves or denies, ends access, reads the activity log",
    ),
    Person(
        id="natsume",
        name="霧崎 夏芽",
        tenant_id=PELIMOOR,
        title="情報システム部",
        roles=(Role.SUBSCRIPTION_OWNER, Role.TENANT_ADMINISTRATOR),
        does="the same for Pelimoor Logistics, in Japanese",
        language="ja",
        time_zone="Asia/Tokyo",
    ),
    Person(
        id="idris",
        name="Idris Marrowby",
        tenant_id=PROVIDER,
        title="Database support",
        roles=(Role.SUPPORT_ENGINEER,),
        does="takes service requests, asks for elevation, connects",
        isolated_identity=True,
    ),
    Person(
        id="wrenna",
        name="Wrenna Aldous",
        tenant_id=PROVIDER,
        title="DevOps engineer",
        roles=(Role.SUPPORT_ENGINEER,),
        does="an engineer to escalate to",
    ),
    Person(
        id="maud",
        name="Maud Ferrisane",
        tenant_id=PROVIDER,
        title="Support lead",
        roles=(Role.SUPPORT_LEAD,),
        does="approves administrator elevations internally",
    ),
    Person(
        id="corin",
        name="Corin Vashbury",
        tenant_id=PROVIDER,
        title="Operations",
        roles=(Role.OPERATOR,),
        does="may end any access",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Account:
    """How one of the cast signs in. No repr: it holds secrets, even if of the demo."""

    person: Person
    password: str
    totp_secret: str

    def code(self, *, steps_ahead: int = 0) -> str:
        """Return the present one-time code, or a later one; the sign-in takes one step ahead."""
        totp = pyotp.TOTP(self.totp_secret)
        return totp.at(_now(), counter_offset=steps_ahead)


def _now() -> int:
    from openlockbox.bootstrap import system_clock

    return int(system_clock().timestamp())


def seed(lockbox: Lockbox) -> Mapping[str, Account]:
    """Add customers, subscriptions and people to an installation that has its provider; return the accounts by id."""
    for tenant_id, name in CUSTOMERS.items():
        setup.add_tenant(
            lockbox, tenant_id=tenant_id, name=name, kind=TenantKind.CUSTOMER, support_plan=SupportPlan.STANDARD
        )
        subscription_id, called = SUBSCRIPTIONS[tenant_id]
        setup.add_subscription(lockbox, tenant_id=tenant_id, subscription_id=subscription_id, name=called)
    return {person.id: _add(lockbox, person) for person in CAST}


def _add(lockbox: Lockbox, person: Person) -> Account:
    added = setup.add_person(
        lockbox,
        tenant_id=person.tenant_id,
        principal_id=PrincipalId(person.id),
        person_id=None,
        name=person.name,
        mail=person.mail,
        title=person.title,
        language=person.language,
        time_zone=person.time_zone,
        isolated_identity=person.isolated_identity,
    )
    # An administrator's role comes last (see the order of CAST): from then on the console gives no more roles.
    for role in person.roles:
        on_subscription = role in {Role.SUBSCRIPTION_OWNER, Role.LOCKBOX_APPROVER}
        setup.give_role(
            lockbox,
            principal_id=added.id,
            role=role,
            tenant_id=person.tenant_id,
            subscription_id=SUBSCRIPTIONS[person.tenant_id][0] if on_subscription else None,
        )
    password = "-".join("".join(secrets.choice(ONE_TIME_LETTERS) for _ in range(4)) for _ in range(4))
    uri = enrol_locally(lockbox, added.id, password=password, actor=OPERATOR_COMMAND)
    return Account(person=person, password=password, totp_secret=pyotp.parse_uri(uri).secret)


def add_resources(lockbox: Lockbox, desktop: Desktop | None) -> None:
    """Add the machines. The kiln's is the real desktop, where there is one; the classic one is refused, which can be tried."""
    machines = (
        (AMBERTIDE, KILN, "Controls kiln line 3 and holds its firing records.", _target(AMBERTIDE, desktop)),
        (AMBERTIDE, OLD_KILN, "The old controller, not yet migrated.", None),
        (PELIMOOR, DEPOT, "Plans the tours of the depot.", _target(PELIMOOR, desktop)),
    )
    for tenant_id, resource_id, description, reached_at in machines:
        setup.put_resource(
            lockbox,
            tenant_id=tenant_id,
            resource_id=resource_id,
            operating_system="Linux",
            description=description,
            target=reached_at,
        )


def _target(tenant_id: TenantId, desktop: Desktop | None) -> Target | None:
    if desktop is None:
        return None
    return Target(
        gateway_id=GATEWAY,
        address=desktop.host,
        port=desktop.port,
        security=TargetSecurity(desktop.security),
        certificate_sha256=desktop.certificate_sha256,
        secret_refs=tuple(SECRETS[tenant_id].items()),
    )

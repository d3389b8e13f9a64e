"""Who lives in the system under test: one provider, four customers, people in every role, and what they may be given access to."""

from dataclasses import dataclass

from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import OPERATOR_COMMAND, GatewayId, PersonId, PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import Role
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.domain.tenant import SupportPlan, TenantKind
from openlockbox.services import setup
from openlockbox.services.accounts import enrol_locally
from openlockbox.services.work import Lockbox
from openlockbox.testing.desktops import Desktop

PROVIDER, PROVIDER_NAME = "ostervane", "Ostervane Cloud"
AMBERTIDE, PELIMOOR, BRACKWATER = "ambertide", "pelimoor", "brackwater"
CUSTOMERS = {
    AMBERTIDE: ("Ambertide Ceramics", SupportPlan.STANDARD),
    PELIMOOR: ("Pelimoor Logistics", SupportPlan.DEVELOPER),
    BRACKWATER: ("Brackwater Mills", SupportPlan.BASIC),
}
GATEWAY = GatewayId("gateway-1")
LEVELS = (Permission.OPERATE, Permission.ADMINISTRATOR)
PASSWORD = "correct horse 7 kilns"


def machine(tenant: str, name: str, provider: str = "Microsoft.Compute") -> str:
    return f"/subscriptions/{tenant}-production/resourceGroups/main/providers/{provider}/virtualMachines/{name}"


KILN = machine(AMBERTIDE, "vm-kiln-07")  # xrdp, TLS
PRESS = machine(AMBERTIDE, "vm-press-02")  # FreeRDP's shadow server, NLA
OLD_KILN = machine(AMBERTIDE, "vm-kiln-01", "Microsoft.ClassicCompute")
DEPOT = machine(PELIMOOR, "vm-depot-02")
MILL = machine(BRACKWATER, "vm-mill-01")
TARGETS = {KILN: "xrdp", PRESS: "nla", OLD_KILN: "", DEPOT: "nla", MILL: "nla"}


def tenant_of(resource_id: str) -> str:
    return resource_id.split("/")[2].removesuffix("-production")


def secret_of(tenant: str, desktop: Desktop, permission: Permission) -> str:
    """Name the gateway's secret for a permission level. A test desktop has one account, a real machine has one a level."""
    return f"{tenant}-{desktop.security}-{permission}"


@dataclass(frozen=True)
class Member:
    id: str
    tenant: str
    name: str
    roles: tuple[Role, ...] = ()
    title: str = ""
    language: str = "en"
    time_zone: str = "Europe/Vienna"
    isolated: bool = False
    person: str = ""

    @property
    def mail(self) -> str:
        return f"{self.id}@{self.tenant}.example"


PEOPLE = (
    Member("idris", PROVIDER, "Idris Marrowby", (Role.SUPPORT_ENGINEER,), "Database support", isolated=True),
    Member("wrenna", PROVIDER, "Wrenna Aldous", (Role.SUPPORT_ENGINEER,), "DevOps engineer"),
    Member(
        "maud", PROVIDER, "Maud Ferrisane", (Role.SUPPORT_LEAD, Role.SUPPORT_ENGINEER), "Support lead", isolated=True
    ),
    Member("devi", PROVIDER, "Devi Ostrand", (Role.DEVOPS_MANAGER,), "DevOps manager"),
    Member("corin", PROVIDER, "Corin Vashbury", (Role.OPERATOR,), "Operations"),
    Member("bram", AMBERTIDE, "Bram Tollivane", (), "Kiln operations"),
    Member("rhea", AMBERTIDE, "Rhea Quist", (Role.READER,), "Internal audit"),
    Member("orla", AMBERTIDE, "Orla Fennick", (Role.LOCKBOX_APPROVER,), "Information security"),
    Member("senna", AMBERTIDE, "Senna Quillmere", (Role.SUBSCRIPTION_OWNER,), "Head of production IT"),
    Member("piet", PELIMOOR, "Piet Aerssens", (Role.SUBSCRIPTION_OWNER,), "Depot systems"),
    # A second account of Wrenna's: whatever she asks for as an engineer, she may not approve as a customer.
    Member("wrenna-p", PELIMOOR, "Wrenna Aldous", (Role.LOCKBOX_APPROVER,), person="wrenna"),
    Member(
        "natsume",
        PELIMOOR,
        "霧崎 夏芽",
        (Role.LOCKBOX_APPROVER,),
        "情報システム部",
        language="ja",
        time_zone="Asia/Tokyo",
    ),
    Member("milo", BRACKWATER, "Milo Thatch", (Role.SUBSCRIPTION_OWNER,), "Mill systems"),
)
ON_SUBSCRIPTION = frozenset({Role.SUBSCRIPTION_OWNER, Role.LOCKBOX_APPROVER})


def seed(lockbox: Lockbox) -> dict[str, str]:
    """Add customers and people, and return the otpauth:// URI of each person by id."""
    for tenant, (name, plan) in CUSTOMERS.items():
        tenant_id = TenantId(tenant)
        setup.add_tenant(lockbox, tenant_id=tenant_id, name=name, kind=TenantKind.CUSTOMER, support_plan=plan)
        setup.add_subscription(
            lockbox,
            tenant_id=tenant_id,
            subscription_id=SubscriptionId(f"{tenant}-production"),
            name=f"{name} production",
        )
    return {member.id: _add(lockbox, member) for member in PEOPLE}


def _add(lockbox: Lockbox, member: Member) -> str:
    setup.add_person(
        lockbox,
        tenant_id=TenantId(member.tenant),
        principal_id=PrincipalId(member.id),
        person_id=PersonId(member.person) if member.person else None,
        name=member.name,
        mail=member.mail,
        title=member.title,
        language=member.language,
        time_zone=member.time_zone,
        isolated_identity=member.isolated,
    )
    for role in member.roles:
        setup.give_role(
            lockbox,
            principal_id=PrincipalId(member.id),
            role=role,
            tenant_id=TenantId(member.tenant),
            subscription_id=SubscriptionId(f"{member.tenant}-production") if role in ON_SUBSCRIPTION else None,
        )
    return enrol_locally(lockbox, PrincipalId(member.id), password=PASSWORD, actor=OPERATOR_COMMAND)


def put_resource(lockbox: Lockbox, resource_id: str, desktop: Desktop | None) -> None:
    target = None
    if desktop is not None:
        target = Target(
            gateway_id=GATEWAY,
            address=desktop.host,
            port=desktop.port,
            security=TargetSecurity(desktop.security),
            certificate_sha256=desktop.certificate_sha256,
            secret_refs=tuple((level, secret_of(tenant_of(resource_id), desktop, level)) for level in LEVELS),
        )
    setup.put_resource(
        lockbox,
        tenant_id=TenantId(tenant_of(resource_id)),
        resource_id=resource_id,
        operating_system="Linux",
        description="",
        target=target,
    )

"""An installation to be measured, made by `lockbox init`, with its web processes run by `lockbox web run`. No gateway, no worker."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from openlockbox import bootstrap
from openlockbox.config import load_settings
from openlockbox.domain.elevation import Permission
from openlockbox.domain.ids import GatewayId, PersonId, PrincipalId, SubscriptionId, TenantId
from openlockbox.domain.principal import Role
from openlockbox.domain.resource import Target, TargetSecurity
from openlockbox.domain.service_request import Severity
from openlockbox.domain.tenant import SupportPlan, TenantKind
from openlockbox.services import service_requests, setup
from openlockbox.services.accounts import SCOPES, create_token
from openlockbox.services.work import Caller, Lockbox

PROVIDER = TenantId("provider")
GATEWAY = GatewayId("gateway-1")
START_SECONDS = 60
LOCKBOX = (sys.executable, "-m", "openlockbox.cli.main")


@dataclass(frozen=True)
class Installation:
    """Where it is, what is wired to its database in this process, and who may do what."""

    settings_file: Path
    lockbox: Lockbox
    cases: Sequence[dict[str, str]]  # service requests with the tokens of their engineer and an approver


@contextlib.contextmanager
def installed(directory: Path, *, database_url: str | None, tenants: int, cases: int) -> Iterator[Installation]:
    """Install and seed: customers, each with an owner, another approver, a machine and service requests in work."""
    home = directory / "lockbox"
    command = [*LOCKBOX, "init", str(home), "--provider-name", "Ostervane Cloud"]
    command += ["--mail-sender", "lockbox@ostervane.example"]
    if database_url is not None:
        command += ["--database-url", database_url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    settings_file = home / "lockbox.toml"
    lockbox = bootstrap.bootstrap(load_settings(settings_file, {}))
    try:
        yield Installation(settings_file, lockbox, _seed(lockbox, tenants=tenants, cases=cases))
    finally:
        bootstrap.close(lockbox)


def _seed(lockbox: Lockbox, *, tenants: int, cases: int) -> list[dict[str, str]]:
    setup.invite_gateway(lockbox, gateway_id=GATEWAY, name="Gateway 1")
    engineers = [_person(lockbox, PROVIDER, f"engineer-{n}", Role.SUPPORT_ENGINEER) for n in range(cases)]
    found = []
    for number in range(tenants):
        tenant = TenantId(f"customer-{number}")
        subscription = SubscriptionId(f"{tenant}-production")
        setup.add_tenant(
            lockbox,
            tenant_id=tenant,
            name=f"Customer {number}",
            kind=TenantKind.CUSTOMER,
            support_plan=SupportPlan.STANDARD,
        )
        setup.add_subscription(lockbox, tenant_id=tenant, subscription_id=subscription, name="Production")
        owner = _person(lockbox, tenant, f"{tenant}-owner", Role.SUBSCRIPTION_OWNER, subscription)
        approver = _person(lockbox, tenant, f"{tenant}-approver", Role.LOCKBOX_APPROVER, subscription)
        resource = f"/subscriptions/{subscription}/resourceGroups/main/providers/Microsoft.Compute/virtualMachines/vm-1"
        target = Target(
            gateway_id=GATEWAY,
            address="127.0.0.1",
            port=3389,
            security=TargetSecurity.TLS,
            certificate_sha256="ab" * 32,
            secret_refs=((Permission.OPERATE, "vm-user"),),
        )
        machine = setup.put_resource(
            lockbox,
            tenant_id=tenant,
            resource_id=resource,
            operating_system="Linux",
            description="Controls kiln line 3 and holds its firing records.",
            target=target,
        )
        for engineer in engineers:
            case = service_requests.open_service_request(
                lockbox,
                owner,
                tenant_id=tenant,
                subscription_id=subscription,
                resource_id=machine.id,
                title="Kiln database drops connections",
                description="Since the update on Saturday the kiln controller loses its database every few minutes.",
                severity=Severity.B,
            )
            service_requests.take(lockbox, engineer, service_request_id=case.id)
            found.append(
                {
                    "tenant": tenant,
                    "id": case.id,
                    "resource": machine.id,
                    "engineer": token(lockbox, engineer),
                    "approver": token(lockbox, approver),
                }
            )
    return found


def _person(
    lockbox: Lockbox, tenant: TenantId, name: str, role: Role, subscription: SubscriptionId | None = None
) -> Caller:
    person = PrincipalId(name)
    setup.add_person(
        lockbox,
        tenant_id=tenant,
        principal_id=person,
        person_id=PersonId(name),
        name=name,
        mail=f"{name}@example.org",
        isolated_identity=True,
    )
    setup.give_role(lockbox, principal_id=person, role=role, tenant_id=tenant, subscription_id=subscription)
    return Caller(principal_id=person, mfa_at=lockbox.clock())


def token(lockbox: Lockbox, caller: Caller) -> str:
    """Make a personal token with every scope."""
    _, secret = create_token(lockbox, caller, name="bench", scopes=frozenset(SCOPES))
    return secret


@contextlib.contextmanager
def web_processes(settings_file: Path, ports: Sequence[int]) -> Iterator[list[int]]:
    """Run one web process a port and yield their process ids once all answer."""
    log = settings_file.with_name("web.log")
    running: list[subprocess.Popen[bytes]] = []
    try:
        for port in ports:
            command = [*LOCKBOX, "--config", str(settings_file), "web", "run", "--with-parent", str(os.getpid())]
            with log.open("ab") as output:
                environment = os.environ | {"LOCKBOX_WEB__PORT": str(port)}
                running.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
        end = time.monotonic() + START_SECONDS
        for process, port in zip(running, ports, strict=True):
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the web process does not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False

"""Row 16: every use case that takes an id is tried with another tenant's; gateways see their own grants, secrets have a tenant."""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import LockboxError, NotFound
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import GatewayId, PrincipalId
from openlockbox.domain.principal import Role
from openlockbox.domain.service_request import Severity
from openlockbox.domain.session import EndReason
from openlockbox.gateway.contract import ConnectionRefused, Credential
from openlockbox.gateway.secret_store import load_secret, write_secret
from openlockbox.services import access, gateways, lockdown
from openlockbox.services.ports import EntryFilter
from openlockbox.services.roster import Change
from openlockbox.services.statements import Choice, Signed
from openlockbox.testing.memory_database import MemoryDatabase
from tests.unit.gateway.stage import Stage
from tests.world import AMBERTIDE, MACHINE, SUBSCRIPTION, World, build_world

MODULES = (
    "access", "accounts", "decisions", "elevation", "evidence", "lockdown", "log", "passkeys", "roster", "service_requests",
    "setup", "statements", "views",
)  # fmt: skip
# Of one's own, which name nobody else's thing: their arguments hold none of these.
IDS = {
    "tenant_id", "subscription_id", "resource_id", "service_request_id", "jit_request_id", "request_id", "grant_id",
    "session_id", "lock_id", "principal_id",
}  # fmt: skip
OUTSIDERS = ("piet", "pia")  # Owner and administrator of another customer
# Say no to every customer, whatever the id.
PROVIDERS_OWN = {
    "lock_engineer": "not_allowed",
    "review_view": "not_allowed",
    "approve_internally": "not_an_internal_approver",
    "deny_internally": "not_an_internal_approver",
}


def use_cases() -> Iterator[Callable[..., object]]:
    for name in MODULES:
        for function in vars(import_module(f"openlockbox.services.{name}")).values():
            body = getattr(function, "__wrapped__", None)
            if body is not None and function.__module__.endswith(name) and "work" in inspect.signature(body).parameters:
                yield function


CASES = {
    f"{function.__module__.rpartition('.')[2]}.{function.__name__}": function
    for function in use_cases()
    if IDS & set(inspect.signature(function.__wrapped__).parameters)
}


def arrange(world: World) -> dict[str, object]:
    """Make one of everything at Ambertide, and an argument for every parameter."""
    question = world.ask(permission=Permission.ADMINISTRATOR)
    grant, request = world.granted(), world.pending()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    lock = lockdown.lock_resource(world.lockbox, world.caller("senna"), resource_id=MACHINE, reason="")
    return {
        "tenant_id": AMBERTIDE, "subscription_id": SUBSCRIPTION, "resource_id": MACHINE, "jit_request_id": question.id,
        "service_request_id": request.service_request_id, "request_id": request.id, "grant_id": grant.id,
        "session_id": offered.id, "lock_id": lock.id, "principal_id": PrincipalId("rhea"), "digest": request.digest,
        "granted_duration": None, "reason": "", "front": "browser", "to": PrincipalId("wrenna"), "body": "Hello",
        "title": "Kiln", "description": "Hot.", "severity": Severity.B, "scenario": "remote_desktop",
        "permission": Permission.OPERATE, "channels": frozenset(), "duration": None, "justification": "Logs.",
        "role": Role.READER, "filter_by": EntryFilter(limit=1), "index": 0, "level": 0, "width": 1, "sha256": "ab" * 32,
        "note": "", "code": "", "text": "{}", "signed": "{}", "change": Change(), "choice": Choice(answer="approve"),
    }  # fmt: skip


def test_there_are_use_cases_to_try() -> None:
    assert len(CASES) > 40


@pytest.fixture(scope="module")
def arranged(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, object]]:
    """Return one world for all: whoever is refused changes nothing in it."""
    world = build_world(MemoryDatabase(), tmp_path_factory.mktemp("world"))
    return world, arrange(world)


@pytest.mark.parametrize("name", CASES)
def test_nobody_of_another_customer_reaches_anything(arranged: tuple[World, dict[str, object]], name: str) -> None:
    function, (world, known) = CASES[name], arranged
    if name.startswith("decisions.") and name.endswith("_signed"):
        known = known | {"signed": Signed(statement="{}", signature="x")}
    wanted = inspect.signature(function.__wrapped__).parameters
    given = {parameter: known[parameter] for parameter in list(wanted)[1:]}
    before = world.actions()
    for outsider in OUTSIDERS:
        with pytest.raises(LockboxError) as refusal:
            function(world.lockbox, world.caller(outsider), **given)
        assert refusal.value.code == PROVIDERS_OWN.get(function.__name__, "not_found")
    after = world.actions()
    assert after[: len(before)] == before
    assert all(code.endswith(".refused") for code in after[len(before) :])


def test_another_gateway_gets_neither_grant_nor_evidence_and_ends_no_session(world: World) -> None:
    grant = world.granted()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    other = Gateway(
        id=GatewayId("gateway-2"), name="", enrolment_code_sha256="", enrolment_ends_at=None, public_key="x"
    )
    with pytest.raises(NotFound):
        gateways.fetch_grant(world.lockbox, other, grant.id)
    with pytest.raises(NotFound):
        gateways.fetch_evidence(world.lockbox, other, grant_id=grant.id, roster_version=0, log_size=0)
    with pytest.raises(NotFound):
        gateways.end_session(
            world.lockbox,
            other,
            session_id=offered.id,
            at=world.clock.now,
            reason=EndReason.CLIENT_CLOSED,
            recording_sha256="",
            recording_bytes=0,
            recording_chunks=0,
        )


@pytest.mark.parametrize("tenant_id", ["fabrikam", "", "CONTOSO", "contoso "])
def test_the_gateway_hands_no_secret_of_one_tenant_to_a_grant_of_another(stage: Stage, tenant_id: str) -> None:
    directory = stage.root / "secrets"
    write_secret(directory, "vm1", Credential(username="u", password="p"), tenant_id="contoso")
    with pytest.raises(ConnectionRefused) as refused:
        load_secret(directory, "vm1", tenant_id=tenant_id)
    assert refused.value.code == "secret_of_other_tenant"
    assert load_secret(directory, "vm1", tenant_id="contoso").username == "u"

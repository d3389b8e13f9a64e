"""Lock everything, one resource, one engineer: what it ends, what it forbids, who confirms, who lifts it. On every database."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.grant import GrantState
from openlockbox.domain.ids import GatewayId, PrincipalId, SubscriptionId
from openlockbox.domain.lockdown import Lock, LockKind, LockState
from openlockbox.domain.principal import Role
from openlockbox.services import access, elevation, gateways, lockdown, setup
from openlockbox.services.ports import Database, EntryFilter
from tests.world import AMBERTIDE, GATEWAY, MACHINE, OTHER_MACHINE, PELIMOOR, PROVIDER, SUBSCRIPTION, World, build_world

SECOND = GatewayId("gateway-2")
OTHER = SubscriptionId("ambertide-test")


@pytest.fixture
def world(any_database: Database, tmp_path: Path) -> World:
    world = build_world(any_database, tmp_path)
    _, code = setup.invite_gateway(world.lockbox, gateway_id=SECOND, name="Gateway 2")
    gateways.enrol(
        world.lockbox,
        code_sha256=hashlib.sha256(code.encode()).hexdigest(),
        enrolment=gateways.Enrolment(
            public_key="B" * 43, browser_url="", native_address="", native_certificate_sha256=""
        ),
    )
    setup.invite_gateway(world.lockbox, gateway_id=GatewayId("invited"), name="Invited, confirms nothing")
    return world


def lock_everything(world: World, by: str = "senna") -> Lock:
    return lockdown.lock_tenant(world.lockbox, world.caller(by), tenant_id=AMBERTIDE, reason="Odd sessions.")


def renew(world: World, gateway_id: GatewayId = GATEWAY, version: int | None = None) -> None:
    gateway = gateways.find_gateway(world.lockbox, gateway_id)
    applied = gateways.revocation_version(world.lockbox) if version is None else version
    gateways.renew_lease(world.lockbox, gateway, applied_version=applied)


def listed(world: World) -> set[tuple[str, str]]:
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        return set(uow.gateways.revocations(world.clock.now)[1])


def refused(act, *args, **kwargs) -> str:
    with pytest.raises(LockboxError) as refusal:
        act(*args, **kwargs)
    assert refusal.value.sentence
    assert refusal.value.advice
    return refusal.value.code


def mails(world: World, template: str) -> set[str]:
    with world.lockbox.database.unit_of_work() as uow:
        rows = uow.outbox.due(world.clock.now + timedelta(days=1), limit=1000)
    return {row.recipient for row in rows if row.template == template}


def test_everything_is_revoked_in_one_step(world: World) -> None:
    grants = [world.granted(), world.granted()]
    lock = lock_everything(world)
    assert (lock.kind, lock.state, lock.side) == (LockKind.TENANT, LockState.LOCKING, "customer")
    assert listed(world) == {("tenant", AMBERTIDE)}
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        for grant in grants:
            ended = uow.grants.get(grant.id)
            assert (ended.state, ended.revoked_by, ended.revoke_reason) == (
                GrantState.REVOKING,
                "senna",
                "Odd sessions.",
            )
            (entry,) = [
                e
                for e in uow.activity.entries(AMBERTIDE, EntryFilter(subject=f"grant:{grant.id}"))
                if e.event.code == "grant.revoking"
            ]
            assert entry.event.detail["side"] == "customer"
            assert entry.event.detail["lock"] == lock.id
    assert world.actions().count("lock.set") == 1
    assert mails(world, "access_locked") == {"senna", "orla", "tessa", "idris"}


@pytest.mark.parametrize("by", ["senna", "orla", "tessa"])
def test_each_of_the_customers_deciders_and_the_administrator_may_lock(world: World, by: str) -> None:
    assert lock_everything(world, by).ordered_by == by


@pytest.mark.parametrize(
    "by, code", [("rhea", "not_allowed"), ("bram", "not_allowed"), ("pia", "not_found"), ("oper", "not_found")]
)
def test_nobody_else_locks_a_customer(world: World, by: str, code: str) -> None:
    assert refused(lock_everything, world, by) == code
    assert world.last_refusal() == ("lock.set", code)
    world.approve(world.pending())


def test_a_second_press_is_the_same_lock(world: World) -> None:
    assert lock_everything(world) == lock_everything(world, "tessa")
    assert world.actions().count("lock.set") == 1


def test_while_it_stands_nothing_opens(world: World) -> None:
    waiting, grant, case = world.pending(), world.granted(), world.case()
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    lock_everything(world)
    assert refused(world.approve, waiting) == "tenant_locked"
    assert world.last_refusal() == ("request.approve", "tenant_locked")
    connect = {"grant_id": grant.id, "front": "browser"}
    assert refused(access.connect, world.lockbox, world.caller("idris"), **connect) == "tenant_locked"
    assert world.last_refusal() == ("grant.connect", "tenant_locked")
    assert refused(world.ask, case) == "tenant_locked"
    assert world.last_refusal() == ("jit_request.submit", "tenant_locked")
    review = {"jit_request_id": asked.id, "reason": ""}
    assert refused(elevation.approve_internally, world.lockbox, world.caller("maud"), **review) == "tenant_locked"
    assert world.last_refusal() == ("jit_request.review", "tenant_locked")


def test_it_is_locked_when_every_enrolled_gateway_has_confirmed(world: World) -> None:
    grant = world.granted()
    renew(world, SECOND)
    world.clock.advance(timedelta(seconds=1))
    lock = lock_everything(world)
    (shown,) = lockdown.locks_of_tenant(world.lockbox, world.caller("rhea"), tenant_id=AMBERTIDE).standing
    assert [(g.id, g.lease_at) for g in shown.missing] == [
        (GATEWAY, None),
        (SECOND, world.clock.now - timedelta(seconds=1)),
    ]
    world.clock.advance(timedelta(milliseconds=100))
    renew(world)
    (shown,) = lockdown.locks_of_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).standing
    assert shown.lock.state is LockState.LOCKING
    assert [g.id for g in shown.missing] == [SECOND]
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.grants.get(grant.id).state is GrantState.REVOKED  # its own gateway is enough for a grant
    renew(world, SECOND, version=lock.revocation_version - 1)  # an older list confirms nothing
    world.clock.advance(timedelta(milliseconds=23))
    renew(world, SECOND)
    locks = lockdown.locks_of_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE)
    assert locks.whole is not None
    assert locks.whole.lock.state is LockState.LOCKED
    assert locks.whole.missing == ()
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        (entry,) = uow.activity.entries(AMBERTIDE, EntryFilter(codes=frozenset({"lock.confirmed"})))
    assert entry.event.detail == {"lock": lock.id, "milliseconds": "123"}
    renew(world, SECOND)
    assert world.actions().count("lock.confirmed") == 1


def test_without_an_enrolled_gateway_nobody_has_to_confirm(world: World) -> None:
    with world.lockbox.database.unit_of_work() as uow:
        for gateway in uow.gateways.all():
            uow.gateways.replace(gateway, replace(gateway, public_key="", version=gateway.version + 1))
        uow.commit()
    assert lock_everything(world).state is LockState.LOCKED


def test_lifting_lets_ask_again_and_revives_nothing(world: World) -> None:
    grant, waiting = world.granted(), world.pending()
    lock = lock_everything(world)
    renew(world)
    lifted = lockdown.lift(world.lockbox, world.caller("tessa"), lock_id=lock.id)
    assert (lifted.state, lifted.lifted_by) == (LockState.LIFTED, "tessa")
    assert listed(world) == {("grant", grant.id)}  # no longer the tenant, but still what the lock ended
    assert gateways.revocation_version(world.lockbox) > lock.revocation_version
    assert "lock.lifted" in world.actions()
    assert mails(world, "access_unlocked") == {"senna", "orla", "tessa"}
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.grants.get(grant.id).state is GrantState.REVOKED
    connect = {"grant_id": grant.id, "front": "browser"}
    assert refused(access.connect, world.lockbox, world.caller("idris"), **connect) == "grant_not_usable"
    world.approve(waiting)
    assert refused(lockdown.lift, world.lockbox, world.caller("tessa"), lock_id=lock.id) == "not_locked"
    assert world.last_refusal() == ("lock.lift", "not_locked")
    assert lock_everything(world).id != lock.id


@pytest.mark.parametrize(
    "by, code", [("orla", "not_allowed"), ("rhea", "not_allowed"), ("pia", "not_found"), ("oper", "not_found")]
)
def test_only_an_owner_or_administrator_lifts(world: World, by: str, code: str) -> None:
    lock = lock_everything(world)
    assert refused(lockdown.lift, world.lockbox, world.caller(by), lock_id=lock.id) == code
    assert world.last_refusal() == ("lock.lift", code)
    assert lockdown.lift(world.lockbox, world.caller("senna"), lock_id=lock.id).state is LockState.LIFTED


def test_another_customer_is_untouched_and_reads_nothing(world: World) -> None:
    lock_everything(world)
    seen = lockdown.locks_of_tenant(world.lockbox, world.caller("piet"), tenant_id=PELIMOOR)
    assert seen.standing == ()
    assert refused(lockdown.locks_of_tenant, world.lockbox, world.caller("piet"), tenant_id=AMBERTIDE) == "not_found"


def test_a_resource(world: World) -> None:
    grant, waiting, case = world.granted(), world.pending(), world.case()
    lock = lockdown.lock_resource(world.lockbox, world.caller("orla"), resource_id=MACHINE, reason="")
    assert listed(world) == {("resource", MACHINE)}
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.grants.get(grant.id).state is GrantState.REVOKING
    assert refused(world.approve, waiting) == "resource_locked"
    assert refused(world.ask, case) == "resource_locked"
    assert refused(lockdown.lift, world.lockbox, world.caller("orla"), lock_id=lock.id) == "not_allowed"
    foreign = {"resource_id": OTHER_MACHINE, "reason": ""}
    assert refused(lockdown.lock_resource, world.lockbox, world.caller("senna"), **foreign) == "not_found"
    foreign = {"resource_id": MACHINE, "reason": ""}
    assert refused(lockdown.lock_resource, world.lockbox, world.caller("rhea"), **foreign) == "not_allowed"
    lockdown.lift(world.lockbox, world.caller("senna"), lock_id=lock.id)
    world.approve(waiting)


def test_an_engineer(world: World) -> None:
    grant, waiting, case = world.granted(), world.pending(), world.case()
    lock = lockdown.lock_engineer(
        world.lockbox, world.caller("oper"), principal_id=PrincipalId("idris"), reason="Left."
    )
    assert (lock.side, lock.tenant_id) == ("provider", PROVIDER)
    assert listed(world) == {("engineer", "idris")}
    assert refused(world.approve, waiting) == "engineer_locked"
    assert refused(world.ask, case) == "engineer_locked"
    connect = {"grant_id": grant.id, "front": "browser"}
    assert refused(access.connect, world.lockbox, world.caller("idris"), **connect) == "engineer_locked"
    assert "lock.set" in world.actions(PROVIDER)
    assert "lock.set" not in world.actions()
    assert "grant.revoking" in world.actions()
    assert mails(world, "access_locked") == {"oper", "maud", "idris"}
    (shown,) = lockdown.locks_of_engineers(world.lockbox, world.caller("maud")).standing
    assert (shown.subject_name, shown.ordered_by) == ("Idris", "Oper")
    for by, code in (("idris", "not_allowed"), ("senna", "not_found")):
        assert refused(lockdown.lift, world.lockbox, world.caller(by), lock_id=lock.id) == code
    lockdown.lift(world.lockbox, world.caller("maud"), lock_id=lock.id)
    world.approve(waiting)


def test_who_may_lock_an_engineer(world: World) -> None:
    for by in ("idris", "devi", "senna"):
        act = {"principal_id": PrincipalId("wrenna"), "reason": ""}
        assert refused(lockdown.lock_engineer, world.lockbox, world.caller(by), **act) == "not_allowed"
        assert refused(lockdown.locks_of_engineers, world.lockbox, world.caller(by)) == "not_allowed"
    act = {"principal_id": PrincipalId("senna"), "reason": ""}
    assert refused(lockdown.lock_engineer, world.lockbox, world.caller("oper"), **act) == "not_found"


def test_nobody_lifts_their_own_lock(world: World) -> None:
    maud = {"principal_id": PrincipalId("maud"), "reason": ""}
    lock = lockdown.lock_engineer(world.lockbox, world.caller("maud"), **maud)
    assert refused(lockdown.lift, world.lockbox, world.caller("maud"), lock_id=lock.id) == "not_allowed"
    lockdown.lift(world.lockbox, world.caller("oper"), lock_id=lock.id)


def test_a_disabled_engineer_is_locked_and_cut(world: World) -> None:
    grant = world.granted()
    setup.disable_person(world.lockbox, principal_id=PrincipalId("idris"))
    setup.disable_person(world.lockbox, principal_id=PrincipalId("idris"))
    assert listed(world) == {("engineer", "idris")}
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        ended = uow.grants.get(grant.id)
    assert (ended.state, ended.revoked_by) == (GrantState.REVOKING, None)
    assert mails(world, "access_locked") == {"oper", "maud"}  # who is disabled gets no mail
    (shown,) = lockdown.locks_of_engineers(world.lockbox, world.caller("oper")).standing
    assert shown.ordered_by == ""
    setup.disable_person(world.lockbox, principal_id=PrincipalId("rhea"))  # a customer's reader: nothing to lock
    assert listed(world) == {("engineer", "idris")}


def test_another_engineers_lock_is_no_matter(world: World) -> None:
    lockdown.lock_engineer(world.lockbox, world.caller("oper"), principal_id=PrincipalId("wrenna"), reason="")
    world.approve(world.pending())


def test_the_roles_on_another_subscription_do_not_lock_a_resource(world: World) -> None:
    setup.add_subscription(world.lockbox, tenant_id=AMBERTIDE, subscription_id=OTHER, name="Ambertide test")
    setup.remove_role(
        world.lockbox,
        world.caller("tessa"),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId("orla"),
        role=Role.LOCKBOX_APPROVER,
        subscription_id=SUBSCRIPTION,
    )
    setup.assign_role(
        world.lockbox,
        world.caller("tessa"),
        tenant_id=AMBERTIDE,
        principal_id=PrincipalId("orla"),
        role=Role.LOCKBOX_APPROVER,
        subscription_id=OTHER,
    )
    act = {"resource_id": MACHINE, "reason": ""}
    assert refused(lockdown.lock_resource, world.lockbox, world.caller("orla"), **act) == "not_allowed"


def test_a_caller_of_another_address_is_refused(world: World) -> None:
    caller = replace(world.caller("senna"), addressed=PELIMOOR)
    assert refused(lockdown.lock_tenant, world.lockbox, caller, tenant_id=AMBERTIDE, reason="") == "not_found"

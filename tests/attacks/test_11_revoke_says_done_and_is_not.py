"""Row 11: an access is "revoking" until its gateway has confirmed; a lock is "locking", and names who is missing."""

import hashlib
from datetime import timedelta

import pytest

from openlockbox.domain.errors import GatewayRefused, GrantNotUsable
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.grant import GrantState
from openlockbox.domain.ids import GatewayId
from openlockbox.domain.lockdown import LockState
from openlockbox.services import access, gateways, lockdown, setup, views
from tests.world import AMBERTIDE, GATEWAY, World


def second_gateway(world: World) -> Gateway:
    _, code = setup.invite_gateway(world.lockbox, gateway_id=GatewayId("gateway-2"), name="Gateway 2")
    enrolment = gateways.Enrolment(
        public_key="B" * 43, browser_url="ws://g2.localhost/rdp", native_address="", native_certificate_sha256="0" * 64
    )
    digest = hashlib.sha256(code.encode()).hexdigest()
    return gateways.enrol(world.lockbox, code_sha256=digest, enrolment=enrolment)[0]


def confirm(world: World, gateway_id: GatewayId, version: int) -> None:
    gateway = gateways.find_gateway(world.lockbox, gateway_id)
    gateways.renew_lease(world.lockbox, gateway, applied_version=version)


def test_a_revocation_is_done_when_its_own_gateway_says_so(world: World) -> None:
    other, grant = second_gateway(world), world.granted()
    revoking = access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    assert revoking.state is GrantState.REVOKING

    def state() -> GrantState:
        return views.grant_view(world.lockbox, world.caller("senna"), grant_id=grant.id).grant.state

    confirm(world, GATEWAY, revoking.revocation_version - 1)
    confirm(world, other.id, revoking.revocation_version)
    assert state() is GrantState.REVOKING
    assert "grant.revoked" not in world.actions()
    world.clock.advance(timedelta(milliseconds=120))
    confirm(world, GATEWAY, revoking.revocation_version)
    assert state() is GrantState.REVOKED
    assert world.actions()[-1] == "grant.revoked"


def test_while_it_is_revoking_nothing_opens(world: World) -> None:
    grant = world.granted()
    access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    with pytest.raises(GrantNotUsable):
        access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")


def test_a_gateway_confirms_no_list_that_was_never_made(world: World) -> None:
    grant = world.granted()
    access.end_access(world.lockbox, world.caller("senna"), grant_id=grant.id, reason="")
    version = gateways.revocation_version(world.lockbox)
    with pytest.raises(GatewayRefused):
        confirm(world, GATEWAY, version + 1)
    assert "grant.revoked" not in world.actions()


def test_a_lock_names_the_gateway_that_is_missing_until_every_one_has_confirmed(world: World) -> None:
    other = second_gateway(world)
    lock = lockdown.lock_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE, reason="")

    def standing() -> tuple[LockState, list[str]]:
        (view,) = lockdown.locks_of_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).standing
        return view.lock.state, [gateway.id for gateway in view.missing]

    assert standing() == (LockState.LOCKING, [GATEWAY, other.id])
    confirm(world, GATEWAY, lock.revocation_version)
    assert standing() == (LockState.LOCKING, [other.id])
    assert "lock.confirmed" not in world.actions()
    confirm(world, other.id, lock.revocation_version)
    assert standing() == (LockState.LOCKED, [])


def test_while_a_lock_stands_nothing_is_approved_connected_or_started(world: World) -> None:
    from openlockbox.domain.errors import TenantLocked

    grant, request = world.granted(), world.pending()
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    lockdown.lock_tenant(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE, reason="")
    with pytest.raises(TenantLocked):
        world.approve(request)
    with pytest.raises(TenantLocked):
        access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    with pytest.raises(GrantNotUsable):
        world.start(offered)

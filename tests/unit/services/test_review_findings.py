"""What a review by fresh eyes found, each held by a test."""

from dataclasses import replace

import pytest

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import (
    GatewayRefused,
    InvalidInput,
    LockboxError,
    NotFound,
    NotSignedIn,
    SignInFailed,
    Throttled,
)
from openlockbox.domain.gateway import Gateway
from openlockbox.domain.ids import OPERATOR_COMMAND, GatewayId, PrincipalId
from openlockbox.domain.principal import Role
from openlockbox.services import access, accounts, gateways, setup
from openlockbox.services.ports import EntryFilter, Presented
from openlockbox.services.work import Caller
from tests.world import AMBERTIDE, GATEWAY, MACHINE, OTHER_MACHINE, PELIMOOR, PROVIDER, World


def guess(world: World, times: int, mail: str = "senna@ambertide.example") -> None:
    for _ in range(times):
        with pytest.raises((SignInFailed, Throttled)):
            accounts.sign_in(world.lockbox, Presented(mail=mail, password="guess", code="0", source="192.0.2.9"))


def test_a_stranger_cannot_grow_a_customers_log_without_limit(world: World) -> None:
    guess(world, 40)
    assert world.actions().count("sign_in.failed") == 11  # ten failures and one entry that throttling began


def test_new_credentials_end_personal_tokens_and_a_disabled_person_can_do_nothing(world: World) -> None:
    caller = world.caller("senna")
    _, secret = accounts.create_token(world.lockbox, caller, name="t", scopes=frozenset({"requests.read"}))
    assert isinstance(accounts.find_token_caller(world.lockbox, secret), Caller)
    accounts.enrol_locally(world.lockbox, PrincipalId("senna"), password="a long enough one", actor=OPERATOR_COMMAND)
    assert accounts.find_token_caller(world.lockbox, secret) is None
    setup.disable_person(world.lockbox, principal_id=PrincipalId("senna"))
    with pytest.raises(LockboxError) as refusal:
        accounts.tokens(world.lockbox, caller)
    assert refusal.value.code == "not_signed_in"


def test_another_tenants_resource_id_stands_in_its_own_log_only(world: World) -> None:
    case = world.case()
    with pytest.raises(LockboxError):
        world.ask(case, resource=OTHER_MACHINE)
    assert world.last_refusal(AMBERTIDE) == world.last_refusal(PELIMOOR) == ("jit_request.submit", "foreign_resource")
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        entries = uow.activity.entries(AMBERTIDE, EntryFilter(limit=1000))
    assert not any(OTHER_MACHINE.encode() in e.leaf for e in entries)


@pytest.mark.parametrize("stranger", ["pia", "idris", "nobody-at-all"])
def test_an_administrator_learns_nothing_of_accounts_elsewhere(world: World, stranger: str) -> None:
    with pytest.raises(NotFound):
        setup.assign_role(
            world.lockbox,
            world.caller("tessa"),
            tenant_id=AMBERTIDE,
            principal_id=PrincipalId(stranger),
            role=Role.READER,
            subscription_id=None,
        )


def test_what_a_gateway_asks_without_right_is_recorded(world: World) -> None:
    grant = world.granted()
    gateway = gateways.find_gateway(world.lockbox, GATEWAY)
    other = Gateway(
        id=GatewayId("gateway-2"), name="", enrolment_code_sha256="", enrolment_ends_at=None, public_key="x"
    )
    with pytest.raises(NotFound):
        gateways.fetch_grant(world.lockbox, other, grant.id)
    assert world.last_refusal() == ("grant.fetch", "not_found")
    with pytest.raises(GatewayRefused):
        gateways.renew_lease(world.lockbox, gateway, applied_version=10**6)
    assert world.last_refusal(PROVIDER) == ("gateway.lease", "gateway_refused")
    for _ in range(5):
        gateways.record_unproven(world.lockbox)
    assert world.actions(PROVIDER).count("gateway.request.refused") == 1


def test_a_refusal_reported_again_is_one_entry(world: World) -> None:
    grant = world.granted()
    gateway = gateways.find_gateway(world.lockbox, GATEWAY)
    offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    for code in ("token_reused", "token_reused", "grant_over"):
        gateways.record_refused_connection(world.lockbox, gateway, session_id=offer.id, code=code, client_address="")
    assert world.actions().count("session.connect.refused") == 2


def test_an_engineer_who_lost_the_role_can_still_end_the_own_access(world: World) -> None:
    grant = world.granted()
    setup.take_provider_role(world.lockbox, principal_id=PrincipalId("idris"), role=Role.SUPPORT_ENGINEER)
    access.end_access(world.lockbox, world.caller("idris"), grant_id=grant.id, reason="")
    assert world.actions()[-1] == "grant.revoking"


def test_two_permission_levels_never_share_an_account(world: World) -> None:
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        target = uow.resources.get(MACHINE).target
    assert target is not None
    shared = replace(target, secret_refs=((Permission.OPERATE, "one"), (Permission.ADMINISTRATOR, "one")))
    with pytest.raises(InvalidInput):
        setup.put_resource(
            world.lockbox,
            tenant_id=AMBERTIDE,
            resource_id=MACHINE,
            operating_system="",
            description="",
            target=shared,
        )
    assert world.actions(PROVIDER)[-1] == "resource.put.refused"


def test_a_token_revoked_or_ended_after_it_was_resolved_opens_nothing(world: World) -> None:
    made = [
        accounts.create_token(world.lockbox, world.caller("senna"), name="laptop", scopes=frozenset({"profile.read"}))
        for _ in range(2)
    ]
    revoked, held = (accounts.find_token_caller(world.lockbox, secret) for _, secret in made)
    assert revoked is not None
    assert held is not None
    accounts.revoke_token(world.lockbox, world.caller("senna"), token_id=made[0][0].id)
    with pytest.raises(NotSignedIn):
        accounts.tokens(world.lockbox, revoked)
    assert len(accounts.tokens(world.lockbox, held)) == 2
    world.clock.advance(accounts.TOKEN_TIME)
    with pytest.raises(NotSignedIn):
        accounts.tokens(world.lockbox, held)

"""Each refusal of the specification: its code, and that it stands in the customer's log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.connectors.builtin.remote_desktop import REMOTE_DESKTOP
from openlockbox.connectors.registry import Registry
from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.ids import PrincipalId, ResourceId
from openlockbox.domain.principal import Role
from openlockbox.domain.tenant import SupportPlan
from openlockbox.services import access, decisions, service_requests, setup, views
from openlockbox.services.work import Caller
from tests.world import AMBERTIDE, CLASSIC, MACHINE, OTHER_MACHINE, PELIMOOR, PROVIDER, SUBSCRIPTION, UNREACHABLE, World


@pytest.mark.parametrize(
    "asked, code",
    [
        ({"resource": ResourceId(MACHINE + "x")}, "unknown_resource"),
        ({"resource": OTHER_MACHINE}, "foreign_resource"),
        ({"resource": CLASSIC}, "classic_resource"),
        ({"resource": UNREACHABLE}, "resource_not_reachable"),
        ({"scenario": "memory_dump"}, "scenario_not_supported"),
        ({"permission": Permission.READ}, "scenario_not_supported"),
        ({"channels": frozenset({"telepathy"})}, "invalid_input"),
        ({"duration": timedelta(0)}, "invalid_input"),
        ({"by": "wrenna"}, "not_assigned"),
        ({"by": "devi"}, "not_allowed"),
    ],
)
def test_a_question_that_cannot_be_asked(world: World, asked: dict[str, object], code: str) -> None:
    case = world.case()
    with pytest.raises(LockboxError) as refusal:
        world.ask(case, **asked)  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert refusal.value.advice
    assert world.last_refusal() == ("jit_request.submit", code)


@pytest.mark.parametrize("plan", [SupportPlan.NONE, SupportPlan.BASIC])
def test_a_support_plan_below_developer(world: World, plan: SupportPlan) -> None:
    case = world.case()
    setup.change_tenant(world.lockbox, tenant_id=AMBERTIDE, support_plan=plan)
    with pytest.raises(LockboxError):
        world.ask(case)
    assert world.last_refusal() == ("jit_request.submit", "support_plan_too_low")


def test_a_preview_scenario_is_off_until_the_tenant_signs_up(world: World) -> None:
    preview = replace(REMOTE_DESKTOP, preview=True)
    world.lockbox = replace(world.lockbox, registry=Registry([preview]))
    case = world.case()
    with pytest.raises(LockboxError):
        world.ask(case)
    assert world.last_refusal() == ("jit_request.submit", "scenario_not_enabled")
    setup.change_tenant(world.lockbox, tenant_id=AMBERTIDE, preview=frozenset({preview.name}))
    assert world.pending(case=case)


def test_nobody_could_decide(world: World) -> None:
    case = world.case()
    for who, role in (("senna", Role.SUBSCRIPTION_OWNER), ("orla", Role.LOCKBOX_APPROVER)):
        setup.remove_role(
            world.lockbox,
            world.caller("tessa"),
            tenant_id=AMBERTIDE,
            principal_id=PrincipalId(who),
            role=role,
            subscription_id=SUBSCRIPTION,
        )
    with pytest.raises(LockboxError):
        world.ask(case)
    assert world.last_refusal() == ("jit_request.submit", "no_designated_approver")


@pytest.mark.parametrize(
    "by, code",
    [
        ("rhea", "not_an_approver"),
        ("tessa", "not_an_approver"),
        ("bram", "not_an_approver"),
        ("piet", "not_found"),
        ("idris", "not_found"),
        ("maud", "not_found"),
        ("oper", "not_found"),
    ],
)
def test_only_designated_approvers_decide(world: World, by: str, code: str) -> None:
    request = world.pending()
    for decide in (
        lambda: world.approve(request, by=by),
        lambda: decisions.deny(
            world.lockbox, world.caller(by), request_id=request.id, digest=request.digest, reason=""
        ),
    ):
        with pytest.raises(LockboxError) as refusal:
            decide()
        assert refusal.value.code == code
        assert world.last_refusal()[1] == code
    assert views.request_view(world.lockbox, world.caller("senna"), request_id=request.id).may_decide


def test_a_decision_on_another_text_is_not_taken(world: World) -> None:
    request = world.pending()
    with pytest.raises(LockboxError) as refusal:
        world.approve(replace(request, digest="0" * 64))
    assert refusal.value.code == "request_changed"
    assert world.last_refusal() == ("request.approve", "request_changed")


@pytest.mark.parametrize(
    "by, code",
    [("rhea", "not_allowed_to_revoke"), ("bram", "not_allowed_to_revoke"), ("piet", "not_found"), ("devi", "not_allowed_to_revoke")],
)  # fmt: skip
def test_those_who_may_not_revoke(world: World, by: str, code: str) -> None:
    grant = world.granted()
    with pytest.raises(LockboxError) as refusal:
        access.end_access(world.lockbox, world.caller(by), grant_id=grant.id, reason="")
    assert refusal.value.code == code
    assert world.last_refusal() == ("grant.revoke", code)


def test_another_engineer_cannot_use_a_grant(world: World) -> None:
    grant = world.granted()
    with pytest.raises(LockboxError) as refusal:
        access.connect(world.lockbox, world.caller("wrenna"), grant_id=grant.id, front="browser")
    assert refusal.value.code == "not_found"
    assert world.last_refusal() == ("grant.connect", "not_found")


def test_a_stale_second_factor_at_connect_is_refused(world: World) -> None:
    grant = world.granted()
    with pytest.raises(LockboxError) as refusal:
        access.connect(world.lockbox, world.caller("idris", mfa=False), grant_id=grant.id, front="browser")
    assert refusal.value.code == "request_superseded"


def test_the_provider_never_opens_a_service_request_for_a_customer(world: World) -> None:
    with pytest.raises(LockboxError) as refusal:
        world.case(by="idris")
    assert refusal.value.code == "not_found"
    assert world.last_refusal() == ("service_request.open", "not_found")


def test_a_token_without_the_scope(world: World) -> None:
    request = world.pending()
    token = Caller(
        principal_id=PrincipalId("senna"), mfa_at=world.clock.now, scopes=frozenset({"requests.read"}), via="api"
    )
    with pytest.raises(LockboxError) as refusal:
        decisions.approve(
            world.lockbox, token, request_id=request.id, digest=request.digest, granted_duration=None, reason=""
        )
    assert refusal.value.code == "token_scope_missing"
    assert world.last_refusal() == ("request.approve", "token_scope_missing")


@pytest.mark.parametrize("body", ["", "   ", "x" * 8001, "a\x00b"])
def test_bad_text_is_refused_and_nothing_is_written(world: World, body: str) -> None:
    case = world.case()
    with pytest.raises(LockboxError) as refusal:
        service_requests.reply(world.lockbox, world.caller("bram"), service_request_id=case.id, body=body)
    assert refusal.value.code == "invalid_input"
    view = views.service_request_view(world.lockbox, world.caller("bram"), service_request_id=case.id)
    assert view.messages == ()


def test_another_organization_reads_nothing(world: World) -> None:
    request, grant = world.pending(), world.granted()
    stranger = world.caller("piet")
    for look in (
        lambda: views.overview(world.lockbox, stranger, tenant_id=AMBERTIDE),
        lambda: views.requests_of_tenant(world.lockbox, stranger, tenant_id=AMBERTIDE),
        lambda: views.request_view(world.lockbox, stranger, request_id=request.id),
        lambda: views.service_request_view(world.lockbox, stranger, service_request_id=request.service_request_id),
        lambda: views.grant_view(world.lockbox, stranger, grant_id=grant.id),
        lambda: views.tenant_settings(world.lockbox, stranger, tenant_id=AMBERTIDE),
        lambda: views.activity_entry(world.lockbox, stranger, tenant_id=AMBERTIDE, index=0),
    ):
        with pytest.raises(LockboxError) as refusal:
            look()
        assert refusal.value.code == "not_found"
        assert world.last_refusal()[1] == "not_found"


def test_roles_of_the_two_sides_are_never_mixed(world: World) -> None:
    for principal, role, tenant, subscription in (
        ("idris", Role.SUBSCRIPTION_OWNER, AMBERTIDE, SUBSCRIPTION),
        ("senna", Role.SUPPORT_ENGINEER, PELIMOOR, None),
        ("piet", Role.SUPPORT_LEAD, AMBERTIDE, None),
    ):
        with pytest.raises(LockboxError):
            setup.assign_role(
                world.lockbox,
                world.caller("tessa"),
                tenant_id=tenant,
                principal_id=PrincipalId(principal),
                role=role,
                subscription_id=subscription,
            )
    with pytest.raises(LockboxError) as refusal:  # the operator's console: the customer has its own administrator
        setup.give_role(
            world.lockbox,
            principal_id=PrincipalId("rhea"),
            role=Role.SUBSCRIPTION_OWNER,
            tenant_id=AMBERTIDE,
            subscription_id=SUBSCRIPTION,
        )
    assert refusal.value.code == "not_allowed"
    assert world.actions(PROVIDER)[-1] == "role.assign.refused"

"""The workflow of the specification, step by step, on the services."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import (
    AlreadyDecided,
    AlreadyRevoked,
    DecisionWidens,
    GatewayRefused,
    GrantNotUsable,
    NotAnInternalApprover,
    NotFound,
    RequestExpired,
    RequestSuperseded,
    SelfApproval,
    ServiceRequestClosed,
    ServiceRequestInUse,
)
from openlockbox.domain.grant import GrantState
from openlockbox.domain.ids import GatewayId, PrincipalId
from openlockbox.domain.jit_request import Allowed, JitState, Refused
from openlockbox.domain.lockbox_request import RequestState
from openlockbox.domain.session import EndReason, SessionState
from openlockbox.grants.grant import open_grant
from openlockbox.grants.trust import decode_trust
from openlockbox.services import access, deadlines, decisions, elevation, gateways, service_requests, views
from tests.world import AMBERTIDE, GATEWAY, MACHINE, PROVIDER, World


def test_the_whole_way_from_a_service_request_to_a_grant(world: World) -> None:
    case = world.case()
    request = world.pending(case=case)
    assert request.state is RequestState.CUSTOMER_NOTIFIED
    assert request.answer_by - request.created_at == timedelta(days=4)
    assert request.approvers == {PrincipalId("senna"), PrincipalId("orla")}
    world.approve(request)
    grant = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id).grant
    assert grant is not None
    assert grant.is_usable
    assert grant.grant.not_after - grant.grant.not_before == timedelta(hours=8)
    assert world.actions()[-6:] == [
        "service_request.opened",
        "service_request.assigned",
        "jit_request.submitted",
        "request.created",
        "request.approved",
        "grant.issued",
    ]


def test_the_wire_grant_carries_the_decision_and_the_target_of_the_request(world: World) -> None:
    grant = world.granted()
    document = open_grant(grant.wire, decode_trust(world.keys.trust()))
    assert document.target.address == "127.0.0.1"
    assert document.target.secret_ref == "vm-user"
    statement = json.loads(document.decision.statement)
    assert statement["request_digest"] == document.request_digest
    assert document.not_after == grant.not_after


def test_an_administrator_elevation_waits_for_an_internal_approver_first(world: World) -> None:
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    assert asked.state is JitState.INTERNAL_REVIEW
    with pytest.raises(SelfApproval):
        elevation.approve_internally(world.lockbox, world.caller("idris"), jit_request_id=asked.id, reason="")
    with pytest.raises(NotAnInternalApprover):
        elevation.approve_internally(world.lockbox, world.caller("wrenna"), jit_request_id=asked.id, reason="")
    moved = elevation.approve_internally(world.lockbox, world.caller("maud"), jit_request_id=asked.id, reason="ok")
    assert moved.state is JitState.FORWARDED
    pending = views.overview(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).pending
    assert [p.asked.id for p in pending] == [asked.id]
    with pytest.raises(AlreadyDecided):
        elevation.deny_internally(world.lockbox, world.caller("devi"), jit_request_id=asked.id, reason="")


def test_an_internal_denial_ends_it_before_the_customer_is_asked(world: World) -> None:
    asked = world.ask(permission=Permission.ADMINISTRATOR)
    elevation.deny_internally(world.lockbox, world.caller("devi"), jit_request_id=asked.id, reason="no")
    assert views.overview(world.lockbox, world.caller("senna"), tenant_id=AMBERTIDE).pending == ()
    assert world.actions()[-1] == "jit_request.review_denied"


def test_an_elevation_without_a_second_factor_is_refused_with_reasons(world: World) -> None:
    asked = world.ask(mfa=False)
    assert asked.state is JitState.REFUSED
    assert isinstance(asked.verdict, Refused)
    assert any(r.rule == "second-factor" for r in asked.verdict.reasons)
    assert world.actions()[-1] == "jit_request.refused"


def test_a_preview_says_what_the_rules_would_say_and_changes_nothing(world: World) -> None:
    case = world.case()
    before = world.actions()
    verdict = elevation.preview_elevation(
        world.lockbox,
        world.caller("idris"),
        service_request_id=case.id,
        resource_id=MACHINE,
        scenario="remote_desktop",
        permission=Permission.OPERATE,
        channels=frozenset(),
        duration=None,
        justification="",
    )
    assert isinstance(verdict, Allowed)
    assert verdict.customer_approval
    assert world.actions() == before


def test_another_engineer_asks_after_an_escalation(world: World) -> None:
    case = world.case()
    service_requests.escalate(
        world.lockbox, world.caller("idris"), service_request_id=case.id, to=PrincipalId("wrenna")
    )
    assert world.pending(case=case, by="wrenna").requester == "wrenna"


def test_an_approver_may_shorten_and_never_lengthen(world: World) -> None:
    request = world.pending(duration=timedelta(hours=2))
    with pytest.raises(DecisionWidens):
        world.approve(request, duration=timedelta(hours=3))
    world.approve(request, duration=timedelta(hours=1))
    grant = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id).grant
    assert grant is not None
    assert grant.grant.not_after - grant.grant.not_before == timedelta(hours=1)


def test_a_denied_request_gives_nothing_and_stays_denied(world: World) -> None:
    request = world.pending()
    decisions.deny(world.lockbox, world.caller("orla"), request_id=request.id, digest=request.digest, reason="no")
    with pytest.raises(AlreadyDecided) as refusal:
        world.approve(request)
    assert refusal.value.params == {"state": "denied"}
    view = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id)
    assert view.grant is None
    assert view.request.decision is not None
    assert view.request.decision.reason == "no"


def test_an_unswept_overdue_request_cannot_be_approved_and_is_swept_once(world: World) -> None:
    request = world.pending()
    world.clock.advance(timedelta(days=4))
    with pytest.raises(RequestExpired):
        world.approve(request)
    assert views.request_view(world.lockbox, world.caller("senna"), request_id=request.id).state is RequestState.EXPIRED
    deadlines.sweep(world.lockbox)
    deadlines.sweep(world.lockbox)
    assert world.actions().count("request.expired") == 1


def test_a_grant_ends_by_the_clock_whether_or_not_a_worker_ran(world: World) -> None:
    grant = world.granted()
    world.clock.advance(timedelta(hours=8))
    with pytest.raises(GrantNotUsable):
        access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    deadlines.sweep(world.lockbox)
    deadlines.sweep(world.lockbox)
    assert world.actions().count("grant.ended") == 1


@pytest.mark.parametrize("by", ["senna", "orla", "tessa", "maud", "oper", "idris"])
def test_those_who_may_revoke_do_and_the_gateway_confirms(world: World, by: str) -> None:
    grant = world.granted()
    gateway = gateways.find_gateway(world.lockbox, GATEWAY)
    revoking = access.end_access(world.lockbox, world.caller(by), grant_id=grant.id, reason="found it")
    assert revoking.state is GrantState.REVOKING
    with pytest.raises(AlreadyRevoked):
        access.end_access(world.lockbox, world.caller(by), grant_id=grant.id, reason="")
    with pytest.raises(GrantNotUsable):
        access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    gateways.renew_lease(world.lockbox, gateway, applied_version=0)
    assert world.actions()[-1] != "grant.revoked"
    gateways.renew_lease(world.lockbox, gateway, applied_version=1)
    assert world.actions()[-1] == "grant.revoked"


def test_a_session_is_offered_started_once_and_ended_once(world: World) -> None:
    grant = world.granted()
    gateway = gateways.find_gateway(world.lockbox, GATEWAY)
    offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    assert world.start(offer.session)[0].state is SessionState.ACTIVE
    end = {
        "session_id": offer.session.id,
        "at": world.clock.now,
        "reason": EndReason.CLIENT_CLOSED,
        "recording_sha256": "ab",
        "recording_bytes": 1,
        "recording_chunks": 1,
    }
    gateways.end_session(world.lockbox, gateway, **end)  # type: ignore[arg-type]
    gateways.end_session(world.lockbox, gateway, **end)  # type: ignore[arg-type]
    assert world.actions().count("session.terminated") == 1


def test_an_offer_nobody_used_lapses(world: World) -> None:
    grant = world.granted()
    access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    world.clock.advance(timedelta(seconds=60))
    deadlines.sweep(world.lockbox)
    assert world.actions()[-1] == "session.lapsed"


def test_a_case_cannot_close_under_an_active_grant_and_cancels_what_waits(world: World) -> None:
    case = world.case()
    world.granted(case=case)
    with pytest.raises(ServiceRequestInUse):
        service_requests.close(world.lockbox, world.caller("bram"), service_request_id=case.id)
    other = world.case()
    request = world.pending(case=other)
    service_requests.close(world.lockbox, world.caller("bram"), service_request_id=other.id)
    view = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id)
    assert (view.state, view.request.ended_because) == (RequestState.CANCELED, "service_request_closed")
    with pytest.raises(ServiceRequestClosed):
        world.ask(other)


def test_a_withdrawn_request_is_canceled(world: World) -> None:
    request = world.pending()
    elevation.withdraw(world.lockbox, world.caller("idris"), jit_request_id=request.jit_request_id)
    with pytest.raises(AlreadyDecided):
        world.approve(request)


def test_a_changed_target_supersedes_the_waiting_request(world: World) -> None:
    request = world.pending()
    world.change_machine(certificate_sha256="cd" * 32)
    with pytest.raises(RequestSuperseded):
        world.approve(request)
    view = views.request_view(world.lockbox, world.caller("senna"), request_id=request.id)
    assert (view.state, view.request.ended_because) == (RequestState.CANCELED, "superseded")
    assert world.last_refusal() == ("request.approve", "request_superseded")


def test_mail_is_queued_for_each_approver_with_a_link_and_nothing_that_decides(world: World) -> None:
    request = world.pending()
    with world.lockbox.database.unit_of_work() as uow:
        rows = {r.recipient: r for r in uow.outbox.due(world.clock.now, limit=50) if r.template == "request_created"}
    assert set(rows) == {"senna", "orla"}
    assert rows[PrincipalId("senna")].values["link"] == f"http://localhost/t/ambertide/requests/{request.id}"


def test_what_the_gateway_refuses_stands_in_the_customers_log(world: World) -> None:
    grant = world.granted()
    gateway = gateways.find_gateway(world.lockbox, GATEWAY)
    offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    gateways.record_refused_connection(
        world.lockbox, gateway, session_id=offer.session.id, code="token_reused", client_address="192.0.2.1"
    )
    assert world.last_refusal() == ("session.connect", "token_reused")


def test_a_used_or_unknown_enrolment_code_is_refused_and_recorded(world: World) -> None:
    enrolment = gateways.Enrolment(public_key="A" * 43, browser_url="", native_address="", native_certificate_sha256="")
    for code in ("", "0" * 64):
        with pytest.raises(GatewayRefused):
            gateways.enrol(world.lockbox, code_sha256=code, enrolment=enrolment)
        assert world.last_refusal(PROVIDER) == ("gateway.enrol", "gateway_refused")


def test_a_gateway_cannot_end_the_session_of_another(world: World) -> None:
    grant = world.granted()
    offer = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser")
    other = replace(gateways.find_gateway(world.lockbox, GATEWAY), id=GatewayId("gateway-2"))
    with pytest.raises(NotFound):
        gateways.end_session(
            world.lockbox,
            other,
            session_id=offer.session.id,
            at=world.clock.now,
            reason=EndReason.REVOKED,
            recording_sha256="",
            recording_bytes=0,
            recording_chunks=0,
        )
    assert world.last_refusal() == ("session.end", "not_found")

"""Explores every interleaving of everybody who can act, on the pure core, until no new state appears.

Time runs in ticks: a review and a customer's queue last two ticks, an access at most two. Actors: the requester, the
requester's second account that is an approver too, two approvers, one who lost the role, an internal approver, a stranger,
the clock, and a worker that may write expiries down late or never.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from openlockbox.domain import grant as grants
from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as core
from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.errors import LockboxError
from openlockbox.domain.grant import Grant, GrantState
from openlockbox.domain.ids import (
    GatewayId,
    GrantId,
    JitRequestId,
    PersonId,
    PrincipalId,
    RequestId,
    ResourceId,
    ServiceRequestId,
    SubscriptionId,
    TenantId,
)
from openlockbox.domain.jit_request import Allowed, JitRequest, JitState, Refused, Verdict
from openlockbox.domain.lockbox_request import LockboxRequest, RequestState
from openlockbox.domain.principal import Role

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(hours=1)
LAST_TICK = 7
ASKED = 2 * TICK
OWNER = frozenset({Role.SUBSCRIPTION_OWNER})
NOBODY: frozenset[Role] = frozenset()

ENGINEER, SECOND_ACCOUNT, APPROVER_A, APPROVER_B, LEAD, STRANGER, REMOVED = (
    PrincipalId(name) for name in ("engineer", "engineer-as-owner", "a", "b", "lead", "stranger", "removed")
)
PERSON = {p: PersonId(p) for p in (ENGINEER, APPROVER_A, APPROVER_B, LEAD, STRANGER, REMOVED)}
PERSON[SECOND_ACCOUNT] = PERSON[ENGINEER]
SUBSCRIPTION_ROLES = {APPROVER_A: OWNER, APPROVER_B: OWNER, SECOND_ACCOUNT: OWNER, STRANGER: OWNER}
SNAPSHOT = frozenset({APPROVER_A, APPROVER_B, SECOND_ACCOUNT, REMOVED})  # the stranger became an owner too late
ELEVATION = Elevation(
    resource_id=ResourceId("/r"),
    scenario="remote_desktop",
    permission=Permission.OPERATE,
    channels=frozenset(),
    duration=ASKED,
    justification="why",
)
TENANT, SUBSCRIPTION, CASE = TenantId("t"), SubscriptionId("s"), ServiceRequestId("SR-1")


def allowed(*roles: Role) -> Allowed:
    return Allowed(
        reasons=(), internal_approval=frozenset(roles), customer_approval=True, maximum_duration=timedelta(hours=8)
    )


VERDICTS: dict[str, Verdict] = {
    "refused": Refused(reasons=()),
    "customer": allowed(),
    "lead then customer": allowed(Role.SUPPORT_LEAD),
}


@dataclass(frozen=True, slots=True)
class World:
    tick: int
    asked: JitRequest
    request: LockboxRequest | None = None
    grant: Grant | None = None

    @property
    def now(self) -> datetime:
        return START + self.tick * TICK


def begin(verdict: Verdict) -> World:
    asked = JitRequest(
        id=JitRequestId("JIT-1"),
        tenant_id=TENANT,
        subscription_id=SUBSCRIPTION,
        service_request_id=CASE,
        requester=ENGINEER,
        requester_person=PERSON[ENGINEER],
        elevation=ELEVATION,
        verdict=verdict,
        policy_version="1",
        resource_digest="1",
        mfa_at=START,
        submitted_at=START,
        expires_at=START + 2 * TICK,
    )
    return forward(World(0, jit.weigh(asked, now=START)))


def forward(world: World) -> World:
    """Make the Lockbox request in the same step, as the service does in the same transaction."""
    if world.asked.state is not JitState.FORWARDED or world.request is not None:
        return world
    request = LockboxRequest(
        id=RequestId("LBX-1"),
        tenant_id=TENANT,
        subscription_id=SUBSCRIPTION,
        jit_request_id=world.asked.id,
        service_request_id=CASE,
        requester=ENGINEER,
        requester_person=PERSON[ENGINEER],
        elevation=ELEVATION,
        approvers=SNAPSHOT,
        displayed="{}",
        digest="d",
        created_at=world.now,
        answer_by=world.now + 2 * TICK,
    )
    return replace(world, request=request)


def review(world: World, by: PrincipalId, *, approve: bool) -> World:
    rule = jit.review_approve if approve else jit.review_deny
    roles = frozenset({Role.SUPPORT_LEAD}) if by in {LEAD, ENGINEER} else NOBODY
    moved = rule(world.asked, by=by, person=PERSON[by], roles=roles, reason="", now=world.now)
    return forward(replace(world, asked=moved))


def decide(world: World, by: PrincipalId, *, duration: timedelta | None, digest: str = "d") -> World:
    assert world.request is not None
    who = {"person": PERSON[by], "roles": SUBSCRIPTION_ROLES.get(by, NOBODY)}
    decision = core.Decision(by=by, at=world.now, reason="", granted_duration=duration, statement="")
    if duration is None:
        denied = core.deny(world.request, decision=decision, **who, digest=digest)  # type: ignore[arg-type]
        return replace(world, request=denied)
    approved = core.approve(
        world.request,
        decision=decision,
        permission=ELEVATION.permission,
        channels=ELEVATION.channels,
        **who,  # type: ignore[arg-type]
        digest=digest,
    )
    _, granted = grants.rests_on(approved)
    grant = Grant(
        id=GrantId("GRT-1"),
        tenant_id=TENANT,
        subscription_id=SUBSCRIPTION,
        request_id=approved.id,
        service_request_id=CASE,
        engineer=ENGINEER,
        engineer_person=PERSON[ENGINEER],
        gateway_id=GatewayId("g"),
        elevation=ELEVATION,
        not_before=world.now,
        not_after=world.now + granted,
        wire="",
    )
    assert world.grant is None, "a second grant for one request"
    return replace(world, request=approved, grant=grant)


def revoke(world: World, by: PrincipalId) -> World:
    assert world.grant is not None
    grants.may_revoke(
        world.grant,
        by=by,
        person=PERSON[by],
        on_subscription=SUBSCRIPTION_ROLES.get(by, NOBODY) if by != STRANGER else NOBODY,
        on_tenant=NOBODY,
        at_provider=NOBODY,
    )
    return replace(world, grant=grants.revoke(world.grant, by=by, reason="", revocation_version=1, now=world.now))


Attempt = tuple[str, Callable[[], World]]


def on_question(world: World) -> Iterator[Attempt]:
    for by in (LEAD, ENGINEER, SECOND_ACCOUNT, STRANGER):
        for approve in (True, False):
            yield f"review {approve} by {by}", partial(review, world, by, approve=approve)
    yield "cancel question", lambda: replace(world, asked=jit.cancel(world.asked, now=world.now))
    yield "sweep question", lambda: replace(world, asked=jit.expire(world.asked, now=world.now))


def on_request(world: World, request: LockboxRequest) -> Iterator[Attempt]:
    for by in (APPROVER_A, APPROVER_B, ENGINEER, SECOND_ACCOUNT, STRANGER, REMOVED, LEAD):
        for duration in (ASKED, TICK, 3 * TICK, timedelta(0), None):
            yield f"{duration} by {by}", partial(decide, world, by, duration=duration)
        yield f"other digest by {by}", partial(decide, world, by, duration=TICK, digest="x")
    yield "cancel", lambda: replace(world, request=core.cancel(request, because="withdrawn", now=world.now))
    yield "sweep", lambda: replace(world, request=core.expire(request, now=world.now))


def on_grant(world: World, grant: Grant) -> Iterator[Attempt]:
    for by in (APPROVER_A, ENGINEER, STRANGER):
        yield f"revoke by {by}", partial(revoke, world, by)
    yield "confirm", lambda: replace(world, grant=grants.confirm_revoked(grant, now=world.now))
    yield "end", lambda: replace(world, grant=grants.end(grant, now=world.now))


def steps(world: World) -> Iterator[tuple[str, World]]:
    """Try everything that anybody could do now; what the core refuses leads nowhere."""
    attempts = list(on_question(world))
    if world.tick < LAST_TICK:
        attempts.append(("tick", lambda: replace(world, tick=world.tick + 1)))
    if world.request is not None:
        attempts += on_request(world, world.request)
    if world.grant is not None:
        attempts += on_grant(world, world.grant)
    for name, attempt in attempts:
        try:
            yield name, attempt()
        except LockboxError:
            continue


def explore(start: World) -> dict[World, tuple[World | None, str]]:
    seen: dict[World, tuple[World | None, str]] = {start: (None, "begin")}
    queue = deque([start])
    while queue:
        world = queue.popleft()
        for name, following in steps(world):
            if following not in seen:
                seen[following] = (world, name)
                queue.append(following)
    return seen


@pytest.fixture(scope="module", params=VERDICTS, ids=lambda name: name.replace(" ", "_"))
def explored(request: pytest.FixtureRequest) -> tuple[str, dict[World, tuple[World | None, str]]]:
    return request.param, explore(begin(VERDICTS[request.param]))


Explored = tuple[str, dict[World, tuple[World | None, str]]]


def test_no_reachable_state_has_access_without_an_approval_in_time(explored: Explored) -> None:
    verdict, worlds = explored
    open_worlds = [w for w in worlds if w.grant is not None and grants.is_usable(w.grant, w.now)]
    assert bool(open_worlds) == (verdict != "refused"), "the exploration never got to an access, so it shows nothing"
    for world in open_worlds:
        request, grant = world.request, world.grant
        assert request is not None
        assert grant is not None
        assert request.state is RequestState.APPROVED
        assert request.decision is not None
        assert request.decision.by in {APPROVER_A, APPROVER_B}
        assert request.decision.at < request.answer_by
        assert grant.not_after - request.decision.at <= ASKED
        assert world.now < grant.not_after
        assert grant.revoked_at is None
        if verdict == "lead then customer":
            assert world.asked.reviewed_by == LEAD
            assert world.asked.reviewed_at is not None
            assert world.asked.reviewed_at < world.asked.expires_at


def test_final_states_never_change(explored: Explored) -> None:
    final_requests = {s for s, commands in core.REQUEST_TRANSITIONS.items() if not commands}
    for world, (before, _) in explored[1].items():
        if before is None:
            continue
        if before.request is not None and before.request.state in final_requests:
            assert world.request == before.request
        if before.asked.state not in {JitState.SUBMITTED, JitState.INTERNAL_REVIEW}:
            assert world.asked == before.asked
        if before.grant is not None and before.grant.state in {GrantState.REVOKED, GrantState.ENDED}:
            assert world.grant == before.grant


def test_a_stored_state_is_never_ahead_of_the_clock(explored: Explored) -> None:
    for world in explored[1]:
        if world.request is not None and world.request.state is RequestState.EXPIRED:
            assert world.now >= world.request.answer_by
        if world.grant is not None and world.grant.state is GrantState.ENDED:
            assert world.now >= world.grant.not_after


def test_every_state_of_every_machine_is_reached() -> None:
    worlds = [w for verdict in VERDICTS.values() for w in explore(begin(verdict))]
    assert {w.asked.state for w in worlds} == set(JitState) - {JitState.SUBMITTED, JitState.ALLOWED}
    assert {w.request.state for w in worlds if w.request} == set(RequestState)
    assert {w.grant.state for w in worlds if w.grant} == set(GrantState)

"""Row 8: a connection token starts one session, within 60 s, of one grant, engineer, gateway and front."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.domain.errors import LockboxError
from openlockbox.gateway.admission import Admission, Proofs
from openlockbox.gateway.contract import ConnectionRefused, Front
from openlockbox.gateway.pins import Pins
from openlockbox.grants.grant import seal_grant
from openlockbox.grants.token import seal_token
from openlockbox.verification.connection import Evidence
from tests.unit.gateway.stage import Stage
from tests.unit.grants.material import GATEWAY, GRANTS, NOW, TRUST, grant, token


def make_gateway(stage: Stage, gateway_id: str = GATEWAY) -> Admission:
    """Return the admission of a gateway that holds a lease and one grant."""
    stage.renew()
    admission = Admission(
        TRUST,
        stage.lease,
        stage.clocks,
        pins=Pins(stage.root / gateway_id, first_contact=True),
        proofs=Proofs(stage.clocks),
        gateway_id=gateway_id,
        started_at=NOW - timedelta(minutes=10),
    )
    admission.keep_grant("gr-1", seal_grant(grant(), GRANTS))
    return admission


def use(admission: Admission, *, at: Front = "browser", **changes: object) -> str:
    """Present a token with everything around it in order; return the refusal's code, or "started"."""
    admission.keep_evidence("gr-1", Evidence())
    try:
        admission.admit(seal_token(token(**changes), GRANTS), front=at)
    except ConnectionRefused as refused:
        return refused.code
    return "started"


def test_a_token_works_once(stage: Stage) -> None:
    admission = make_gateway(stage)
    assert [use(admission) for _ in range(3)] == ["started", "token_reused", "token_reused"]


def test_a_used_token_is_remembered_while_a_wall_clock_that_stands_still_keeps_it_valid(stage: Stage) -> None:
    admission = make_gateway(stage)
    use(admission)
    stage.hand.seconds += 9 * 60
    stage.renew()
    assert [use(admission, jti="se-2"), use(admission)] == ["started", "token_reused"]


@pytest.mark.parametrize(
    "life, code",
    [(timedelta(seconds=60), "started"), (timedelta(seconds=60, microseconds=1), "token_lifetime")],
)
def test_no_token_lives_longer_than_a_minute(stage: Stage, life: timedelta, code: str) -> None:
    issued_at = NOW - timedelta(seconds=5)
    assert use(make_gateway(stage), issued_at=issued_at, expires_at=issued_at + life) == code


def test_after_its_minute_a_token_is_dead(stage: Stage) -> None:
    admission = make_gateway(stage)
    stage.hand.pass_time(timedelta(seconds=55))
    stage.renew()
    assert use(admission) == "token_expired"


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"grant_id": "gr-1", "engineer_id": "principal-mallory"}, "grant_mismatch"),
        ({"gateway_id": "gw-2"}, "token_for_other_gateway"),
        ({"front": "native", "password_sha256": "ab" * 32}, "token_front"),
    ],
)
def test_a_token_is_bound_to_engineer_gateway_and_front(stage: Stage, changes: dict[str, object], code: str) -> None:
    assert use(make_gateway(stage), **changes) == code


def test_a_token_for_one_grant_opens_no_other(stage: Stage) -> None:
    admission = make_gateway(stage)
    admission.keep_grant("gr-1", seal_grant(replace(grant(), grant_id="gr-2"), GRANTS))
    assert use(admission) == "grant_mismatch"


def test_another_gateway_takes_neither_token_nor_grant(stage: Stage) -> None:
    other = make_gateway(stage, "gw-2")
    assert use(other) == "token_for_other_gateway"
    assert use(other, gateway_id="gw-2") == "grant_mismatch"


def test_the_control_plane_records_no_start_after_the_minute_and_none_twice(world) -> None:
    from openlockbox.services import access

    grant = world.granted()
    late = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    world.clock.advance(timedelta(seconds=60))
    with pytest.raises(LockboxError):
        world.start(late)
    offered = access.connect(world.lockbox, world.caller("idris"), grant_id=grant.id, front="browser").session
    world.start(offered)
    with pytest.raises(LockboxError):
        world.start(offered)
    assert world.actions().count("session.started") == 1

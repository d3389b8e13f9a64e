"""Row 7: nothing in a mail decides; a decision is bound to what was shown, to one request and to five minutes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.domain.errors import LockboxError, NotSignedIn, RequestChanged
from openlockbox.domain.ids import PrincipalId
from openlockbox.grants.statement import canonical, open_statement
from openlockbox.services import decisions
from openlockbox.services.work import Caller
from tests.attacks.signing import approve_signed, begin_roster, sign
from tests.world import World


def test_the_mail_holds_an_address_behind_sign_in_and_nothing_that_decides(world: World) -> None:
    request = world.pending()
    with world.lockbox.database.unit_of_work(read_only=True) as uow:
        mails = [row for row in uow.outbox.due(world.clock.now, limit=100) if row.template == "request_created"]
    assert {row.recipient for row in mails} == {"senna", "orla"}
    for row in mails:
        assert row.values["link"] == f"http://localhost/t/ambertide/requests/{request.id}"
        assert request.digest not in str(row.values)
    with pytest.raises(NotSignedIn):
        decisions.approve(
            world.lockbox,
            Caller(principal_id=PrincipalId(""), mfa_at=None),
            request_id=request.id,
            digest=request.digest,
            granted_duration=None,
            reason="",
        )


def test_a_decision_on_something_else_than_what_stands_here_is_refused(world: World) -> None:
    request, other = world.pending(), world.pending()
    with pytest.raises(RequestChanged):
        world.approve(replace(request, digest=other.digest))


def refused(world: World, request: object, signed: object, by: str = "senna") -> str:
    with pytest.raises(LockboxError) as refusal:
        approve_signed(world, request, signed, by)
    return refusal.value.code


def test_a_signed_decision_does_not_count_for_another_request(world: World) -> None:
    key = begin_roster(world).senna
    request, other = world.pending(), world.pending()
    signed = sign(world, request, key)
    assert refused(world, other, signed) == "request_changed"
    with_other_digest = canonical(
        {**_fields(signed.statement), "request_digest": other.digest, "request_id": request.id}
    )
    forged = replace(signed, statement=with_other_digest, signature=key.sign_statement(with_other_digest))
    assert refused(world, other, forged) == "statement_differs"
    assert approve_signed(world, request, signed).decision.method == "passkey"


def test_a_signed_decision_counts_once_and_for_five_minutes(world: World) -> None:
    key = begin_roster(world).senna
    request, late = world.pending(), world.pending()
    signed, old = sign(world, request, key), sign(world, late, key)
    approve_signed(world, request, signed)
    assert refused(world, request, signed) == "already_decided"
    world.clock.advance(timedelta(minutes=5, microseconds=1))
    assert refused(world, late, old) == "statement_too_old"


def test_a_statement_of_tomorrow_is_not_signed_in_advance(world: World) -> None:
    key = begin_roster(world).senna
    request = world.pending()
    world.clock.advance(timedelta(hours=1))
    signed = sign(world, request, key)
    world.clock.advance(timedelta(minutes=-1))
    assert refused(world, request, signed) == "statement_too_old"


def test_two_decisions_of_the_same_words_are_two_statements(world: World) -> None:
    key = begin_roster(world).senna
    request = world.pending()
    nonces = {open_statement(sign(world, request, key).statement).nonce for _ in range(3)}
    assert len(nonces) == 3
    assert all(len(nonce) >= 22 for nonce in nonces)


def test_what_a_colleague_signed_does_not_count_in_anothers_name(world: World) -> None:
    key = begin_roster(world).senna
    request = world.pending()
    assert refused(world, request, sign(world, request, key), by="orla") == "statement_differs"


def _fields(text: str) -> dict[str, object]:
    import json

    return json.loads(text)

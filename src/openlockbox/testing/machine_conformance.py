"""The part of the database conformance suite on the four state machines. `database_conformance` puts the parts together."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from openlockbox.domain import grant as grants
from openlockbox.domain import jit_request as jit
from openlockbox.domain import lockbox_request as lockbox
from openlockbox.domain import session as sessions
from openlockbox.domain.errors import AlreadyExists, ConcurrentUpdate, GrantNotUsable, IllegalTransition
from openlockbox.services.ports import Database
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import CASE, CONTOSO, ENGINEER, LATER, NOW, OWNER, PROVIDER, committed, seen


class MachineConformance:
    """The four state machines."""

    def test_jit_requests(self, seeded: Database) -> None:
        first, second = sample.jit_request(1), sample.jit_request(2)
        weighed = jit.weigh(first, now=first.submitted_at)
        refused = replace(sample.jit_request(3), verdict=jit.Refused(reasons=first.verdict.reasons), mfa_at=None)
        with seeded.unit_of_work() as uow:
            uow.jit_requests.add(first)
            uow.jit_requests.add(second)
            uow.jit_requests.add(refused)
            uow.jit_requests.replace(first, weighed)
            uow.jit_requests.replace(refused, jit.weigh(refused, now=NOW))
            uow.commit()
        with seeded.unit_of_work() as uow:
            assert uow.jit_requests.get(first.id, lock=True) == weighed
            assert uow.jit_requests.get(refused.id) == jit.weigh(refused, now=NOW)
            assert [r.id for r in uow.jit_requests.of_requester(ENGINEER, limit=2)] == ["JIT-3", "JIT-2"]
            assert [r.id for r in uow.jit_requests.of_service_request(CASE)] == ["JIT-3", "JIT-2", "JIT-1"]
            assert uow.jit_requests.in_review() == [weighed]
            assert uow.jit_requests.overdue(first.expires_at, limit=9) == [weighed]
            assert uow.jit_requests.overdue(LATER, limit=1) == [weighed]
            assert uow.jit_requests.overdue(LATER, limit=9) == [weighed, second]
            with pytest.raises(AlreadyExists):
                uow.jit_requests.add(second)

    def test_lockbox_requests(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            first, second = sample.add_request(uow, 1), sample.add_request(uow, 2)
            uow.commit()
        granted = sample.approved(first)
        committed(seeded, lambda uow: uow.lockbox_requests.replace(first, granted))
        with seeded.unit_of_work() as uow:
            assert uow.lockbox_requests.get(first.id, lock=True) == granted
            assert uow.lockbox_requests.find_of_jit(second.jit_request_id) == second
            assert uow.lockbox_requests.of_tenant(CONTOSO) == [second, granted]
            assert uow.lockbox_requests.of_tenant(PROVIDER) == []
            assert uow.lockbox_requests.waiting(CONTOSO) == [second]
            assert uow.lockbox_requests.of_requester(ENGINEER, limit=1) == [second]
            assert uow.lockbox_requests.of_service_request(CASE) == [second, granted]
            assert uow.lockbox_requests.overdue(second.answer_by, limit=9) == [second]
            assert uow.lockbox_requests.overdue(NOW, limit=9) == []
            with pytest.raises(AlreadyExists):
                uow.lockbox_requests.add(replace(sample.lockbox_request(3), jit_request_id=second.jit_request_id))

    def test_what_the_customer_was_asked_does_not_change(self, seeded: Database) -> None:
        request = committed(seeded, sample.add_request)
        moved = replace(sample.approved(request), displayed="{}")
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.lockbox_requests.replace(request, moved)

    def test_a_change_between_read_and_write_is_a_concurrent_update(self, seeded: Database) -> None:
        request = committed(seeded, sample.add_request)
        canceled = lockbox.cancel(request, because="withdrawn", now=NOW)
        committed(seeded, lambda uow: uow.lockbox_requests.replace(request, canceled))
        with seeded.unit_of_work() as uow, pytest.raises(ConcurrentUpdate):
            uow.lockbox_requests.replace(request, sample.approved(request))
        with seeded.unit_of_work() as uow, pytest.raises(ConcurrentUpdate):
            uow.lockbox_requests.replace(sample.lockbox_request(9), sample.approved(sample.lockbox_request(9)))
        assert seen(seeded, lambda uow: uow.lockbox_requests.get(request.id)) == canceled

    @pytest.mark.parametrize(
        "changes",
        [
            {"state": lockbox.RequestState.APPROVED, "prior_state": "denied"},
            {"state": lockbox.RequestState.APPROVED, "prior_state": "new"},
            {"state": lockbox.RequestState.CUSTOMER_NOTIFIED, "prior_state": "customer_notified"},
        ],
    )
    def test_an_illegal_step_is_refused(self, seeded: Database, changes: dict[str, Any]) -> None:
        request = committed(seeded, sample.add_request)
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.lockbox_requests.replace(request, replace(request, version=2, **changes))

    def test_a_final_state_stays(self, seeded: Database) -> None:
        request = committed(seeded, sample.add_request)
        denied = replace(request, state=lockbox.RequestState.DENIED, prior_state="customer_notified", version=2)
        committed(seeded, lambda uow: uow.lockbox_requests.replace(request, denied))
        reopened = replace(denied, state=lockbox.RequestState.APPROVED, prior_state="denied", version=3)
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.lockbox_requests.replace(denied, reopened)

    def test_a_machine_begins_in_its_first_state(self, seeded: Database) -> None:
        asked = sample.jit_request()
        with seeded.unit_of_work() as uow, pytest.raises(IllegalTransition):
            uow.jit_requests.add(jit.weigh(asked, now=asked.submitted_at))

    def test_grants(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            first, second = sample.add_grant(uow, 1), sample.add_grant(uow, 2)
            uow.commit()
        revoking = grants.revoke(first, by=OWNER, reason="enough", revocation_version=7, now=first.not_before)
        committed(seeded, lambda uow: uow.grants.replace(first, revoking))
        with seeded.unit_of_work() as uow:
            assert uow.grants.get(first.id, lock=True) == revoking
            assert uow.grants.find_of_request(second.request_id) == second
            assert uow.grants.of_engineer(ENGINEER) == [second, revoking]
            assert uow.grants.of_service_request(CASE) == [second, revoking]
            assert uow.grants.unended(CONTOSO) == [second, revoking]
            assert uow.grants.overdue(LATER, limit=9) == [second]
            assert uow.grants.overdue(NOW, limit=9) == []
            assert uow.grants.revoking(sample.GATEWAY, up_to_version=6) == []
            assert uow.grants.revoking(sample.GATEWAY, up_to_version=7) == [revoking]
            revoked = grants.confirm_revoked(revoking, now=LATER)
            uow.grants.replace(revoking, revoked)
            uow.grants.replace(second, grants.end(second, now=LATER))
            assert uow.grants.unended(CONTOSO) == []

    def test_a_grant_needs_an_approved_request_of_its_tenant(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            sample.add_request(uow)
            with pytest.raises(GrantNotUsable):
                uow.grants.add(sample.grant())
        with seeded.unit_of_work() as uow, pytest.raises(GrantNotUsable):
            uow.grants.add(sample.grant())
        with seeded.unit_of_work() as uow:
            request = sample.add_request(uow)
            uow.lockbox_requests.replace(request, sample.approved(request))
            with pytest.raises(GrantNotUsable):
                uow.grants.add(replace(sample.grant(), tenant_id=sample.FABRIKAM))

    def test_a_request_has_at_most_one_grant(self, seeded: Database) -> None:
        made = committed(seeded, sample.add_grant)
        with seeded.unit_of_work() as uow, pytest.raises(AlreadyExists):
            uow.grants.add(replace(sample.grant(2), request_id=made.request_id))

    def test_sessions(self, seeded: Database) -> None:
        made = committed(seeded, sample.add_grant)
        first, second = sample.session(1), sample.session(2)
        started = sessions.start(first, client_address="2001:db8::1", now=first.offered_at)
        with seeded.unit_of_work() as uow:
            uow.sessions.add(first)
            uow.sessions.add(second)
            uow.sessions.replace(first, started)
            uow.commit()
        with seeded.unit_of_work() as uow:
            assert uow.sessions.get(first.id, lock=True) == started
            assert uow.sessions.of_grant(made.id) == [second, started]
            assert uow.sessions.active(CONTOSO) == [started]
            assert uow.sessions.lapsed(second.offer_ends_at, limit=9) == [second]
            assert uow.sessions.unreported(made.not_after, limit=9) == [started]
            assert uow.sessions.unreported(made.not_after - timedelta(microseconds=1), limit=9) == []
            ended = sessions.terminate(
                started, reason=sessions.EndReason.REVOKED, at=LATER, recording_sha256="e" * 64, recording_bytes=2**40
            )
            uow.sessions.replace(started, ended)
            assert uow.sessions.get(first.id) == ended
            assert uow.sessions.unreported(made.not_after, limit=9) == []
            with pytest.raises(AlreadyExists):
                uow.sessions.add(second)

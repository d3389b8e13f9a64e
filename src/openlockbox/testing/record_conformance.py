"""The part of the database conformance suite on gateways, outbox and sign-in. `database_conformance` puts the parts together."""

from dataclasses import replace
from datetime import datetime

import pytest

from openlockbox.domain.errors import AlreadyExists, ConcurrentUpdate, NotFound
from openlockbox.domain.ids import PrincipalId
from openlockbox.services.ports import Database, LocalCredential, PersonalToken, SignIn
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import ENGINEER, HOUR, LATER, NOW, OWNER, committed, seen


class RecordConformance:
    """Gateways, outbox, sign-in."""

    def test_gateways(self, seeded: Database) -> None:
        invited = sample.gateway()
        enrolled = replace(invited, public_key="key", enrolment_code_sha256="", enrolment_ends_at=None, version=2)
        with seeded.unit_of_work() as uow:
            assert uow.gateways.find_by_code(invited.enrolment_code_sha256) == invited
            uow.gateways.replace(invited, enrolled)
            assert uow.gateways.get(invited.id, lock=True) == enrolled
            assert uow.gateways.all() == [enrolled]
            assert uow.gateways.find_by_code(invited.enrolment_code_sha256) is None
            assert uow.gateways.find_by_code("") is None
            with pytest.raises(ConcurrentUpdate):
                uow.gateways.replace(invited, enrolled)

    def test_the_applied_version_never_goes_down(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            invited = uow.gateways.get(sample.GATEWAY)
            uow.gateways.renew(sample.GATEWAY, applied_version=5, at=NOW)
            uow.gateways.renew(sample.GATEWAY, applied_version=3, at=LATER)
            uow.gateways.replace(invited, replace(invited, name="renamed", version=2))
            found = uow.gateways.get(sample.GATEWAY)
            assert (found.applied_version, found.lease_at, found.name) == (5, LATER, "renamed")
            with pytest.raises(NotFound):
                uow.gateways.renew(sample.gateway(9).id, applied_version=1, at=NOW)

    def test_the_revocation_list_is_numbered_without_gaps(self, seeded: Database) -> None:
        assert seen(seeded, lambda uow: uow.gateways.revocations(NOW)) == (0, [])
        assert seen(seeded, lambda uow: uow.gateways.revocation_version()) == 0
        assert committed(seeded, lambda uow: uow.gateways.add_revocation("grant", "G-1", until=NOW)) == 1
        with seeded.unit_of_work() as uow:
            rolled_back = uow.gateways.add_revocation("grant", "G-rolled-back", until=LATER)
        second = committed(seeded, lambda uow: uow.gateways.add_revocation("engineer", "erik", until=LATER))
        assert rolled_back == second == 1 + 1
        with seeded.unit_of_work(read_only=True) as uow:
            assert uow.gateways.revocation_version() == second
            assert uow.gateways.revocations(NOW) == (second, [("grant", "G-1"), ("engineer", "erik")])
            assert uow.gateways.revocations(NOW + HOUR) == (second, [("engineer", "erik")])
            assert uow.gateways.revocations(LATER + HOUR) == (second, [])

    def test_the_outbox(self, seeded: Database) -> None:
        first, second = sample.mail(1), sample.mail(2, due_at=NOW + HOUR)
        with seeded.unit_of_work() as uow:
            uow.outbox.add(second)
            uow.outbox.add(first)
            uow.commit()
        with seeded.unit_of_work() as uow:
            assert uow.outbox.due(NOW, limit=9) == [first]
            assert uow.outbox.due(LATER, limit=9) == [first, second]
            assert uow.outbox.due(LATER, limit=1) == [first]
            assert uow.outbox.undelivered() == len([first, second])
            uow.outbox.mark_done(first.key, at=NOW)
            uow.outbox.retry(second.key, due_at=LATER, error="451 later")
            assert uow.outbox.due(NOW + HOUR, limit=9) == []
            assert uow.outbox.due(LATER, limit=9) == [replace(second, attempts=1, due_at=LATER, last_error="451 later")]
            assert uow.outbox.undelivered() == 1
            with pytest.raises(NotFound):
                uow.outbox.mark_done("mail-none", at=NOW)
            with pytest.raises(NotFound):
                uow.outbox.retry("mail-none", due_at=NOW, error="")
            with pytest.raises(AlreadyExists):
                uow.outbox.add(first)

    def test_credentials(self, seeded: Database) -> None:
        credential = LocalCredential(principal_id=OWNER, password_hash="argon2", totp_secret="sealed")  # noqa: S106  samples
        used = replace(credential, totp_last_step=5)
        with seeded.unit_of_work() as uow:
            assert uow.identity.find_credential(OWNER) is None
            uow.identity.save_credential(credential)
            assert uow.identity.find_credential(OWNER) == credential
            uow.identity.save_credential(used)
            assert uow.identity.find_credential(OWNER, lock=True) == used
            with pytest.raises(NotFound):
                uow.identity.save_credential(replace(credential, principal_id=PrincipalId("nobody")))

    def test_sign_ins(self, seeded: Database) -> None:
        def sign_in(token: str, principal_id: PrincipalId = OWNER) -> SignIn:
            return SignIn(
                token_sha256=token,
                principal_id=principal_id,
                mfa_at=NOW,
                created_at=NOW,
                last_seen_at=NOW,
                ends_at=LATER,
            )

        with seeded.unit_of_work() as uow:
            for made in (sign_in("a"), sign_in("b"), sign_in("c"), sign_in("d", ENGINEER)):
                uow.identity.add_sign_in(made)
            uow.identity.touch_sign_in("a", at=LATER)
            assert uow.identity.find_sign_in("a") == replace(sign_in("a"), last_seen_at=LATER)
            uow.identity.step_up("a", at=LATER)
            assert uow.identity.find_sign_in("a") == replace(sign_in("a"), last_seen_at=LATER, mfa_at=LATER)
            uow.identity.remove_sign_in("a")
            uow.identity.remove_sign_in("a")
            assert uow.identity.find_sign_in("a") is None
            with pytest.raises(NotFound):
                uow.identity.touch_sign_in("a", at=LATER)
            with pytest.raises(NotFound):
                uow.identity.step_up("a", at=LATER)
            uow.identity.remove_sign_ins_of(OWNER)
            assert uow.identity.find_sign_in("b") is None
            assert uow.identity.find_sign_in("d") == sign_in("d", ENGINEER)

    def test_personal_tokens(self, seeded: Database) -> None:
        def token(number: int) -> PersonalToken:
            return PersonalToken(
                id=f"t{number}",
                token_sha256=f"{number:064}",
                principal_id=OWNER,
                name="ci",
                scopes=frozenset({"requests:read", "log:read"}),
                mfa_at=NOW,
                created_at=NOW + number * HOUR,
                ends_at=LATER,
            )

        with seeded.unit_of_work() as uow:
            uow.identity.add_token(token(1))
            uow.identity.add_token(token(2))
            assert uow.identity.find_token(f"{1:064}") == token(1)
            assert uow.identity.find_token("none") is None
            assert uow.identity.tokens(OWNER) == [token(2), token(1)]
            uow.identity.revoke_token("t1", OWNER, at=LATER)
            assert uow.identity.find_token(f"{1:064}") == replace(token(1), revoked_at=LATER)
            with pytest.raises(NotFound):
                uow.identity.revoke_token("t2", ENGINEER, at=LATER)
            uow.identity.revoke_tokens_of(ENGINEER, at=LATER)
            assert uow.identity.find_token(f"{2:064}") == token(2)
            uow.identity.revoke_tokens_of(OWNER, at=LATER + HOUR)
            assert uow.identity.find_token(f"{1:064}") == replace(token(1), revoked_at=LATER)
            assert uow.identity.find_token(f"{2:064}") == replace(token(2), revoked_at=LATER + HOUR)
            with pytest.raises(AlreadyExists):
                uow.identity.add_token(replace(token(3), token_sha256=f"{1:064}"))

    def test_attempts_are_counted_in_a_window(self, seeded: Database) -> None:
        def count(key: str, at: datetime) -> int:
            return committed(seeded, lambda uow: uow.identity.count_attempt(key, at=at, window=HOUR))  # type: ignore[no-any-return]  # `committed` passes on anything

        assert [count("a", NOW), count("a", NOW + HOUR / 2), count("b", NOW)] == [1, 2, 1]
        assert [count("a", NOW + HOUR)] == [2]  # the window is half open: the first has just left it
        committed(seeded, lambda uow: uow.identity.forget_attempts("a"))
        assert [count("a", NOW + HOUR), count("b", NOW)] == [1, 2]

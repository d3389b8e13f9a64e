"""The part of the database conformance suite on passkeys, challenges and automation keys."""

from dataclasses import replace

import pytest

from openlockbox.domain.errors import AlreadyExists, NotFound
from openlockbox.domain.ids import PrincipalId
from openlockbox.services.passkey_ports import AutomationKey, Passkey, WebauthnChallenge
from openlockbox.services.ports import Database
from openlockbox.testing.database_samples import ENGINEER, HOUR, LATER, NOW, OWNER


def _passkey(number: int) -> Passkey:
    return Passkey(
        credential_id=f"credential-{number}",
        principal_id=OWNER,
        key_id=f"{number:016}",
        public_key_spki="spki",
        cose="cose",
        name="Laptop",
        transports=("internal", "hybrid"),
        sign_count=0,
        created_at=NOW + number * HOUR,
    )


def _challenge(digest: str, purpose: str = "step_up") -> WebauthnChallenge:
    return WebauthnChallenge(challenge_sha256=digest, principal_id=OWNER, purpose=purpose, ends_at=LATER)


def _key(number: int) -> AutomationKey:
    return AutomationKey(
        key_id=f"{number:016}", principal_id=OWNER, public_key="raw", name="ci", created_at=NOW + number * HOUR
    )


class PasskeyConformance:
    """Keys that people and their automations sign with."""

    def test_passkeys(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.passkeys.add(_passkey(2))
            uow.passkeys.add(_passkey(1))
            assert uow.passkeys.of_principal(OWNER) == [_passkey(1), _passkey(2)]
            assert uow.passkeys.of_principal(ENGINEER) == []
            used = replace(_passkey(1), name="Phone", sign_count=7, last_used_at=LATER)
            uow.passkeys.save(replace(used, principal_id=ENGINEER, key_id="other", cose="other"))
            assert uow.passkeys.find(used.credential_id, lock=True) == used
            uow.passkeys.save(replace(used, removed_at=LATER))
            assert uow.passkeys.of_principal(OWNER) == [_passkey(2)]
            assert uow.passkeys.find(used.credential_id) == replace(used, removed_at=LATER)
            assert uow.passkeys.find("none") is None
            with pytest.raises(NotFound):
                uow.passkeys.save(_passkey(3))
            with pytest.raises(AlreadyExists):
                uow.passkeys.add(replace(_passkey(1), principal_id=ENGINEER))

    def test_a_passkey_belongs_to_a_principal(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow, pytest.raises(NotFound):
            uow.passkeys.add(replace(_passkey(1), principal_id=PrincipalId("nobody")))

    def test_a_challenge_is_taken_once_and_for_its_purpose(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.passkeys.add_challenge(_challenge("a"), at=NOW)
            for purpose, at in (("sign_in", NOW), ("step_up", LATER)):
                with pytest.raises(NotFound):
                    uow.passkeys.take_challenge("a", purpose=purpose, at=at)
            assert uow.passkeys.take_challenge("a", purpose="step_up", at=NOW) == OWNER
            with pytest.raises(NotFound):
                uow.passkeys.take_challenge("a", purpose="step_up", at=NOW)

    def test_ended_challenges_are_forgotten(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.passkeys.add_challenge(_challenge("a"), at=NOW)
            uow.passkeys.add_challenge(_challenge("b"), at=LATER)
            with pytest.raises(NotFound):
                uow.passkeys.take_challenge("a", purpose="step_up", at=NOW)
            uow.passkeys.remove_challenges_of(OWNER)
            with pytest.raises(NotFound):
                uow.passkeys.take_challenge("b", purpose="step_up", at=NOW)

    def test_automation_keys(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.passkeys.add_automation_key(_key(2))
            uow.passkeys.add_automation_key(_key(1))
            assert uow.passkeys.automation_keys(OWNER) == [_key(1), _key(2)]
            with pytest.raises(NotFound):
                uow.passkeys.remove_automation_key(_key(1).key_id, ENGINEER, at=NOW)
            uow.passkeys.remove_automation_key(_key(1).key_id, OWNER, at=NOW)
            with pytest.raises(NotFound):
                uow.passkeys.remove_automation_key(_key(1).key_id, OWNER, at=NOW)
            assert uow.passkeys.automation_keys(OWNER) == [_key(2)]
            with pytest.raises(AlreadyExists):
                uow.passkeys.add_automation_key(replace(_key(1), principal_id=ENGINEER))

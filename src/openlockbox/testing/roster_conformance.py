"""The part of the database conformance suite on approver rosters."""

import pytest

from openlockbox.domain.errors import AlreadyExists, NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.services.ports import Database
from openlockbox.services.roster_ports import StoredRoster
from openlockbox.testing.database_samples import CONTOSO, LATER, NOW, PROVIDER


class RosterConformance:
    """Rosters, and the codes for the first key."""

    def test_rosters(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            assert uow.rosters.latest(CONTOSO, lock=True) is None
            assert list(uow.rosters.versions(CONTOSO)) == []
            uow.rosters.add(CONTOSO, 1, "signed 1", "text 1")
            uow.rosters.add(CONTOSO, 2, "signed 2", "text 2")
            uow.commit()
        with seeded.unit_of_work(read_only=True) as uow:
            newest = StoredRoster(tenant_id=CONTOSO, version=2, signed_text="signed 2", roster_text="text 2")
            assert uow.rosters.latest(CONTOSO) == newest
            assert list(uow.rosters.versions(CONTOSO)) == ["signed 1", "signed 2"]
            assert uow.rosters.latest(PROVIDER) is None

    def test_a_version_is_added_once(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.rosters.add(CONTOSO, 1, "signed", "text")
            with pytest.raises(AlreadyExists):
                uow.rosters.add(CONTOSO, 1, "other", "other")

    def test_a_roster_belongs_to_a_tenant(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow, pytest.raises(NotFound):
            uow.rosters.add(TenantId("nobody"), 1, "signed", "text")

    def test_a_code_is_taken_once_in_its_time_for_its_tenant(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.rosters.set_code(CONTOSO, "a", ends_at=LATER)
            uow.rosters.set_code(CONTOSO, "b", ends_at=LATER)
            for tenant_id, code, at in (
                (CONTOSO, "a", NOW),  # the newer one took its place
                (CONTOSO, "b", LATER),
                (PROVIDER, "b", NOW),
            ):
                assert not uow.rosters.code_holds(tenant_id, code, at=at)
                with pytest.raises(NotFound):
                    uow.rosters.take_code(tenant_id, code, at=at)
            assert uow.rosters.code_holds(CONTOSO, "b", at=NOW)
            uow.rosters.take_code(CONTOSO, "b", at=NOW)
            with pytest.raises(NotFound):
                uow.rosters.take_code(CONTOSO, "b", at=NOW)

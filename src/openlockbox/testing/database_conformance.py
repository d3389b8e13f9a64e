"""What every implementation of the database port must pass. Subclass `DatabaseConformance` and give it a `database` fixture.

The fixture returns an empty, migrated database. `activity_conformance` holds the activity log's part.
"""

from dataclasses import replace

import pytest

from openlockbox.domain.errors import AlreadyExists, ConcurrentUpdate, NotFound
from openlockbox.domain.ids import JitRequestId, PrincipalId, ResourceId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.principal import PrincipalState, Role
from openlockbox.domain.service_request import Message, ServiceRequestState, assign, close
from openlockbox.domain.tenant import Subscription, SupportPlan, TenantKind
from openlockbox.services.ports import Database, UnitOfWork
from openlockbox.testing import database_samples as sample
from openlockbox.testing.database_samples import (
    CASE,
    CONTOSO,
    ENGINEER,
    LATER,
    NOW,
    OWNER,
    PROVIDER,
    SUBSCRIPTION,
    committed,
    seen,
)
from openlockbox.testing.lock_conformance import LockConformance
from openlockbox.testing.machine_conformance import MachineConformance
from openlockbox.testing.passkey_conformance import PasskeyConformance
from openlockbox.testing.record_conformance import RecordConformance
from openlockbox.testing.roster_conformance import RosterConformance


class TransactionConformance:
    """Units of work."""

    def test_leaving_without_commit_rolls_back(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            sample.add_request(uow)
            uow.activity.append(sample.event(), at=NOW)
        assert seen(seeded, lambda uow: uow.lockbox_requests.find_of_jit(JitRequestId("JIT-1"))) is None
        assert seen(seeded, lambda uow: uow.activity.size(CONTOSO)) == 0

    def test_an_exception_rolls_back_and_goes_on_its_way(self, seeded: Database) -> None:
        def fail(uow: UnitOfWork) -> None:
            sample.add_request(uow)
            raise KeyError("boom")

        with pytest.raises(KeyError):
            committed(seeded, fail)
        assert seen(seeded, lambda uow: uow.lockbox_requests.waiting(CONTOSO)) == []

    def test_a_unit_reads_its_own_writes(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            request = sample.add_request(uow)
            assert uow.lockbox_requests.get(request.id) == request

    def test_after_a_refusal_by_the_database_the_unit_can_only_be_left(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            with pytest.raises(AlreadyExists):
                uow.tenants.add(sample.tenant(CONTOSO))
            with pytest.raises(RuntimeError):
                uow.tenants.get(CONTOSO)
            with pytest.raises(RuntimeError):
                uow.commit()
        assert seen(seeded, lambda uow: uow.tenants.get(CONTOSO)) == sample.tenant(CONTOSO)

    def test_after_the_commit_the_unit_can_only_be_left(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            uow.commit()
            with pytest.raises(RuntimeError):
                uow.tenants.get(CONTOSO)
            with pytest.raises(RuntimeError):
                uow.commit()

    def test_a_unit_commits_only_inside_its_block(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            pass
        with pytest.raises(RuntimeError):
            uow.commit()

    def test_a_read_only_unit_cannot_write(self, seeded: Database) -> None:
        with seeded.unit_of_work(read_only=True) as uow, pytest.raises(RuntimeError):
            uow.tenants.add(sample.tenant(TenantId("northwind")))

    def test_a_read_only_unit_keeps_its_snapshot(self, seeded: Database) -> None:
        with seeded.unit_of_work(read_only=True) as reader:
            assert reader.lockbox_requests.waiting(CONTOSO) == []
            committed(seeded, sample.add_request)
            assert reader.lockbox_requests.waiting(CONTOSO) == []

    def test_a_naive_datetime_is_refused(self, seeded: Database) -> None:
        naive = NOW.replace(tzinfo=None)
        with seeded.unit_of_work() as uow, pytest.raises(ValueError, match="naive"):
            uow.service_requests.add(sample.service_request(2, closed_at=naive))
        with seeded.unit_of_work() as uow, pytest.raises(ValueError, match="naive"):
            uow.activity.append(sample.event(), at=naive)

    def test_what_a_row_belongs_to_must_exist(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow, pytest.raises(NotFound):
            uow.jit_requests.add(replace(sample.jit_request(), service_request_id=ServiceRequestId("SR-none")))
        with seeded.unit_of_work() as uow, pytest.raises(NotFound):
            uow.lockbox_requests.add(sample.lockbox_request())


class OrganizationConformance:
    """Tenants, resources, people, service requests."""

    def test_tenants(self, seeded: Database) -> None:
        changed = replace(sample.tenant(CONTOSO), support_plan=SupportPlan.BASIC, preview_scenarios=frozenset())
        committed(seeded, lambda uow: uow.tenants.save(changed))
        with seeded.unit_of_work() as uow:
            assert uow.tenants.get(CONTOSO) == changed
            assert [tenant.id for tenant in uow.tenants.all()] == ["contoso", "fabrikam", "provider"]
            assert uow.tenants.provider().id == PROVIDER
            production = Subscription(id=SUBSCRIPTION, tenant_id=CONTOSO, name="Production")
            assert uow.tenants.get_subscription(SUBSCRIPTION) == production
            assert uow.tenants.subscriptions(CONTOSO) == [production]
            with pytest.raises(NotFound):
                uow.tenants.get(TenantId("nobody"))
            with pytest.raises(NotFound):
                uow.tenants.save(sample.tenant(TenantId("nobody")))
            with pytest.raises(NotFound):
                uow.tenants.get_subscription(SubscriptionId("none"))

    def test_there_is_no_provider_before_the_first(self, database: Database) -> None:
        with database.unit_of_work(read_only=True) as uow, pytest.raises(NotFound):
            uow.tenants.provider()

    def test_there_is_only_one_provider(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow, pytest.raises(AlreadyExists):
            uow.tenants.add(sample.tenant(TenantId("second"), TenantKind.PROVIDER))

    def test_resources(self, seeded: Database) -> None:
        bare = replace(sample.resource(), id=ResourceId("/r/bare"), name="Bare", target=None)
        committed(seeded, lambda uow: uow.resources.add(bare))
        with seeded.unit_of_work() as uow:
            assert uow.resources.get(sample.RESOURCE) == sample.resource()
            assert uow.resources.of_tenant(CONTOSO) == [bare, sample.resource()]
            assert uow.resources.of_tenant(PROVIDER) == []
            assert uow.resources.find(ResourceId("/r/none")) is None
            uow.resources.save(replace(bare, description="changed"))
            assert uow.resources.get(bare.id).description == "changed"
            with pytest.raises(NotFound):
                uow.resources.get(ResourceId("/r/none"))
            with pytest.raises(AlreadyExists):
                uow.resources.add(bare)

    def test_principals(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            olga = uow.principals.get(OWNER)
            assert olga == sample.principal(OWNER, CONTOSO)
            assert uow.principals.find_by_mail("OLGA@example.COM") == olga
            assert uow.principals.find_by_mail("nobody@example.com") is None
            assert [p.id for p in uow.principals.of_tenant(CONTOSO)] == ["anton", "olga"]
            assert set(uow.principals.many([OWNER, ENGINEER, PrincipalId("nobody"), OWNER])) == {OWNER, ENGINEER}
            assert uow.principals.many([]) == {}
            crowd = [OWNER, ENGINEER, *map(PrincipalId, "abcdefgh")]  # more than there are statements for
            assert set(uow.principals.many(crowd)) == {OWNER, ENGINEER}
            uow.principals.save(replace(olga, title="Head of IT", isolated_identity=True))
            assert uow.principals.get(OWNER).title == "Head of IT"
            with pytest.raises(NotFound):
                uow.principals.get(PrincipalId("nobody"))
            with pytest.raises(AlreadyExists):
                uow.principals.add(sample.principal(PrincipalId("other"), CONTOSO, mail="oLGA@example.com"))

    def test_roles(self, seeded: Database) -> None:
        tenant_wide = sample.role(OWNER, Role.TENANT_ADMINISTRATOR, CONTOSO)
        owner = sample.role(OWNER, Role.SUBSCRIPTION_OWNER, CONTOSO, SUBSCRIPTION)
        with seeded.unit_of_work() as uow:
            uow.principals.add_role(tenant_wide)
            assert set(uow.principals.roles(OWNER)) == {tenant_wide, owner}
            anton = sample.role(sample.APPROVER, Role.LOCKBOX_APPROVER, CONTOSO, SUBSCRIPTION)
            assert set(uow.principals.roles_of_tenant(CONTOSO)) == {tenant_wide, owner, anton}
            uow.principals.remove_role(owner)
            assert uow.principals.roles(OWNER) == (tenant_wide,)
            with pytest.raises(NotFound):
                uow.principals.remove_role(owner)
            with pytest.raises(AlreadyExists):
                uow.principals.add_role(tenant_wide)

    def test_approvers_and_holders_are_active_and_by_name(self, seeded: Database) -> None:
        with seeded.unit_of_work() as uow:
            assert [p.id for p in uow.principals.approvers(SUBSCRIPTION)] == ["anton", "olga"]
            assert uow.principals.approvers(SubscriptionId("other")) == []
            engineers = frozenset({Role.SUPPORT_ENGINEER, Role.OPERATOR})
            assert [p.id for p in uow.principals.holders(engineers, PROVIDER)] == ["erik"]
            assert uow.principals.holders(engineers, CONTOSO) == []
            assert uow.principals.holders(frozenset(), PROVIDER) == []
            uow.principals.save(replace(uow.principals.get(OWNER), state=PrincipalState.DISABLED))
            assert [p.id for p in uow.principals.approvers(SUBSCRIPTION)] == ["anton"]

    def test_service_requests(self, seeded: Database) -> None:
        first, second = sample.service_request(1), sample.service_request(2)
        committed(seeded, lambda uow: uow.service_requests.add(second))
        assigned = assign(first, to=PrincipalId("eva"))
        committed(seeded, lambda uow: uow.service_requests.replace(first, assigned))
        with seeded.unit_of_work() as uow:
            assert uow.service_requests.get(CASE, lock=True) == assigned
            assert uow.service_requests.of_tenant(CONTOSO) == [second, assigned]
            assert uow.service_requests.of_tenant(CONTOSO, limit=1) == [second]
            assert uow.service_requests.of_tenant(PROVIDER) == []
            uow.service_requests.replace(second, close(second, now=LATER))
            assert uow.service_requests.open() == [assigned]
            assert uow.service_requests.get(second.id).state is ServiceRequestState.CLOSED
            with pytest.raises(ConcurrentUpdate):
                uow.service_requests.replace(first, assigned)
            with pytest.raises(NotFound):
                uow.service_requests.get(ServiceRequestId("SR-none"))

    def test_messages(self, seeded: Database) -> None:
        def message(number: int) -> Message:
            return Message(
                service_request_id=CASE, tenant_id=CONTOSO, number=number, author=OWNER, body=f"{number} ✓", sent_at=NOW
            )

        with seeded.unit_of_work() as uow:
            uow.service_requests.add_message(message(2))
            uow.service_requests.add_message(message(1))
            uow.commit()
        assert seen(seeded, lambda uow: uow.service_requests.messages(CASE)) == [message(1), message(2)]
        with seeded.unit_of_work() as uow, pytest.raises(AlreadyExists):
            uow.service_requests.add_message(message(2))


class DatabaseConformance(
    TransactionConformance,
    OrganizationConformance,
    MachineConformance,
    LockConformance,
    RecordConformance,
    PasskeyConformance,
    RosterConformance,
):
    """The whole suite but the activity log's part. Subclasses give the `database` fixture."""

    @pytest.fixture
    def database(self) -> Database:
        """Return an empty database."""
        raise NotImplementedError("a subclass gives the database")

    @pytest.fixture
    def seeded(self, database: Database) -> Database:
        """Return a database with organizations and people."""
        sample.seed(database)
        return database

"""The JIT rules: the shipped set case by case, what refuses to start, and what no rule can ever do."""

# Japanese text has full-width characters.

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.adapters.policy.rules import InvalidPolicy
from openlockbox.domain.elevation import Elevation, Permission
from openlockbox.domain.ids import PersonId, PrincipalId, ResourceId, ServiceRequestId, SubscriptionId, TenantId
from openlockbox.domain.jit_request import Allowed, Refused, is_stricter
from openlockbox.domain.principal import Principal, Role
from openlockbox.domain.resource import Resource
from openlockbox.domain.service_request import ServiceRequest, ServiceRequestState, Severity
from openlockbox.domain.tenant import SupportPlan
from openlockbox.services.ports import JitFacts

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
MACHINE = ResourceId("/subscriptions/prod/resourcegroups/kiln/providers/microsoft.compute/virtualmachines/vm-kiln-07")
OTHER = ResourceId("/subscriptions/prod/resourcegroups/kiln/providers/microsoft.compute/virtualmachines/vm-kiln-08")
BOTH = frozenset({Role.SUPPORT_LEAD, Role.DEVOPS_MANAGER})
PERMIT = '@id("p") @reason("Yes.") @max_duration("8h") permit (principal, action, resource);'

FACTS = JitFacts(
    engineer=Principal(
        id=PrincipalId("idris"),
        person_id=PersonId("idris"),
        tenant_id=TenantId("provider"),
        name="Idris",
        mail="idris@provider.example",
        isolated_identity=True,
    ),
    roles=frozenset({Role.SUPPORT_ENGINEER}),
    assigned=True,
    mfa_age=timedelta(hours=2),
    resource=Resource(
        id=MACHINE,
        tenant_id=TenantId("ambertide"),
        subscription_id=SubscriptionId("prod"),
        name="vm-kiln-07",
        type="microsoft.compute/virtualmachines",
        operating_system="Windows",
    ),
    service_request=ServiceRequest(
        id=ServiceRequestId("SR-1"),
        tenant_id=TenantId("ambertide"),
        subscription_id=SubscriptionId("prod"),
        resource_id=MACHINE,
        title="Kiln",
        description="",
        severity=Severity.A,
        state=ServiceRequestState.OPEN,
        opened_by=PrincipalId("bram"),
        opened_at=NOW,
    ),
    support_plan=SupportPlan.DEVELOPER,
    elevation=Elevation(
        resource_id=MACHINE,
        scenario="remote_desktop",
        permission=Permission.OPERATE,
        channels=frozenset(),
        duration=timedelta(hours=8),
        justification="Event log",
    ),
    touches_customer_data=True,
    now=NOW,
)

Change = Callable[[JitFacts], JitFacts]


def same(facts: JitFacts) -> JitFacts:
    return facts


def level(permission: Permission) -> Change:
    return lambda f: replace(f, elevation=replace(f.elevation, permission=permission))


def administrator(facts: JitFacts) -> JitFacts:
    return level(Permission.ADMINISTRATOR)(facts)


def mfa(age: timedelta | None) -> Change:
    return lambda f: replace(f, mfa_age=age)


def ordinary_account(facts: JitFacts) -> JitFacts:
    return replace(facts, engineer=replace(facts.engineer, isolated_identity=False))


def roles(*held: Role) -> Change:
    return lambda f: replace(f, roles=frozenset(held))


def named(resource_id: ResourceId | None) -> Change:
    return lambda f: replace(f, service_request=replace(f.service_request, resource_id=resource_id))


def wide(path: str) -> Change:
    return lambda f: replace(
        f,
        resource=replace(f.resource, id=ResourceId(path)),
        elevation=replace(f.elevation, resource_id=ResourceId(path)),
    )


def lasting(**length: float) -> Change:
    return lambda f: replace(f, elevation=replace(f.elevation, duration=timedelta(**length)))


def scenario(name: str) -> Change:
    return lambda f: replace(f, elevation=replace(f.elevation, scenario=name))


def both(*changes: Change) -> Change:
    def change(facts: JitFacts) -> JitFacts:
        for one in changes:
            facts = one(facts)
        return facts

    return change


@dataclass(frozen=True)
class Case:
    name: str
    change: Change
    refused_by: frozenset[str] = frozenset()
    internal: frozenset[Role] = frozenset()


def refused(name: str, change: Change, *rules: str) -> Case:
    return Case(name, change, refused_by=frozenset(rules))


CASES = [
    Case("operate on the named machine", same),
    Case("read on the named machine", level(Permission.READ)),
    Case("administrator needs an internal approval", administrator, internal=BOTH),
    Case("another machine needs an internal approval", named(OTHER), internal=BOTH),
    Case("a service request without a resource needs one", named(None), internal=BOTH),
    Case("administrator on another machine needs one", both(administrator, named(OTHER)), internal=BOTH),
    Case("operate from an ordinary account", ordinary_account),
    Case("a lead who is an engineer too", roles(Role.SUPPORT_ENGINEER, Role.SUPPORT_LEAD)),
    Case("multi-factor exactly 12 hours ago", mfa(timedelta(hours=12))),
    Case("one hour only", lasting(hours=1)),
    Case(
        "administrator by SSH from an ordinary account",
        both(administrator, scenario("ssh"), ordinary_account),
        internal=BOTH,
    ),
    Case("no customer data", lambda f: replace(f, touches_customer_data=False)),
    refused("no second factor", mfa(None), "second-factor"),
    refused("second factor too old", mfa(timedelta(hours=12, milliseconds=1)), "second-factor"),
    refused("second factor in the future", mfa(timedelta(seconds=-1)), "second-factor"),
    refused("isolation does not replace the second factor", both(administrator, mfa(None)), "second-factor"),
    refused("not assigned", lambda f: replace(f, assigned=False), "assigned-engineer"),
    refused("only an operator", roles(Role.OPERATOR), "assigned-engineer"),
    refused("no role at all", roles(), "assigned-engineer"),
    refused("only a support lead", roles(Role.SUPPORT_LEAD), "assigned-engineer"),
    refused("a customer's owner", roles(Role.SUBSCRIPTION_OWNER), "assigned-engineer"),
    refused("administrator from an ordinary account", both(administrator, ordinary_account), "isolated-administrator"),
    refused("a resource group", wide("/subscriptions/prod/resourcegroups/kiln"), "one-resource"),
    refused("a subscription", wide("/subscriptions/prod"), "one-resource"),
    refused(
        "another subscription of the customer",
        lambda f: replace(f, resource=replace(f.resource, subscription_id=SubscriptionId("test"))),
        "same-subscription",
    ),
    refused("nine hours", lasting(hours=9), "ordinary-use"),
    refused("a millisecond too long", lasting(hours=8, milliseconds=1), "ordinary-use"),
    refused(
        "two things at once",
        both(mfa(None), ordinary_account, administrator),
        "second-factor",
        "isolated-administrator",
    ),
]


@pytest.fixture(scope="module")
def shipped() -> CedarPolicyEngine:
    return CedarPolicyEngine.from_directory(None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_shipped_rules(shipped: CedarPolicyEngine, case: Case) -> None:
    facts = case.change(FACTS)
    verdict = shipped.weigh(facts)
    for reason in verdict.reasons:
        assert reason.texts["en"], reason
        assert reason.texts["ja"], reason
    if case.refused_by:
        assert isinstance(verdict, Refused)
        assert {reason.rule for reason in verdict.reasons} == case.refused_by
        assert {reason.outcome for reason in verdict.reasons} == {"forbid"}
        return
    assert isinstance(verdict, Allowed)
    assert verdict.internal_approval == case.internal
    assert verdict.customer_approval is facts.touches_customer_data
    assert verdict.maximum_duration == timedelta(hours=8)
    assert [reason.rule for reason in verdict.reasons[:4]] == ["scope", "identity", "permission", "customer_data"]
    assert ("approval" in {r.outcome for r in verdict.reasons if r.rule != "customer_data"}) is bool(case.internal)


def test_the_approver_reads_what_was_checked(shipped: CedarPolicyEngine) -> None:
    verdict = shipped.weigh(administrator(FACTS))
    assert [reason.texts["en"] for reason in verdict.reasons] == [
        "Scope: one machine, named in the service request.",
        "Identity: isolated, multi-factor less than 3 hours ago.",
        "Permission level: administrator, for at most 8 hours, with an internal approval by a DevOps manager or a support lead.",
        "Customer data: this access reaches customer data, so only the customer can decide.",
        "Permission level: administrator needs an internal approval by a support lead or a DevOps manager.",
    ]
    assert verdict.reasons[0].texts["ja"] == "範囲：1台のマシンのみ、サービス リクエストに記載あり。"


def test_a_too_long_duration_is_refused_with_the_maximum(shipped: CedarPolicyEngine) -> None:
    (reason,) = shipped.weigh(lasting(hours=9, minutes=30)(FACTS)).reasons
    assert reason.texts["en"] == "Duration: at most 8 hours here; 9 hours 30 minutes asked for."
    assert "8時間" in reason.texts["ja"]


def test_nothing_permits_so_it_is_refused() -> None:
    text = '@id("f") @reason("No.") forbid (principal, action, resource) when { context.scenario == "ssh" };'
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(FACTS)
    assert isinstance(verdict, Refused)
    assert [(reason.rule, reason.outcome) for reason in verdict.reasons] == [("default", "default")]


def test_a_forbid_wins_over_a_permit() -> None:
    text = PERMIT + '@id("f") @reason("No.") forbid (principal, action, resource);'
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(FACTS)
    assert isinstance(verdict, Refused)
    assert [(reason.rule, reason.outcome) for reason in verdict.reasons] == [("f", "forbid")]


OVERFLOW = "when { context.duration.toMilliseconds() * 9223372036854775807 > 0 };"


def test_a_forbid_whose_condition_errs_refuses() -> None:
    text = PERMIT + f'@id("broken") @reason("No.") forbid (principal, action, resource) {OVERFLOW}'
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(FACTS)
    assert isinstance(verdict, Refused)
    assert [(reason.rule, reason.outcome) for reason in verdict.reasons] == [("broken", "error")]


def test_a_permit_whose_condition_errs_refuses_even_beside_a_good_one() -> None:
    text = PERMIT + f'@id("broken") @reason("Yes.") @max_duration("1h") permit (principal, action, resource) {OVERFLOW}'
    assert isinstance(CedarPolicyEngine.from_text(text, "test").weigh(FACTS), Refused)


def test_facts_that_do_not_fit_the_schema_refuse(shipped: CedarPolicyEngine) -> None:
    broken = replace(FACTS, support_plan="platinum")  # type: ignore[arg-type]  a plan that the schema does not know
    verdict = shipped.weigh(broken)
    assert isinstance(verdict, Refused)
    assert verdict.reasons[0].outcome == "error"


def test_facts_about_two_resources_refuse(shipped: CedarPolicyEngine) -> None:
    verdict = shipped.weigh(replace(FACTS, elevation=replace(FACTS.elevation, resource_id=OTHER)))
    assert isinstance(verdict, Refused)


def test_obligations_of_all_permits_count_together() -> None:
    text = (
        '@id("a") @reason("A.") @max_duration("4h") @approver_role("support_lead") permit (principal, action, resource);\n'
        '@id("b") @reason("B.") @max_duration("1h30m") @approver_role("devops_manager") permit (principal, action, resource);\n'
        + PERMIT
    )
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(lasting(hours=1)(FACTS))
    assert isinstance(verdict, Allowed)
    assert verdict.internal_approval == BOTH
    assert verdict.maximum_duration == timedelta(hours=1, minutes=30)
    assert {reason.rule for reason in verdict.reasons} >= {"a", "b", "p"}


def test_a_policy_may_ask_the_customer_where_no_data_is_touched() -> None:
    text = PERMIT.replace("permit", '@customer_approval("required") permit')
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(replace(FACTS, touches_customer_data=False))
    assert isinstance(verdict, Allowed)
    assert verdict.customer_approval


def test_a_later_stricter_rule_set_is_seen_as_stricter(shipped: CedarPolicyEngine) -> None:
    before = shipped.weigh(FACTS)
    assert isinstance(before, Allowed)
    assert not is_stricter(shipped.weigh(mfa(timedelta(hours=5))(FACTS)), before)
    assert is_stricter(
        CedarPolicyEngine.from_text(PERMIT.replace("8h", "4h"), "t").weigh(lasting(hours=1)(FACTS)), before
    )


def test_semicolons_in_sentences_and_comments_do_not_end_a_policy() -> None:
    permit = PERMIT.replace("Yes.", r"Yes; \"always\"; // no comment")
    text = f'// one; two; "three\n{permit}\n// done;'
    verdict = CedarPolicyEngine.from_text(text, "test").weigh(FACTS)
    assert verdict.reasons[-1].texts["en"] == 'Yes; "always"; // no comment'


def test_an_operators_directory_replaces_the_shipped_set(tmp_path: Path, shipped: CedarPolicyEngine) -> None:
    (tmp_path / "b.cedar").write_text(PERMIT)
    (tmp_path / "a.cedar").write_text(
        '@id("f") @reason("No.") forbid (principal, action, resource) when { !context.assigned };'
    )
    engine = CedarPolicyEngine.from_directory(tmp_path)
    assert isinstance(engine.weigh(mfa(None)(FACTS)), Allowed)
    assert isinstance(engine.weigh(replace(FACTS, assigned=False)), Refused)
    assert engine.version != shipped.version
    (tmp_path / "b.cedar").write_text(PERMIT.replace("8h", "4h"))
    assert CedarPolicyEngine.from_directory(tmp_path).version != engine.version


def test_the_version_is_the_same_for_the_same_rules(shipped: CedarPolicyEngine) -> None:
    assert CedarPolicyEngine.from_directory(None).version == shipped.version


ANNOTATIONS = st.lists(
    st.sampled_from(
        [
            '@customer_approval("none")',
            '@customer_approval("false")',
            '@customer_approval("required")',
            "@customer_approval",
            '@customer_lockbox("none")',
            '@approver_role("support_lead")',
        ]
    ),
    max_size=2,
    unique=True,
)
CONDITIONS = st.sampled_from(
    [
        "",
        "when { context.touches_customer_data }",
        "unless { context.touches_customer_data }",
        "when { context.assigned }",
    ]
)
POLICY = st.builds(
    lambda effect, annotations, condition: (effect, annotations, condition),
    st.sampled_from(['@max_duration("8h") permit', '@max_duration("9h") permit', "forbid"]),
    ANNOTATIONS,
    CONDITIONS,
)


@settings(max_examples=200, deadline=None)
@given(policies=st.lists(POLICY, min_size=1, max_size=4))
def test_no_policy_text_takes_the_customers_approval_away(policies: list[tuple[str, list[str], str]]) -> None:
    text = "\n".join(
        f'@id("r{n}") @reason("R.") {" ".join(annotations)} {effect} (principal, action, resource) {condition};'
        for n, (effect, annotations, condition) in enumerate(policies)
    )
    try:
        engine = CedarPolicyEngine.from_text(text, "generated")
    except InvalidPolicy:
        return
    verdict = engine.weigh(FACTS)
    assert isinstance(verdict, Refused) or verdict.customer_approval

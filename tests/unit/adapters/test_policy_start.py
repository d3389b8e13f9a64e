"""Rule sets that cannot be used refuse to start, and say where; the examples of the operator's page can be used."""

import re
from pathlib import Path

import pytest

from openlockbox.adapters.policy import engine as policy_engine
from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.adapters.policy.rules import InvalidPolicy

PERMIT = '@id("p") @reason("Yes.") @max_duration("8h") permit (principal, action, resource);'
PAGE = Path(__file__).parents[3] / "docs" / "operate" / "jit-rules.md"


@pytest.mark.parametrize(
    "text, words",
    [
        (PERMIT + "\n\n// why\npermit (principal, action, resource", ["rules.cedar, line 4", "cannot be read"]),
        (PERMIT + "\n" + PERMIT, ["rules.cedar, line 2, policy p", "line 1"]),
        ("\n" + PERMIT.replace(";", " when { context.mfa_agee > 1 };"), ["rules.cedar, line 2, policy p", "mfa_agee"]),
        (PERMIT.replace(";", " when { context.severity };"), ["policy p", "severity"]),
        (PERMIT.replace(";", ' when { context.mfa_age < duration("1h") };'), ["policy p", "mfa_age"]),
        (PERMIT.replace(";", ' when { context.permission == Lockbox::Permission::"admin" };'), ["policy p", "admin"]),
        (PERMIT.replace("(principal,", "(principal == ?principal,"), ["line 1", "?principal"]),
        (PERMIT.replace('@id("p")', ""), ["line 1", "@id"]),
        (PERMIT.replace('@reason("Yes.")', ""), ["policy p", "@reason"]),
        (PERMIT.replace('"Yes."', '" "'), ["policy p", "@reason"]),
        (PERMIT.replace('@max_duration("8h")', ""), ["policy p", "@max_duration"]),
        *[
            (PERMIT.replace("8h", bad), ["policy p", "@max_duration"])
            for bad in ("8", "0h", "h", "8 h", "-1h", "8h!", "1d")
        ],
        (PERMIT.replace("permit", '@approver_role("operator") permit'), ["policy p", "operator"]),
        (PERMIT.replace("permit", '@approver_role("support_lead,") permit'), ["policy p", "@approver_role"]),
        (PERMIT.replace("permit", '@approver_role("") permit'), ["policy p", "@approver_role"]),
        (PERMIT.replace("permit", '@approver_roles("support_lead") permit'), ["policy p", "@approver_roles"]),
        (PERMIT.replace("permit", '@customer_approval("none") permit'), ["policy p", "@customer_approval"]),
        (PERMIT.replace("permit", "@customer_approval permit"), ["policy p", "@customer_approval"]),
        (PERMIT.replace("permit", "forbid"), ["policy p", "@max_duration", "forbid"]),
        ("", ["no policy"]),
        ("// nothing yet\n", ["no policy"]),
    ],
)
def test_rules_that_cannot_be_used_refuse_to_start(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidPolicy) as refusal:
        CedarPolicyEngine.from_text(text, "rules.cedar")
    for word in words:
        assert word in str(refusal.value)


def test_an_empty_or_missing_directory_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match="no policy"):
        CedarPolicyEngine.from_directory(tmp_path)
    with pytest.raises(InvalidPolicy, match="cannot be read"):
        CedarPolicyEngine.from_directory(tmp_path / "missing")


def test_every_example_of_the_page_can_be_used() -> None:
    examples = re.findall(r"^```cedar\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(examples) >= 4
    for number, example in enumerate(examples):
        CedarPolicyEngine.from_text(example, f"example {number + 1}")


def test_the_page_names_every_shipped_rule_and_every_fact() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shipped = Path(policy_engine.__file__).parent / "default"
    rules = re.findall(r'@id\("([^"]+)"\)', "".join(f.read_text(encoding="utf-8") for f in shipped.glob("*.cedar")))
    assert len(rules) == 8
    facts = re.findall(
        r"^\s+([a-z_]+)\??: ", (shipped / "lockbox.cedarschema").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(facts) > 15
    for name in [*rules, *set(facts) - {"principal", "resource", "context"}]:
        assert f"`{name}`" in page or f".{name}`" in page, name

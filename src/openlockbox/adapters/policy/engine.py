"""Weighs the facts of an elevation with Cedar. Nothing permits: refused. Anything goes wrong: refused. Never raises for a rule.

Cedar skips a `forbid` whose condition errors and then allows. So any error at all, and any answer other than Allow, is a
refusal here, and no rule set that does not validate against the schema gets this far.
"""

# Japanese sentences have full-width punctuation.

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Self

import cedarpy

from openlockbox.adapters.policy.facts import entities_of, fact_reasons, hours, request_of
from openlockbox.adapters.policy.rules import InvalidPolicy, Rule, read_rules
from openlockbox.domain.jit_request import Allowed, Reason, Refused, Verdict
from openlockbox.services.ports import JitFacts

log = logging.getLogger(__name__)

_POLICY_ID: Final = re.compile(r"policy(\d+)")  # Cedar numbers policies by their place in the text
_SCHEMA: Final = "lockbox.cedarschema"

_NOTHING_PERMITS: Final = {
    "en": "No rule permits this elevation.",
    "ja": "この昇格を許可するルールがありません。",
}
_FAILED: Final = {
    "en": "A rule could not be evaluated, so the elevation is refused. The operator has to look at the rules.",
    "ja": "ルールを評価できなかったため、昇格は拒否されました。運用担当者がルールを確認する必要があります。",
}


def shipped_schema() -> str:
    """Return the schema: the facts that this version of the software fills in."""
    return _shipped().joinpath(_SCHEMA).read_text(encoding="utf-8")


def _shipped() -> Traversable:
    return resources.files("openlockbox.adapters.policy").joinpath("default")


class CedarPolicyEngine:
    """A `PolicyEngine` over policies that were parsed and validated once. Safe to share between threads."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Take rules as `read_rules` returns them.

        Raises:
            InvalidPolicy: there is none, two share an id, or one does not fit the schema.
        """
        schema_text = shipped_schema()
        self._rules = tuple(rules)
        self._schema = cedarpy.Schema.from_str(schema_text)
        text = "\n".join(rule.text for rule in self._rules)
        _check(self._rules, text, self._schema)
        self._policies = cedarpy.PolicySet.from_str(text)
        self.version = hashlib.sha256(
            json.dumps([schema_text, [rule.text for rule in self._rules]]).encode()
        ).hexdigest()

    @classmethod
    def from_text(cls, policies_text: str, source_name: str) -> Self:
        """Read the policies of one text.

        Raises:
            InvalidPolicy: it cannot be used; the message names source, line and policy.
        """
        return cls(read_rules(policies_text, source_name))

    @classmethod
    def from_directory(cls, path: Path | None) -> Self:
        """Read all `*.cedar` files of a directory in the order of their names; None takes the shipped default set.

        Raises:
            InvalidPolicy: it cannot be used, or holds no policy.
        """
        root = _shipped() if path is None else path
        try:
            files = sorted((f for f in root.iterdir() if f.name.endswith(".cedar")), key=lambda f: f.name)
            rules = [rule for f in files for rule in read_rules(f.read_text(encoding="utf-8"), f.name)]
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path}: the JIT rules cannot be read: {error}"
            raise InvalidPolicy(message) from error
        if not rules:
            message = f"{path}: no policy in any .cedar file; an empty rule set would refuse everything"
            raise InvalidPolicy(message)
        return cls(rules)

    def weigh(self, facts: JitFacts) -> Verdict:
        """Return the verdict; see `PolicyEngine.weigh`."""
        if facts.elevation.resource_id != facts.resource.id:
            log.error("jit.facts_disagree", extra={"resource_id": facts.resource.id})
            return Refused(reasons=(Reason(rule="error", outcome="error", texts=_FAILED),))
        try:
            entities = cedarpy.Entities.from_json_str(json.dumps(entities_of(facts)), self._schema)
            result = cedarpy.is_authorized(request_of(facts), self._policies, entities, schema=self._schema)
        except ValueError:
            log.exception("jit.facts_unfit")
            return Refused(reasons=(Reason(rule="error", outcome="error", texts=_FAILED),))
        errors, determining = result.diagnostics.errors, self._named(result.diagnostics.reasons)
        if errors or result.decision is cedarpy.Decision.NoDecision:
            log.error("jit.rule_failed", extra={"errors": errors})
            return Refused(reasons=(*self._failures(errors), *_reasons(determining, permits=False)))
        if result.decision is not cedarpy.Decision.Allow:
            reasons = _reasons(determining, permits=False)
            return Refused(reasons=reasons or (Reason(rule="default", outcome="default", texts=_NOTHING_PERMITS),))
        return _allow(facts, determining)

    def _named(self, policy_ids: Sequence[str]) -> tuple[Rule, ...]:
        numbers = sorted(int(match.group(1)) for name in policy_ids if (match := _POLICY_ID.fullmatch(name)))
        return tuple(self._rules[number] for number in numbers)

    def _failures(self, errors: Sequence[str]) -> tuple[Reason, ...]:
        failed = {match.group() for error in errors if (match := _POLICY_ID.search(error))}
        names = [rule.id for rule in self._named(sorted(failed))] or ["error"]
        return tuple(Reason(rule=name, outcome="error", texts=_FAILED) for name in names)


def _check(rules: Sequence[Rule], text: str, schema: cedarpy.Schema) -> None:
    if not rules:
        message = "there is no policy; an empty rule set would refuse everything"
        raise InvalidPolicy(message)
    places: dict[str, Rule] = {}
    for rule in rules:
        first = places.setdefault(rule.id, rule)
        if first is not rule:
            message = f"{rule.place}: the id stands already in {first.source}, line {first.line}"
            raise InvalidPolicy(message)
    # Reasons come back as numbers; if Cedar counted otherwise than we do, they would name the wrong rule.
    parsed = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    if [parsed[f"policy{n}"]["annotations"]["id"] for n in range(len(parsed))] != [rule.id for rule in rules]:
        message = "the policies are not numbered in the order of the text"
        raise InvalidPolicy(message)
    problems = []
    for error in cedarpy.validate_policies(text, schema).errors:
        match = _POLICY_ID.fullmatch(error.policy_id)
        place = rules[int(match.group(1))].place if match else rules[0].source
        problems.append(f"{place}: {error.error.removeprefix(f'for policy `{error.policy_id}`').lstrip(':, ')}")
    if problems:
        raise InvalidPolicy("\n".join(sorted(problems)))


def _reasons(determining: Sequence[Rule], *, permits: bool) -> tuple[Reason, ...]:
    if not permits:
        return tuple(Reason(rule=r.id, outcome="forbid", texts=r.texts) for r in determining if r.effect == "forbid")
    return tuple(
        Reason(rule=r.id, outcome="approval" if r.approver_roles or r.asks_customer else "permit", texts=r.texts)
        for r in determining
    )


def _allow(facts: JitFacts, determining: Sequence[Rule]) -> Verdict:
    limits = [(rule.max_duration, rule.id) for rule in determining if rule.max_duration is not None]
    if not limits or any(rule.effect == "forbid" for rule in determining):
        return Refused(reasons=(Reason(rule="error", outcome="error", texts=_FAILED),))
    maximum, limiting = min(limits)
    if facts.elevation.duration > maximum:
        most, asked = hours(maximum), hours(facts.elevation.duration)
        texts = {
            "en": f"Duration: at most {most['en']} here; {asked['en']} asked for.",
            "ja": f"時間：ここでは最長{most['ja']}です。依頼は{asked['ja']}でした。",
        }
        return Refused(reasons=(Reason(rule=limiting, outcome="forbid", texts=texts),))
    roles = frozenset(role for rule in determining for role in rule.approver_roles)
    # A rule may add the customer's approval and never take it away: the scenario's word stands first.
    customer = facts.touches_customer_data or any(rule.asks_customer for rule in determining)
    checked = fact_reasons(facts, internal_approval=roles, customer_approval=customer, maximum=maximum)
    return Allowed(
        reasons=(*checked, *_reasons(determining, permits=True)),
        internal_approval=roles,
        customer_approval=customer,
        maximum_duration=maximum,
    )

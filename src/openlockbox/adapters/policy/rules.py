"""Rules as an operator writes them: split into single policies, with file, line and obligations. Evaluates nothing.

Whatever is not understood refuses to start: a mistyped annotation would otherwise drop an obligation without a word.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import cedarpy

from openlockbox.domain.principal import INTERNAL_APPROVER_ROLES, Role

Effect = Literal["permit", "forbid"]

_TOKEN: Final = re.compile(
    r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL
)  # all that may hide a semicolon, and the semicolon
_BLANK: Final = re.compile(r"(?:\s|//[^\n]*(?:\n|$))*")
_DURATION: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?")
_REASON: Final = re.compile(r"reason(?:_([a-z]{2}))?")
_OBLIGATIONS: Final = frozenset({"max_duration", "approver_role", "customer_approval"})


class InvalidPolicy(ValueError):
    """The JIT rules cannot be used, so nothing starts. The message names file, line and policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy. `texts` holds its reason by language; obligations count only where it permits."""

    id: str
    source: str
    line: int
    text: str
    effect: Effect
    texts: Mapping[str, str]
    max_duration: timedelta | None = None
    approver_roles: frozenset[Role] = frozenset()
    asks_customer: bool = False

    @property
    def place(self) -> str:
        """Say where it stands, for the person who has to correct it."""
        return f"{self.source}, line {self.line}, policy {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unread:
    """A policy whose annotations are not read yet."""

    id: str
    source: str
    line: int
    text: str
    effect: Effect

    def invalid(self, problem: str) -> InvalidPolicy:
        return InvalidPolicy(f"{self.source}, line {self.line}, policy {self.id}: {problem}")


def read_rules(text: str, source: str) -> tuple[Rule, ...]:
    """Read all policies of one file.

    Raises:
        InvalidPolicy: syntax, a template, a missing id or reason, an unknown annotation or annotation value.
    """
    return tuple(_read_rule(part, source, line) for part, line in _split(text))


def _split(text: str) -> Iterator[tuple[str, int]]:
    start = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _part(text, start, token.end())
            start = token.end()
    if _first_word(text, start) < len(text):  # the last policy lacks its semicolon; the parser says so
        yield _part(text, start, len(text))


def _first_word(text: str, start: int) -> int:
    blank = _BLANK.match(text, start)
    return blank.end() if blank else start


def _part(text: str, start: int, end: int) -> tuple[str, int]:
    return text[start:end], text.count("\n", 0, _first_word(text, start)) + 1


def _read_rule(text: str, source: str, line: int) -> Rule:
    place = f"{source}, line {line}"
    try:
        policies = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        message = f"{place}: the policy that begins here cannot be read: {error}"
        raise InvalidPolicy(message) from error
    if policies["templates"] or len(policies["staticPolicies"]) != 1:
        message = f"{place}: exactly one policy without ?principal and ?resource is expected"
        raise InvalidPolicy(message)
    (policy,) = policies["staticPolicies"].values()
    annotations = {name: value or "" for name, value in policy.get("annotations", {}).items()}
    rule_id = annotations.pop("id", "")
    if not rule_id:
        message = f"{place}: the policy needs an @id"
        raise InvalidPolicy(message)
    effect: Effect = "permit" if policy["effect"] == "permit" else "forbid"
    return _annotated(_Unread(id=rule_id, source=source, line=line, text=text, effect=effect), annotations)


def _annotated(unread: _Unread, annotations: Mapping[str, str]) -> Rule:
    texts = _parse_reasons(unread, annotations)
    if "customer_approval" in annotations and annotations["customer_approval"] != "required":
        raise unread.invalid('@customer_approval can only be "required": no rule takes the customer\'s approval away')
    duration = _parse_duration(annotations.get("max_duration", ""))
    if unread.effect == "permit" and duration is None:
        raise unread.invalid('a permit needs @max_duration, such as "8h", "30m" or "1h30m"')
    return Rule(
        id=unread.id,
        source=unread.source,
        line=unread.line,
        text=unread.text,
        effect=unread.effect,
        texts=texts,
        max_duration=duration,
        approver_roles=_parse_roles(unread, annotations.get("approver_role")),
        asks_customer="customer_approval" in annotations,
    )


def _parse_reasons(unread: _Unread, annotations: Mapping[str, str]) -> Mapping[str, str]:
    texts: dict[str, str] = {}
    for name, value in annotations.items():
        reason = _REASON.fullmatch(name)
        if reason:
            texts[reason.group(1) or "en"] = value.strip()
        elif name not in _OBLIGATIONS:
            raise unread.invalid(f"unknown annotation @{name}")
        elif unread.effect == "forbid":
            raise unread.invalid(f"@{name} has no meaning on a forbid")
    if not texts.get("en") or not all(texts.values()):
        raise unread.invalid('a sentence in @reason("…") is needed: people are told why')
    return texts


def _parse_roles(unread: _Unread, text: str | None) -> frozenset[Role]:
    if text is None:
        return frozenset()
    names = [name.strip() for name in text.split(",")]
    known = {str(role): role for role in INTERNAL_APPROVER_ROLES}
    for name in names:
        if name not in known:
            raise unread.invalid(f"@approver_role knows {', '.join(sorted(known))}, not {name!r}")
    return frozenset(known[name] for name in names)


def _parse_duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return timedelta(hours=int(match.group(1) or 0), minutes=int(match.group(2) or 0)) or None

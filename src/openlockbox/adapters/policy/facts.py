"""The facts as Cedar takes them, and as sentences for people. Weighs nothing."""

# Japanese sentences have full-width punctuation.

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Final

from openlockbox.domain.ids import ResourceId
from openlockbox.domain.jit_request import Reason
from openlockbox.domain.principal import Role
from openlockbox.services.ports import JitFacts

Json = Mapping[str, object]

_MACHINES: Final = frozenset({"microsoft.compute/virtualmachines"})
_PERMISSIONS_JA: Final = {"read": "閲覧", "operate": "操作", "administrator": "管理者"}
_ROLES_EN: Final = {Role.SUPPORT_LEAD: "a support lead", Role.DEVOPS_MANAGER: "a DevOps manager"}
_ROLES_JA: Final = {Role.SUPPORT_LEAD: "サポート責任者", Role.DEVOPS_MANAGER: "DevOpsマネージャー"}
_SCOPES: Final = {
    "resource_group": ("a whole resource group", "リソース グループ全体"),
    "subscription": ("a whole subscription", "サブスクリプション全体"),
}


def uid(kind: str, key: str) -> dict[str, str]:
    """Name an entity."""
    return {"type": f"Lockbox::{kind}", "id": key}


def _ref(kind: str, key: str) -> dict[str, object]:
    return {"__entity": uid(kind, key)}


def _value(function: str, argument: str) -> dict[str, object]:
    return {"__extn": {"fn": function, "arg": argument}}


def _duration(length: timedelta) -> dict[str, object]:
    return _value("duration", f"{length // timedelta(milliseconds=1)}ms")


def scope_of(resource_id: ResourceId) -> str:
    """Tell how much an ARM-style id covers. Whatever is not clearly one resource counts as wide."""
    parts = resource_id.strip("/").split("/")
    if "providers" in parts[2:]:
        return "resource"
    return "resource_group" if "resourcegroups" in parts[2:] else "subscription"


def known_mfa_age(facts: JitFacts) -> timedelta | None:
    """Return the age of the second factor; one that lies in the future is none."""
    age = facts.mfa_age
    return None if age is None or age < timedelta(0) else age


def entities_of(facts: JitFacts) -> list[Json]:
    """Return the entities that the rules can ask about. The service request's scope stands in the context."""
    resource = facts.resource
    return [
        {
            "uid": uid("Engineer", facts.engineer.id),
            "attrs": {
                "roles": [_ref("Role", role) for role in sorted(facts.roles)],
                "isolated_identity": facts.engineer.isolated_identity,
            },
            "parents": [],
        },
        {"uid": uid("Tenant", resource.tenant_id), "attrs": {}, "parents": []},
        {
            "uid": uid("Subscription", resource.subscription_id),
            "attrs": {},
            "parents": [uid("Tenant", resource.tenant_id)],
        },
        {
            "uid": uid("Resource", resource.id),
            "attrs": {
                "name": resource.name,
                "type": resource.type,
                "operating_system": resource.operating_system,
                "scope": _ref("Scope", scope_of(resource.id)),
            },
            "parents": [uid("Subscription", resource.subscription_id)],
        },
    ]


def request_of(facts: JitFacts) -> dict[str, object]:
    """Return the Cedar request."""
    service_request, elevation = facts.service_request, facts.elevation
    case: dict[str, object] = {
        "subscription": _ref("Subscription", service_request.subscription_id),
        "severity": _ref("Severity", service_request.severity),
    }
    if service_request.resource_id is not None:
        case["resource"] = _ref("Resource", service_request.resource_id)
    context: dict[str, object] = {
        "assigned": facts.assigned,
        "permission": _ref("Permission", elevation.permission),
        "scenario": elevation.scenario,
        "channels": sorted(elevation.channels),
        "duration": _duration(elevation.duration),
        "touches_customer_data": facts.touches_customer_data,
        "support_plan": _ref("SupportPlan", facts.support_plan),
        "service_request": case,
        "now": _value("datetime", facts.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
    }
    age = known_mfa_age(facts)
    if age is not None:
        context["mfa_age"] = _duration(age)
    return {
        "principal": uid("Engineer", facts.engineer.id),
        "action": uid("Action", "elevate"),
        "resource": uid("Resource", facts.resource.id),
        "context": context,
    }


def hours(length: timedelta) -> dict[str, str]:
    """Write a length in words, by language."""
    total = max(length // timedelta(minutes=1), 0)
    whole, minutes = divmod(total, 60)
    english = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((whole, "hour"), (minutes, "minute")) if n]
    japanese = [f"{n}{word}" for n, word in ((whole, "時間"), (minutes, "分")) if n]
    return {"en": " ".join(english) or "0 minutes", "ja": "".join(japanese) or "0分"}


def fact_reasons(
    facts: JitFacts, *, internal_approval: frozenset[Role], customer_approval: bool, maximum: timedelta
) -> tuple[Reason, ...]:
    """Say what was weighed and what came of it: "Checked before you were asked" on the approver's page."""
    return (
        _scope(facts),
        _identity(facts),
        _permission(facts, internal_approval, maximum),
        _customer_data(facts, customer_approval=customer_approval),
    )


def _scope(facts: JitFacts) -> Reason:
    named = facts.service_request.resource_id
    wide = _SCOPES.get(scope_of(facts.resource.id))
    machine = facts.resource.type in _MACHINES
    english, japanese = wide or (
        ("one machine", "1台のマシンのみ") if machine else ("one resource", "1つのリソースのみ")
    )
    if named == facts.resource.id:
        tail = ("named in the service request", "サービス リクエストに記載あり")
    elif named is None:
        tail = ("the service request names none", "サービス リクエストにリソースの記載なし")
    else:
        tail = ("another one than the service request names", "サービス リクエストに記載されたものとは別のリソース")
    texts = {"en": f"Scope: {english}, {tail[0]}.", "ja": f"範囲：{japanese}、{tail[1]}。"}
    return Reason(rule="scope", outcome="permit", texts=texts)


def _identity(facts: JitFacts) -> Reason:
    isolated = facts.engineer.isolated_identity
    account = (
        ("isolated", "分離されたID")
        if isolated
        else ("an ordinary account, not isolated", "分離されていない通常のアカウント")
    )
    age = known_mfa_age(facts)
    if age is None:
        factor = ("no multi-factor sign-in", "多要素認証なし")
    else:
        within = age // timedelta(hours=1) + 1
        unit = "hour" if within == 1 else "hours"
        factor = (f"multi-factor less than {within} {unit} ago", f"{within}時間以内に多要素認証を実施")
    texts = {"en": f"Identity: {account[0]}, {factor[0]}.", "ja": f"ID：{account[1]}、{factor[1]}。"}
    return Reason(rule="identity", outcome="permit", texts=texts)


def _permission(facts: JitFacts, internal_approval: frozenset[Role], maximum: timedelta) -> Reason:
    level, longest = facts.elevation.permission.value, hours(maximum)
    english = f"Permission level: {level}, for at most {longest['en']}"
    japanese = f"権限レベル：{_PERMISSIONS_JA[level]}、最長{longest['ja']}"
    if not internal_approval:
        texts = {"en": f"{english}.", "ja": f"{japanese}。"}
        return Reason(rule="permission", outcome="permit", texts=texts)
    roles = sorted(internal_approval)
    texts = {
        "en": f"{english}, with an internal approval by {' or '.join(_ROLES_EN[role] for role in roles)}.",
        "ja": f"{japanese}、{'または'.join(_ROLES_JA[role] for role in roles)}の社内承認が必要。",
    }
    return Reason(rule="permission", outcome="approval", texts=texts)


def _customer_data(facts: JitFacts, *, customer_approval: bool) -> Reason:
    if facts.touches_customer_data:
        texts = {
            "en": "Customer data: this access reaches customer data, so only the customer can decide.",
            "ja": "お客様のデータ：このアクセスはお客様のデータに届きます。そのため、お客様だけが決定できます。",
        }
    elif customer_approval:
        texts = {
            "en": "Customer data: none is reached, but a rule asks the customer all the same.",
            "ja": "お客様のデータ：データには届きませんが、ルールによりお客様の承認が必要です。",
        }
    else:
        texts = {
            "en": "Customer data: none is reached, so the customer need not decide.",
            "ja": "お客様のデータ：データには届かないため、お客様の決定は不要です。",
        }
    return Reason(rule="customer_data", outcome="approval" if customer_approval else "permit", texts=texts)

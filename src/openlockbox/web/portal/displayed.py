"""A Lockbox request as it was displayed and digested: the page shows this text, so that the digest covers what was read.

Reads the canonical JSON and adds nothing to it; what has changed since does not appear here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from openlockbox.domain.elevation import Permission
from openlockbox.domain.lockbox_request import LockboxRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReason:
    """Why a JIT rule came out as it did."""

    rule: str
    outcome: str
    texts: Mapping[str, str]

    def text(self, language: str) -> str:
        """Return the sentence in the reader's language, or in English."""
        return self.texts.get(language, self.texts.get("en", self.rule))


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """The parts of a displayed request, by the question that each answers."""

    requester: str
    title: str
    provider: str
    isolated_identity: bool
    mfa_at: datetime | None
    resource_id: str
    resource_name: str
    resource_type: str
    operating_system: str
    description: str
    subscription: str
    gateway: str
    address: str
    certificate_sha256: str
    accounts: Mapping[Permission, str]  # by level: the name of the gateway's secret, never the secret
    key_id: str  # of the engineer's own key, with which they show that they are there; "" without one
    permission: Permission
    channels: frozenset[str]
    duration: timedelta
    justification: str
    service_request_title: str
    service_request_description: str
    policy: str
    reasons: tuple[ShownReason, ...]

    @property
    def levels(self) -> tuple[Permission, ...]:
        """Return the permission levels that could be granted: as asked first, then each lower one that has an account."""
        return tuple(sorted(self.accounts, key=lambda level: -level.rank))


def read_displayed(request: LockboxRequest) -> Displayed:
    """Read the displayed text of a request. It is our own, so a missing part is a fault and raises."""
    shown = json.loads(request.displayed)
    requester, resource, case = shown["requester"], shown["resource"], shown["service_request"]
    target = resource.get("target") or {}
    mfa_at = cast("str", requester["mfa_at"])
    return Displayed(
        requester=requester["name"],
        title=requester["title"],
        provider=shown["provider"]["name"],
        isolated_identity=requester["isolated_identity"],
        mfa_at=datetime.fromisoformat(mfa_at) if mfa_at else None,
        resource_id=resource["id"],
        resource_name=resource.get("name", resource["id"].rsplit("/", 1)[-1]),
        resource_type=resource.get("type", ""),
        operating_system=resource.get("operating_system", ""),
        description=resource.get("description", ""),
        subscription=resource.get("subscription", ""),
        gateway=target.get("gateway", ""),
        address=f"{target.get('address', '')}:{target.get('port', '')}",
        certificate_sha256=target.get("certificate_sha256", ""),
        accounts={Permission(level): name for level, name in target.get("secret_refs", {}).items()},
        key_id=(requester["key"] or {}).get("key_id", ""),
        permission=Permission(shown["permission"]),
        channels=frozenset(shown["channels"]),
        duration=timedelta(seconds=shown["duration_s"]),
        justification=shown["justification"],
        service_request_title=case["title"],
        service_request_description=case["description"],
        policy=shown["verdict"]["policy"],
        reasons=tuple(
            ShownReason(rule=r["rule"], outcome=r["outcome"], texts=r["texts"]) for r in shown["verdict"]["reasons"]
        ),
    )

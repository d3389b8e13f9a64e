"""Parses ARM-style resource ids, with the library of those who defined them. Pure; compared in lower case everywhere."""

from typing import Final

from azure.mgmt.core.tools import is_valid_resource_id, parse_resource_id

from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.ids import ResourceId, SubscriptionId
from openlockbox.domain.resource import DeploymentModel

CLASSIC_PREFIX: Final = "microsoft.classic"
RESOURCE_MANAGER_PREFIX: Final = "microsoft."  # in its place, the type that a classic resource becomes when it migrates


def parse_resource(text: str) -> tuple[ResourceId, SubscriptionId, str, str, DeploymentModel]:
    """Parse an ARM-style id into (id, subscription, type, name as written, deployment model), lower case but for the name.

    Raises:
        InvalidInput: it is no such id.
    """
    trimmed = text.strip().rstrip("/")
    if not trimmed.startswith("/") or not is_valid_resource_id(trimmed):
        raise InvalidInput(field="resource_id", problem="it is no resource id like /subscriptions/…/providers/…")
    parsed = {key: str(value) for key, value in parse_resource_id(trimmed).items()}
    if "subscription" not in parsed or "name" not in parsed or "namespace" not in parsed:
        raise InvalidInput(field="resource_id", problem="it names no subscription, provider or resource")
    children = [parsed[f"child_type_{i}"] for i in range(1, 10) if f"child_type_{i}" in parsed]
    type_ = "/".join([parsed["namespace"], parsed["type"], *children]).lower()
    model = DeploymentModel.CLASSIC if type_.startswith(CLASSIC_PREFIX) else DeploymentModel.RESOURCE_MANAGER
    return (
        ResourceId(trimmed.lower()),
        SubscriptionId(parsed["subscription"].lower()),
        type_,
        trimmed.rsplit("/", 1)[1],
        model,
    )

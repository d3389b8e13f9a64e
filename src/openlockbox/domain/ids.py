"""Identifier types. Text from outside becomes one of these once, at the edge; nothing here parses or does I/O."""

from typing import NewType

TenantId = NewType("TenantId", str)
SubscriptionId = NewType("SubscriptionId", str)  # a lower-case GUID or name, as in /subscriptions/{id}
ResourceId = NewType("ResourceId", str)  # ARM-style path, always lower case
PersonId = NewType("PersonId", str)
PrincipalId = NewType("PrincipalId", str)
ServiceRequestId = NewType("ServiceRequestId", str)
JitRequestId = NewType("JitRequestId", str)
RequestId = NewType("RequestId", str)  # a Lockbox request
GrantId = NewType("GrantId", str)
SessionId = NewType("SessionId", str)  # also the `jti` of the one connection token that may start the session
GatewayId = NewType("GatewayId", str)
LockId = NewType("LockId", str)
CorrelationId = NewType("CorrelationId", str)
ActorId = NewType("ActorId", str)  # "principal:<id>", "gateway:<id>" or one of the constants below

CLOCK = ActorId("clock")  # what becomes true by time alone
NOBODY = ActorId("nobody")  # an attempt by somebody who could not be told apart
OPERATOR_COMMAND = ActorId("command-line")  # the operator at the provider's own console


def principal_actor(principal_id: PrincipalId) -> ActorId:
    """Name a principal as an actor in the activity log."""
    return ActorId(f"principal:{principal_id}")


def gateway_actor(gateway_id: GatewayId) -> ActorId:
    """Name a gateway as an actor in the activity log."""
    return ActorId(f"gateway:{gateway_id}")

"""What the API accepts. Unknown fields are refused; no field is a state, an approver or an end time: those follow from commands."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

import msgspec

from openlockbox.domain.elevation import Permission
from openlockbox.domain.errors import InvalidInput
from openlockbox.domain.principal import Role
from openlockbox.domain.service_request import Severity

# The services check what people write; these bounds only keep away what no client means.
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=NO_CONTROLS)]
ResourcePath: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=NO_CONTROLS)]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=20_000)]
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Duration: TypeAlias = Annotated[
    timedelta | int, msgspec.Meta(description="ISO 8601 duration such as PT8H, or whole seconds")
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body is made of."""


class ApproveBody(Body, frozen=True, kw_only=True):
    """An approval of exactly what `digest` names. No duration: as long as was asked."""

    digest: Digest
    duration: Duration | None = None
    reason: Text = ""


class DenyBody(Body, frozen=True, kw_only=True):
    """A denial of exactly what `digest` names."""

    digest: Digest
    reason: Text = ""


class ReasonBody(Body, frozen=True, kw_only=True):
    """A step that may be given a reason."""

    reason: Text = ""


class OpenBody(Body, frozen=True, kw_only=True):
    """A new service request."""

    subscription_id: Id
    resource_id: ResourcePath | None = None
    title: Text
    description: Text
    severity: Severity


class ReplyBody(Body, frozen=True, kw_only=True):
    """A message for a conversation."""

    body: Text


class EscalateBody(Body, frozen=True, kw_only=True):
    """The engineer to hand the case to."""

    to: Id


class ElevationBody(Body, frozen=True, kw_only=True):
    """What is asked for. No duration: the installation's default."""

    resource_id: ResourcePath
    scenario: Id
    permission: Permission
    channels: Annotated[list[Id], msgspec.Meta(max_length=20)] = []
    duration: Duration | None = None
    justification: Text


class ConnectBody(Body, frozen=True, kw_only=True):
    """How to connect: from a browser, or with a native client."""

    front: Literal["browser", "native"]


class RoleBody(Body, frozen=True, kw_only=True):
    """A customer role, on a subscription for the approver roles, on the whole organization otherwise."""

    principal_id: Id
    role: Role
    subscription_id: Id | None = None


def parse_duration(given: timedelta | int | None) -> timedelta | None:
    """Take a length as given.

    Raises:
        InvalidInput: not a whole, positive number of seconds, or longer than anybody waits.
    """
    if given is None:
        return None
    seconds = given if isinstance(given, int) else given.total_seconds()
    if seconds != int(seconds) or not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidInput(field="duration", problem="it is not a whole number of seconds between one and a year's")
    return timedelta(seconds=int(seconds))


LONGEST_SECONDS = 366 * 24 * 3600

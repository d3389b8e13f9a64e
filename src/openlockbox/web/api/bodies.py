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
    """An approval of exactly what `digest` names. No duration, permission or channels: as was asked."""

    digest: Digest
    duration: Duration | None = None
    permission: Permission | None = None
    channels: Annotated[list[Id], msgspec.Meta(max_length=20)] | None = None
    reason: Text = ""


class StatementBody(ApproveBody, frozen=True, kw_only=True):
    """A decision to be written down for signature. Of a denial only the reason counts."""

    answer: Literal["approve", "deny"]


class SignedDecisionBody(Body, frozen=True, kw_only=True):
    """A decision as it was signed: docs/spec/decision-format.md. Without a key id each of the caller's keys is tried."""

    statement: Annotated[str, msgspec.Meta(max_length=16_384)]
    signature: Annotated[str, msgspec.Meta(max_length=8_192)]
    key_id: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{16})?$")] = ""


class RosterChangeBody(Body, frozen=True, kw_only=True):
    """A change of the approver roster to be written down for signature. What is left out stays as it is."""

    add: Annotated[list[Id], msgspec.Meta(max_length=200)] = []
    remove: Annotated[list[Id], msgspec.Meta(max_length=200)] = []
    unsigned_decisions: bool | None = None
    quorum: Annotated[int, msgspec.Meta(ge=1, le=200)] | None = None
    recovery_keys: Annotated[list[Id], msgspec.Meta(max_length=10)] | None = None
    witnesses: Annotated[list[ResourcePath], msgspec.Meta(max_length=20)] | None = None
    witness_quorum: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    renew_site: bool = False


class SignedRosterBody(Body, frozen=True, kw_only=True):
    """A signed roster: docs/spec/roster-format.md. The first one comes with the one-time code."""

    signed: Annotated[str, msgspec.Meta(max_length=800_000)]
    code: Annotated[str, msgspec.Meta(max_length=100)] = ""


class DenyBody(Body, frozen=True, kw_only=True):
    """A denial of exactly what `digest` names."""

    digest: Digest
    reason: Text = ""


class ReasonBody(Body, frozen=True, kw_only=True):
    """A step that may be given a reason."""

    reason: Text = ""


class LockResourceBody(Body, frozen=True, kw_only=True):
    """One resource to lock."""

    resource_id: ResourcePath
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


class SigningKeyBody(Body, frozen=True, kw_only=True):
    """A key of an automation, with what it signed to show that the caller holds it: see docs/guide/api.md."""

    name: Text
    public_key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{43}$", description="Ed25519, 32 bytes, base64url")]
    proof: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{86}$", description="Ed25519 signature, base64url")]


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

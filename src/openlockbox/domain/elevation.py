"""What an engineer asks for: one resource, one scenario, one permission level, some channels, for so long."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from openlockbox.domain.ids import ResourceId


class Permission(StrEnum):
    """Permission levels, least first. What a level means in practice is the connector's to say and the gateway's to keep."""

    READ = "read"
    OPERATE = "operate"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        """Order the levels, so that an approver may narrow and never widen."""
        return list(Permission).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elevation:
    """The access asked for. `channels` are the side channels beyond screen, keyboard and mouse; none by default."""

    resource_id: ResourceId
    scenario: str
    permission: Permission
    channels: frozenset[str]
    duration: timedelta
    justification: str

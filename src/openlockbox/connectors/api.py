"""What a connector declares about a scenario. That customer data is touched is said here, where no policy can unsay it."""

from dataclasses import dataclass

from openlockbox.domain.elevation import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way in. `name` is the stable word in requests and grants; `label` and the levels' texts are message ids."""

    name: str
    label: str
    protocol: str  # "rdp"
    resource_types: frozenset[str]  # lower case
    permissions: tuple[tuple[Permission, str], ...]  # each level with what it means, least first
    channels: tuple[tuple[str, str], ...]  # each side channel with its label; all off by default
    touches_customer_data: bool
    preview: bool = False

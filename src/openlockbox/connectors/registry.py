"""Finds scenarios by name and by resource type. Holds what it is given; discovery over entry points comes with the connector API."""

from collections.abc import Iterable

from openlockbox.connectors.api import Scenario
from openlockbox.connectors.builtin.remote_desktop import REMOTE_DESKTOP
from openlockbox.domain.errors import ScenarioNotSupported


class Registry:
    """The scenarios of this installation."""

    def __init__(self, scenarios: Iterable[Scenario] = (REMOTE_DESKTOP,)) -> None:
        self._scenarios = {s.name: s for s in scenarios}

    def get(self, name: str) -> Scenario:
        """Return a scenario.

        Raises:
            ScenarioNotSupported: there is none of this name.
        """
        try:
            return self._scenarios[name]
        except KeyError:
            raise ScenarioNotSupported from None

    def for_type(self, resource_type: str) -> tuple[Scenario, ...]:
        """Return the ways in to this type of resource, in order of name."""
        return tuple(s for _, s in sorted(self._scenarios.items()) if resource_type in s.resource_types)

"""The columns of an elevation, shared by JIT requests, Lockbox requests and grants."""

from typing import Any

from sqlalchemy import Row

from openlockbox.domain.elevation import Elevation, Permission


def elevation_row(elevation: Elevation) -> dict[str, Any]:
    """Return the cells of an elevation."""
    return {
        "resource_id": elevation.resource_id,
        "scenario": elevation.scenario,
        "permission": elevation.permission.value,
        "channels": elevation.channels,
        "duration": elevation.duration,
        "justification": elevation.justification,
    }


def elevation_of(row: Row[Any]) -> Elevation:
    """Return the elevation that stands in a row."""
    return Elevation(
        resource_id=row.resource_id,
        scenario=row.scenario,
        permission=Permission(row.permission),
        channels=row.channels,
        duration=row.duration,
        justification=row.justification,
    )

"""The two clocks of a gateway: wall time for what is signed, monotonic time for leases. Nothing else here reads a clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Clock = Callable[[], datetime]  # aware, UTC
Monotonic = Callable[[], float]  # seconds since some fixed moment; must count time spent suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Both, injected together; only the process's main file makes real ones."""

    now: Clock
    monotonic: Monotonic

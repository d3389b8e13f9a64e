"""What a figure was measured on, and how processor time and times are counted. Measures nothing itself."""

import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PACKAGES = ("litestar", "uvicorn", "SQLAlchemy", "psycopg", "cedarpy", "cryptography", "msgspec")


def describe() -> str:
    """Return the machine, the moment and the versions that count."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")) / 1024**2
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} x {processor}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, load average {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="ascii", errors="replace").splitlines()


@dataclass(frozen=True)
class _Process:
    parent: int
    seconds: float  # with those of children that have ended


def _processes() -> dict[int, _Process]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(entry.name)] = _Process(int(fields[1]), sum(map(int, fields[11:15])) / TICK)
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the processor time of these processes and of all their descendants."""
    processes = _processes()
    tree = set(roots)
    while grown := {pid for pid, process in processes.items() if process.parent in tree} - tree:
        tree |= grown
    return sum(processes[pid].seconds for pid in tree if pid in processes)


def busy_seconds() -> float:
    """Return how long all processors together have worked, for whomever."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, _lines("/proc/stat")[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICK


def percentile(times: Sequence[float], share: float) -> float:
    """Return the smallest of the times that at least this share of them do not exceed."""
    ordered = sorted(times)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def verdict(name: str, measured: float, target: float, unit: str, *, at_least: bool) -> str:
    """Say whether a target is met, and by how much it is missed."""
    met = measured >= target if at_least else measured <= target
    sign = ">=" if at_least else "<="
    said = "met" if met else f"MISSED by {abs(measured - target) / target:.0%}"
    return f"target {name} {sign} {target:g} {unit}: {measured:.4g} {unit}, {said}"

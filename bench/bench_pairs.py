"""Create-to-approve pairs a second through HTTP, on SQLite and PostgreSQL, beside the same SQL run raw in the same run.

A pair is three requests with personal tokens: an engineer asks for elevation (POST), an approver reads the Lockbox request
(GET) and approves it by its digest (POST). Rounds of HTTP and raw take turns, so that both meet the same machine.
"""

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import raw
from bench.installation import Installation, installed, web_processes
from bench.machine import busy_seconds, cpu_seconds, describe, percentile, verdict
from openlockbox.testing.postgres import Durability, temporary_postgres

TARGET = 250  # pairs a second, of the issue
TENANTS = 8
CASES = 4  # service requests a tenant, each with an engineer of its own
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Round:
    """One round over HTTP. Processor times in seconds."""

    pairs: int
    seconds: float
    web: float
    database: float
    load: float
    others: float  # of whatever else ran on the machine meanwhile
    times: dict[str, list[float]]


@dataclass(frozen=True)
class Limit:
    """One round of raw SQL."""

    rate: float
    cpu: float  # seconds a pair: of PostgreSQL without pgbench, or of the loop over sqlite3


@dataclass(frozen=True)
class Kind:
    """A database to measure."""

    name: str
    processes: int
    postmaster: int | None
    url: str | None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_load(task: dict[str, Any]) -> dict[str, Any]:
    """Run the load generator once."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def measure(webs: Sequence[int], postmaster: int | None, task: dict[str, Any]) -> Round:
    """Run the load generator once and count processor time around it."""
    database = [] if postmaster is None else [postmaster]
    before = busy_seconds(), cpu_seconds(webs), cpu_seconds(database)
    found = run_load(task)
    busy, web, store = busy_seconds() - before[0], cpu_seconds(webs) - before[1], cpu_seconds(database) - before[2]
    return Round(
        pairs=len(found["times"]["pair"]),
        seconds=found["seconds"],
        web=web,
        database=store,
        load=found["cpu"],
        others=max(0.0, busy - web - store - found["cpu"]),
        times=found["times"],
    )


@contextlib.contextmanager
def postgres(processes: int) -> Iterator[Kind]:
    with temporary_postgres(durability=Durability.FULL) as server:
        postmaster = int((server.directory / "data" / "postmaster.pid").read_text().split()[0])
        yield Kind("PostgreSQL", processes, postmaster, server.url(server.create_database()))


@contextlib.contextmanager
def sqlite(processes: int) -> Iterator[Kind]:
    yield Kind("SQLite", processes, None, None)


def bench(kind: Kind, directory: Path, options: argparse.Namespace) -> None:
    """Measure one database and print what came of it."""
    with installed(directory, database_url=kind.url, tenants=TENANTS, cases=CASES) as made:
        pairs = raw.catch_pairs(made.lockbox, made.cases[::CASES])
        transactions, statements = pairs[0].size
        ports = [free_port() for _ in range(kind.processes)]
        rounds, limits = [], []
        with web_processes(made.settings_file, ports) as webs:
            task = {"ports": ports, "cases": made.cases, "clients": options.clients, "seconds": options.seconds}
            run_load(task | {"seconds": options.seconds / 2, "seed": 0})  # warms up
            for number in range(1, options.rounds + 1):
                rounds.append(measure(webs, kind.postmaster, task | {"seed": number}))
                limits.append(run_raw(kind, made, pairs, directory, options, seed=number))
                raw.mend_logs(made.lockbox)
    report(kind, rounds, limits, f"{transactions} transactions, {statements} statements a pair")


def run_raw(
    kind: Kind,
    made: Installation,
    pairs: Sequence[raw.Pair],
    directory: Path,
    options: argparse.Namespace,
    *,
    seed: int,
) -> Limit:
    """Run the same SQL without us."""
    seconds = max(1, options.seconds // 2)
    if kind.url is None or kind.postmaster is None:
        file = made.settings_file.with_name("lockbox.db")
        return Limit(*raw.run_sqlite(pairs, file, seconds=seconds, seed=seed))
    scripts = [directory / f"pair-{number}.sql" for number in range(len(pairs))]
    for script, pair in zip(scripts, pairs, strict=True):
        script.write_text(raw.pgbench_script(pair), encoding="utf-8")
    used = cpu_seconds([kind.postmaster])
    rate = raw.run_pgbench(scripts, kind.url, clients=min(options.clients, 8), seconds=seconds, seed=seed)
    return Limit(rate, (cpu_seconds([kind.postmaster]) - used) / (rate * seconds))


def report(kind: Kind, rounds: Sequence[Round], limits: Sequence[Limit], size: str) -> None:
    """Print the figures of one database; rates are medians over the rounds."""
    processes = "process" if kind.processes == 1 else "processes"
    print(f"\n{kind.name}, {kind.processes} web {processes}, {TENANTS} tenants; {size}")
    rates = [r.pairs / r.seconds for r in rounds]
    rate, limit = statistics.median(rates), statistics.median(one.rate for one in limits)
    ratios = [r / one.rate for r, one in zip(rates, limits, strict=True)]
    total = sum(r.pairs for r in rounds)
    share = {
        name: sum(getattr(r, name) for r in rounds) / total * 1000 for name in ("web", "database", "load", "others")
    }
    print(f"  pairs/s through HTTP   {rate:7.1f}   rounds: {' '.join(f'{r:.0f}' for r in rates)}")
    print(f"  pairs/s raw SQL        {limit:7.1f}   rounds: {' '.join(f'{one.rate:.0f}' for one in limits)}")
    print(f"  ratio HTTP / raw       {statistics.median(ratios):7.3f}   rounds: {' '.join(f'{r:.3f}' for r in ratios)}")
    print(
        f"  CPU ms a pair          web {share['web']:.2f}, database {share['database']:.2f}, "
        f"load generator apart {share['load']:.2f} (others on this machine {share['others']:.2f})"
    )
    raw_cpu = statistics.median(one.cpu for one in limits) * 1000
    print(f"  CPU ms a pair, raw     {'sqlite3 loop' if kind.url is None else 'database'} {raw_cpu:.2f}")
    for step in ("create", "read", "approve", "pair"):
        times = [t for r in rounds for t in r.times[step]]
        print(f"  {step:8} p50 {percentile(times, 0.5) * 1000:6.1f} ms, p99 {percentile(times, 0.99) * 1000:6.1f} ms")
    print(f"  {verdict(kind.name, rate, TARGET, 'pairs/s', at_least=True)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; shows only that the benchmark works")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of a round over HTTP")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--processes", type=int, default=1, help="web processes on PostgreSQL")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    print(describe())
    kinds = {"sqlite": sqlite(1), "postgresql": postgres(options.processes)}
    for name, kind in kinds.items():
        if options.only in {None, name}:
            with tempfile.TemporaryDirectory(prefix="lockbox-bench-") as directory, kind as entered:
                bench(entered, Path(directory), options)


if __name__ == "__main__":
    main()

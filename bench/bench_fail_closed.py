"""How fast a gateway closes everything when it loses its control plane or the time.

Needs root: the gateway runs in a network namespace. `python -m bench.bench_fail_closed [--quick]` prints the seconds from the fault to
the end of a live session, and what a new connection gets.
"""

import argparse
import asyncio
from collections.abc import Callable
from datetime import timedelta

from bench.machine import describe
from tests.integration.gateway.cutoff.network import Site, site

FAULTS: dict[str, Callable[[Site], Callable[[], None]]] = {
    "cable cut": lambda here: here.cut,
    "portal stopped": lambda here: here.stop_web,
    "clock + 1 min": lambda here: lambda: here.step_clock(timedelta(minutes=1)),
    "clock - 1 min": lambda here: lambda: here.step_clock(timedelta(minutes=-1)),
    "clock past the end": lambda here: lambda: here.step_clock(timedelta(hours=2)),
}


async def measure(name: str, rounds: int) -> None:
    """Measure one fault, each round with a gateway of its own."""
    seconds, ends, answers = [], set(), set()
    for _ in range(rounds):
        async with site() as here:
            ended, took = await here.time_to_close(FAULTS[name](here))
            seconds.append(took)
            ends.add(ended.removeprefix("ended "))
            answers.add(await here.refusal())
    shown = ", ".join(f"{value:.2f}" for value in sorted(seconds))
    print(f"{name:20} {shown} s   ended: {', '.join(sorted(ends))}   new: {', '.join(sorted(answers))}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round each, to see that it works")
    rounds = 1 if parser.parse_args().quick else 5
    print(describe())
    for name in FAULTS:
        asyncio.run(measure(name, rounds))


if __name__ == "__main__":
    main()

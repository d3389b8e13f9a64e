"""Writes docs/spec/lifecycle.md from the transition tables in the domain. Run it after changing a table; a test compares."""

import sys
from collections.abc import Iterable
from pathlib import Path

from openlockbox.domain.grant import GRANT_TRANSITIONS
from openlockbox.domain.jit_request import JIT_TRANSITIONS
from openlockbox.domain.lockbox_request import REQUEST_TRANSITIONS
from openlockbox.domain.lockdown import LOCK_TRANSITIONS
from openlockbox.domain.session import SESSION_TRANSITIONS

TARGET = Path(__file__).parents[1] / "docs" / "spec" / "lifecycle.md"
HEAD = """# Lifecycles

Generated from the tables in `src/openlockbox/domain/` by `tools/make_lifecycle.py`; do not edit. The database holds the same
tables and refuses every other step by a foreign key on (prior state, state) and by a trigger. Whatever the row says, an
overdue request counts as expired and a grant past its time as ended: the clock decides, the worker writes it down.
"""


def diagram(title: str, first: str, steps: Iterable[tuple[str, str, str]]) -> str:
    """Draw one machine as a Mermaid state diagram."""
    lines = [f"## {title}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [
        f"    {prior} --> {state}: {command}" if command else f"    {prior} --> {state}"
        for prior, command, state in steps
    ]
    return "\n".join([*lines, "```", ""])


def render() -> str:
    """Return the whole document."""
    machines = [
        ("JIT request", "submitted", [(p, c, s) for p, steps in JIT_TRANSITIONS.items() for c, s in steps.items()]),
        (
            "Lockbox request",
            "customer_notified",
            [(p, c, s) for p, steps in REQUEST_TRANSITIONS.items() for c, s in steps.items()],
        ),
        ("Grant", "active", [(p, c, s) for p, steps in GRANT_TRANSITIONS.items() for c, s in steps.items()]),
        ("Lock", "locking", [(p, c, s) for p, steps in LOCK_TRANSITIONS.items() for c, s in steps.items()]),
        ("Session", "pending", [(p, "", s) for p, states in SESSION_TRANSITIONS.items() for s in sorted(states)]),
    ]
    return "\n".join([HEAD, *(diagram(title, first, steps) for title, first, steps in machines)])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")

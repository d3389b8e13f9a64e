"""The domain's literal tables of transitions, flat, as the database keeps them. Adds nothing to them."""

from typing import Final

from openlockbox.domain.grant import GRANT_TRANSITIONS, GrantState
from openlockbox.domain.jit_request import JIT_TRANSITIONS, JitState
from openlockbox.domain.lockbox_request import REQUEST_TRANSITIONS, RequestState
from openlockbox.domain.lockdown import LOCK_TRANSITIONS, LockState
from openlockbox.domain.session import SESSION_TRANSITIONS, SessionState

NEW: Final = "new"  # the pseudo-state before the first one


def transitions() -> frozenset[tuple[str, str, str]]:
    """Return every legal (machine, prior_state, state) of the domain's tables, `new` included."""
    steps = {
        ("jit_request", NEW, JitState.SUBMITTED.value),
        ("lockbox_request", NEW, RequestState.CUSTOMER_NOTIFIED.value),
        ("grant", NEW, GrantState.ACTIVE.value),
        ("session", NEW, SessionState.PENDING.value),
        ("lock", NEW, LockState.LOCKING.value),
    }
    steps |= {("jit_request", p.value, s.value) for p, by in JIT_TRANSITIONS.items() for s in by.values()}
    steps |= {("lockbox_request", p.value, s.value) for p, by in REQUEST_TRANSITIONS.items() for s in by.values()}
    steps |= {("grant", p.value, s.value) for p, by in GRANT_TRANSITIONS.items() for s in by.values()}
    steps |= {("session", p.value, s.value) for p, states in SESSION_TRANSITIONS.items() for s in states}
    steps |= {("lock", p.value, s.value) for p, by in LOCK_TRANSITIONS.items() for s in by.values()}
    return frozenset(steps)

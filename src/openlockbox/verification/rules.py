"""Which rule looks at which entry. Everything else in a log is only hashed and counted. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from openlockbox.verification.accesses import Accesses
from openlockbox.verification.decisions import Decisions, Documents
from openlockbox.verification.findings import Findings
from openlockbox.verification.leaves import Leaf

RULED: Final = frozenset(
    {
        "roster.changed",
        "request.created",
        "request.approved",
        "request.denied",
        "request.expired",
        "request.canceled",
        "grant.issued",
        "grant.revoking",
        "session.started",
        "session.terminated",
        "session.reported",
    }
)


class Rules:
    """The rules on one tenant's log. Leaves come in log order; those of other actions than RULED may be left out."""

    def __init__(
        self, tenant_id: str, *, root: str, documents: Documents, findings: Findings, allow_erased: bool = False
    ) -> None:
        self._findings = findings
        self.decisions = Decisions(tenant_id, root, documents, findings, allow_erased=allow_erased)
        self.accesses = Accesses(tenant_id, self.decisions, findings)
        self._by_action: Mapping[str, Callable[[Leaf], None]] = {
            "roster.changed": self.decisions.roster_changed,
            "request.created": self.decisions.created,
            "request.approved": self.decisions.decided,
            "request.denied": self.decisions.decided,
            "request.expired": self.decisions.closed,
            "request.canceled": self.decisions.closed,
            "grant.issued": self.accesses.issued,
            "grant.revoking": self.accesses.revoking,
            "session.started": self.accesses.started,
            "session.terminated": self.accesses.terminated,
            "session.reported": self.accesses.terminated,
        }

    def take(self, leaf: Leaf) -> None:
        """Look at one entry. A forged one may hold anything, so what cannot be read is a finding too."""
        rule = self._by_action.get(leaf.action)
        if rule is None:
            return
        try:
            rule(leaf)
        except (ValueError, OverflowError) as error:  # a time that is none, a date beyond the calendar
            self._findings.add("entry_malformed", leaf.index, f"{leaf.action} cannot be read ({error}).")

    def finish(self, as_of: datetime) -> None:
        """Look at what is still open, as of the time at which the log was read."""
        self.accesses.finish(as_of)

"""Delivers what the outbox holds, at least once. Never sends inside a transaction, and never decides what a mail says.

A row is claimed in one short transaction, which already writes down when the next try is due; then it is sent; then a
second transaction notes how that went. A crash at any point leaves a row that becomes due again: nothing is lost, and the
worst is a second copy with the same Message-ID, which mail programs show once. The other order, or sending inside the
claim's transaction, would hold SQLite's only write lock for as long as a mail server likes to take.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from openlockbox.domain.errors import NotFound
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.ports import Database, OutboxRow

log = logging.getLogger(__name__)

BATCH: Final = 20  # rows a call; the worker calls again at once while rows were due
FIRST_RETRY: Final = timedelta(seconds=30)
LAST_RETRY: Final = timedelta(hours=1)
CLAIM: Final = timedelta(minutes=5)  # longer than any SMTP conversation within its timeouts
COUNTS_PER_TRY: Final = 2  # the claim counts, and so does noting the failure
LONGEST_ERROR: Final = 500


class MailRefused(Exception):
    """Never to be accepted: an address that does not exist, a message that the server rejects for good."""


class MailDelayed(Exception):
    """It could not be sent now; nothing says that it cannot be sent later."""


class Mailer(Protocol):
    """Sends one mail. Returns only when a server has taken responsibility for it."""

    def send(self, recipient: Principal, template: str, values: Mapping[str, str], *, key: str) -> None:
        """Render in the recipient's language and zone, and send. The same `key` gives the same Message-ID.

        Raises:
            MailRefused: never accepted.
            MailDelayed: not now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one call did."""

    sent: int = 0
    delayed: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows were due."""
        return self.sent + self.delayed + self.refused


def back_off(attempts: int) -> timedelta:
    """Return the wait after a failed try; `attempts` as the row had it before that try."""
    doublings = min(attempts // COUNTS_PER_TRY, 16)
    return min(FIRST_RETRY * (1 << doublings), LAST_RETRY)


def deliver_due(database: Database, mailer: Mailer, *, clock: Callable[[], datetime], limit: int = BATCH) -> Delivered:
    """Send at most `limit` mails that are due. Safe to run in any number of workers; one bad row does not hold up others."""
    result = Delivered()
    for _ in range(limit):
        claimed = _claim(database, clock())
        if claimed is None:
            break
        row, recipient = claimed
        try:
            _send(mailer, row, recipient)
        except MailRefused as error:
            log.warning("mail.refused", extra={"key": row.key, "template": row.template, "error": str(error)})
            _give_up(database, row, error, clock())
            result = replace(result, refused=result.refused + 1)
        except MailDelayed as error:
            log.warning("mail.delayed", extra={"key": row.key, "template": row.template, "error": str(error)})
            _try_later(database, row, error, clock())
            result = replace(result, delayed=result.delayed + 1)
        else:
            with database.unit_of_work() as uow:
                uow.outbox.mark_done(row.key, at=clock())
                uow.commit()
            result = replace(result, sent=result.sent + 1)
    return result


def _claim(database: Database, now: datetime) -> tuple[OutboxRow, Principal | None] | None:
    with database.unit_of_work() as uow:
        rows = uow.outbox.due(now, limit=1)
        if not rows:
            return None
        row = rows[0]
        uow.outbox.retry(row.key, due_at=now + max(CLAIM, back_off(row.attempts)), error="being sent")
        try:
            recipient = uow.principals.get(row.recipient)
        except NotFound:
            recipient = None
        uow.commit()
    return row, recipient


def _send(mailer: Mailer, row: OutboxRow, recipient: Principal | None) -> None:
    # Read at the time of sending: who has left meanwhile learns nothing more.
    if recipient is None or recipient.state is not PrincipalState.ACTIVE:
        raise MailRefused("the recipient's account does not exist or is disabled")
    mailer.send(recipient, row.template, row.values, key=row.key)


def _try_later(database: Database, row: OutboxRow, error: MailDelayed, now: datetime) -> None:
    with database.unit_of_work() as uow:
        uow.outbox.retry(row.key, due_at=now + back_off(row.attempts), error=str(error)[:LONGEST_ERROR])
        uow.commit()


def _give_up(database: Database, row: OutboxRow, error: MailRefused, now: datetime) -> None:
    with database.unit_of_work() as uow:
        uow.outbox.retry(row.key, due_at=now, error=str(error)[:LONGEST_ERROR])  # the error stays with the row
        uow.outbox.mark_done(row.key, at=now)
        uow.commit()

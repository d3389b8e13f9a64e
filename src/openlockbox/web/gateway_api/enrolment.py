"""Counts tries to enrol, in the database, so over all web processes. A code has 256 bits; this only keeps the log and CPU quiet."""

import hashlib
from datetime import timedelta
from typing import Final

from openlockbox.domain.errors import Throttled
from openlockbox.services.work import Lockbox

WINDOW: Final = timedelta(minutes=15)
TRIES: Final = 20


def count_enrolment(lockbox: Lockbox, source: str) -> None:
    """Count a try from this network address, committed whatever happens next.

    Raises:
        Throttled: too many.
    """
    key = hashlib.sha256(f"enrol:{source}".encode()).hexdigest()
    with lockbox.database.unit_of_work() as uow:
        tries = uow.identity.count_attempt(key, at=lockbox.clock(), window=WINDOW)
        uow.commit()
    if tries > TRIES:
        raise Throttled

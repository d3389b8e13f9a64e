"""Step-up: acts on keys want a second factor that is at most ten minutes old. Knows no method; see `passkeys` for those."""

from datetime import timedelta
from typing import Final

from openlockbox.domain.errors import StepUpRequired
from openlockbox.services.work import Work

STEP_UP_TIME: Final = timedelta(minutes=10)


def check_stepped_up(work: Work) -> None:
    """Let only somebody on who showed a second factor in the last ten minutes, in the portal.

    Raises:
        StepUpRequired: it is older, or the caller is a personal token, which has none of its own.
    """
    shown = work.caller.mfa_at
    if shown is None or work.caller.via != "portal" or work.now - shown > STEP_UP_TIME:
        raise StepUpRequired

"""Looks into a checkpoint before it is verified, only to know how much there is to read. Pure."""

import base64
import binascii
import re
from typing import Final

from openlockbox.activitylog.note import Checkpoint, NoteRefused

_HEAD: Final = re.compile(r"([^\n]{1,2000})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n\n")


def peek_checkpoint(note: str) -> Checkpoint:
    """Return what a checkpoint states, its signatures NOT looked at.

    Raises:
        NoteRefused: `checkpoint_malformed`.
    """
    head = _HEAD.match(note)
    if head is None:
        raise NoteRefused("checkpoint_malformed", "it has no origin, size and root")
    try:
        return Checkpoint(origin=head[1], size=int(head[2]), root=base64.b64decode(head[3], validate=True))
    except binascii.Error as error:
        raise NoteRefused("checkpoint_malformed", "root") from error

"""Reads a checkpoint before it is verified, to know how much there is to read. Verification is `openlockbox.verification`'s."""

from openlockbox.activitylog.note import Checkpoint, NoteRefused, origin_of, peek_checkpoint
from openlockbox.verification.findings import printable


class MirrorRefused(Exception):
    """What a mirror or a witness does not take. `code` is stable; the sentence names what was found."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code, self.sentence = code, printable(sentence)
        super().__init__(f"{code}: {self.sentence}")


def read_note(note: str, tenant_id: str) -> Checkpoint:
    """Read origin, size and root of a checkpoint of this organization's log. Its signatures are not looked at.

    Raises:
        MirrorRefused: `checkpoint_malformed`, `origin_differs`.
    """
    try:
        checkpoint = peek_checkpoint(note)
    except NoteRefused as error:
        raise MirrorRefused("checkpoint_malformed", f"The checkpoint cannot be read ({error}).") from error
    if checkpoint.origin != origin_of(tenant_id):
        raise MirrorRefused("origin_differs", f"The checkpoint is of another log, {checkpoint.origin!r}.")
    return checkpoint

"""The audit of a whole log, streamed: indices, hashes, tree, checkpoint, personal values, and the rules. Pure; `as_of` is an argument.

Numbered steps, so that docs/guide/auditor.md can name them:
 1. Every leaf is one, of this tenant, and its index is its place. 2. The leaves make the checkpoint's root.
 3. The checkpoint is signed by the log's key, which the pin or the pinned roster names. 4. Witnesses, where the roster asks for them.
 5. Opened values fit their commitments. 6. Documents fit their digests, and the rules hold (`rules`).
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from openlockbox.activitylog.note import (
    Checkpoint,
    NoteRefused,
    cosignatures,
    open_checkpoint,
    origin_of,
    peek_checkpoint,
)
from openlockbox.verification.accesses import CLOCKS, unchecked
from openlockbox.verification.decisions import Documents, instant
from openlockbox.verification.findings import Findings, Report
from openlockbox.verification.leaves import LeafRefused, Shape, check_text, read_leaf, read_opened, read_shape
from openlockbox.verification.personal import check_opened
from openlockbox.verification.pin import Pin
from openlockbox.verification.roots import WIDTH, LogTree
from openlockbox.verification.rules import RULED, Rules

WITNESS_TIME: Final = timedelta(hours=24)  # how long the end of a log may be without a witness
_RULED = frozenset(action.encode() for action in RULED)
_sha256 = hashlib.sha256


@dataclass(slots=True)
class Notes:
    """The signed notes that came with a log: its checkpoint, and the newest one with the witnesses' cosignatures, if any."""

    checkpoint: str
    witnessed: str = ""
    sizes: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        found = set()
        for note in (self.checkpoint, self.witnessed):
            with suppress(NoteRefused):
                found.add(peek_checkpoint(note).size)
        self.sizes = frozenset(found)


class LogAudit:
    """Takes a log bundle by bundle, in order, then says what it found."""

    def __init__(
        self, tenant_id: str, *, pin: Pin, documents: Documents, notes: Notes, allow_erased: bool = False
    ) -> None:
        self.findings = Findings()
        self._tenant_id, self._tenant, self._pin, self._notes = tenant_id, tenant_id.encode(), pin, notes
        self._tree = LogTree(wanted=notes.sizes)
        self._rules = Rules(
            tenant_id, root=pin.roster_root, documents=documents, findings=self.findings, allow_erased=allow_erased
        )
        self._erased = 0
        self._latest = b""
        self._begins: dict[int, str] = {}  # the times of the first entries behind the notes' sizes
        if pin.tenant_id not in {"", tenant_id}:
            self.findings.add("tenant_differs", None, f"The pin is {pin.tenant_id}'s, the log {tenant_id}'s.")

    def take(self, leaves: Sequence[bytes], opened: bytes | str) -> None:
        """Take the next bundle of at most 256 leaves; `opened` is the JSON beside it."""
        first = self._tree.size
        self._tree.add([_sha256(b"\x00" + leaf).digest() for leaf in leaves])
        shapes = self._shapes(leaves, first)
        self._check_times(shapes)
        try:
            self._erased += check_opened([shape for _, shape in shapes], read_opened(opened), self.findings)
        except LeafRefused as error:
            self.findings.add("opened_malformed", first, f"Beside the bundle from here on: {error.detail}.")
        for leaf, shape in shapes:
            if shape.action in _RULED:
                try:
                    self._rules.take(read_leaf(leaf))
                except LeafRefused as error:  # the quick look passes over doubled names
                    self.findings.add(error.code, int(shape.place), f"What stands here is no entry: {error.detail}.")

    def _check_times(self, shapes: Sequence[tuple[bytes, Shape]]) -> None:
        """Name entries of an older time than one before them, but for what clocks differ: they were written in later."""
        latest = self._latest
        for _, shape in shapes:
            if shape.at >= latest:
                latest = shape.at
                continue
            try:
                is_back = instant(shape.at.decode()) < instant(latest.decode()) - CLOCKS
            except (ValueError, OverflowError):
                is_back = True
            if is_back:
                sentence = f"The entry is of {shape.at.decode()}, one before it of {latest.decode()}."
                self.findings.add("time_backwards", int(shape.place), sentence)
        self._latest = latest
        for size in self._notes.sizes:
            if self._tree.size - WIDTH <= size < self._tree.size:
                times = [shape.at.decode() for _, shape in shapes if int(shape.place) == size]
                self._begins.update((size, time) for time in times)

    def _shapes(self, leaves: Sequence[bytes], first: int) -> list[tuple[bytes, Shape]]:
        """Read the leaves, quickly where all of them are some; otherwise one by one, to name those that are none."""
        try:
            check_text(b"".join(leaves))
            shapes = list(zip(leaves, map(read_shape, leaves), strict=True))
        except LeafRefused:
            return self._shapes_one_by_one(leaves, first)
        for index, (_, shape) in enumerate(shapes, first):
            if int(shape.place) != index or shape.tenant != self._tenant:
                self._check_place(index, shape)
        return shapes

    def _check_place(self, index: int, shape: Shape) -> None:
        if int(shape.place) != index:
            self.findings.add("index_gap", index, f"In the place of entry {index} stands entry {int(shape.place)}.")
        if shape.tenant != self._tenant:
            self.findings.add("tenant_differs", index, "The entry is of another organization's log.")

    def _shapes_one_by_one(self, leaves: Sequence[bytes], first: int) -> list[tuple[bytes, Shape]]:
        shapes = []
        for index, leaf in enumerate(leaves, first):
            try:
                shape = read_leaf(leaf).shape()
            except LeafRefused as error:
                self.findings.add(error.code, index, f"What stands here is no entry: {error.detail}.")
                continue
            shapes.append((leaf, shape))
            self._check_place(index, shape)
        return shapes

    def finish(self, as_of: datetime) -> Report:
        """Check the end of the log and return the report. `as_of` is when the log was read."""
        self._rules.finish(as_of)
        decisions, accesses, findings = self._rules.decisions, self._rules.accesses, self.findings
        roster = decisions.roster
        if roster is None and self._pin.roster_root:
            findings.add("roster_missing", None, "A roster is pinned, and the log has none.")
        keys = self._pin.log_keys if roster is None or not self._pin.roster_root else roster.log_keys
        checked = self._check_note(self._notes.checkpoint, keys, "checkpoint")
        if checked is not None and checked.size != self._tree.size:
            sentence = f"The checkpoint is over {checked.size} entries, here are {self._tree.size}."
            findings.add("size_differs", None, sentence)
        quorum = 0 if roster is None else roster.witness_quorum
        witnesses = () if roster is None else roster.witnesses
        witnessed = (
            self._check_note(self._notes.witnessed, keys, "witnessed checkpoint") if self._notes.witnessed else None
        )
        seen = [] if witnessed is None else cosignatures(self._notes.witnessed, witnesses)
        if len(seen) < quorum:
            findings.add("witness_missing", None, f"The roster asks for {quorum} witnesses, {len(seen)} have cosigned.")
        elif quorum and witnessed is not None and witnessed.size < self._tree.size:
            sentence = f"The last {self._tree.size - witnessed.size} entries are not cosigned by a witness yet."
            findings.note("not_yet_witnessed", None, sentence)
            self._check_tail(witnessed.size, as_of)
        if self._erased:
            findings.note("personal_erased", None, f"{self._erased} personal values have been erased.")
        passed = [
            f"{self._tree.size} entries, numbered without a gap, under a signed checkpoint",
            f"{decisions.rosters} versions of the approver roster, each signed by the one before"
            if decisions.rosters
            else "no approver roster in this log",
            f"{len(decisions.requests)} requests; {decisions.signed} decisions signed, {decisions.unsigned} not signed"
            + unchecked(decisions.erased["request.approved"] + decisions.erased["request.denied"]),
            *accesses.passed(),
        ]
        if seen:
            passed.append(f"cosigned by {', '.join(sorted({name for name, _ in seen}))}")
        return findings.report([] if findings.wrong_count else passed)

    def _check_tail(self, size: int, as_of: datetime) -> None:
        """Look at how old the first entry is that no witness has cosigned."""
        try:
            is_old = as_of - instant(self._begins[size]) > WITNESS_TIME
        except (KeyError, ValueError, OverflowError):  # an entry that is none has a finding of its own
            return
        if is_old:
            sentence = f"No witness has cosigned the log from here on, which is of {self._begins[size]}."
            self.findings.add("witness_stale", size, sentence)

    def _check_note(self, note: str, keys: Sequence[str], what: str) -> Checkpoint | None:
        """Check signature, origin and root of a note over this log."""
        try:
            checkpoint = open_checkpoint(note, keys)
            if checkpoint.origin != origin_of(self._tenant_id):
                self.findings.add("origin_differs", None, f"The {what} is of another log, {checkpoint.origin}.")
            if checkpoint.size <= self._tree.size and self._tree.root(checkpoint.size) != checkpoint.root:
                sentence = f"The first {checkpoint.size} entries do not make the root that the {what} states."
                self.findings.add("root_differs", None, sentence)
        except NoteRefused as error:
            self.findings.add("checkpoint_refused", None, f"The {what} is not signed by the log's key ({error}).")
            return None
        return checkpoint

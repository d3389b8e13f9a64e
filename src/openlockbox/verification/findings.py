"""What a verification says: findings with a stable code, a place in the log and one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

MOST_KEPT: Final = 200  # a forged log may have a million; the count goes on


def printable(text: str) -> str:
    """Escape what a terminal would obey or hide: control characters, directions, and all else that is not printable."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing (`is_note`). `index` is the entry's, None where it is the whole log's."""

    code: str
    index: int | None
    sentence: str
    is_note: bool = False

    def __str__(self) -> str:
        place = "" if self.index is None else f"entry {self.index}: "
        return printable(f"{place}{self.sentence} [{self.code}]")


@dataclass(slots=True)
class Findings:
    """Collects findings in the order in which they were met."""

    wrong: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    wrong_count: int = 0
    note_counts: dict[str, int] = field(default_factory=dict)

    def add(self, code: str, index: int | None, sentence: str) -> None:
        """Say that something is wrong."""
        self.wrong_count += 1
        if len(self.wrong) < MOST_KEPT or index is None:
            self.wrong.append(Finding(code=code, index=index, sentence=sentence))

    def note(self, code: str, index: int | None, sentence: str) -> None:
        """Say what is no fault but should be known."""
        count = self.note_counts[code] = self.note_counts.get(code, 0) + 1
        if count <= MOST_KEPT:
            self.notes.append(Finding(code=code, index=index, sentence=sentence, is_note=True))

    def report(self, passed: Sequence[str]) -> "Report":
        """Say it all. What concerns the whole log comes first: where its root is wrong, nothing else is worth reading."""
        return Report(
            passed=[printable(sentence) for sentence in passed],
            wrong=sorted(self.wrong, key=lambda finding: finding.index is not None),
            wrong_count=self.wrong_count,
            notes=self.notes,
            note_counts=self.note_counts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result. `passed` are sentences on what was checked and holds; `wrong` begins with the first thing that does not."""

    passed: Sequence[str]
    wrong: Sequence[Finding]
    wrong_count: int
    notes: Sequence[Finding]
    note_counts: dict[str, int]

    @property
    def holds(self) -> bool:
        """Tell whether nothing is wrong."""
        return self.wrong_count == 0

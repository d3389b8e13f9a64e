"""Verifies one evidence file offline, with the customer's pin alone. docs/spec/evidence-format.md is normative. Pure.

The file proves that what it holds stands in the log. That the log holds nothing else is `audit`'s to find out.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import (
    Checkpoint,
    NoteRefused,
    cosignatures,
    open_checkpoint,
    origin_of,
    peek_checkpoint,
)
from openlockbox.activitylog.tree import ProofRefused, verify_consistency, verify_inclusion
from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, parse_canonical
from openlockbox.grants.statement import digest
from openlockbox.verification.accesses import CLOCKS
from openlockbox.verification.decisions import instant
from openlockbox.verification.findings import Findings, Report
from openlockbox.verification.leaves import Leaf, LeafRefused, read_leaf
from openlockbox.verification.personal import check_opened
from openlockbox.verification.pin import Pin
from openlockbox.verification.rules import Rules
from openlockbox.verification.stated import check_stated

TYPE: Final = "openlockbox.evidence"
FORMAT: Final = 1
EXPORTED: Final = "evidence.exported"
MAX_EVIDENCE: Final = 67_108_864
MAX_LEAF: Final = 65_535  # a tlog-tiles entry
_FIELDS: Final = ("type", "format", "tenant_id", "request_id", "checkpoint", "witnessed", "entries", "documents")
_ENTRY: Final = ("leaf", "opened", "proof")
_WITNESSED: Final = ("checkpoint", "consistency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An evidence file, read and not believed."""

    tenant_id: str
    request_id: str
    checkpoint: str
    witnessed: str
    consistency: Sequence[bytes]
    leaves: Sequence[bytes]
    read: Sequence[Leaf]
    opened: Mapping[str, Mapping[str, Mapping[str, str]]]
    proofs: Sequence[Sequence[bytes]]
    documents: Mapping[str, str]


class EvidenceRefused(Exception):
    """A file that is no evidence, or whose evidence does not hold."""

    def __init__(self, code: str, sentence: str, index: int | None = None) -> None:
        self.code, self.sentence, self.index = code, sentence, index
        super().__init__(f"{code}: {sentence}")


def _hashes(items: list[Json]) -> list[bytes]:
    try:
        return [base64.b64decode(item, validate=True) if isinstance(item, str) else b"" for item in items]
    except (binascii.Error, ValueError) as error:
        raise EnvelopeRefused("payload_malformed", "proof") from error


def _opened(value: Json) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    if not isinstance(value, dict):
        raise EnvelopeRefused("payload_malformed", "opened")
    for name, item in value.items():
        fields = Fields(item, ("salt", "value"))
        found[name] = {part: fields.long_text(part, limit=MAX_LEAF) for part in ("salt", "value")}
    return found


def open_evidence(text: str) -> Evidence:
    """Read a file strictly: canonical JSON, exactly the named members, every leaf one.

    Raises:
        EvidenceRefused: `evidence_malformed`.
    """
    if len(text) > MAX_EVIDENCE:
        raise EvidenceRefused("evidence_malformed", "This is no evidence file (too long).")
    try:
        fields = Fields(parse_canonical(text.rstrip("\n").encode()), _FIELDS)
        fields.choice("type", (TYPE,))
        fields.format(FORMAT)
        witnessed = None if fields.value("witnessed") is None else Fields(fields.value("witnessed"), _WITNESSED)
        entries = [Fields(item, _ENTRY) for item in fields.array("entries")]
        leaves = [entry.long_text("leaf", limit=MAX_LEAF).encode() for entry in entries]
        read = [read_leaf(leaf) for leaf in leaves]
        documents = Fields(fields.value("documents"), list(fields.mapping("documents")))
        return Evidence(
            tenant_id=fields.text("tenant_id"),
            request_id=fields.text("request_id"),
            checkpoint=fields.long_text("checkpoint", limit=MAX_LEAF),
            witnessed="" if witnessed is None else witnessed.long_text("checkpoint", limit=MAX_LEAF),
            consistency=[] if witnessed is None else _hashes(witnessed.array("consistency")),
            leaves=leaves,
            read=read,
            opened={str(leaf.index): _opened(entry.value("opened")) for leaf, entry in zip(read, entries, strict=True)},
            proofs=[_hashes(entry.array("proof")) for entry in entries],
            documents={name: documents.long_text(name, limit=MAX_EVIDENCE) for name in fields.mapping("documents")},
        )
    except (EnvelopeRefused, LeafRefused, UnicodeEncodeError) as error:
        raise EvidenceRefused("evidence_malformed", f"This is no evidence file ({error}).") from error


def verify_evidence(text: str, pin: Pin, *, allow_erased: bool = False) -> Report:
    """Check a file in numbered steps. The report's `wrong` has the first thing that does not hold, and ends there.

    1. The form. 2. The pin is this organization's. 3. Entries: in order, of this log, about this request. 4. The approver roster
    from the pinned root. 5. The checkpoint, under a log key that pin or roster names. 6. Every entry's inclusion. 7. Witnesses.
    8. Opened values. 9. Documents. 10. The rules on request, decision, grant and sessions. 11. What the provider states beside them.
    `allow_erased`: documents that the rules need may be missing, and are noted.
    """
    findings, passed = Findings(), []
    try:
        evidence = open_evidence(text)
        passed.append(f"evidence on request {evidence.request_id} of {evidence.tenant_id}")
        _check_entries(evidence, pin)
        rules = _check_roster(evidence, pin, allow_erased=allow_erased)
        passed.append(f"{rules.decisions.rosters} versions of the approver roster, from the pinned root"
                      if rules.decisions.rosters and pin.roster_root else "no approver roster is pinned")  # fmt: skip
        checkpoint = _check_checkpoint(evidence, pin, rules)
        passed.append(f"checkpoint over {checkpoint.size} entries, signed by the log's key")
        _check_inclusion(evidence, checkpoint)
        passed.append(f"{len(evidence.leaves)} entries stand in the log under this checkpoint")
        passed += _check_witnesses(evidence, pin, rules)
        _check_personal(evidence, findings)
        _check_documents(evidence)
        passed.append(f"{len(evidence.documents)} documents are the logged ones")
        passed += _check_rules(evidence, pin, findings, allow_erased=allow_erased)
        check_stated(evidence.read, evidence.documents, evidence.request_id, findings)
        _stop_at(findings)
        passed.append("what the provider states beside them is the logged statement, and agrees with the entries")
    except EvidenceRefused as refusal:
        if not findings.wrong:
            findings.add(refusal.code, refusal.index, refusal.sentence)
    return findings.report(passed)


def _stop_at(findings: Findings) -> None:
    if findings.wrong:
        first = findings.wrong[0]
        del findings.wrong[1:]
        findings.wrong_count = 1
        raise EvidenceRefused(first.code, first.sentence, first.index)


def _check_entries(evidence: Evidence, pin: Pin) -> None:
    if pin.tenant_id not in {"", evidence.tenant_id}:
        raise EvidenceRefused("tenant_differs", f"The pin is {pin.tenant_id}'s, the evidence {evidence.tenant_id}'s.")
    before, latest = -1, ""
    for leaf in evidence.read:
        if leaf.tenant != evidence.tenant_id:
            raise EvidenceRefused("tenant_differs", "The entry is of another organization's log.", leaf.index)
        if leaf.index <= before:
            raise EvidenceRefused("entries_unordered", "The entries are not in the log's order.", leaf.index)
        if leaf.at < latest and instant(leaf.at) < instant(latest) - CLOCKS:
            raise EvidenceRefused("time_backwards", "The entry is of an earlier time than one before it.", leaf.index)
        before, latest = leaf.index, max(leaf.at, latest)
    subject = f"request:{evidence.request_id}"
    if not any(leaf.action == "request.created" and leaf.subject == subject for leaf in evidence.read):
        raise EvidenceRefused("request_missing", f"There is no entry that creates {evidence.request_id}.")


def _check_roster(evidence: Evidence, pin: Pin, *, allow_erased: bool) -> Rules:
    findings = Findings()
    rules = _rules(evidence, pin, findings, allow_erased=allow_erased)
    for leaf in evidence.read:
        if leaf.action == "roster.changed":
            rules.take(leaf)
    _stop_at(findings)
    if pin.roster_root and rules.decisions.roster is None:
        raise EvidenceRefused("roster_missing", "A roster is pinned, and the evidence has none.")
    return rules


def _rules(evidence: Evidence, pin: Pin, findings: Findings, *, allow_erased: bool) -> Rules:
    return Rules(
        evidence.tenant_id,
        root=pin.roster_root,
        documents=evidence.documents.get,
        findings=findings,
        allow_erased=allow_erased,
    )


def _check_checkpoint(evidence: Evidence, pin: Pin, rules: Rules) -> Checkpoint:
    roster = rules.decisions.roster
    keys = pin.log_keys if roster is None or not pin.roster_root else roster.log_keys
    try:
        checkpoint = open_checkpoint(evidence.checkpoint, keys)
        if checkpoint.origin != origin_of(evidence.tenant_id):
            raise EvidenceRefused("origin_differs", f"The checkpoint is of another log, {checkpoint.origin}.")
        if evidence.witnessed:
            witnessed = open_checkpoint(evidence.witnessed, keys)
            verify_consistency(
                witnessed.size, witnessed.root, checkpoint.size, checkpoint.root, list(evidence.consistency)
            )
    except NoteRefused as error:
        raise EvidenceRefused(
            "checkpoint_refused", f"The checkpoint is not signed by the log's key ({error})."
        ) from error
    except ProofRefused as error:
        raise EvidenceRefused(
            "consistency_wrong", f"The checkpoint does not extend the witnessed one ({error})."
        ) from error
    return checkpoint


def _check_inclusion(evidence: Evidence, checkpoint: Checkpoint) -> None:
    for leaf, data, proof in zip(evidence.read, evidence.leaves, evidence.proofs, strict=True):
        try:
            verify_inclusion(hash_leaf(data), leaf.index, checkpoint.size, list(proof), checkpoint.root)
        except ProofRefused as error:
            sentence = f"The entry does not stand in the log under this checkpoint ({error})."
            raise EvidenceRefused("inclusion_wrong", sentence, leaf.index) from error


def _check_witnesses(evidence: Evidence, pin: Pin, rules: Rules) -> list[str]:
    roster = rules.decisions.roster
    if roster is None or not pin.roster_root:
        return []
    # An export is younger than any witness's last look. All that it is about must be under a witnessed checkpoint.
    needed = max(leaf.index for leaf in evidence.read if leaf.action != EXPORTED)
    covering = [
        note for note in (evidence.checkpoint, evidence.witnessed) if note and peek_checkpoint(note).size > needed
    ]
    seen = max((cosignatures(note, roster.witnesses) for note in covering), key=len)
    if len(seen) < roster.witness_quorum:
        sentence = f"The roster asks for {roster.witness_quorum} witnesses, {len(seen)} have cosigned entry {needed}."
        raise EvidenceRefused("witness_missing", sentence)
    return [f"cosigned by {', '.join(sorted(name for name, _ in seen))}"] if seen else []


def _check_personal(evidence: Evidence, findings: Findings) -> None:
    erased = check_opened([leaf.shape() for leaf in evidence.read], evidence.opened, findings)
    _stop_at(findings)
    if erased:
        findings.note("personal_erased", None, f"{erased} personal values have been erased.")


def _check_documents(evidence: Evidence) -> None:
    named = {leaf.document: leaf.index for leaf in evidence.read if leaf.document}
    for sha256, body in evidence.documents.items():
        if sha256 not in named:
            raise EvidenceRefused("document_unknown", f"No entry carries the document {sha256}.")
        if digest(body) != sha256:
            raise EvidenceRefused("document_differs", "The document is not the one that was logged.", named[sha256])


def _check_rules(evidence: Evidence, pin: Pin, findings: Findings, *, allow_erased: bool) -> list[str]:
    rules = _rules(evidence, pin, findings, allow_erased=allow_erased)
    for leaf in evidence.read:
        rules.take(leaf)
    rules.finish(instant(evidence.read[-1].at))
    _stop_at(findings)
    decisions, accesses = rules.decisions, rules.accesses
    how = "signed by a key on the roster" if decisions.signed else "not signed" if decisions.unsigned else "none"
    if decisions.erased["request.approved"] + decisions.erased["request.denied"]:
        how = "not checked, its document is missing"
    return [f"the decision: {how}", *accesses.passed()]

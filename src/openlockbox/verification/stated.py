"""What the provider states beside the entries when evidence is exported: the case, the verdict, recordings, keys. Pure.

It is the document of the entry `evidence.exported`, so it cannot be changed afterwards. What entries say too is compared.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from openlockbox.grants.encoding import EnvelopeRefused, Fields, Json, canonical_bytes, parse_canonical
from openlockbox.verification.findings import Findings
from openlockbox.verification.leaves import Leaf

TYPE: Final = "openlockbox.evidence_statement"
FORMAT: Final = 1
FIELDS: Final = (
    "type", "format", "tenant_id", "request_id", "at", "service_request", "verdict", "recordings", "keys"
)  # fmt: skip


def recordings_of(leaves: Sequence[Leaf]) -> list[Json]:
    """Return what the ends of sessions say about their recordings."""
    return [
        {
            "session": leaf.subject.removeprefix("session:"),
            "sha256": leaf.detail.get("recording_sha256", ""),
            "bytes": leaf.detail.get("recording_bytes", ""),
            "chunks": leaf.detail.get("recording_chunks", ""),
        }
        for leaf in leaves
        if leaf.action in {"session.terminated", "session.reported"}
    ]


def write_stated(document: Mapping[str, Json]) -> str:
    """Write the statement.

    Raises:
        EnvelopeRefused: it would not be read back.
    """
    text = canonical_bytes({"type": TYPE, "format": FORMAT, **document}).decode()
    _open(text)
    return text


def _open(text: str) -> Fields:
    fields = Fields(parse_canonical(text.encode()), FIELDS)
    fields.choice("type", (TYPE,))
    fields.format(FORMAT)
    return fields


def check_stated(leaves: Sequence[Leaf], documents: Mapping[str, str], request_id: str, findings: Findings) -> None:
    """Compare the newest statement in the file with the entries. Erased, it is noted."""
    exported = [leaf for leaf in leaves if leaf.action == "evidence.exported" and leaf.document]
    if not exported or exported[-1] is not leaves[-1]:
        findings.add("statement_missing", None, "The last entry is not the export of this evidence.")
        return
    leaf = exported[-1]
    text = documents.get(leaf.document)
    if text is None:
        findings.note("document_erased", leaf.index, "What the provider stated has been erased.")
        return
    try:
        stated = _open(text)
    except EnvelopeRefused as error:
        findings.add("stated_malformed", leaf.index, f"What the provider stated cannot be read ({error}).")
        return
    same = {
        "organization": stated.value("tenant_id") == leaf.tenant,
        "request": stated.value("request_id") == request_id and leaf.subject == f"request:{request_id}",
        "time": stated.value("at") == leaf.at,
        "recordings": stated.value("recordings") == recordings_of(leaves),
        "service request": _is_shown(stated, leaves, documents, request_id),
    }
    if differing := [name for name, is_same in same.items() if not is_same]:
        findings.add("stated_differs", leaf.index, f"What the provider stated differs in: {', '.join(differing)}.")


def _is_shown(stated: Fields, leaves: Sequence[Leaf], documents: Mapping[str, str], request_id: str) -> bool:
    """Tell whether the case is the one that the approver was shown; nothing to compare where that has been erased."""
    created = next(le for le in leaves if le.action == "request.created" and le.subject == f"request:{request_id}")
    shown = documents.get(created.document)
    if shown is None:
        return True
    case, told = parse_canonical(shown.encode()).get("service_request"), stated.value("service_request")
    return isinstance(case, dict) and isinstance(told, dict) and all(told.get(k) == v for k, v in case.items())

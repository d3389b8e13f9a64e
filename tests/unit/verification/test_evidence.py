"""An evidence file holds as it is; whatever is changed in it, the first thing that is wrong is named."""

import base64
import json

import pytest

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import add_signature, cosign, witness_key
from openlockbox.activitylog.tree import consistency_proof, root_of
from openlockbox.grants.encoding import b64url, canonical_bytes
from openlockbox.grants.keys import public_bytes
from openlockbox.verification.evidence import verify_evidence
from openlockbox.verification.pin import Pin
from tests.ledger import Ledger, bent, flip, places, signer

OTHER = signer(99)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    made = Ledger()
    made.roster()
    made.access(1)
    made.access(2)
    return made


@pytest.fixture(scope="module")
def text(ledger) -> str:
    return ledger.evidence("LBX-1")


def code_of(document: object, pin: Pin) -> str:
    """Return the code of the first thing wrong, "" where nothing is."""
    written = document if isinstance(document, str) else canonical_bytes(document).decode()
    report = verify_evidence(written, pin)
    assert len(report.wrong) == report.wrong_count <= 1
    return report.wrong[0].code if report.wrong else ""


def test_honest_evidence_holds(ledger, text):
    report = verify_evidence(text, ledger.pin())
    assert report.wrong == []
    assert "the decision: signed by a key on the roster" in report.passed


def test_evidence_of_an_organization_without_a_roster_holds_under_the_logs_key():
    ledger = Ledger()
    ledger.access()
    report = verify_evidence(ledger.evidence(), ledger.pin())
    assert report.wrong == []
    assert [note.code for note in report.notes] == ["not_signed"]
    assert code_of(ledger.evidence(), Pin(roster_root="0" * 64)) == "roster_missing"


@pytest.mark.parametrize("step", range(1, 6))
def test_evidence_holds_at_every_stage_of_a_request(step):
    ledger = Ledger()
    ledger.roster()
    for act in (ledger.request, ledger.decide, ledger.grant, ledger.session, ledger.end)[:step]:
        act()
    assert code_of(ledger.evidence(), ledger.pin()) == ""


def test_each_field_flipped_is_named(ledger, text):
    document = json.loads(text)
    found = {path: code_of(bent(document, path, flip), ledger.pin()) for path in places(document)}
    assert len(found) > 50
    assert [path for path, code in found.items() if not code] == []
    assert found["tenant_id",] == "tenant_differs"
    assert found["request_id",] == "request_missing"
    assert found["checkpoint",] == "checkpoint_refused"
    assert found["entries", 1, "leaf"] in {"inclusion_wrong", "evidence_malformed"}
    assert found["entries", 1, "opened", "actor_name", "value"] == "personal_differs"
    assert found["entries", 1, "proof", 0] == "inclusion_wrong"


def test_each_document_flipped_is_named_or_belongs_to_the_roster(ledger, text):
    document = json.loads(text)
    for name in document["documents"]:
        assert code_of(bent(document, ("documents", name), flip), ledger.pin()) == "document_differs"


def test_each_document_left_out_is_named_unless_allowed(ledger, text):
    document = json.loads(text)
    for name, body in document["documents"].items():
        less = document | {"documents": {k: v for k, v in document["documents"].items() if k != name}}
        kind = json.loads(body).get("type") if body.startswith("{") else ""
        is_stated = kind == "openlockbox.evidence_statement"
        assert code_of(less, ledger.pin()) == ("" if is_stated else "document_missing")
        allowed = verify_evidence(canonical_bytes(less).decode(), ledger.pin(), allow_erased=True)
        assert allowed.holds == (kind != "openlockbox.signed_roster")


def test_each_entry_left_out_is_named_unless_the_rest_stands_without_it(ledger, text):
    document = json.loads(text)
    actions = [json.loads(entry["leaf"])["action"] for entry in document["entries"]]
    found = {}
    for at, action in enumerate(actions):
        entries = document["entries"][:at] + document["entries"][at + 1 :]
        named = {json.loads(entry["leaf"])["document"] for entry in entries}
        documents = {k: v for k, v in document["documents"].items() if k in named}
        found[action] = code_of(document | {"entries": entries, "documents": documents}, ledger.pin())
    assert found == {
        "roster.changed": "roster_missing",
        "request.created": "request_missing",
        "request.approved": "grant_without_approval",
        "grant.issued": "session_without_grant",
        "session.started": "session_without_start",
        "session.terminated": "stated_differs",
        "evidence.exported": "statement_missing",
    }


def test_entries_of_another_order_are_named(ledger, text):
    document = json.loads(text)
    document["entries"][1:3] = document["entries"][2:0:-1]
    assert code_of(document, ledger.pin()) == "entries_unordered"


def test_a_document_that_no_entry_carries_is_named(ledger, text):
    document = json.loads(text)
    document["documents"]["0" * 64] = "extra"
    assert code_of(document, ledger.pin()) == "document_unknown"


@pytest.mark.parametrize("bad", ["", "{}", "[]", "null", "\ud800", '{"type":"openlockbox.evidence"}'])
def test_what_is_no_evidence(ledger, bad):
    assert code_of(bad, ledger.pin()) == "evidence_malformed"


def test_spaces_added_make_it_another_file(ledger, text):
    assert code_of(text.replace(":", ": ", 1), ledger.pin()) == "evidence_malformed"
    assert code_of(text + "\n", ledger.pin()) == ""


def test_another_pin_is_named(ledger, text):
    assert code_of(text, Pin(roster_root="0" * 64)) == "roster_refused"
    assert code_of(text, Pin(tenant_id="pelimoor", roster_root=ledger.pin().roster_root)) == "tenant_differs"
    other = Ledger(seed=9)
    assert code_of(text, Pin(log_keys=(other.vkey,))) == "checkpoint_refused"


def test_the_logs_key_alone_is_a_pin(ledger, text):
    report = verify_evidence(text, Pin(log_keys=(ledger.vkey,)))
    assert report.holds
    assert [note.code for note in report.notes] == ["roster_unpinned"]


def test_a_decision_signed_by_another_key_is_named_though_the_log_holds_it():
    ledger = Ledger()
    ledger.roster()
    ledger.request()
    ledger.decide(signature=b64url(OTHER.sign(b"x")))
    assert code_of(ledger.evidence(), ledger.pin()) == "signature_wrong"


def test_a_decision_by_a_key_that_is_not_on_the_roster_is_named():
    ledger = Ledger()
    ledger.roster()
    ledger.request()
    ledger.decide(key=OTHER)
    assert code_of(ledger.evidence(), ledger.pin()) == "key_not_on_roster"


def test_a_roster_that_asks_for_a_witness_gets_one():
    witness = signer(50)
    ledger = Ledger()
    ledger.roster(witnesses=[witness_key("w1", public_bytes(witness.public_key))], witness_quorum=1)
    ledger.access()
    document = json.loads(ledger.evidence())
    assert code_of(document, ledger.pin()) == "witness_missing"
    note = document["checkpoint"]
    cosigned = add_signature(note, cosign(note, "w1", witness, ledger.now))
    assert code_of(document | {"checkpoint": cosigned}, ledger.pin()) == ""
    witnessed = {"checkpoint": cosigned, "consistency": []}
    assert code_of(document | {"witnessed": witnessed}, ledger.pin()) == ""
    early = ledger.note(3)  # before the grant
    early = add_signature(early, cosign(early, "w1", witness, ledger.now))
    hashes = [hash_leaf(entry["leaf"].encode()) for entry in document["entries"]]
    proof = consistency_proof(3, len(hashes), lambda level, at: root_of(hashes[at << level : (at + 1) << level]))
    old = {"checkpoint": early, "consistency": [base64.b64encode(part).decode() for part in proof]}
    assert code_of(document | {"witnessed": old}, ledger.pin()) == "witness_missing"
    witnessed = {"checkpoint": cosigned, "consistency": ["AAAA"]}
    assert code_of(document | {"witnessed": witnessed}, ledger.pin()) == "consistency_wrong"

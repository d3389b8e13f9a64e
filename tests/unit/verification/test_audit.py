"""The audit of a log: an honest one holds; each way of bending it is found, and found under its name."""

import json
from datetime import timedelta

import pytest

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import add_signature, cosign, witness_key
from openlockbox.grants.encoding import b64url, canonical_bytes
from openlockbox.grants.keys import public_bytes
from openlockbox.grants.statement import digest
from openlockbox.verification.audit import LogAudit, Notes
from openlockbox.verification.findings import Findings, Report
from openlockbox.verification.leaves import LeafRefused, read_leaf, read_shape, split_bundle
from openlockbox.verification.pin import Pin, PinRefused, read_pin, write_pin
from tests.ledger import HOUR, TENANT, Ledger, signer

OTHER = signer(99)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.roster()
    made.request()
    return made


@pytest.fixture
def whole() -> Ledger:
    made = Ledger()
    made.add("sign_in.succeeded", "principal:senna", personal={"actor_name": "Senna", "note": 'a "quoted" word'})
    made.roster()
    made.access(1)
    made.access(2)
    return made


def test_an_honest_log_holds(whole):
    report = whole.audit()
    assert report.wrong == []
    assert report.holds
    assert report.notes == []
    assert "2 requests; 2 decisions signed, 0 not signed" in report.passed


def test_an_honest_log_holds_under_the_logs_key_and_its_root_is_told(whole):
    report = whole.audit(pin=Pin(log_keys=(whole.vkey,)))
    assert report.holds
    assert [note.code for note in report.notes] == ["roster_unpinned"]
    assert digest(whole.rosters[0]) in report.notes[0].sentence


def test_without_a_roster_decisions_are_noted_as_not_signed():
    ledger = Ledger()
    ledger.access()
    report = ledger.audit()
    assert report.holds
    assert [note.code for note in report.notes] == ["not_signed"]


def test_an_empty_log_holds():
    assert Ledger().audit().holds


def test_logs_longer_than_a_bundle_hold():
    ledger = Ledger()
    ledger.roster()
    for number in range(120):
        ledger.access(number)
    assert len(ledger.leaves) > 512
    assert ledger.audit().holds


# ---- the record itself ----------------------------------------------------------------------------------------------


def test_an_entry_edited_under_an_old_checkpoint(whole):
    note = whole.note()
    whole.rewrite(3, actor="principal:orla")
    assert whole.codes(note=note)[0] == "root_differs"


def test_an_entry_removed_under_an_old_checkpoint(whole):
    note = whole.note()
    del whole.leaves[5]
    assert whole.codes(note=note)[0] == "size_differs"
    assert "index_gap" in whole.codes(note=note)


def test_an_entry_removed_and_the_tree_made_anew(whole):
    del whole.leaves[5]
    assert "index_gap" in whole.codes()


def test_a_checkpoint_by_another_key(whole):
    other = Ledger(seed=8)
    whole.log_key = other.log_key
    assert whole.codes() == ["checkpoint_refused"]


def test_the_checkpoint_of_another_organizations_log(whole):
    other = Ledger("pelimoor")
    other.log_key = whole.log_key
    assert whole.codes(note=other.note()) == ["checkpoint_refused"]  # origin and key name are one


def test_entries_of_another_organization(whole):
    whole.rewrite(0, tenant="pelimoor")
    assert whole.codes() == ["tenant_differs"]


def test_the_pin_of_another_organization(whole):
    assert whole.codes(pin=Pin(tenant_id="pelimoor", roster_root=whole.pin().roster_root)) == ["tenant_differs"]


@pytest.mark.parametrize("leaf", [b"{}", b"\xff", b'{"v":1}', b"", b'{"a":"\x01"}', b"[]", b"1"])
def test_what_is_no_leaf(whole, leaf):
    whole.leaves[0] = leaf
    assert whole.codes() == ["leaf_malformed"]


def test_a_personal_value_changed(whole):
    whole.opened["0"]["actor_name"]["value"] = "Orla"
    assert whole.codes() == ["personal_differs"]


@pytest.mark.parametrize("salt", ["", "short", "!" * 22, "é" * 22, "A" * 22])
def test_a_salt_changed(whole, salt):
    whole.opened["0"]["actor_name"]["salt"] = salt
    assert whole.codes() == ["personal_differs"]


def test_a_value_beside_that_was_never_committed(whole):
    whole.opened["0"]["mail"] = {"salt": "A" * 22, "value": "senna@ambertide.example"}
    assert whole.codes() == ["opened_unknown"]


def test_an_erased_value_is_noted(whole):
    del whole.opened["0"]["actor_name"]
    report = whole.audit()
    assert report.holds
    assert [note.code for note in report.notes] == ["personal_erased"]


def allowing(ledger: Ledger) -> Report:
    """Audit where documents may be missing."""
    audit = LogAudit(
        ledger.tenant,
        pin=ledger.pin(),
        documents=ledger.documents.get,
        notes=Notes(checkpoint=ledger.note()),
        allow_erased=True,
    )
    audit.take(ledger.leaves, json.dumps(ledger.opened))
    return audit.finish(ledger.now)


@pytest.mark.parametrize("action", ["request.created", "request.approved", "grant.issued", "session.started"])
def test_a_missing_document_is_wrong_unless_allowed_and_then_counted(whole, action):
    for leaf in map(read_leaf, whole.leaves):
        if leaf.action == action and leaf.subject.endswith("-1"):
            del whole.documents[leaf.document]
    assert whole.codes() == ["document_missing"]
    report = allowing(whole)
    assert report.holds
    assert [note.code for note in report.notes] == ["document_erased"]
    said = "\n".join(report.passed)
    assert ("1 decisions signed, 0 not signed; 1 not checked" in said) == (action == "request.approved")
    assert ("1 grants, each" in said) == (action in {"request.approved", "grant.issued"})
    assert ("1 sessions, each" in said) == (action == "session.started")


def test_a_forged_access_does_not_verify_by_withholding_documents(whole):
    whole.request("LBX-3")
    kept = len(whole.documents)
    whole.decide("LBX-3", signature=b64url(bytes(64)))
    whole.grant("LBX-3", "GRT-3")
    whole.session("SES-3", "GRT-3", key=OTHER)
    whole.end("SES-3", grant="GRT-3")
    whole.documents = dict(list(whole.documents.items())[:kept])
    assert whole.codes() == ["document_missing"] * 3


def test_log_keys_of_a_roster_that_nobody_pinned_are_not_believed(whole):
    pin = Pin(log_keys=(Ledger(seed=8).vkey,))
    assert "checkpoint_refused" in whole.codes(pin=pin)


def test_what_is_printed_has_no_control_characters(whole):
    whole.rewrite(0, tenant="\x1b]0;VERIFIED\x07\u202e")
    report = whole.audit()
    assert report.wrong
    assert all(str(finding).isprintable() for finding in report.wrong)
    whole.add("session.reported", "session:\x1b[2J")
    assert all(str(finding).isprintable() for finding in whole.audit().wrong)
    assert Findings().report(["a\x1b[1Ab"]).passed == ["a\\x1b[1Ab"]


def test_an_entry_of_an_older_time_was_written_in_later(whole):
    whole.now -= timedelta(seconds=50)
    whole.access(3)
    assert whole.codes() == []
    whole.now -= timedelta(days=1)
    whole.add("sign_in.succeeded", "principal:senna")
    assert whole.codes() == ["time_backwards"]


def test_a_document_changed(whole):
    whole.documents[digest(whole.requests["LBX-1"])] += " "
    assert whole.codes()[0] == "document_differs"


# ---- the roster -----------------------------------------------------------------------------------------------------


def test_another_roster_than_the_pinned_one(whole):
    assert "roster_refused" in whole.codes(pin=Pin(roster_root="0" * 64))


def test_a_pinned_roster_that_the_log_does_not_have():
    ledger = Ledger()
    ledger.access()
    codes = ledger.codes(pin=Pin(roster_root="0" * 64, log_keys=(ledger.vkey,)))
    assert codes == ["roster_missing"]


def test_a_roster_that_no_key_of_the_old_one_signed(ledger):
    ledger.roster(keys=[(OTHER, "senna")], by=OTHER)
    assert ledger.codes() == ["roster_refused"]


def test_an_erased_roster_is_wrong(ledger):
    ledger.documents.pop(json.loads(ledger.leaves[0])["document"])
    assert "roster_missing" in ledger.codes()


def test_a_roster_may_grow_by_a_key_on_it(ledger):
    ledger.roster(keys=[(ledger.approver_key, "senna"), (OTHER, "orla")])
    ledger.request("LBX-2")
    ledger.decide("LBX-2", by="orla", key=OTHER)
    assert ledger.audit().wrong == []


# ---- decisions ------------------------------------------------------------------------------------------------------


def test_an_approval_without_a_request(ledger):
    ledger.decide()
    ledger.leaves[2] = ledger.leaves[2].replace(b'"request:LBX-1"', b'"request:LBX-9"')
    assert ledger.codes() == ["decision_without_request"]


def test_an_approval_inserted_without_a_signature(ledger):
    ledger.rosters, kept = [], ledger.rosters
    ledger.decide()
    ledger.rosters = kept
    assert ledger.codes() == ["signature_required"]


def test_a_signature_of_another_statement(ledger):
    ledger.decide(signature=b64url(ledger.approver_key.sign(b"something else")))
    assert ledger.codes() == ["signature_wrong"]


def test_a_key_that_is_not_on_the_roster(ledger):
    ledger.decide(key=OTHER)
    assert ledger.codes() == ["key_not_on_roster"]


def test_a_key_added_after_the_request(ledger):
    ledger.roster(keys=[(ledger.approver_key, "senna"), (OTHER, "senna")])
    ledger.decide(key=OTHER)
    assert ledger.codes() == ["key_added_later"]


def test_a_key_that_was_removed(ledger):
    ledger.roster(keys=[(OTHER, "senna")])
    ledger.decide()
    assert ledger.codes() == ["key_not_on_roster"]


def test_somebody_elses_key(ledger):
    ledger.decide(by="orla")
    assert ledger.codes() == ["key_of_other_person"]


def test_a_request_that_names_a_roster_of_the_future(ledger):
    ledger.request("LBX-2", roster_version=2)
    assert ledger.codes() == ["roster_version_ahead"]


def test_an_approval_after_the_time_to_answer(ledger):
    ledger.now += timedelta(days=5)
    ledger.decide()
    assert ledger.codes() == ["decided_late"]


def test_an_approval_by_nobodys_approver(ledger):
    ledger.roster(keys=[(ledger.approver_key, "mallory")], by=ledger.approver_key)
    ledger.request("LBX-2")
    ledger.decide("LBX-2", by="mallory")
    assert "not_an_approver" in ledger.codes()


def test_an_approval_by_the_requester():
    ledger = Ledger()
    ledger.request()
    ledger.decide(by="idris")
    assert ledger.codes() == ["self_approval"]


def test_a_second_answer(ledger):
    ledger.decide(decision="deny")
    ledger.decide()
    assert ledger.codes() == ["decided_twice"]


def test_an_answer_after_the_expiry(ledger):
    ledger.add("request.expired", "request:LBX-1", actor="clock")
    ledger.decide()
    assert ledger.codes() == ["decided_twice"]


@pytest.mark.parametrize(
    "change, code",
    [
        ({"granted_duration": 3 * HOUR}, "decision_widens"),
        ({"permission": "administrator"}, "decision_widens"),
        ({"channels": ("clipboard",)}, "decision_widens"),
        ({"request_digest": "0" * 64}, "statement_differs"),
        ({"request_id": "LBX-9"}, "statement_differs"),
        ({"roster_version": 0}, "statement_differs"),
    ],
)
def test_a_statement_about_something_else(ledger, change, code):
    ledger.decide(**change)
    assert code in ledger.codes()


def test_a_statement_of_another_time(ledger):
    ledger.decide(at=ledger.now - timedelta(minutes=6))
    assert ledger.codes() == ["statement_too_old"]


def test_a_decision_that_carries_nothing(ledger):
    ledger.decide()
    ledger.rewrite(2, document="")
    assert ledger.codes() == ["document_missing"]


def test_a_request_created_twice(ledger):
    ledger.request()
    assert ledger.codes() == ["request_twice"]


def test_an_entry_that_says_something_else_than_was_displayed(ledger):
    ledger.rewrite(1, detail=json.loads(ledger.leaves[1])["detail"] | {"requester": "wrenna"})
    assert ledger.codes() == ["displayed_differs"]


# ---- grants and sessions --------------------------------------------------------------------------------------------


def test_a_grant_without_an_approval(ledger):
    ledger.decide(decision="deny")
    ledger.decision = ledger.decision
    ledger.grant()
    assert "grant_without_approval" in ledger.codes()


def test_a_second_grant_for_one_approval(whole):
    whole.request("LBX-3")
    whole.decide("LBX-3")
    whole.grant("LBX-3", "GRT-3")
    whole.grant("LBX-3", "GRT-4")
    assert "grant_twice" in whole.codes()


def test_a_grant_that_lasts_longer_than_approved(ledger):
    ledger.decide()
    ledger.grant(duration=2 * HOUR)
    assert "grant_wider" in ledger.codes()


@pytest.mark.parametrize(
    "change",
    [
        {"engineer_id": "wrenna"},
        {"permission": "administrator"},
        {"channels": ("clipboard",)},
        {"gateway_id": "gateway-2"},
        {"resource_id": "/elsewhere"},
    ],
)
def test_a_grant_of_something_else(ledger, change):
    ledger.decide()
    ledger.grant(**change)
    assert set(ledger.codes()) <= {"grant_differs", "grant_wider"}
    assert ledger.codes()


@pytest.fixture
def granted(ledger) -> Ledger:
    ledger.decide()
    ledger.grant()
    return ledger


def test_a_session_without_a_grant(granted):
    granted.session(grant_id="GRT-9")
    assert granted.codes() == ["session_without_grant"]


def test_a_session_after_the_grant(granted):
    granted.now += 2 * HOUR
    granted.session()
    assert granted.codes()[0] == "session_outside_grant"


def test_a_session_after_the_revocation(granted):
    granted.revoke()
    granted.session()
    granted.end()
    assert granted.codes() == ["session_after_revocation"]


def test_a_session_that_the_gateway_did_not_sign(granted):
    granted.session(key=OTHER)
    granted.end()
    assert granted.codes() == ["session_signature_wrong"]


@pytest.mark.parametrize("late", [timedelta(seconds=62), timedelta(seconds=-62), timedelta(days=40)])
def test_a_session_that_the_gateway_signed_for_another_time(granted, late):
    granted.now += timedelta(minutes=5)
    kept = granted.now
    granted.now += late
    granted.session()
    document = granted.documents[read_leaf(granted.leaves.pop()).document]
    granted.now = kept
    granted.rewrite(granted.session(), document=digest(document))
    granted.end()
    assert granted.codes()[0] == "session_time_differs"


def test_a_session_without_a_signature(granted):
    at = granted.session()
    granted.rewrite(at, document="")
    granted.end()
    assert granted.codes() == ["session_not_signed"]


def test_a_hidden_end_of_a_session(granted):
    granted.session()
    assert granted.codes() == []  # it may be running
    assert granted.codes(as_of=granted.now + 2 * HOUR) == ["session_without_end"]


def test_a_session_that_outlives_its_grant(granted):
    granted.session()
    granted.now += 2 * HOUR
    granted.end()
    assert granted.codes() == ["session_too_long"]


def test_a_session_that_outlives_its_revocation(granted):
    granted.session()
    granted.revoke()
    granted.end(at=granted.now + timedelta(seconds=11))
    assert granted.codes() == ["session_too_long"]


def test_a_session_may_take_ten_seconds_to_be_cut(granted):
    granted.session()
    granted.revoke()
    granted.end(at=granted.now + timedelta(seconds=9))
    assert granted.codes() == []


def test_an_end_that_only_the_control_plane_tells_is_noted_until_the_gateway_does(granted):
    granted.session()
    granted.end(at=granted.now + HOUR, reason="gateway_lost")
    late = granted.now + 3 * HOUR
    report = granted.audit(as_of=late)
    assert report.holds
    assert [note.code for note in report.notes] == ["session_end_unreported"]
    granted.add("session.reported", "session:SES-1", actor="gateway:gateway-1", detail={"ended_at": late.isoformat()})
    assert granted.codes(as_of=late) == ["session_too_long"]


def test_a_session_that_was_recorded_and_never_started(granted):
    granted.end()
    assert granted.codes() == ["session_without_start"]


def test_a_prepared_connection_that_was_given_up_is_no_session(granted):
    granted.end(recording_bytes="0")
    assert granted.codes() == []


@pytest.mark.parametrize("detail", [{"grant": "GRT-1"}, {"ended_at": "yesterday"}, {"ended_at": "2026-11-23T09:00:00"}])
def test_an_end_without_a_time(granted, detail):
    granted.session()
    granted.add("session.terminated", "session:SES-1", detail=detail)
    assert granted.codes() == ["session_malformed"]


# ---- witnesses ------------------------------------------------------------------------------------------------------


def test_a_roster_that_asks_for_a_witness_gets_one():
    witness = signer(50)
    ledger = Ledger()
    ledger.roster(witnesses=[witness_key("w1", public_bytes(witness.public_key))], witness_quorum=1)
    assert ledger.codes() == ["witness_missing"]
    note = ledger.note()
    cosigned = add_signature(note, cosign(note, "w1", witness, ledger.now))
    assert ledger.audit(witnessed=cosigned).holds
    by_another = add_signature(note, cosign(note, "w1", OTHER, ledger.now))
    assert ledger.codes(witnessed=by_another) == ["witness_missing"]
    ledger.access()
    assert ledger.audit(witnessed=cosigned).holds  # over the first entry
    notes = ledger.audit(witnessed=cosigned).notes
    assert [(note.code, "last 5 entries" in note.sentence) for note in notes] == [("not_yet_witnessed", True)]
    assert ledger.codes(witnessed=cosigned, as_of=ledger.now + timedelta(hours=25)) == ["witness_stale"]
    ledger.rewrite(0, actor="principal:mallory")
    assert "root_differs" in ledger.codes(witnessed=cosigned)


# ---- readers --------------------------------------------------------------------------------------------------------


def test_the_quick_reader_reads_as_the_strict_one(whole):
    for leaf in whole.leaves:
        assert read_shape(leaf) == read_leaf(leaf).shape()


@pytest.mark.parametrize("bad", [b"\x00\x05abc", b"\x00", b"\x00\x00"])
def test_a_bundle_that_ends_inside_a_leaf(bad):
    with pytest.raises(LeafRefused):
        split_bundle(bad)


def test_bundles_are_taken_apart(whole):
    data = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in whole.leaves)
    assert split_bundle(data) == whole.leaves
    assert hash_leaf(split_bundle(data)[0]) == hash_leaf(whole.leaves[0])


def test_a_pin_is_read_as_it_was_written(whole):
    pin = whole.pin()
    assert read_pin(write_pin(pin)) == pin
    assert read_pin(pin.roster_root) == Pin(roster_root=pin.roster_root)
    assert read_pin(whole.vkey + "\n") == Pin(log_keys=(whole.vkey,))


@pytest.mark.parametrize(
    "text", ["", "{}", "hello", "x" * 64, '{"format":1}', canonical_bytes({"type": TENANT}).decode()]
)
def test_what_pins_nothing(text):
    with pytest.raises(PinRefused):
        read_pin(text)

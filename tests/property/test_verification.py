"""Whatever is done to an honest log under its own checkpoint is found; the quick reader and the strict one agree; nothing crashes."""

import json
from contextlib import suppress
from functools import cache

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.tree import root_of
from openlockbox.grants.encoding import canonical_bytes
from openlockbox.verification.audit import LogAudit, Notes
from openlockbox.verification.evidence import verify_evidence
from openlockbox.verification.leaves import LeafRefused, check_text, read_leaf, read_shape
from openlockbox.verification.pin import Pin, PinRefused, read_pin
from openlockbox.verification.roots import LogTree
from tests.ledger import Ledger

TEXT = st.text(max_size=20)


@cache
def honest() -> Ledger:
    ledger = Ledger()
    ledger.roster()
    ledger.access(1)
    ledger.access(2)
    return ledger


@cache
def honest_evidence() -> str:
    ledger = Ledger()
    ledger.roster()
    ledger.access(1)
    return ledger.evidence()


def audited(leaves: list[bytes], opened: str) -> list[str]:
    ledger = honest()
    audit = LogAudit(
        ledger.tenant, pin=ledger.pin(), documents=ledger.documents.get, notes=Notes(checkpoint=ledger.note())
    )
    audit.take(leaves, opened)
    return [finding.code for finding in audit.finish(ledger.now).wrong]


OPENED = json.dumps(honest().opened)


def test_the_log_as_it_is_holds():
    assert audited(honest().leaves, OPENED) == []


@given(data=st.data(), bit=st.integers(0, 7))
@settings(max_examples=300)
def test_one_bit_of_an_entry(data, bit):
    leaves = list(honest().leaves)
    at = data.draw(st.integers(0, len(leaves) - 1))
    place = data.draw(st.integers(0, len(leaves[at]) - 1))
    leaves[at] = leaves[at][:place] + bytes([leaves[at][place] ^ 1 << bit]) + leaves[at][place + 1 :]
    # The pin names the roster, and the roster the log's key: without the roster there is nothing to check a root against.
    assert audited(leaves, OPENED)[0] in ({"root_differs"} if at else {"root_differs", "roster_missing"})


@given(data=st.data())
def test_entries_in_another_order_or_fewer(data):
    leaves = data.draw(st.permutations(honest().leaves))
    less = leaves[: data.draw(st.integers(0, len(leaves)))]
    assume(less != honest().leaves)
    assert audited(less, OPENED) != []


@given(hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=700), data=st.data())
@settings(max_examples=50, deadline=None)
def test_roots_are_those_of_the_naive_tree(hashes, data):
    size = data.draw(st.integers(0, len(hashes)))
    tree = LogTree(wanted=frozenset({size}))
    for first in range(0, len(hashes), 256):
        tree.add(hashes[first : first + 256])
    assert tree.root() == root_of(hashes)
    assert tree.root(size) == root_of(hashes[:size])


LEAF = st.fixed_dictionaries(
    {
        "v": st.just(1), "tenant": TEXT, "index": st.integers(0, 2**53 - 1), "at": st.just("2026-11-23T09:00:00.000000Z"),
        "action": TEXT, "operation": TEXT, "actor": TEXT, "subject": TEXT, "resource": TEXT, "correlation": TEXT,
        "detail": st.dictionaries(TEXT, TEXT, max_size=3), "document": st.sampled_from(["", "ab" * 32]),
        "personal": st.dictionaries(TEXT, TEXT, max_size=3),
    }
)  # fmt: skip


@given(leaf=LEAF)
@settings(max_examples=300)
def test_the_quick_reader_reads_what_the_strict_one_reads(leaf):
    data = canonical_bytes(leaf)
    try:
        expected = read_leaf(data).shape()
    except LeafRefused:
        return  # an empty tenant, or the like: the quick one may pass over it, see below
    assert read_shape(data) == expected


@given(leaf=LEAF, data=st.data())
@settings(max_examples=300)
def test_what_the_quick_reader_takes_of_bent_bytes_a_json_reader_reads_too(leaf, data):
    whole = canonical_bytes(leaf)
    place = data.draw(st.integers(0, len(whole) - 1))
    bent = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + data.draw(st.integers(0, 3)) :]
    try:
        check_text(bent)
        shape = read_shape(bent)
    except LeafRefused:
        return
    read = json.loads(bent)
    assert (read["action"].encode(), read["tenant"].encode()) == (shape.action, shape.tenant)
    assert read["index"] == int(shape.place)


@given(text=st.text() | st.text(alphabet='{}[]":,0123456789abcdef'))
def test_no_text_crashes_the_evidence_reader_or_the_pin(text):
    assert not verify_evidence(text, honest().pin()).holds
    with suppress(PinRefused):
        read_pin(text)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_change_of_an_evidence_file_goes_unseen(data):
    text = honest_evidence()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii"))
    assume(letter != text[place])
    report = verify_evidence(text[:place] + letter + text[place + 1 :], honest().pin())
    assert report.wrong_count == 1


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT, lambda v: st.lists(v) | st.dictionaries(TEXT, v)
    )
)
def test_no_opened_fields_crash_the_audit(value):
    try:
        audited(honest().leaves, json.dumps(value))
    except ValueError as error:
        raise AssertionError from error


@given(leaves=st.lists(st.binary(max_size=40), max_size=5), pin=st.sampled_from(["0" * 64]))
def test_no_leaves_crash_the_audit(leaves, pin):
    audit = LogAudit("ambertide", pin=Pin(roster_root=pin), documents=lambda _: None, notes=Notes(checkpoint=""))
    audit.take(leaves, "{}")
    assert not audit.finish(honest().now).holds
    assert all(hash_leaf(leaf) for leaf in leaves)

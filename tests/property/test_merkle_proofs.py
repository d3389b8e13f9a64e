"""Roots and proofs of the log's tree against the definitions of RFC 6962, written down as they stand there."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlockbox.activitylog.tree import (
    CompactRange,
    ProofRefused,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SMALL = 64
LARGE = 5_000
HASHES = [hashlib.sha256(b"\x00%d" % number).digest() for number in range(LARGE)]


def split(size):
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def naive_root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = split(len(hashes))
    return hashlib.sha256(b"\x01" + naive_root(hashes[:half]) + naive_root(hashes[half:])).digest()


def naive_path(index, hashes):
    if len(hashes) == 1:
        return []
    half = split(len(hashes))
    if index < half:
        return [*naive_path(index, hashes[:half]), naive_root(hashes[half:])]
    return [*naive_path(index - half, hashes[half:]), naive_root(hashes[:half])]


def naive_subproof(old, hashes, *, known):
    if old == len(hashes):
        return [] if known else [naive_root(hashes)]
    half = split(len(hashes))
    if old <= half:
        return [*naive_subproof(old, hashes[:half], known=known), naive_root(hashes[half:])]
    return [*naive_subproof(old - half, hashes[half:], known=False), naive_root(hashes[:half])]


def read(level, index):
    return naive_root(HASHES[index << level : (index + 1) << level])


@pytest.fixture(scope="module")
def roots():
    tree, roots = CompactRange(), [naive_root([])]
    for leaf_hash in HASHES:
        tree.append(leaf_hash)
        roots.append(tree.root())
    return roots


@pytest.mark.parametrize("size", range(SMALL + 1))
def test_root_and_all_proofs_of_a_small_tree_are_the_definitions(size, roots):
    assert roots[size] == naive_root(HASHES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, read)
        assert proof == naive_path(index, HASHES[:size])
        verify_inclusion(HASHES[index], index, size, proof, roots[size])
    for old in range(size + 1):
        proof = consistency_proof(old, size, read)
        assert proof == (naive_subproof(old, HASHES[:size], known=True) if old else [])
        verify_consistency(old, roots[old], size, roots[size], proof)


@given(st.integers(1, LARGE), st.data())
def test_proofs_of_larger_trees_verify(roots, size, data):
    index = data.draw(st.integers(0, size - 1))
    verify_inclusion(HASHES[index], index, size, inclusion_proof(index, size, read), roots[size])
    old = data.draw(st.integers(0, size))
    verify_consistency(old, roots[old], size, roots[size], consistency_proof(old, size, read))


@given(st.integers(2, 300), st.data())
def test_a_proof_with_one_thing_changed_is_refused(roots, size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, read)
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = [node if at != place else bytes([node[0] ^ 1]) + node[1:] for at, node in enumerate(proof)]
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    for leaf, at, path in (
        (HASHES[index], index, flipped),
        (HASHES[other], index, proof),
        (HASHES[index], other, proof),
        (HASHES[index], index, proof[1:]),
    ):
        with pytest.raises(ProofRefused):
            verify_inclusion(leaf, at, size, path, roots[size])


@given(st.integers(2, 300), st.data())
def test_a_consistency_proof_with_one_thing_changed_is_refused(roots, size, data):
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(old, size, read)
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = [node if at != place else bytes([node[0] ^ 1]) + node[1:] for at, node in enumerate(proof)]
    for first, second, path in (
        (roots[old], roots[size], flipped),
        (roots[old], roots[size], proof[1:]),
        (roots[old - 1], roots[size], proof),
        (roots[old], roots[size - 1], proof),
    ):
        with pytest.raises(ProofRefused):
            verify_consistency(old, first, size, second, path)


@given(st.lists(st.binary(min_size=30, max_size=33), max_size=12), st.integers(-2, 40), st.integers(-2, 40))
def test_rubbish_is_refused_in_words(roots, proof, first, second):
    for verify in (
        lambda: verify_inclusion(HASHES[0], first, second, proof, roots[1]),
        lambda: verify_consistency(first, roots[1], second, roots[2], proof),
    ):
        with contextlib.suppress(ProofRefused):
            verify()


@given(st.integers(0, LARGE))
def test_a_compact_range_survives_writing_down(roots, size):
    tree = CompactRange()
    for leaf_hash in HASHES[:size]:
        tree.append(leaf_hash)
    again = CompactRange.decode(tree.encode())
    assert (again.size, again.hashes, again.root()) == (size, tree.hashes, roots[size])


@given(st.integers(1, LARGE))
def test_an_append_names_the_subtrees_that_it_completes(size):
    tree = CompactRange()
    for leaf_hash in HASHES[: size - 1]:
        tree.append(leaf_hash)
    completed = tree.append(HASHES[size - 1])
    assert completed == [root_of(HASHES[size - (1 << level) : size]) for level in range(len(completed))]
    assert size % (1 << len(completed) - 1) == 0
    assert size % (1 << len(completed)) != 0

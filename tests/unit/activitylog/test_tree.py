"""The tree against the vectors of Certificate Transparency's reference implementation, and what no proof may pass as."""

import hashlib

import pytest

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    CompactRange,
    ProofRefused,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
HASHES = [hash_leaf(leaf) for leaf in LEAVES]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def read(level, index):
    return root_of(HASHES[index << level : (index + 1) << level])


def root(size):
    return bytes.fromhex(ROOTS[size])


def refused(code):
    return pytest.raises(ProofRefused, match=f"^{code}")


@pytest.mark.parametrize("size", range(9))
def test_the_reference_roots_come_out(size):
    assert root_of(HASHES[:size]) == root(size)


@pytest.mark.parametrize("place, expected", INCLUSION.items())
def test_the_reference_inclusion_proofs_come_out_and_verify(place, expected):
    index, size = place
    proof = inclusion_proof(index, size, read)
    assert [node.hex() for node in proof] == list(expected)
    verify_inclusion(HASHES[index], index, size, proof, root(size))


@pytest.mark.parametrize("sizes, expected", CONSISTENCY.items())
def test_the_reference_consistency_proofs_come_out_and_verify(sizes, expected):
    old, new = sizes
    proof = consistency_proof(old, new, read)
    assert [node.hex() for node in proof] == list(expected)
    verify_consistency(old, root(old), new, root(new), proof)


def test_an_inclusion_proof_proves_nothing_else():
    proof = inclusion_proof(5, 8, read)

    def verify(**changed):
        given = {"leaf_hash": HASHES[5], "index": 5, "size": 8, "proof": proof, "root": root(8)} | changed
        verify_inclusion(**given)

    verify()
    for code, changed in (
        ("root_differs", {"leaf_hash": HASHES[4]}),
        ("root_differs", {"index": 4}),
        ("root_differs", {"root": root(7)}),
        ("root_differs", {"proof": proof[::-1]}),
        ("proof_length", {"size": 4, "index": 1}),
        ("proof_length", {"size": 9}),
        ("proof_length", {"proof": proof[:-1]}),
        ("proof_length", {"proof": [*proof, proof[0]]}),
        ("proof_length", {"proof": []}),
        ("proof_malformed", {"proof": [*proof[:-1], b"short"]}),
        ("proof_malformed", {"leaf_hash": b""}),
        ("proof_malformed", {"root": b""}),
        ("index_outside", {"index": 8}),
        ("index_outside", {"index": -1}),
        ("index_outside", {"size": 0, "index": 0}),
        ("index_outside", {"size": MAX_SIZE + 1}),
    ):
        with refused(code):
            verify(**changed)


def test_an_inner_node_cannot_pass_as_a_leaf():
    left, right = HASHES[:2]
    with refused("root_differs"):
        verify_inclusion(hashlib.sha256(b"\x00" + left + right).digest(), 0, 1, [], root(2))


def test_a_consistency_proof_proves_nothing_else():
    proof = consistency_proof(6, 8, read)

    def verify(**changed):
        given = {"old_size": 6, "old_root": root(6), "new_size": 8, "new_root": root(8), "proof": proof} | changed
        verify_consistency(**given)

    verify()
    for code, changed in (
        ("old_root_differs", {"old_root": root(5)}),
        ("root_differs", {"new_root": root(7)}),
        ("proof_length", {"proof": proof[:-1]}),
        ("proof_length", {"proof": [*proof, proof[0]]}),
        ("proof_length", {"proof": []}),
        ("proof_malformed", {"proof": [*proof[:-1], b""]}),
        ("proof_malformed", {"old_root": b""}),
        ("size_went_back", {"old_size": 9}),
        ("size_went_back", {"old_size": -1}),
        ("size_went_back", {"new_size": MAX_SIZE + 1}),
        ("root_differs", {"old_size": 8, "old_root": root(6), "proof": []}),
        ("proof_length", {"old_size": 8, "old_root": root(8)}),
        ("proof_length", {"old_size": 0, "old_root": EMPTY_ROOT}),
        ("old_root_differs", {"old_size": 0, "proof": []}),
    ):
        with refused(code):
            verify(**changed)


def test_what_cannot_be_proved_is_not_made():
    for index, size in ((0, 0), (8, 8), (-1, 8)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, read)
    for old, new in ((8, 7), (-1, 7)):
        with pytest.raises(ValueError, match="does not extend"):
            consistency_proof(old, new, read)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\x00" * 7 + b"\x01", b"\x00" * 8 + b"x" * 32, b"\x00" * 7 + b"\x01" + b"x" * 31]
)
def test_a_damaged_compact_range_is_refused(data):
    if data == b"":
        data = CompactRange(3, HASHES[:2]).encode()[:-1]
    with pytest.raises(ValueError, match="compact range"):
        CompactRange.decode(data)

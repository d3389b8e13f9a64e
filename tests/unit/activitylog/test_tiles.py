"""Tiles: their paths, bundles, and the reader of subtrees over any depth."""

import hashlib

import pytest

from openlockbox.activitylog.tiles import TILE_WIDTH, encode_bundle, parse_tile_path, subtree_reader
from openlockbox.activitylog.tree import hash_children, root_of


@pytest.mark.parametrize(
    "path, place",
    [
        ("000", (0, 256)),
        ("255", (255, 256)),
        ("x001/000", (1000, 256)),
        ("x001/x234/067", (1234067, 256)),
        ("x001/x234/067.p/1", (1234067, 1)),
        ("000.p/255", (0, 255)),
    ],
)
def test_a_path_is_read_as_c2sp_writes_it(path, place):
    assert parse_tile_path(path) == place


@pytest.mark.parametrize(
    "path",
    [
        *("", "0", "0000", "x000/001", "001/000", "x001", "x001/", "000/", "/000", "00a", "000\n", "-01", "\u0661" * 3),
        *("000.p/0", "000.p/256", "000.p/01", "000.p/", "000.p/1/2", "000.P/1"),
    ],
)
def test_every_other_path_is_none(path):
    assert parse_tile_path(path) is None


def test_a_bundle_has_each_leaf_behind_its_length():
    assert encode_bundle([b"", b"ab", b"x" * 300]) == b"\x00\x00\x00\x02ab\x01\x2c" + b"x" * 300
    with pytest.raises(OverflowError):
        encode_bundle([b"x" * 65_536])


def test_subtrees_come_from_whole_tiles_each_fetched_once():
    hashes = [hashlib.sha256(bytes([number])).digest() for number in range(256)]
    fetched = []

    def fetch(level, start, end):
        fetched.append((level, start, end))
        return hashes[: end - start]

    read = subtree_reader(fetch)
    for level, index in ((0, 0), (3, 1), (7, 1)):
        assert read(level, index) == root_of(hashes[index << level : (index + 1) << level])
    assert read(8, 5) == hashes[5]
    assert read(15, 1) == root_of(hashes[128:])
    assert read(24, 3) == hashes[3]
    assert fetched == [(0, 0, TILE_WIDTH), (1, 0, TILE_WIDTH), (3, 0, TILE_WIDTH)]


def test_a_subtree_above_the_stored_levels_takes_as_many_nodes_as_it_needs():
    node = hashlib.sha256(b"node").digest()
    expected = node
    for _ in range(9):
        expected = hash_children(expected, expected)
    read = subtree_reader(lambda level, start, end: [node] * (end - start) if level == 3 else [])
    assert read(33, 0) == expected


def test_a_subtree_that_is_not_complete_cannot_be_read():
    read = subtree_reader(lambda _level, _start, _end: [hashlib.sha256().digest()] * 3)
    assert read(0, 2)
    for level, index in ((0, 3), (2, 0), (33, 0)):
        with pytest.raises(LookupError):
            read(level, index)

"""Tile addresses have one spelling, and a tile is what its address says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from ledger.transparency.merkle import Node, leaf_hash, node_hash
from ledger.transparency.tile import TILE_INDEX_MAX, HashTile, TileHashes
from tests.ledger.transparency.refusal_code import code


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (HashTile(0, 0), "tile/0/000"),
        (HashTile(0, 1_234_067), "tile/0/x001/x234/067"),
        (HashTile(1, 999, 17), "tile/1/999.p/17"),
        (HashTile(63, 1_000, 255), "tile/63/x001/000.p/255"),
        (HashTile(2, TILE_INDEX_MAX, 1), "tile/2/x009/x223/x372/x036/x854/x775/807.p/1"),
    ],
)
def test_worked_addresses(tile: HashTile, path: str) -> None:
    assert tile.path == path
    assert HashTile.parse(path) == tile


@settings(max_examples=200)
@given(st.integers(0, 63), st.integers(0, TILE_INDEX_MAX), st.integers(1, 256))
def test_an_address_reads_back(level: int, index: int, width: int) -> None:
    tile = HashTile(level, index, width)
    assert HashTile.parse(tile.path) == tile


@settings(max_examples=300)
@given(st.from_regex(r"tile/[0-9]{1,2}/(x?[0-9]{2,4}/){0,2}[0-9]{2,4}(\.p/[0-9]{1,3})?", fullmatch=True))
def test_what_is_read_is_written_the_same(path: str) -> None:
    """No second spelling of an address is accepted."""
    try:
        tile = HashTile.parse(path)
    except Refused as refused:
        assert refused.code in {"tile_path", "tile_width", "tile_level"}
    else:
        assert tile.path == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tile/0/x000/067", "tile_path"),
        ("tile/0/67", "tile_path"),
        ("tile/00/067", "tile_path"),
        ("tile/0/067.p/", "tile_path"),
        ("tile/0/067.p/0", "tile_path"),
        ("tile/0/067.p/07", "tile_path"),
        ("tile/0/067.p/256", "tile_width"),
        ("tile/0/001/067", "tile_path"),
        ("tile/0/x001/067/", "tile_path"),
        ("tile/0/x001/067\n", "tile_path"),
        ("tile/0/\u0661\u0662\u0663", "tile_path"),
        ("/tile/0/067", "tile_path"),
        ("tile/entries/067", "tile_path"),
        ("tile/-1/067", "tile_path"),
        ("tile/64/067", "tile_level"),
        ("tile/0/x009/x223/x372/x036/x854/x775/808", "tile_index"),
        ("tile/0/" + "x999/" * 200 + "999", "tile_path"),
    ],
)
def test_other_addresses_are_refused(path: str, expected: str) -> None:
    assert code(lambda: HashTile.parse(path)) == expected


def test_a_tile_is_of_a_level_a_place_and_a_width() -> None:
    assert code(lambda: HashTile(64, 0)) == "tile_level"
    assert code(lambda: HashTile(0, -1)) == "tile_index"
    assert code(lambda: HashTile(0, 0, 0)) == "tile_width"
    assert code(lambda: HashTile(0, 0, 257)) == "tile_width"


def test_the_partial_tiles_of_seventy_thousand_leaves() -> None:
    """tlog-tiles: 273 full tiles and 112 hashes at level 0, one full and 17 at level 1, one at level 2."""
    size = 70_000
    last = [HashTile.holding(Node(0, 69_999), size), HashTile.holding(Node(8, 272), size)]
    assert last == [HashTile(0, 273, 112), HashTile(1, 1, 17)]
    assert HashTile.holding(Node(16, 0), size) == HashTile(2, 0, 1)
    assert HashTile.holding(Node(7, 545), size) == HashTile(0, 272)
    for held in [
        HashTile(0, 272),
        HashTile(0, 273, 112),
        HashTile(0, 273, 3),
        HashTile(1, 1, 17),
        HashTile(2, 0, 1),
    ]:
        held.check_held(size)
    for beyond in [
        HashTile(0, 273),
        HashTile(0, 273, 113),
        HashTile(1, 1, 18),
        HashTile(2, 0, 2),
        HashTile(3, 0, 1),
    ]:
        assert code(lambda tile=beyond: tile.check_held(size)) == "tile_beyond"
    assert code(lambda: HashTile.holding(Node(8, 273), size)) == "tile_beyond"


def test_a_damaged_tile_is_refused() -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(4)]
    tile = HashTile(0, 0, 4)
    assert tile.hashes(b"".join(leaves)) == tuple(leaves)
    for content in [b"".join(leaves)[:-1], b"".join(leaves[:3]), b"".join(leaves) + leaves[0], b""]:
        assert code(lambda damaged=content: tile.hashes(damaged)) == "tile_content"
        assert code(lambda damaged=content: TileHashes(4, lambda asked: damaged)(1, 1)) == "tile_content"
    hashes = TileHashes(4, lambda asked: b"".join(leaves))
    assert hashes(1, 1) == node_hash(leaves[2], leaves[3])
    assert code(lambda: hashes(2, 1)) == "tile_beyond"

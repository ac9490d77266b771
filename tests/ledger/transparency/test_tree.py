"""Appending in batches gives the tree of the definition, and the tiles from which all of it is read again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.transparency.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    check_consistency,
    check_inclusion,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    root_at,
)
from ledger.transparency.tile import HashTile, TileHashes, tiles_of
from ledger.transparency.tree import Frontier, TileGrowth
from tests.ledger.transparency.naive_tree import mth, numbered, path, proof
from tests.ledger.transparency.refusal_code import code


class TileStore:
    """What an adapter does with a growth: append to a tile, at the place that it names."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.fetched: list[HashTile] = []

    def grow(self, growth: tuple[TileGrowth, ...]) -> None:
        for part in growth:
            stored = self.tiles.get((part.level, part.index), b"")
            assert len(stored) == 32 * part.offset
            self.tiles[part.level, part.index] = stored + part.content

    def fetch(self, tile: HashTile) -> bytes:
        self.fetched.append(tile)
        return self.tiles[tile.level, tile.index][: 32 * tile.width]


def test_every_size_has_the_root_of_the_definition() -> None:
    entries = numbered(80)
    frontier = Frontier()
    assert frontier.root == EMPTY_ROOT == mth([])
    for size, entry in enumerate(entries, start=1):
        frontier, growth = frontier.append([leaf_hash(entry)])
        assert frontier.root == mth(entries[:size])
        assert growth == (TileGrowth(0, 0, size - 1, leaf_hash(entry)),)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.data())
def test_batches_fill_the_tiles_that_answer_for_every_earlier_size(
    batches: list[int], data: st.DataObject
) -> None:
    """A log read back from its tiles proves the same as the RFC's recursion over the entries."""
    entries = numbered(sum(batches))
    store, frontier = TileStore(), Frontier()
    for batch in batches:
        new = entries[frontier.size : frontier.size + batch]
        frontier, growth = frontier.append(map(leaf_hash, new))
        store.grow(growth)
    size = frontier.size
    assert frontier.root == mth(entries)
    assert Frontier.at(size, TileHashes(size, store.fetch)) == frontier
    if size:
        earlier = data.draw(st.integers(1, size))
        index = data.draw(st.integers(0, earlier - 1))
        hashes = TileHashes(earlier, store.fetch)
        assert root_at(earlier, hashes) == mth(entries[:earlier])
        assert list(inclusion_proof(index, earlier, hashes)) == path(index, entries[:earlier])
        assert list(consistency_proof(earlier, size, TileHashes(size, store.fetch))) == proof(
            earlier, entries
        )


def test_two_levels_of_tiles() -> None:
    """66,000 leaves: 257 full tiles and 208 hashes, over them a full tile and one hash, over these one."""
    leaves = [leaf_hash(entry) for entry in numbered(66_000)]
    store, frontier = TileStore(), Frontier()
    for at in range(0, len(leaves), 10_000):
        frontier, growth = frontier.append(leaves[at : at + 10_000])
        store.grow(growth)
    lengths = {place: len(content) // 32 for place, content in store.tiles.items()}
    assert len(lengths) == 258 + 2 + 1
    assert [lengths[0, 256], lengths[0, 257], lengths[1, 0], lengths[1, 1], lengths[2, 0]] == [
        256,
        208,
        256,
        1,
        1,
    ]
    index, size = 40_123, 65_999
    root = root_at(size, TileHashes(size, store.fetch))
    store.fetched.clear()
    found = inclusion_proof(index, size, TileHashes(size, store.fetch))
    check_inclusion(index, size, leaves[index], found, root)
    assert len(found) == 17
    assert len(store.fetched) == len(set(store.fetched)) <= 5, "each tile is read once"
    assert set(store.fetched) == set(tiles_of(inclusion_nodes(index, size), size))
    store.fetched.clear()
    between = consistency_proof(size, 66_000, TileHashes(66_000, store.fetch))
    check_consistency(size, 66_000, between, root, frontier.root)
    assert set(store.fetched) == set(tiles_of(consistency_nodes(size, 66_000), 66_000))


def test_what_is_not_a_frontier_is_refused() -> None:
    leaf = leaf_hash(b"")
    assert code(lambda: Frontier(3, (leaf,))) == "frontier"
    assert code(lambda: Frontier(1, (leaf[1:],))) == "hash_bytes"
    assert code(lambda: Frontier(-1, ())) == "log_size"
    assert code(lambda: Frontier().append([leaf, leaf[:31]])) == "hash_bytes"
    full = Frontier(SIZE_MAX, (leaf,) * 63)
    assert code(lambda: full.append([leaf])) == "log_size"
    assert full.append([]) == (full, ())

"""The tree of a real book: its tiles and its proofs, against the RFC's own recursive definitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import replay
from adapters.continuity import Discontinuity
from adapters.projections import transparency
from adapters.transparency.stored_tree import StoredTree
from ledger.refusal import Refused
from ledger.transparency.entry_bundle import entry_of
from ledger.transparency.merkle import EMPTY_ROOT, check_consistency, check_inclusion, leaf_hash
from ledger.transparency.tile import HashTile
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties
from tests.ledger.transparency.naive_tree import mth, numbered, path, proof
from tests.stack import NatsServer, PostgresServer

SIZE = 301
Row = tuple[int, int, bytes]


@pytest.fixture(scope="module")
def grown(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Bench]:
    """A book of 301 envelopes, projected at several times so that tiles grew in pieces."""
    bench = Bench(nats_server, migrated)
    bench.door.execute(sample.found_book(), command_id="book", actor="ada")
    for names in (range(1), range(1, 130), range(130, 255), range(255, 256), range(256, SIZE - 1)):
        append_parties(bench, names)
        bench.project()
    yield bench
    bench.close()


def entries_of(bench: Bench) -> list[bytes]:
    """The stream's own messages, read from NATS."""
    payloads = [bench.client.run(bench.log.payload_at(sequence)) for sequence in range(1, SIZE + 1)]
    return [entry_of(payload) for payload in payloads if payload is not None]


def stored(bench: Bench, book: str) -> list[Row]:
    rows = bench.query(
        "SELECT level, index, content FROM ledger.tree_tile WHERE book = %s ORDER BY level, index", [book]
    )
    return [(level, index, bytes(content)) for level, index, content in rows]  # type: ignore[arg-type, misc]


def recomputed(leaves: Sequence[bytes], hashes: Sequence[bytes]) -> list[Row]:
    """Every tile by its definition in tlog-tiles: `leaves` are entries, `hashes` theirs."""
    rows = [(0, at // 256, b"".join(hashes[at : at + 256])) for at in range(0, len(hashes), 256)]
    full = [mth(leaves[at : at + 256]) for at in range(0, len(leaves) - 255, 256)]
    assert len(full) < 256
    return rows + ([(1, 0, b"".join(full))] if full else [])


def test_the_tiles_are_those_of_the_streams_messages(grown: Bench) -> None:
    entries = entries_of(grown)
    assert len(entries) == SIZE
    assert stored(grown, grown.book) == recomputed(entries, [leaf_hash(entry) for entry in entries])


def test_proofs_hold_at_every_size(grown: Bench) -> None:
    entries = entries_of(grown)
    roots = [mth(entries[:size]) for size in range(SIZE + 1)]
    with grown.database.reading(grown.book) as connection:
        tree = StoredTree.projected(connection, grown.book)
        assert tree.size == SIZE
        for size in range(1, SIZE + 1):
            assert tree.root(size) == roots[size]
            sequence = 1 + size * 7 % size if size % 3 else size
            found = tree.inclusion(sequence, size)
            check_inclusion(sequence - 1, size, leaf_hash(entries[sequence - 1]), found, roots[size])
            old = 1 + size * 5 % size
            grew = tree.consistency(old, SIZE)
            check_consistency(old, SIZE, grew, roots[old], roots[SIZE])
        assert list(tree.inclusion(200, 300)) == path(199, entries[:300])
        assert list(tree.consistency(77, 299)) == proof(77, entries[:299])


def test_sizes_without_leaves_answer_as_the_standard_says(grown: Bench) -> None:
    with grown.database.reading(grown.book) as connection:
        tree = StoredTree.projected(connection, grown.book)
        assert tree.root(0) == EMPTY_ROOT
        assert tree.consistency(0, SIZE) == ()
        for wrong, code in (
            (lambda: tree.inclusion(1, 0), "log_index"),
            (lambda: tree.inclusion(0, 5), "log_index"),
            (lambda: tree.inclusion(6, 5), "log_index"),
            (lambda: tree.inclusion(1, SIZE + 1), "log_size"),
            (lambda: tree.root(SIZE + 1), "log_size"),
            (lambda: tree.consistency(5, 4), "log_size"),
        ):
            with pytest.raises(Refused) as caught:
                wrong()
            assert caught.value.code == code


def test_an_empty_book_has_the_empty_root(bench: Bench) -> None:
    with bench.database.reading(bench.book) as connection:
        tree = StoredTree.projected(connection, bench.book)
        assert (tree.size, tree.root(0)) == (0, EMPTY_ROOT)


def test_a_partial_tile_begins_the_later_one(grown: Bench) -> None:
    with grown.database.reading(grown.book) as connection:
        tree = StoredTree.projected(connection, grown.book)
        last = tree.tile(HashTile(0, 1, 45))
        assert tree.tile(HashTile(0, 1, 7)) == last[: 7 * 32]
        with pytest.raises(Refused, match="has no tile/0/001"):
            tree.tile(HashTile(0, 1, 46))


def test_a_replay_has_the_same_tiles_however_the_batches_fell(grown: Bench) -> None:
    proved = {table.table: table for table in replay.replay(grown.log, grown.database).tables}
    assert (proved["tree_tile"].rows, proved["tree_tile"].difference) == (3, None)


@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=9))
def test_batches_cut_anywhere_give_the_same_tiles(grown: Bench, cuts: list[int]) -> None:
    """A tree is a function of its leaves alone (RFC 9162 2.1.1)."""
    book = "cut"
    leaves = numbered(sum(cuts))
    hashes = [leaf_hash(leaf) for leaf in leaves]
    grown.query("DELETE FROM ledger.tree_tile WHERE book = %s RETURNING 1", [book])
    size = 0
    for cut in cuts:
        with grown.database.projecting() as connection:
            transparency.append(connection, book, size, hashes[size : size + cut])
        size += cut
    assert stored(grown, book) == recomputed(leaves, hashes)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ledger.tree_tile WHERE level = 0",
        "UPDATE ledger.tree_tile SET content = substring(content for 32)",
        "UPDATE ledger.tree_tile SET content = content || content",
    ],
)
def test_a_damaged_tile_halts_the_projector(bench: Bench, damage: str) -> None:
    append_parties(bench, range(3))
    bench.project()
    bench.query(damage + " RETURNING 1")
    append_parties(bench, range(3, 5))
    with pytest.raises(Discontinuity, match="tree"):
        bench.project()
    assert bench.query("SELECT DISTINCT sequence FROM ledger.position") == [(3,)]

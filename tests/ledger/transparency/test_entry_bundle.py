"""Envelopes as entries, and bundles of them: what is written reads back, and nothing else is read."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.transparency.entry_bundle import ENTRY_BYTES_MAX, EntryBundle, entry_of, envelope_leaf
from ledger.transparency.merkle import leaf_hash
from tests.ledger.transparency.refusal_code import code

ENTRIES = st.lists(st.binary(max_size=300), min_size=1, max_size=256)


@settings(max_examples=60)
@given(ENTRIES, st.integers(0, 10**9))
def test_a_bundle_reads_back(entries: list[bytes], index: int) -> None:
    bundle = EntryBundle(index, len(entries))
    assert EntryBundle.parse(bundle.path) == bundle
    assert bundle.entries(bundle.content(entries)) == tuple(entries)


@settings(max_examples=60)
@given(ENTRIES, st.data())
def test_a_bundle_that_was_cut_or_lengthened_is_refused(entries: list[bytes], data: st.DataObject) -> None:
    bundle = EntryBundle(7, len(entries))
    content = bundle.content(entries)
    kept = data.draw(st.integers(0, len(content) - 1))
    assert code(lambda: bundle.entries(content[:kept])) == "entry_bundle"
    assert code(lambda: bundle.entries(content + b"\0")) == "entry_bundle"
    assert code(lambda: bundle.entries(content + b"\0\0")) == "entry_bundle"


def test_worked_bundle() -> None:
    bundle = EntryBundle(0, 2)
    assert bundle.path == "tile/entries/000.p/2"
    assert EntryBundle(5).path == "tile/entries/005"
    assert bundle.content([b"{}", b""]) == b"\x00\x02{}\x00\x00"
    assert bundle.entries(b"\x00\x02{}\x00\x00") == (b"{}", b"")
    assert EntryBundle(0, 1).entries(b"\xff\xff" + b"." * 65_535) == (b"." * 65_535,)
    assert code(lambda: bundle.content([b"{}"])) == "entry_bundle"
    assert code(lambda: EntryBundle(0, 1).content([bytes(ENTRY_BYTES_MAX + 1)])) == "entry_bytes"
    assert code(lambda: EntryBundle.parse("tile/0/000")) == "tile_path"
    assert code(lambda: EntryBundle(0, 0)) == "tile_width"


def test_a_bundle_is_of_entries_that_the_log_has() -> None:
    EntryBundle(1, 3).check_held(259)
    EntryBundle(1, 3).check_held(10_000)
    assert code(lambda: EntryBundle(1, 3).check_held(258)) == "tile_beyond"
    assert EntryBundle(3).first == 768


def test_an_envelope_is_its_own_entry_up_to_the_limit() -> None:
    """Above 65,535 bytes the entry names length and SHA-256, so another envelope has another leaf."""
    small = b"{" + b"x" * (ENTRY_BYTES_MAX - 1)
    assert entry_of(small) == small
    assert envelope_leaf(small) == leaf_hash(small)
    large = small + b"y"
    digest = hashlib.sha256(large).hexdigest()
    assert entry_of(large) == f"wattledger-digest-v1 65536 {digest}\n".encode()
    assert envelope_leaf(large) == leaf_hash(entry_of(large))
    assert envelope_leaf(large) != envelope_leaf(small + b"z")
    assert code(lambda: entry_of(entry_of(large))) == "log_envelope"
    assert code(lambda: entry_of(b"")) == "log_envelope"

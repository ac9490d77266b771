"""A packed bid says what the bid says that it was made from, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.front_door import _digest_of
from ledger.refusal import Refused
from tests.trading.market_samples import bid, block, day_of
from trading.bid import Bid, Curve, PackedBid, packed, packed_by_text
from trading.bid_commands import DraftBid
from trading.bid_events import BidDrafted
from trading.product import WHOLE_MAX

SEGMENTS = ((-20_000, 0, -5), (0, 30_000, 7))
NOW = datetime(2026, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"schedule_w": (0,) * 96, "note": "a word", "origin": "optimiser"},
        {"blocks": (block(first=3), block("k2", group="g")), "note": "\u4e00"},
        {"curves": ((),) * 96, "blocks": (block(),)},
        {"curves": ()},
    ],
)
def test_it_is_written_down_as_the_bid_that_it_was(terms: dict[str, Any]) -> None:
    one = bid(**({"curves": day_of(SEGMENTS, at=7)} | terms))
    lean = packed(bid(**({"curves": day_of(SEGMENTS, at=7)} | terms)))
    assert isinstance(lean, PackedBid)
    assert isinstance(lean.curves, msgspec.Raw)
    assert (lean.encoded, lean.digest, lean.counts) == (one.encoded, one.digest, one.counts)
    assert _digest_of(DraftBid(lean, "anna", 3)) == _digest_of(DraftBid(one, "anna", 3))
    drafted = [BidDrafted(which, 4, which.digest, "anna", NOW) for which in (lean, one)]
    assert msgspec.json.encode(drafted[0]) == msgspec.json.encode(drafted[1])
    assert msgspec.json.decode(msgspec.json.encode(lean), type=Bid) == one
    for column in ("from_w", "to_w", "price_u", "interval", "position", "first", "last"):
        assert getattr(lean.table, column).tolist() == getattr(one.table, column).tolist()


def test_it_begins_where_the_bid_begins() -> None:
    assert packed(bid(day_of(SEGMENTS, at=7))).first == 7
    assert packed(bid(day_of(SEGMENTS, at=7), blocks=(block(first=3),))).first == 3
    with pytest.raises(Refused) as refused:
        _ = packed(bid(day_of(()))).first
    assert refused.value.code == "bid_empty"


def test_a_number_too_large_for_columns_is_left_to_who_checks() -> None:
    one = bid(day_of(((0, 2**63, 1),)))
    assert packed(one) is one


NUMBER = st.one_of(st.integers(-WHOLE_MAX, WHOLE_MAX), st.integers(-2, 2))
CURVE = st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=4).map(tuple)


def by_text(curves: bytes) -> Bid | None:
    """What is made of a bid that came with these curves as JSON."""
    written = msgspec.json.encode(bid(())).replace(b'"curves":[]', b'"curves":' + curves)
    return packed_by_text(msgspec.json.decode(written, type=PackedBid))


@given(st.lists(CURVE, min_size=1, max_size=6).map(tuple).filter(any))
@example(((), ((-1, 0, 1),), (), ()))
@example((((0, 0, 0),) * 3, ((0, 0, 0),)))
def test_curves_as_they_are_written_here_are_taken_over_as_text(curves: tuple[Curve, ...]) -> None:
    lean, one = by_text(msgspec.json.encode(curves)), bid(curves)
    assert lean is not None
    assert (lean.encoded, lean.digest, lean.counts) == (one.encoded, one.digest, one.counts)
    for column in ("from_w", "to_w", "price_u", "counts", "interval", "position", "first", "last"):
        assert getattr(lean.table, column).tolist() == getattr(one.table, column).tolist()


@pytest.mark.parametrize(
    "curves",
    [
        b"[]",
        b"[[],[]]",
        b"[[[0,1,2]], []]",
        b"[[[0, 1,2]]]",
        b"[[[0,1,-0]]]",
        b"[[[0,1,2.0]]]",
        b"[[[0,1,1e3]]]",
        b"[[[0,1]]]",
        b"[[[0,1,2,3]]]",
        b"[[[0,1,2],7]]",
        b"[[[0,1,2]],7]",
        b"[[[0,1,2]],[7]]",
        b"[[[0,1,2]],[7,8,9]]",
        b"[[7],[[0,1]]]",
        b"[7,[[0,1,2]]]",
        b"[[[[0,1,2]]]]",
        b"[[[],[0,1,2]]]",
        b"[[[0,1,[2]]]]",
        b'[[[0,1,"2"]]]',
        b"[[[0,1,true]]]",
        b"[[[0,1,null]]]",
        b'{"a":[[0,1,2]]}',
        b"7",
        b'"[[[0,1,2]]]"',
        b"null",
        b"[[[0,1,%d]]]" % (WHOLE_MAX + 1),
        b"[[[0,1,%d]]]" % (2**64 + 5),
        b"[[[0,1,-%d]]]" % (2**64 + 5),
    ],
)
def test_whatever_else_they_are_is_left_to_who_reads_them_in_full(curves: bytes) -> None:
    assert by_text(curves) is None

"""A packed bid says what the bid says that it was made from, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from adapters.front_door import _digest_of
from ledger.refusal import Refused
from tests.trading.market_samples import bid, block, day_of
from trading.bid import Bid, PackedBid, packed
from trading.bid_commands import DraftBid
from trading.bid_events import BidDrafted

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

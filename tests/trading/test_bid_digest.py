"""What a bid says is written once, and what is asked is recognised by it."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import pytest

from adapters.front_door import _digest_of
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import bid
from trading.bid_commands import DraftBid
from trading.segments import Table, whole_numbers


def test_a_changed_copy_has_its_own_digest() -> None:
    one = bid("b1")
    told = hashlib.sha256(msgspec.json.encode(one, order="deterministic")).hexdigest()
    assert one.digest == told
    other = msgspec.structs.replace(one, note="another")
    assert other.digest != told
    assert bid("b1").digest == told
    assert (one, hash(one)) == (bid("b1"), hash(bid("b1"))), "what is kept beside it is none of what it says"
    assert msgspec.json.encode(one) == msgspec.json.encode(bid("b1"))


def test_a_draft_is_recognised_by_all_that_it_asks() -> None:
    asked = {
        _digest_of(DraftBid(one, by, revision))
        for one in (bid("b1"), bid("b2"), msgspec.structs.replace(bid("b1"), note="n"))
        for by in ("anna", "anna 1", "bert")
        for revision in (0, 1, 11)
    }
    assert len(asked) == 3 * 3 * 3
    assert _digest_of(DraftBid(bid("b1"), "anna", 0)) in asked
    with pytest.raises(Refused) as refused:
        _digest_of(DraftBid(msgspec.structs.replace(bid("b1"), note="\x00"), "anna"))
    assert refused.value.code == "control_character"


@pytest.mark.parametrize("wrong", [2.5, 2**63, -(2**63) - 1, 2**40 + 1, "1"])
def test_columns_hold_whole_numbers_within_the_range(wrong: object) -> None:
    with pytest.raises(Refused) as refused:
        whole_numbers([1, wrong], "curves")  # type: ignore[list-item]
    assert refused.value.code == "quantity_range"
    assert whole_numbers([1, -(2**40)], "curves").tolist() == [1, -(2**40)]
    table = Table((((-2, 0, 5), (0, 3, 7)), (), ((0, 4, 9),)))
    assert [column.tolist() for column in (table.from_w, table.to_w, table.price_u)] == [
        [-2, 0, 0], [0, 3, 4], [5, 7, 9],
    ]  # fmt: skip
    assert table.price_u.dtype == np.int64

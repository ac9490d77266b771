"""What the market takes as an offer, and what it refuses, each with its place."""

from __future__ import annotations

import msgspec
import pytest

from adapters.reference_market.offer import (
    BlockInterval,
    IntervalCurve,
    Offer,
    OfferedBlock,
    Segment,
    check,
    offer_of,
)
from adapters.reference_market.trading_day import starts
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import DAY, MW, PARAMETERS, body, curve, local, offer

STARTS = starts(PARAMETERS, DAY)
STORAGE = ((-50, 0, 200), (0, 30, 300), (30, 50, 400))


def block(name: str, *hours: int, mw: int = 10, price: int = 300, group: str | None = None) -> OfferedBlock:
    intervals = tuple(BlockInterval(local(f"{DAY}T{hour:02d}:00"), mw * MW) for hour in hours)
    return OfferedBlock(name, intervals, price * 1000, group)


def checked(offer: Offer) -> None:
    check(offer, PARAMETERS, PARAMETERS.participants["alpha"], STARTS)


def test_supply_demand_and_storage_curves_and_blocks_are_taken() -> None:
    checked(
        offer(
            curve(0, *STORAGE),
            curve(1, (0, 10, 100)),
            curve(2, (-10, 0, -100)),
            curve(3, (-10, 10, 250)),
            blocks=(block("b1", 4, 5), block("b2", 4, 5, mw=-10), block("b3", 0, mw=50)),
        )
    )


def test_an_offer_survives_its_json() -> None:
    sent = offer(curve(0, *STORAGE), blocks=(block("b1", 4, 5, group="g"),))
    assert offer_of(body(sent)) == sent


@pytest.mark.parametrize(
    ("bad", "code", "place"),
    [
        (offer(), "offer_empty", ""),
        (offer(curve(0, *STORAGE), curve(0, *STORAGE)), "offer_duplicate", "curves[1].start"),
        (offer(IntervalCurve(local("2026-01-27T00:00"), ())), "offer_interval", "curves[0].start"),
        (offer(IntervalCurve(local("2026-01-26T00:30"), ())), "offer_interval", "curves[0].start"),
        (offer(curve(0)), "offer_segments", "curves[0]"),
        (offer(curve(0, *((n, n + 1, 1) for n in range(11)))), "offer_segments", "curves[0]"),
        (offer(curve(0, (0, 0, 1))), "offer_contiguous", "curves[0].segments[0]"),
        (offer(curve(0, (0, 1, 1), (2, 3, 1))), "offer_contiguous", "curves[0].segments[1]"),
        (offer(curve(0, (0, 1, 2), (1, 3, 1))), "offer_descending", "curves[0].segments[1]"),
        (offer(curve(0, (1, 2, 1))), "offer_zero", "curves[0]"),
        (offer(curve(0, (-2, -1, 1))), "offer_zero", "curves[0]"),
        (offer(curve(0, (0, 1, 1501))), "offer_price", "curves[0].segments[0]"),
        (offer(curve(0, (0, 1, -101))), "offer_price", "curves[0].segments[0]"),
        (offer(curve(0, (0, 101, 1))), "offer_power", "curves[0]"),
        (offer(curve(0, (-101, 0, 1))), "offer_power", "curves[0]"),
        (offer(IntervalCurve(STARTS[0], (Segment(0, 500, 1),))), "offer_lot", "curves[0].segments[0]"),
        (offer(blocks=(block("b1"),)), "offer_block_sign", "blocks[0]"),
        (offer(blocks=(block("b1", 1, mw=0),)), "offer_block_sign", "blocks[0]"),
        (offer(blocks=(block("b1", 1, 1),)), "offer_duplicate", "blocks[0].intervals[1].start"),
        (offer(blocks=(block("b1", 1), block("b1", 2))), "offer_duplicate", "blocks[1].id"),
        (offer(blocks=(block("b1", 1, mw=101),)), "offer_power", "blocks[0]"),
        (offer(blocks=(block("b1", 1, price=1501),)), "offer_price", "blocks[0]"),
        (
            offer(curve(0, *STORAGE), blocks=(block("b1", 0, mw=51),)),
            "offer_power",
            "curve and blocks at 2026-01-25T16:00:00Z",
        ),
    ],
)
def test_what_the_market_cannot_take_is_refused(bad: Offer, code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(bad)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_blocks_of_a_group_need_room_for_one_of_them_only() -> None:
    blocks = (block("b1", 0, mw=60, group="g"), block("b2", 0, mw=70, group="g"))
    checked(offer(blocks=blocks))
    with pytest.raises(Refused) as refused:
        checked(offer(blocks=tuple(msgspec.structs.replace(one, group=None) for one in blocks)))
    assert refused.value.code == "offer_power"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"", "offer_json", ""),
        (b'{"revision":1', "offer_json", ""),
        (b"{}", "field_missing", "revision"),
        (b'{"revision":0}', "field_type", "revision"),
        (b'{"revision":1,"curve":[]}', "field_unknown", "curve"),
        (
            b'{"revision":1,"curves":[{"start":"2026-01-26T00:00:00","segments":[]}]}',
            "field_type",
            "curves[0].start",
        ),
    ],
)
def test_a_body_that_cannot_be_read_names_the_field(text: bytes, code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        offer_of(text)
    assert (refused.value.code, refused.value.place) == (code, place)

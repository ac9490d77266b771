"""Positions of a unit's day."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from tests.adapters.desk.desk_book import DAY, DAY_AHEAD, MW, RESPONSE_CALL, bid, flat
from trading.position import Metered, Stand, positions

START = datetime(2026, 9, 2, 16, tzinfo=UTC)


def metered(wh: dict[int, int | None], *, settled: bool = False) -> Metered:
    return Metered(
        wh=tuple(wh.get(number, 0) for number in range(96)),
        real_time=tuple(Fraction("0.6") if number == 72 else None for number in range(96)),
        settled=settled,
    )


def test_a_quarter_hour_from_offer_to_deviation() -> None:
    """Awarded 400 kW for a quarter: 100 kWh; metered 90: 10 less at 0.60 yuan."""
    power = tuple(400_000 if number in (72, 73) else 0 for number in range(96))
    stand = Stand(bid=bid(), product=DAY_AHEAD, awarded_w=power, price_u=(400_000,) * 96)
    found = positions("vpp", DAY, START, [stand], metered({72: 90_000, 73: None}))
    row = found.positions[72]
    assert row.start == datetime(2026, 9, 3, 10, tzinfo=UTC)
    assert (row.offered[0].low_w, row.offered[0].high_w) == (0, MW)
    assert (row.offered[0].awarded_w, row.offered[0].price_u) == ("400000", "400000")
    assert (row.awarded_wh, row.metered_wh, row.deviation_wh) == ("100000", 90_000, "-10000")
    assert (row.deviation_value, row.state) == ("-6", "delivered")
    missing = found.positions[73]
    assert (missing.state, missing.deviation_wh, missing.deviation_value) == ("cleared", None, None)
    unpriced = found.positions[8]
    assert (unpriced.deviation_wh, unpriced.deviation_value) == ("0", None)


def test_the_state_is_that_of_the_last_bid_to_come_so_far() -> None:
    call = bid("b2", product="response", schedule_w=None, curves=tuple(flat(0, MW, 1) for _ in range(96)))
    done = Stand(bid=bid(), product=DAY_AHEAD, awarded_w=(0,) * 96, price_u=(0,) * 96)
    waits = Stand(bid=call, product=RESPONSE_CALL)
    assert positions("vpp", DAY, START, [done, waits], metered({})).positions[0].state == "open"
    assert positions("vpp", DAY, START, [done], metered({}, settled=True)).positions[0].state == "settled"
    only = positions("vpp", DAY, START, [waits], metered({})).positions[0]
    assert (only.awarded_wh, only.deviation_wh) == (None, None)


def test_a_day_without_a_bid_is_not_cleared() -> None:
    assert positions("vpp", DAY, START, [], metered({0: None})).positions[0].state == "none"
    assert positions("vpp", DAY, START, [], metered({})).positions[0].state == "delivered"


def test_hours_are_four_quarters() -> None:
    fields = {name: getattr(DAY_AHEAD, name) for name in DAY_AHEAD.__struct_fields__}
    hourly = type(DAY_AHEAD)(**(fields | {"interval_s": 3600}))
    one = bid(curves=tuple(flat(-MW, MW, 1) for _ in range(24)), schedule_w=None)
    stand = Stand(bid=one, product=hourly, awarded_w=(100_000,) * 24, price_u=(7,) * 24)
    found = positions("vpp", DAY, START, [stand], metered({}))
    assert {row.awarded_wh for row in found.positions} == {"25000"}
    assert {(row.offered[0].low_w, row.offered[0].high_w) for row in found.positions} == {(-MW, MW)}

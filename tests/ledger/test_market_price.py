"""Spot prices per MWh as exact prices per kWh; hour 24 is stamped 00:00 of the next day."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval
from ledger.market_price import (
    PriceBlock,
    PriceSeries,
    exact_dot,
    hourly_ledger,
    price_ledger,
    price_per_kwh,
    value,
)
from ledger.quantity import decimal_text
from ledger.refusal import Refused

ROOT = Path(__file__).resolve().parents[2]
SHANDONG = ROOT.parent / "shared" / "data" / "prices" / "shandong_spot_hourly_da_rt.csv"
EXAMPLE = ROOT / "examples" / "prices" / "shandong_spot_2026.csv"

Row = dict[str, str]


def row(day: str, hour: int, end: str, da: str = "329.5", rt: str = "-85") -> Row:
    return {
        "business_day": day,
        "hour_business": str(hour),
        "interval_end_local": end,
        "da_price": da,
        "rt_price": rt,
    }


def read(rows: list[Row]) -> tuple[PriceSeries, PriceSeries]:
    return hourly_ledger(rows, market="shandong-spot", node="system", zone="Asia/Shanghai", currency="CNY")


LATE = [
    row("2026-01-25", 23, "2026-01-25 23:00:00", da="301.561"),
    row("2026-01-25", 24, "2026-01-26 00:00:00", da="282.316"),
    row("2026-01-26", 1, "2026-01-26 01:00:00", da="0.001"),
]


def test_hour_24_ends_at_midnight_and_rows_may_come_in_any_order() -> None:
    day_ahead, real_time = read([LATE[2], LATE[0], LATE[1]])
    (block,) = day_ahead.blocks
    assert block.start == datetime(2026, 1, 25, 14, tzinfo=UTC)
    assert (block.mantissas.tolist(), block.scale) == ([301_561, 282_316, 1], 6)
    assert real_time.blocks[0].mantissas.tolist() == [-85_000] * 3
    assert (day_ahead.product, real_time.product, day_ahead.interval_s) == ("day_ahead", "real_time", 3600)


@pytest.mark.parametrize(
    ("rows", "code", "place"),
    [
        ([*LATE, LATE[1]], "price_duplicate", "row 5"),
        ([LATE[0], LATE[2]], "price_gap", "row 3"),
        ([row("2026-01-25", 24, "2026-01-25 00:00:00")], "hour_stamp", "row 2"),
        ([row("2026-01-25", 25, "2026-01-26 01:00:00")], "hour_stamp", "row 2"),
        ([row("2026-01-25", 1, "25.01.2026 01:00")], "hour_stamp", "row 2 interval_end_local"),
        ([row("2026-01-25", 1, "2026-01-25 01:00:00", da="")], "price_missing", "row 2 da_price"),
        ([row("2026-01-25", 1, "2026-01-25 01:00:00", rt="1e3")], "number", "row 2 rt_price"),
        ([row("2026-01-25", 1, "2026-01-25 01:00:00", rt="1.0000001")], "price_scale", "row 2 rt_price"),
        ([row("2026-01-25", 1, "2026-01-25 01:00:00", rt="9" * 20)], "price_range", "row 2 rt_price"),
        ([], "price_missing", ""),
    ],
)
def test_bad_rows_are_refused_with_their_place(rows: list[Row], code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        read(rows)
    assert (caught.value.code, caught.value.place) == (code, place)


@settings(max_examples=200)
@given(st.integers(-(10**10), 10**10), st.integers(0, 6))
def test_a_price_per_mwh_is_a_thousandth_per_kwh_exactly(mantissa: int, decimals: int) -> None:
    text = decimal_text(mantissa, decimals)
    assert price_per_kwh(text, "CNY").exact == Fraction(text) / 1000


def test_a_stretch_may_span_blocks_of_different_scale_but_never_a_gap() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    blocks = (
        PriceBlock(start, np.array([1, 2]), 6),
        PriceBlock(start + 2 * hour, np.array([30_000]), 9),
        PriceBlock(start + 4 * hour, np.array([5]), 6),
    )
    series = PriceSeries("m", "n", "day_ahead", 3600, "CNY", blocks)
    found = series.between(Interval(start + hour, start + 3 * hour))
    assert (found.mantissas.tolist(), found.scale, found.start) == ([2_000, 30_000], 9, start + hour)
    for begin, end, code in [(2, 5, "price_missing"), (-1, 2, "price_missing"), (4, 6, "price_missing")]:
        with pytest.raises(Refused) as caught:
            series.between(Interval(start + begin * hour, start + end * hour))
        assert caught.value.code == code
    with pytest.raises(Refused) as cut:
        series.between(Interval(start + hour / 2, start + 2 * hour))
    assert cut.value.code == "interval"
    with pytest.raises(Refused) as overlap:
        PriceSeries("m", "n", "day_ahead", 3600, "CNY", (blocks[0], blocks[0]))
    assert overlap.value.code == "price_overlap"


def own(text: str, interval_s: int = 3600, currency: str = "CNY") -> tuple[PriceSeries, PriceSeries]:
    keys = [f"{product}_{currency.lower()}_per_kwh" for product in ("day_ahead", "real_time")]
    lines = [",".join(["start_utc", *keys]), *text.split()]
    return price_ledger(csv.DictReader(lines), market="m", node="n", currency=currency, interval_s=interval_s)


@pytest.mark.parametrize(
    ("text", "interval_s", "code", "place"),
    [
        ("2026-01-24T16:00:00Z,0,329500,0.301561", 3600, "column_count", "row 2"),
        ("2026-01-24T16:00:00Z,0.3,0.3 2026-01-24T17:00:00Z,0.3", 3600, "column_count", "row 3"),
        ("2026-01-24T16:00:00Z,0.3,329500", 3600, "price_range", "row 2 real_time_cny_per_kwh"),
        ("2026-01-24T16:00:00Z,-100.000001,0.3", 3600, "price_range", "row 2 day_ahead_cny_per_kwh"),
        ("2026-01-24T16:20:00Z,0.3,0.3", 3600, "price_time", "row 2 start_utc"),
        ("2026-01-24T16:00:00Z,0.3,0.3 2026-01-24T16:20:00Z,0.3,0.3", 900, "price_time", "row 3 start_utc"),
        ("2026-01-24T16:00:00Z,0.3,0.3", 0, "interval", "interval_s"),
    ],
)
def test_a_row_that_a_market_cannot_have_told_is_refused(
    text: str, interval_s: int, code: str, place: str
) -> None:
    with pytest.raises(Refused) as caught:
        own(text, interval_s)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_the_highest_prices_of_real_markets_are_plausible() -> None:
    """Australia's cap of 20,300 AUD/MWh, Europe's balancing cap of 15,000 EUR/MWh, Japan's 999 JPY/kWh."""
    for currency, price in (("AUD", "20.3"), ("EUR", "-15"), ("JPY", "999"), ("CNY", "100")):
        own(f"2026-01-24T16:00:00Z,{price},{price}", currency=currency)
    with pytest.raises(Refused, match="JPY per kWh is beyond 10,000"):
        own("2026-01-24T16:00:00Z,10001,1", currency="JPY")


LARGE = st.integers(-(10**14), 10**14)


@settings(max_examples=150)
@given(st.lists(st.tuples(LARGE, LARGE), max_size=40))
def test_energy_times_price_is_exact_beyond_64_bits(pairs: list[tuple[int, int]]) -> None:
    energy = np.array([e for e, _ in pairs], dtype=np.int64)
    price = np.array([p for _, p in pairs], dtype=np.int64)
    assert exact_dot(energy, price) == sum(e * p for e, p in pairs)
    if pairs:
        block = PriceBlock(datetime(2026, 1, 1, tzinfo=UTC), price, 9)
        assert value(energy, block) == sum(Fraction(e, 1000) * Fraction(p, 10**9) for e, p in pairs)


def test_energy_and_prices_must_be_for_the_same_intervals() -> None:
    with pytest.raises(Refused):
        exact_dot(np.array([1, 2]), np.array([1]))
    with pytest.raises(Refused):
        exact_dot(np.array([1.0]), np.array([1]))


def example() -> tuple[PriceSeries, PriceSeries]:
    with EXAMPLE.open(encoding="utf-8", newline="") as lines:
        return price_ledger(
            csv.DictReader(lines), market="shandong-spot", node="system", currency="CNY", interval_s=3600
        )


def test_the_example_has_three_weeks_with_negative_prices() -> None:
    day_ahead, real_time = example()
    (block,) = real_time.blocks
    assert len(block.mantissas) == 504
    assert block.start == datetime(2026, 1, 24, 16, tzinfo=UTC)
    assert block.end(3600) == datetime(2026, 2, 14, 16, tzinfo=UTC)
    assert int(block.mantissas.max()) == 1_291_302
    assert min(int(block.mantissas.min()), int(day_ahead.blocks[0].mantissas.min())) == -85_069


@pytest.mark.skipif(not SHANDONG.exists(), reason=f"needs the market data at {SHANDONG}")
def test_the_example_carries_every_figure_of_the_platform_over() -> None:
    with SHANDONG.open(encoding="utf-8", newline="") as lines:
        platform = read(list(csv.DictReader(lines)))
    for ours, theirs in zip(example(), platform, strict=True):
        assert ours.blocks[0].start == theirs.blocks[0].start
        assert ours.blocks[0].mantissas.tolist() == theirs.blocks[0].mantissas.tolist()

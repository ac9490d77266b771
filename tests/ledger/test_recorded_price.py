"""Market prices as facts: whole blocks within a UTC month, or a refusal."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ledger.effective import Period
from ledger.market_price import price_ledger
from ledger.recorded_price import PricesRecorded, RecordPrices, blocks_of
from ledger.refusal import Refused

GOOD = PricesRecorded(
    "shandong",
    "province",
    "day_ahead",
    3600,
    "CNY",
    datetime(2026, 1, 31, 22, tzinfo=UTC),
    6,
    (1, -2),
    "notice",
)
SHIPPED = Path(__file__).parents[2] / "examples/prices/shandong_spot_2026.csv"


def test_a_good_block_is_recorded_as_it_is() -> None:
    assert RecordPrices(GOOD).decide(None, {}) == (GOOD,)
    assert RecordPrices(GOOD).aggregate == "price.shandong_province_day_ahead_2026-01"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"market": "a b"}, "id"),
        ({"source": " "}, "source"),
        ({"mantissas": ()}, "price_block"),
        ({"mantissas": (2**63,)}, "price_range"),
        ({"mantissas": (1, 2, 3)}, "price_block"),
        ({"scale": 3}, "price_scale"),
        ({"interval_s": 7}, "interval"),
        ({"currency": "XXX"}, "currency"),
        ({"start": datetime(9999, 12, 1, tzinfo=UTC)}, "year"),
    ],
)
def test_what_cannot_be_a_block_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as caught:
        RecordPrices(msgspec.structs.replace(GOOD, **change)).decide(None, {})
    assert caught.value.code == code


def test_a_series_is_cut_at_utc_months_and_nothing_is_lost() -> None:
    with SHIPPED.open(encoding="utf-8", newline="") as lines:
        both = price_ledger(
            csv.DictReader(lines), market="shandong", node="province", currency="CNY", interval_s=3600
        )
    for series in both:
        blocks = blocks_of(series, "file")
        assert [f"{block.start:%Y-%m}" for block in blocks] == ["2026-01", "2026-02"]
        whole = np.concatenate([block.mantissas for block in series.blocks]).tolist()
        assert [mantissa for block in blocks for mantissa in block.mantissas] == whole
        for block in blocks:
            assert RecordPrices(block).decide(None, {}) == (block,)


def test_years_that_no_clock_holds_are_refused() -> None:
    for year in (1, 1969, 9999):
        with pytest.raises(Refused) as caught:
            Period(datetime(year, 6, 1, tzinfo=UTC))
        assert caught.value.code == "year"

"""CAISO's hourly file: hours that end on a clock without daylight saving, exact prices."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.gateway import caiso_prices, price_formats
from adapters.gateway.caiso_prices import CaisoPrices
from ledger.refusal import Refused
from tests.adapters.gateway.data_folder import price_bytes

FILE = "caiso_da_reg_prices_hourly_2020.csv"
HEADER = "Datetime (he),DA Price ($/kWh),Reg Up Price ($/kW),Reg Down Price ($/kW)\n"
FIRST = "1/1/2020 1:00,0.03331091,0.01227058,0.00699\n"
SECOND = "1/1/2020 2:00,0.03091634,0.00634,0.007\n"
SMALL = HEADER + FIRST + SECOND


def decoded(text: str, **asked: str) -> CaisoPrices:
    return caiso_prices.decode(text.encode(), **asked)  # type: ignore[arg-type]


def test_a_leap_year_has_8784_hours_without_gap_on_standard_time() -> None:
    """The hour ending 1:00 of 1 January starts at 08:00 UTC; 8 March has its hour ending 3:00 as any day."""
    prices = caiso_prices.decode(price_bytes(FILE), extract=True)
    series = prices.day_ahead("caiso", "unnamed")
    (block,) = series.blocks
    assert (block.start, block.mantissas.size) == (datetime(2020, 1, 1, 8, tzinfo=UTC), 8784)
    assert (series.product, series.currency, series.interval_s) == ("day_ahead", "USD", 3600)
    assert Fraction(int(block.mantissas[0]), 10**block.scale) == Fraction("0.03331091")


def test_with_daylight_saving_the_same_file_has_a_skipped_hour() -> None:
    with pytest.raises(Refused) as caught:
        caiso_prices.decode(price_bytes(FILE), zone="America/Los_Angeles", extract=True)
    assert (caught.value.code, caught.value.place) == ("skipped_time", "row 1612")


def test_regulation_is_a_capacity_price_per_mw_hour() -> None:
    """0.01227058 USD per kW is 12.27058 per MW."""
    up, down = decoded(SMALL).regulation("caiso-regulation", "file-1")
    assert (up.product, down.product, up.kind) == ("regulation_up", "regulation_down", "capacity")
    assert Fraction(up.mantissas[0], 10**up.scale) == Fraction("12.27058")
    assert Fraction(down.mantissas[1], 10**down.scale) == 7


def test_a_year_of_regulation_is_a_fact_a_product_and_month() -> None:
    facts = caiso_prices.decode(price_bytes(FILE), extract=True).regulation("caiso-regulation", "2020")
    assert len(facts) == 26
    assert sum(len(fact.mantissas) for fact in facts) == 2 * 8784
    assert len({fact.id for fact in facts}) == 26


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (SMALL[:-1], "truncated_file", "row 3"),
        (SMALL + FIRST, "price_duplicate", "row 4"),
        (SMALL.replace("2:00", "2:30"), "hour_stamp", "row 3 Datetime (he)"),
        (SMALL.replace("1/1/2020 2", "2/30/2020 2"), "hour_stamp", "row 3 Datetime (he)"),
        (SMALL.replace("0.03091634", ""), "price_missing", "row 3 DA Price ($/kWh)"),
        (SMALL.replace("0.03091634", "30.9e-3"), "number", "row 3 DA Price ($/kWh)"),
        (SMALL.replace("0.03091634", "309.1634"), "price_range", "row 3 DA Price ($/kWh)"),
        (SMALL.replace(",0.007\n", "\n"), "column_count", "row 3"),
        (SMALL.replace("(he)", "(hb)"), "missing_column", "row 1"),
        (HEADER, "price_missing", "row 1"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(text: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        decoded(text)
    assert (caught.value.code, caught.value.place) == (code, place)


@settings(derandomize=True, max_examples=40)
@given(st.integers(0, len(SMALL) - 1))
def test_a_cut_anywhere_is_refused_or_noticed(at: int) -> None:
    try:
        told = decoded(SMALL[:at])
    except Refused:
        return
    assert told.notices != decoded(SMALL).notices


@settings(derandomize=True, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = [f"1/1/2020 {hour}:00,0.0{hour},0.1,0.2\n" for hour in range(1, 10)]
    mixed = rows.copy()
    random.Random(seed).shuffle(mixed)
    ours, theirs = (decoded(HEADER + "".join(these)).day_ahead("m", "n").blocks for these in (rows, mixed))
    assert [(b.start, b.mantissas.tolist()) for b in ours] == [
        (b.start, b.mantissas.tolist()) for b in theirs
    ]


@pytest.mark.parametrize(
    ("file_format", "asked", "code"),
    [
        ("caiso", {"currency": "EUR"}, "currency"),
        ("caiso", {"interval_s": 900}, "interval"),
        ("aemo", {"zone": "Australia/Sydney"}, "price_zone"),
        ("ledger", {"extract": True}, "price_format"),
        ("ledger", {"regulation_rule": "r"}, "price_format"),
    ],
)
def test_a_format_refuses_what_it_does_not_have(
    file_format: price_formats.Format, asked: dict[str, object], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        price_formats.told_by(
            SMALL.encode(),
            file_format,
            price_formats.Asked(market="m", node="n", run="f", **asked),  # type: ignore[arg-type]
        )
    assert caught.value.code == code


def test_every_format_is_in_the_list() -> None:
    assert set(price_formats.FORMATS) == set(price_formats.Format.__args__)  # type: ignore[attr-defined]


def test_a_public_file_is_told_with_its_regulation_prices() -> None:
    asked = price_formats.Asked(market="caiso", node="np15", run="f", regulation_rule="caiso-regulation")
    told = price_formats.told_by(SMALL.encode(), "caiso", asked)
    assert [one.node for one in told.series] == ["np15"]
    assert [fact.rule for fact in told.regulation] == ["caiso-regulation"] * 2

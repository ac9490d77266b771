"""AEMO's files: what settles, what is left aside, and that no damage goes unnoticed."""

from __future__ import annotations

import io
import random
import zipfile
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.gateway import aemo_prices
from adapters.gateway.aemo_prices import AemoPrices
from ledger.interval import Interval
from ledger.market_price import PriceSeries
from ledger.refusal import Refused
from tests.adapters.gateway.data_folder import price_bytes

RAW_2018 = "aemo_raw/PUBLIC_DVD_DISPATCHPRICE_201804010000.zip"
RAW_2025 = "aemo_raw/PUBLIC_ARCHIVE#DISPATCHPRICE#FILE01#202501010000.zip"
TRADING = "aemo_raw/PUBLIC_DVD_TRADINGPRICE_2021{}010000.zip"

HEAD = "C,SETP.WORLD,DVD_DISPATCHPRICE,AEMO,PUBLIC,2025/02/20,09:43:56,1\n"
COLUMNS = "I,DISPATCH,PRICE,5,SETTLEMENTDATE,REGIONID,DISPATCHINTERVAL,INTERVENTION,RRP,RAISEREGRRP\n"
FIRST = 'D,DISPATCH,PRICE,5,"2025/01/01 00:05:00",NSW1,20241231241,0,138.0279,5\n'
SECOND = 'D,DISPATCH,PRICE,5,"2025/01/01 00:10:00",NSW1,20241231242,0,-1000,11.05\n'
SMALL = HEAD + COLUMNS + FIRST + SECOND + 'C,"END OF REPORT",5\n'

TRADED = "SETTLEMENTDATE,REGIONID,PERIODID,RRP\n"
TRIMMED = """SETTLEMENTDATE,REGIONID,INTERVENTION,RRP
2025/01/01 00:05:00,NSW1,0,138.0279
2025/01/01 00:10:00,NSW1,0,134.41651
"""


def decoded(text: str, *, extract: bool = False) -> AemoPrices:
    return aemo_prices.decode(text.encode(), extract=extract)


def figures(series: PriceSeries) -> list[tuple[datetime, list[Fraction]]]:
    return [
        (block.start, [Fraction(m, 10**block.scale) for m in block.mantissas.tolist()])
        for block in series.blocks
    ]


def test_a_stamp_is_the_end_in_aest_and_a_price_per_mwh_is_exact_per_kwh() -> None:
    """00:05 AEST of 1 January ends an interval that starts at 14:00 UTC of 31 December."""
    (series,) = decoded(SMALL).energy("nem", "NSW1")
    assert (series.product, series.currency, series.interval_s) == ("real_time", "AUD", 300)
    start = datetime(2024, 12, 31, 14, tzinfo=UTC)
    assert figures(series) == [(start, [Fraction("0.1380279"), Fraction(-1)])]


@pytest.mark.parametrize("name", [RAW_2018, "aemo_dispatch_price_fcas_2018-04.csv"])
def test_prices_of_the_intervention_run_do_not_settle(name: str) -> None:
    """2,462 rows of April 2018 repeat an interval with INTERVENTION = 1 and other prices."""
    prices = aemo_prices.decode(price_bytes(name), extract=True)
    assert "2462 rows are of an intervention run" in prices.notices
    (series,) = prices.energy("nem", "NSW1")
    assert figures(series)[0][1][0] == Fraction("0.06758327")
    assert sum(block.mantissas.size for block in series.blocks) == 1440


def test_the_raw_file_and_its_trimmed_copy_tell_the_same() -> None:
    raw = aemo_prices.decode(price_bytes(RAW_2025), extract=True)
    trimmed = aemo_prices.decode(price_bytes("aemo_dispatch_price_fcas_2025-01.csv"))
    for region in ("NSW1", "SA1"):
        assert [figures(one) for one in raw.energy("m", region)] == [
            figures(one) for one in trimmed.energy("m", region)
        ]
    assert raw.regulation("r", "x", "SA1") == trimmed.regulation("r", "x", "SA1")


def test_the_missing_middle_of_a_month_stays_missing() -> None:
    (series,) = aemo_prices.decode(price_bytes(RAW_2025), extract=True).energy("nem", "SA1")
    assert len(series.blocks) == 2
    with pytest.raises(Refused) as caught:
        series.between(Interval(series.blocks[0].start, series.blocks[1].start))
    assert caught.value.code == "price_missing"


@pytest.mark.parametrize(("month", "interval_s", "count"), [("09", 1800, 240), ("10", 300, 1440)])
def test_trading_prices_are_of_half_hours_until_october_2021(month: str, interval_s: int, count: int) -> None:
    (series,) = aemo_prices.decode(price_bytes(TRADING.format(month)), extract=True).energy("nem", "SA1")
    assert (series.interval_s, sum(block.mantissas.size for block in series.blocks)) == (interval_s, count)


def test_a_file_across_the_change_becomes_a_series_of_each_length() -> None:
    text = (
        f"{TRADED}2021/10/01 00:05:00,SA1,1,50.01\n"
        "2021/10/01 00:00:00,SA1,48,44.5\n2021/09/30 23:30:00,SA1,47,-3\n"
    )
    series = decoded(text).energy("nem", "SA1")
    assert [(one.interval_s, figures(one)) for one in series] == [
        (300, [(datetime(2021, 9, 30, 14, tzinfo=UTC), [Fraction("0.05001")])]),
        (1800, [(datetime(2021, 9, 30, 13, tzinfo=UTC), [Fraction("-0.003"), Fraction("0.0445")])]),
    ]


def test_a_trading_price_is_the_mean_of_six_dispatch_prices_to_the_cent() -> None:
    """An independent look at the stamps: shifted by one interval, the means would not agree."""
    trading = aemo_prices.decode(
        price_bytes("aemo_raw/PUBLIC_DVD_TRADINGPRICE_201804010000.zip"), extract=True
    ).energy("m", "SA1")[0]
    (dispatch,) = aemo_prices.decode(price_bytes(RAW_2018), extract=True).energy("m", "SA1")
    half, five = trading.blocks[0], dispatch.blocks[0]
    assert half.start == five.start
    told = [Fraction(m, 10**half.scale) for m in half.mantissas.tolist()]
    whole = five.mantissas[: five.mantissas.size // 6 * 6].reshape(-1, 6).sum(axis=1).tolist()
    assert len(told) > 100
    for price, total in zip(told, whole, strict=False):
        assert abs(price - Fraction(total, 6 * 10**five.scale)) <= Fraction(1, 200_000)


def test_fcas_prices_are_capacity_prices_per_mw_hour_of_a_region() -> None:
    """RAISEREG of 00:05 in NSW1 was 5 AUD per MW and hour, of 00:10 11.05."""
    prices = aemo_prices.decode(price_bytes(RAW_2025), extract=True)
    facts = prices.regulation("aemo-fcas-nsw1", "file-1", "NSW1")
    first = next(fact for fact in facts if fact.product == "RAISEREG")
    assert (first.kind, first.currency, first.id) == (
        "capacity",
        "AUD",
        "aemo-fcas-nsw1-RAISEREG-20250101T0000",
    )
    assert [Fraction(m, 10**first.scale) for m in first.mantissas[:2]] == [5, Fraction("11.05")]
    assert first.interval.seconds == len(first.mantissas) * 300 == 86_400
    assert {fact.product for fact in facts} == set(aemo_prices.FCAS_PRODUCTS)


def test_products_that_an_older_file_has_no_column_for_are_absent_not_zero() -> None:
    facts = aemo_prices.decode(price_bytes(RAW_2018), extract=True).regulation("r", "x", "NSW1")
    assert {fact.product for fact in facts} == set(aemo_prices.FCAS_PRODUCTS) - {"RAISE1SEC", "LOWER1SEC"}


def test_fcas_is_not_taken_from_half_hours() -> None:
    with pytest.raises(Refused) as caught:
        aemo_prices.decode(price_bytes(TRADING.format("09")), extract=True).regulation("r", "x", "SA1")
    assert caught.value.code == "interval"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (SMALL.replace(FIRST, FIRST + FIRST.replace("138.0279", "138")), "price_duplicate", "row 4"),
        (SMALL.replace('T",5', 'T",6'), "line_count", "row 5"),
        (SMALL.replace(SECOND, ""), "line_count", "row 4"),
        (HEAD + COLUMNS + FIRST + SECOND, "truncated_file", "row 4"),
        (SMALL.replace("20241231242", "20241231243"), "interval_stamp", "row 4 DISPATCHINTERVAL"),
        (SMALL.replace("00:10:00", "00:11:00"), "interval_stamp", "row 4 SETTLEMENTDATE"),
        (SMALL.replace(",0,-1000", ",2,-1000"), "intervention", "row 4 INTERVENTION"),
        (SMALL.replace(",-1000", ","), "price_missing", "row 4 RRP"),
        (SMALL.replace(",-1000", ",1e3"), "number", "row 4 RRP"),
        (SMALL.replace("RRP,RAISEREGRRP", "PRICE,RAISEREGRRP"), "missing_column", "row 2"),
        (SMALL.replace(COLUMNS, ""), "aemo_record", "row 2"),
        (SMALL.replace(",11.05\n", "\n"), "column_count", "row 4"),
        (SMALL.replace(SECOND, "X" + SECOND[1:]), "aemo_record", "row 4"),
        (HEAD + 'I,DISPATCH,UNIT_SCADA,1,DUID\nC,"END OF REPORT",3\n', "price_table", ""),
        ("SETTLEMENTDATE,REGIONID,RRP\n2025/01/01 00:05:00,NSW1,1\n", "price_table", "row 1"),
        (TRIMMED[:-1], "truncated_file", "row 3"),
        (TRADED + "2025/01/01 00:05:00,NSW1,48,1\n", "interval_stamp", "row 2 PERIODID"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_line(text: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        decoded(text, extract=code == "price_duplicate")
    assert (caught.value.code, caught.value.place) == (code, place)


def test_a_row_repeated_with_the_same_figures_changes_nothing_and_is_told() -> None:
    again = decoded(SMALL.replace(FIRST, FIRST + FIRST).replace('T",5', 'T",6'))
    assert again.energy("m", "NSW1")[0].blocks[0].mantissas.tolist() == (
        decoded(SMALL).energy("m", "NSW1")[0].blocks[0].mantissas.tolist()
    )
    assert "1 rows are repeated" in again.notices


def test_an_unknown_region_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refused) as caught:
        decoded(SMALL).energy("m", "QLD1")
    assert caught.value.code == "region" and "NSW1" in caught.value.reason


@pytest.mark.parametrize("files", [0, 2])
def test_an_archive_holds_one_file(files: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(files):
            archive.writestr(f"{number}.csv", SMALL)
    with pytest.raises(Refused) as caught:
        aemo_prices.decode(packed.getvalue())
    assert caught.value.code == ("zip" if files else "encoding")


@settings(derandomize=True, max_examples=60)
@given(st.data())
def test_a_cut_anywhere_is_refused_or_noticed(data: st.DataObject) -> None:
    """Of a counted file every cut but that of its last line end is refused; else it shows in what is told."""
    text, counted = data.draw(st.sampled_from([(SMALL, True), (TRIMMED, False)]))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    if counted and cut == text[:-1]:
        return
    try:
        told = decoded(cut)
    except Refused:
        return
    assert not counted
    assert told.notices != decoded(text).notices


@settings(derandomize=True, max_examples=20)
@given(st.integers(1, 10**6), st.integers(2, 40))
def test_a_cut_or_flipped_archive_is_refused(seed: int, cuts: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prices.csv", SMALL)
    whole = packed.getvalue()
    rng = random.Random(seed)
    with pytest.raises(Refused):
        aemo_prices.decode(whole[: rng.randrange(1, len(whole) - cuts)])


@settings(derandomize=True, max_examples=20)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [
        f"2025/01/01 00:{5 * (at + 1):02}:00,{region},0,{10 * at + len(region)}.5\n"
        for at in range(3)
        for region in ("NSW1", "QLDX1")
    ]
    header = TRIMMED.splitlines(keepends=True)[0]
    told = decoded(header + "".join(rows[at] for at in order))
    for region in ("NSW1", "QLDX1"):
        assert [figures(one) for one in told.energy("m", region)] == [
            figures(one) for one in decoded(header + "".join(rows)).energy("m", region)
        ]

"""A bid as a table: every bid without blocks comes back as it was, and what is wrong has its row."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.desk.bid_csv import BidTable, csv_of, template
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import DAY, DAY_AHEAD, RESPONSE_CALL, UNIT, bid, market
from trading.bid import Bid, Block
from trading.product import Market, Product

HEAD = f"bid,b1\nunit,{UNIT}\nmarket,shandong\nproduct,day_ahead\nday,{DAY}\nprices_in,CNY/MWh\n"
COLUMNS = "number,interval_start,segment,from_mw,to_mw,price,schedule_mw\n"
REST = "".join(f"{number},,1,,,,\n" for number in range(2, 97))


def read(text: str, rules: Market | None = None, product: Product = DAY_AHEAD) -> Bid:
    return BidTable(text.encode()).written(rules or market(), product).bid


@st.composite
def curves(draw: st.DrawFn) -> tuple[tuple[int, int, int], ...]:
    """Segments one after another: any whole W and millionths."""
    steps = draw(st.lists(st.integers(1, 2**38), max_size=4))
    low, found = draw(st.integers(-(2**38), 0)), []
    for step in steps:
        found.append((low, low + step, draw(st.integers(-(2**40), 2**40))))
        low += step
    return tuple(found)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(curves(), min_size=3, max_size=3), st.none() | st.integers(-(2**40), 2**40), st.booleans())
def test_a_bid_comes_back_as_it_was(
    some: list[tuple[tuple[int, int, int], ...]], planned: int | None, per_kwh: bool
) -> None:
    product = RESPONSE_CALL if per_kwh else DAY_AHEAD
    one = bid(
        curves=(*some, *[()] * 93),
        schedule_w=None if planned is None else (planned,) * 96,
        product=product.id,
        origin="file",
        note='half, "or so"',
    )
    text = csv_of(one, market(), product)
    assert read(text, product=product) == one
    assert read(text.replace("\n", "\r\n"), product=product) == one, "as Excel writes it"
    assert read("\ufeff" + text, product=product) == one
    padded = text.replace(",CNY/MWh\n", ",CNY/MWh,,,,,\n").replace(",CNY/kWh\n", ",CNY/kWh,,,,,\n")
    assert read(padded, product=product) == one


def whole(rows: str) -> str:
    """The table with a row of nothing for each interval that `rows` does not name by its number."""
    named = {line.split(",")[0] for line in rows.splitlines()}
    rest = (f"{number},,1,,,,\n" for number in range(1, 97) if str(number) not in named)
    return HEAD + COLUMNS + rows + "".join(rest)


def test_a_table_that_was_cut_off_is_refused() -> None:
    """An interval without a row is one that is missing, and none in which nothing is offered."""
    text = template(market(), DAY_AHEAD, DAY)
    cut = text[: text.index("\n57,") + 1]
    with pytest.raises(Refused) as refused:
        read(cut)
    assert (refused.value.code, refused.value.place) == ("bid_file", "interval 57")


def test_worked_figures() -> None:
    """1.5 MW bought at -12.3 CNY/MWh: 1,500,000 W at -12,300 millionths of a CNY per kWh."""
    found = read(whole(f"3,{DAY}T00:30+08:00,1,-1.5,0,-12.3,\n3,,2,0,0.25,80,\n"))
    assert found.curves[2] == ((-1_500_000, 0, -12_300), (0, 250_000, 80_000))
    assert [number for number, curve in enumerate(found.curves) if curve] == [2]
    assert (found.schedule_w, found.origin, len(found.curves)) == (None, "file", 96)


@pytest.mark.parametrize(
    "row",
    [f",{DAY}T23:45+08:00,1,0,1,5,", f",{DAY}T15:45Z,1,0,1,5,", f",{DAY}T23:45,1,0,1,5,", "96,,1,0,1,5,"],
)
def test_an_interval_is_named_by_its_number_or_its_start(row: str) -> None:
    rest = "".join(f"{number},,1,,,,\n" for number in range(1, 96))
    assert read(HEAD + COLUMNS + rest + row + "\n").curves[95] == ((0, 1_000_000, 5_000),)


def test_a_template_offers_nothing_and_has_the_days_own_intervals() -> None:
    """92 and 100 quarter-hours where the clocks change."""
    berlin = msgspec.structs.replace(market(), zone="Europe/Berlin", calendar="none")
    for day, count in ((date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (DAY, 96)):
        text = template(berlin, DAY_AHEAD, day)
        found = read(text, berlin)
        assert found.curves == ((),) * count
        assert text.count("\n") == 6 + 1 + count
    autumn = template(berlin, DAY_AHEAD, date(2026, 10, 25))
    assert "9,2026-10-25T02:00+02:00,1,,,,\n" in autumn
    assert "13,2026-10-25T02:00+01:00,1,,,,\n" in autumn
    twice = autumn.replace("9,2026-10-25T02:00+02:00,1,,,,", "9,2026-10-25T02:00,1,0,1,5,")
    with pytest.raises(Refused) as refused:
        read(twice, berlin)
    assert (refused.value.code, refused.value.place) == ("ambiguous_time", "row 16, interval_start")


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "empty_file", ""),
        (HEAD, "bid_file", "file"),
        (HEAD.replace("unit,vpp\n", "") + COLUMNS, "bid_file", "row 6"),
        (HEAD.replace("bid,b1", "bid,"), "bid_file", "row 1"),
        (HEAD.replace("bid,b1", "bid,b1,b2"), "bid_file", "row 1"),
        (HEAD.replace("bid,b1", "bid,b 1") + COLUMNS, "id", "id"),
        (HEAD + "unit,vpp\n", "bid_file", "row 7"),
        (HEAD + "price,5\n" + COLUMNS, "bid_file", "row 7"),
        (HEAD + "colour,red\n" + COLUMNS, "bid_file", "row 7"),
        (HEAD.replace(f"{DAY}", "3/9/2026") + COLUMNS, "bid_file", "day"),
        (HEAD.replace("CNY/MWh", "CNY/kWh") + COLUMNS, "price_unit", "prices_in"),
        (HEAD + "number,segment,from_mw,to_mw\n", "bid_file", "row 7"),
        (HEAD + "segment,from_mw,to_mw,price\n", "bid_file", "row 7"),
        (HEAD + "number,number,segment,from_mw,to_mw,price\n", "bid_file", "row 7"),
        (HEAD + COLUMNS + ",,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "0,,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "97,,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "1.5,,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + f"2,{DAY}T00:00+08:00,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + ",2026-09-04T00:00+08:00,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + f",{DAY}T00:07+08:00,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + ",noon,1,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "1,,1,0,,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "1,,2,0,1,5,\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + "1,,1,0,1,5,\n1,,1,1,2,6,\n", "bid_file", "row 9"),
        (HEAD + COLUMNS + "1,,1,0,1,5,0,9\n", "bid_file", "row 8"),
        (HEAD + COLUMNS + '1,,1,0,"1,5",5,\n', "number", "row 8, to_mw"),
        (HEAD + COLUMNS + "1,,1,0,0.0000001,5,\n", "quantity_range", "row 8, to_mw"),
        (HEAD + COLUMNS + "1,,1,0,1099512,5,\n", "quantity_range", "row 8, to_mw"),
        (HEAD + COLUMNS + "1,,1,0,1,0.0001,\n", "price_scale", "row 8, price"),
        (HEAD + COLUMNS + "1,,1,0,1,five,\n", "number", "row 8, price"),
        (HEAD + COLUMNS + '1,,1,0,1,"5,\n', "csv_syntax", "row 8"),
        (HEAD + COLUMNS + "1,,1,0,1,5,1\n" + REST, "bid_schedule", "schedule_mw"),
        (HEAD + COLUMNS + "1,,1,0,1,5,1\n1,,2,1,2,5,1\n", "bid_file", "row 9"),
        (HEAD + "note,a\x1b[2Jb\n" + COLUMNS, "control_character", "note"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(text: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_bids_own_refusal_gets_the_row_of_its_segment() -> None:
    written = BidTable(whole("1,,1,0,1,5,\n7,,1,0,1,5,\n7,,2,1,2,4,\n").encode()).written(market(), DAY_AHEAD)
    for place, row in (
        ("curves[6][1]", "row 10 (curves[6][1])"),
        ("curves[6]", "row 9 (curves[6])"),
        ("schedule_w[0]", "row 8 (schedule_w[0])"),
        ("curves[96]", "curves[96]"),
        ("day", "day"),
    ):
        assert written.placed(Refused("x", "y", place=place)).place == row


def test_blocks_are_no_table() -> None:
    block = Block(id="k", first=0, profile_w=(1000,), price_u=1)
    with pytest.raises(Refused) as refused:
        csv_of(bid(blocks=(block,)), market(), DAY_AHEAD)
    assert (refused.value.code, refused.value.place) == ("bid_file", "blocks")

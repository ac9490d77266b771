"""A file of prices is read whole, or refused with the line that is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from adapters import price_file
from ledger.market_price import PriceSeries
from ledger.refusal import Refused

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "prices" / "shandong_spot_2026.csv"
HEADER = "start_utc,day_ahead_cny_per_kwh,real_time_cny_per_kwh\n"
FIRST = "2026-01-24T16:00:00Z,0.329500,0.301561\n"
SECOND = "2026-01-24T17:00:00Z,0.329500,0.301561\n"


def parsed(data: bytes) -> tuple[PriceSeries, PriceSeries]:
    return price_file.parse(data, market="m", node="n", currency="CNY", interval_s=3600)


PLATFORM = """business_day,hour_business,interval_end_local,da_price,rt_price
2026-01-25,1,2026-01-25 01:00:00,329.5,301.561
2026-01-25,2,2026-01-25 02:00:00,329.5,301.561
"""


def hourly(data: str, **changes: object) -> tuple[PriceSeries, PriceSeries]:
    given = {"market": "m", "node": "n", "currency": "CNY", "interval_s": 3600, "zone": "Asia/Shanghai"}
    return price_file.parse(data.encode(), **given | changes)  # type: ignore[arg-type]


def test_a_platforms_hours_are_the_same_prices() -> None:
    """Hour 1 of the 25th in China starts at 16:00 UTC of the 24th; 329.5 per MWh is 0.3295 per kWh."""
    ours = parsed((HEADER + FIRST + SECOND).encode())
    for own, theirs in zip(ours, hourly(PLATFORM), strict=True):
        (a,), (b,) = own.blocks, theirs.blocks
        assert (a.start, a.mantissas.tolist(), a.scale) == (b.start, b.mantissas.tolist(), b.scale)
        assert (own.product, own.interval_s) == (theirs.product, theirs.interval_s)


@pytest.mark.parametrize(
    ("data", "changes", "code", "place"),
    [
        (PLATFORM, {"zone": None}, "price_zone", "zone"),
        (PLATFORM, {"interval_s": 900}, "interval", "interval_s"),
        (HEADER + FIRST, {}, "price_zone", "zone"),
        (PLATFORM.replace("rt_price", "price"), {}, "missing_column", "row 1"),
        (PLATFORM.replace("25,2,", "25,3,"), {}, "hour_stamp", "row 3"),
    ],
)
def test_a_platforms_file_is_refused_where_it_is_wrong(
    data: str, changes: dict[str, object], code: str, place: str
) -> None:
    with pytest.raises(Refused) as caught:
        hourly(data, **changes)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_hours_of_a_half_hour_clock_are_refused_with_the_way_round() -> None:
    """00:00 in Kolkata is 18:30 UTC: the hour, told as two half-hours, is taken."""
    kolkata = "2026-01-24T18:30:00Z,0.3,0.4\n"
    with pytest.raises(Refused) as caught:
        parsed((HEADER + kolkata).encode())
    assert (caught.value.code, caught.value.place) == ("price_time", "row 2 start_utc")
    assert "--interval-s 1800" in caught.value.reason
    halves = (HEADER + kolkata + kolkata.replace("18:30", "19:00")).encode()
    taken, _ = price_file.parse(halves, market="m", node="n", currency="CNY", interval_s=1800)
    assert len(taken.blocks[0].mantissas) == 2
    with pytest.raises(Refused) as quarter:
        price_file.parse(
            (HEADER + FIRST.replace("16:00", "16:05")).encode(),
            market="m", node="n", currency="CNY", interval_s=900,
        )  # fmt: skip
    assert "half-hours" not in quarter.value.reason


def figures(data: bytes) -> list[list[int]]:
    return [series.blocks[0].mantissas.tolist() for series in parsed(data)]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (HEADER + FIRST + "2026-01-24T17:00:00Z,0,329500,0.301561\n", "column_count", "row 3"),
        (HEADER + FIRST + "2026-01-24T17:00:00Z,0.329500\n", "column_count", "row 3"),
        (HEADER + FIRST + SECOND[:-4], "truncated_file", "row 3"),
        (HEADER + FIRST[:-1], "truncated_file", "row 2"),
        (HEADER + FIRST + "\n" + SECOND, "csv_syntax", "row 3"),
        (HEADER + FIRST.replace("0.301561", '"0.301561') + SECOND, "csv_syntax", "row 2"),
        (HEADER.replace("start", "begin") + FIRST, "missing_column", "row 1"),
        (HEADER.replace("day_ahead", "real_time") + FIRST, "duplicate_header", "row 1"),
        (HEADER, "price_missing", ""),
        ("", "empty_file", ""),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(text: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        parsed(text.encode())
    assert (caught.value.code, caught.value.place) == (code, place)


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    for data, row in (((HEADER + FIRST).encode() + b"\xd5\n", "row 3"), (HEADER.encode("utf-16"), "row 1")):
        with pytest.raises(Refused) as caught:
            parsed(data)
        assert (caught.value.code, caught.value.place) == ("encoding", row)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_byte_order_mark_gzip_and_blank_last_lines_change_nothing(ends: str) -> None:
    plain = (HEADER + FIRST + SECOND + "\n\n").replace("\n", ends).encode()
    assert figures(plain) == [[329_500, 329_500], [301_561, 301_561]]
    assert figures(b"\xef\xbb\xbf" + plain) == figures(plain)
    assert figures(gzip.compress(plain)) == figures(plain)


def test_the_example_is_read_whole() -> None:
    assert [len(one) for one in figures(EXAMPLE.read_bytes())] == [504, 504]


DAY_AHEAD = "start_utc,day_ahead_cny_per_kwh\n2026-01-24T16:00:00Z,0.3295\n2026-01-24T17:00:00Z,-0.01\n"
REAL_TIME = "start_utc,real_time_cny_per_kwh\n2026-01-24T16:00:00Z,0.301561\n"


def told(text: str, **changes: object) -> dict[str, list[int]]:
    given = {"market": "m", "node": "n", "currency": "CNY", "interval_s": 3600}
    found = price_file.told(text.encode(), **given | changes)  # type: ignore[arg-type]
    return {one.product: [int(m) * 10**6 // 10**block.scale for block in one.blocks for m in block.mantissas]
            for one in found}  # fmt: skip


def test_an_auctions_result_comes_before_the_real_time_prices() -> None:
    """One column alone, or real-time cells that are empty from some interval on: no price, not zero."""
    assert told(DAY_AHEAD) == {"day_ahead": [329_500, -10_000]}
    assert told(REAL_TIME) == {"real_time": [301_561]}
    open_yet = HEADER + FIRST + "2026-01-24T17:00:00Z,0.3295,\n2026-01-24T18:00:00Z,0.33,\n"
    assert told(open_yet) == {"day_ahead": [329_500, 329_500, 330_000], "real_time": [301_561]}
    assert told(HEADER + "2026-01-24T16:00:00Z,0.3295,\n") == {"day_ahead": [329_500]}
    assert told(PLATFORM[: PLATFORM.rindex(",")] + ",\n", zone="Asia/Shanghai") == {
        "day_ahead": [329_500, 329_500], "real_time": [301_561],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (HEADER + "2026-01-24T16:00:00Z,0.3295,\n" + SECOND, "price_missing", "row 2"),
        (HEADER + FIRST + "2026-01-24T17:00:00Z,,0.3\n", "price_missing", "row 3 day_ahead_cny_per_kwh"),
        (HEADER + FIRST + "2026-01-24T17:00:00Z,,\n", "price_missing", "row 3 day_ahead_cny_per_kwh"),
        (REAL_TIME + "2026-01-24T17:00:00Z,\n", "price_missing", "row 3 real_time_cny_per_kwh"),
        (DAY_AHEAD.replace("start_utc,", "start_utc,note,").replace("Z,", "Z,x,"), "missing_column", "row 1"),
        (HEADER.replace("real_time_cny", "real_time_eur") + FIRST, "missing_column", "row 1"),
        ("start_utc\n2026-01-24T16:00:00Z\n", "missing_column", "row 1"),
    ],
)
def test_a_price_that_lacks_otherwise_is_refused_with_its_line(text: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        told(text)
    assert (caught.value.code, caught.value.place) == (code, place)


@pytest.mark.parametrize(
    ("text", "place"),
    [(DAY_AHEAD, "real_time"), (REAL_TIME, "day_ahead"), (HEADER + FIRST + SECOND[:30] + "\n", "real_time")],
)
def test_who_needs_both_prices_is_told_which_lacks(text: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        parsed(text.encode())
    assert (caught.value.code, caught.value.place) == ("price_missing", place)

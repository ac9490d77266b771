"""A trading centre's files, read and written without a market: layouts, units, days, sheets, folders."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from adapters.gateway.file_exchange import FileExchange
from adapters.gateway.file_profile import file_profile
from adapters.gateway.gateway import NotTaken, Offer, Unanswered
from adapters.gateway.offer_file import offer_file
from adapters.gateway.result_file import Told, ack_of, result_of
from adapters.reference_market.offer_csv import offer_file as as_the_market_reads_it
from adapters.reference_market.parameters import Parameters
from ledger.interval import Interval as Span
from ledger.interval import interval_starts, midnight, zone_of
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import DAY, DAY_AHEAD, MW, ROOT, bid, flat, market
from trading.bid import Block
from trading.bid_life import Draft

GATEWAYS = ROOT / "examples/gateways"
PROFILE = file_profile((GATEWAYS / "reference_files.toml").read_bytes())
CENTRE = file_profile((GATEWAYS / "centre_sheets.toml").read_bytes())
GERMANY = "Europe/Berlin"


def offer(name: str = "b1", revision: int = 1, **changes: object) -> Offer:
    made = bid(name, **changes)
    draft = Draft(revision, made, "anna", datetime(2026, 9, 1, tzinfo=UTC), "0" * 64)
    return Offer(draft, market(), DAY_AHEAD, "CODE-vpp")


# ------------------------------------------------------------------------ offers


def test_every_example_can_be_read() -> None:
    files = sorted(GATEWAYS.glob("*_*.toml"))
    assert len(files) >= 3
    for file in files:
        assert file_profile(file.read_bytes()).interval_s in (900, 3600)


segments = st.lists(
    st.tuples(st.integers(1, 40_000), st.integers(-100_000, 1_500_000)), min_size=1, max_size=5
).map(
    lambda parts: tuple(
        (sum(w for w, _ in parts[:i]) * 1000, sum(w for w, _ in parts[: i + 1]) * 1000, price)
        for i, ((_, _), price) in enumerate(zip(parts, sorted(p for _, p in parts), strict=True))
    )
)


@settings(derandomize=True, max_examples=40)
@given(st.dictionaries(st.integers(0, 95), segments, min_size=1, max_size=6))
def test_the_market_reads_what_was_offered(curves: dict[int, tuple[tuple[int, int, int], ...]]) -> None:
    made = bid(curves=tuple(curves.get(number, ()) for number in range(96)), schedule_w=None)
    zone = zone_of("Asia/Shanghai")
    day = Span(midnight(DAY, zone), midnight(date(2026, 9, 4), zone))
    starts = tuple(interval_starts(day, 900))
    read = as_the_market_reads_it(
        offer_file(made, PROFILE), Parameters(interval_s=900), DAY, starts, revision=1
    ).offer
    told = {
        starts.index(curve.start): tuple((s.start_w, s.end_w, s.price_micro_per_kwh) for s in curve.segments)
        for curve in read.curves
    }
    assert told == curves


def test_a_workbook_says_the_same_under_its_titles() -> None:
    data = offer_file(bid(), CENTRE)
    assert offer_file(bid(), CENTRE) == data, "the same bid is the same file"
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    rows = book.get_sheet_by_name("申报").to_python()
    assert rows[0][0] == "日前电能量申报"
    assert rows[1][:6] == ["日期", "时段", "段", "起始出力(kW)", "终止出力(kW)", "电价(元/kWh)"]
    assert rows[2][:6] == ["20260903", 9, 1, -1000, 0, 0.3]
    assert len(rows) == 2 + 16


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        (
            {"curves": tuple(flat(0, MW, 300_001) if n == 7 else () for n in range(96))},
            "decimals",
            "curves[7][0]",
        ),
        ({"blocks": (Block(id="x", first=0, profile_w=(MW,), price_u=1000),)}, "block", "blocks[0]"),
    ],
)
def test_what_the_file_cannot_say_is_not_sent(
    changes: dict[str, object], code: str, place: str, tmp_path: Path
) -> None:
    one = offer(schedule_w=None, **changes)
    with pytest.raises(Refused) as refused:
        offer_file(one.draft.bid, CENTRE)
    assert (refused.value.code, refused.value.place) == (code, place)
    exchange = FileExchange(CENTRE, folders(tmp_path), tmp_path / "kept")
    with pytest.raises(NotTaken, match=code):
        exchange.send(one)
    assert not list((tmp_path / "market/CODE-vpp/in").iterdir())


# ----------------------------------------------------------------------- results


def result(count: int = 96, *, day: str = "20260903", award: str = "-500", start: int = 1) -> list[list[str]]:
    """A result in the centre's words: kW and CNY per kWh."""
    return [["日期", "时段", "出清价(元/kWh)", "中标(kW)"]] + [
        [day, str(number), "0.31", award] for number in range(start, start + count)
    ]


def sheet(rows: list[list[str]], spoil: Callable[[Worksheet, Workbook], None] = lambda *_: None) -> bytes:
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True})
    made = book.add_worksheet("出清")
    made.merge_range(0, 0, 0, 3, "出清结果")
    for number, cells in enumerate(rows, 1):
        for column, cell in enumerate(cells):
            if number > 1 and column > 1:
                made.write_number(number, column, float(cell))
            else:
                made.write_string(number, column, cell)
    spoil(made, book)
    book.close()
    return out.getvalue()


def read(data: bytes, day: date = DAY, **changes: object) -> Told:
    its_market = msgspec.structs.replace(market(), **changes)
    return result_of(data, CENTRE, its_market, DAY_AHEAD, day, 1)


def test_a_workbook_is_read_exactly_under_its_title() -> None:
    told = read(sheet(result()))
    assert told.price_u == (310_000,) * 96
    assert told.award_w == (-500_000,) * 96
    assert (told.revised, told.published) == (False, datetime(2026, 9, 2, 9, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("spoil", "code", "place"),
    [
        (lambda made, _: made.write_formula("D5", "=1+1", None, 2), "formula", "cell D5"),
        (lambda made, _: made.merge_range("C7:C8", 1), "merged_cells", "row 7, column 3"),
        (lambda made, _: made.write_string("D5", "1,5"), "number", "row 5, 中标(kW)"),
        (lambda made, _: made.write_boolean("D5", True), "cell", "row 5, column 4"),
        (lambda made, _: made.write_string("D5", " "), "empty_value", "row 5, 中标(kW)"),
        (lambda made, _: made.write_number("D5", 0.0001), "award", "row 5, 中标(kW)"),
        (lambda made, _: made.write_string("A5", "20260904"), "clearing_file", "row 5, 日期"),
    ],
)
def test_a_workbook_that_is_not_plain_values_is_refused_at_its_cell(
    spoil: Callable[[Worksheet, Workbook], None], code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(sheet(result(), spoil))
    assert (refused.value.code, refused.value.place) == (code, place)


def test_bytes_that_are_no_workbook_are_refused() -> None:
    whole = sheet(result())
    for data, code in ((whole[:2000], "truncated_file"), (b"a,b\n", "workbook")):
        with pytest.raises(Refused) as refused:
            read(data)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 10, 26), 96)]
)
def test_a_day_has_the_intervals_that_its_clocks_have(day: date, count: int) -> None:
    changes: dict[str, object] = {"zone": GERMANY, "calendar": "none"}
    text = f"{day:%Y%m%d}"
    assert len(read(sheet(result(count, day=text)), day, **changes).price_u) == count
    for wrong in (count - 1, count + 1, 0 if count == 96 else 96):
        if not wrong:
            continue
        with pytest.raises(Refused) as refused:
            read(sheet(result(wrong, day=text)), day, **changes)
        assert refused.value.code == "clearing_intervals"


@settings(derandomize=True, max_examples=60)
@given(st.integers(0, 10_000))
def test_a_csv_that_is_cut_anywhere_is_refused(cut: int) -> None:
    head = "交易日,品种,版次,发布时间,申报版本,时段,出清价格元/MWh,中标出力MW\n"
    rows = [f"2026-09-03,日前,1,2026-09-02T17:30:00+08:00,1,{n},310.125,-0.5\n" for n in range(1, 97)]
    data = (head + "".join(rows)).encode()
    cut = cut % len(data)
    assert result_of(data, PROFILE, market(), DAY_AHEAD, DAY, 1).price_u[95] == 310_125
    with pytest.raises(Refused):
        result_of(data[:cut], PROFILE, market(), DAY_AHEAD, DAY, 1)


# ----------------------------------------------------------------------- folders


def folders(tmp_path: Path) -> Path:
    for name in ("in", "ack", "out"):
        (tmp_path / "market/CODE-vpp" / name).mkdir(parents=True)
    return tmp_path / "market"


def acknowledge(root: Path, name: str, outcome: str, digest: str | None = None) -> None:
    """As the market answers."""
    sent = root / "CODE-vpp/in" / name
    digest = digest or hashlib.sha256(sent.read_bytes()).hexdigest()
    head = "文件,SHA256,结果,代码,位置,说明,版本,市场时间\n"
    text = f"{head}{name},{digest},{outcome},,,full,1,2026-09-02T09:00:00+08:00\n"
    stem = f"{name.removesuffix('.csv')}.{hashlib.sha256(sent.read_bytes()).hexdigest()[:8]}.ack.csv"
    ack = root / "CODE-vpp/ack" / stem
    ack.write_text(text)
    ack.with_name(f"{stem}.sha256").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  {stem}\n")


def test_the_market_s_numbers_grow_over_all_bids_of_the_day(tmp_path: Path) -> None:
    root = folders(tmp_path)
    exchange = FileExchange(PROFILE, root, tmp_path / "kept")
    for number, one in enumerate((offer(), offer("b2"), offer("b1", 2)), 1):
        with pytest.raises(Unanswered):
            exchange.send(one)
        name = f"offer_day_ahead_2026-09-03_r{number}.csv"
        acknowledge(root, name, "已受理")
        taken = exchange.ask(one)
        assert taken is not None
        assert (taken.revision, taken.reference) == (one.draft.revision, name.removesuffix(".csv"))
        assert exchange.send(one) == taken, "the same again has the first answer"
    assert len(list((root / "CODE-vpp/in").glob("*.csv"))) == 3
    assert not list((root / "CODE-vpp/in").glob(".*")), "nothing is left half written"


def test_what_may_have_been_dropped_is_not_dropped_again_by_itself(tmp_path: Path) -> None:
    root = folders(tmp_path)
    exchange = FileExchange(PROFILE, root, tmp_path / "kept")
    assert exchange.ask(offer()) is None, "nothing was made for the market yet"
    with pytest.raises(Unanswered):
        exchange.send(offer())
    [note] = (tmp_path / "kept/CODE-vpp/sent").glob("*.json")
    note.write_text(note.read_text().replace('"dropped":true', '"dropped":false'))
    for file in (root / "CODE-vpp/in").iterdir():
        file.unlink()
    with pytest.raises(Unanswered, match="may or may not"):
        exchange.ask(offer())
    assert not list((root / "CODE-vpp/in").iterdir())
    with pytest.raises(Unanswered, match="waits"):
        exchange.send(offer())
    names = sorted(file.name for file in (root / "CODE-vpp/in").iterdir())
    assert names == ["offer_day_ahead_2026-09-03_r1.csv", "offer_day_ahead_2026-09-03_r1.csv.sha256"]


def test_an_acknowledgement_of_another_file_is_none(tmp_path: Path) -> None:
    root = folders(tmp_path)
    exchange = FileExchange(PROFILE, root, tmp_path / "kept")
    with pytest.raises(Unanswered):
        exchange.send(offer())
    name = "offer_day_ahead_2026-09-03_r1.csv"
    for outcome, digest in (("已受理", "0" * 64), ("收到", None)):
        acknowledge(root, name, outcome, digest)
        with pytest.raises(Unanswered, match="ack_file"):
            exchange.ask(offer())
    acknowledge(root, name, "已拒绝")
    with pytest.raises(NotTaken, match="full"):
        exchange.ask(offer())
    with pytest.raises(Refused, match="2 rows"):
        text = (next((root / "CODE-vpp/ack").glob("*.csv"))).read_text()
        sent = hashlib.sha256((root / "CODE-vpp/in" / name).read_bytes()).hexdigest()
        ack_of((text + text.splitlines(keepends=True)[1]).encode(), PROFILE.ack, name, sent)


@pytest.mark.parametrize("code", ["../other", ".hidden", "a/b", "absent"])
def test_a_unit_without_folders_is_uncertain(tmp_path: Path, code: str) -> None:
    exchange = FileExchange(PROFILE, folders(tmp_path), tmp_path / "kept")
    with pytest.raises(Unanswered):
        exchange.send(msgspec.structs.replace(offer(), unit_code=code))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('name = "offer_{product}_{day}_r{revision}"', 'name = "offer_{product}_{day}"', "file_name"),
        ('name = "offer_{product}_{day}_r{revision}"', 'name = "../{product}{day}{revision}"', "file_name"),
        ('power_unit = "MW"', 'power_unit = "GW"', "not_allowed"),
        ('refused = "已拒绝"', 'refused = "已受理"', "not_allowed"),
        ("price_decimals = 3", "price_decimals = 12", "decimals"),
        ("interval_s = 900", "interval_s = 900\nrows = 96", "field_unknown"),
        ('real_time = "real_time" }\ninterval', 'real_time = "day_ahead" }\ninterval', "product_duplicate"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_with_its_line(old: str, new: str, code: str) -> None:
    text = (GATEWAYS / "reference_files.toml").read_text()
    assert text.count(old) == 1
    with pytest.raises(Refused) as refused:
        file_profile(text.replace(old, new))
    assert refused.value.code == code
    assert refused.value.place.startswith("line ")


def test_products_that_the_files_do_not_trade_are_not_sent(tmp_path: Path) -> None:
    exchange = FileExchange(PROFILE, folders(tmp_path), tmp_path / "kept")
    hourly = msgspec.structs.replace(DAY_AHEAD, interval_s=3600)
    response = msgspec.structs.replace(DAY_AHEAD, id="response")
    for product in (hourly, response):
        with pytest.raises(NotTaken, match="gateway_product"):
            exchange.send(msgspec.structs.replace(offer(), product=product))

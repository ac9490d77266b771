"""An operator's statement is read whole, exactly, or refused with every row that is wrong."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from adapters.reconciliation.operator_file import read_operator_statement
from adapters.reconciliation.operator_profile import OperatorProfile, operator_profile
from adapters.reconciliation.rejected import RowsRejected
from ledger.interval import Interval
from ledger.reconciliation.operator_line import OperatorStatement
from ledger.refusal import Refused
from tests.adapters.reconciliation.files import EXAMPLES, changed, sample

NAME = "operator_month.csv"
PROFILE = operator_profile(sample("operator_month.toml"))
PLAIN = b"""operator = "SIMULATED"
currency = "CNY"
[columns]
item = "item"
period = "day"
amount = "amount"
[period]
kind = "day"
pattern = "%Y-%m-%d"
zone = "Asia/Shanghai"
[items]
"""


def read(*changes: tuple[str, str]) -> OperatorStatement:
    return read_operator_statement(changed(NAME, "gb18030", *changes), PROFILE)


def refused(code: str, data: bytes, profile: OperatorProfile = PROFILE) -> Refused:
    with pytest.raises(Refused) as caught:
        read_operator_statement(data, profile)
    assert caught.value.code == code
    return caught.value


def plain(*lines: str, toml: bytes = PLAIN) -> OperatorStatement:
    data = "".join(f"{line}\n" for line in ("item,day,amount", *lines)).encode()
    return read_operator_statement(data, operator_profile(toml))


def test_the_sample_is_read_to_the_fen() -> None:
    found = read()
    assert found.digest == hashlib.sha256(sample(NAME)).hexdigest()
    assert str(found.total) == "102703.33"
    first, deviation, capacity = found.lines[:3]
    assert (first.reference, first.site, first.item) == ("JS202608-0001", "S1", "spot: day-ahead energy")
    assert (str(first.quantity), first.price, str(first.amount)) == ("120350 kWh", "0.41235", "49626.32")
    assert (first.run, first.place) == ("final", "row 3")
    assert first.interval == Interval(
        datetime(2026, 7, 31, 16, tzinfo=UTC), datetime(2026, 8, 31, 16, tzinfo=UTC)
    )
    assert (str(deviation.quantity), str(deviation.amount)) == ("-3125 kWh", "-1212.50")
    assert (capacity.quantity, capacity.price) == (None, None)


def test_how_finely_quantity_and_price_are_printed() -> None:
    """DOMAIN.md 3.0: whole kWh and six decimals a kWh unless the profile or the row says otherwise."""
    first, deviation, capacity = read().lines[:3]
    assert (first.quantity_step, first.price_step) == ("1", "0.000001")
    assert (deviation.quantity_step, capacity.quantity_step, capacity.price_step) == ("1", "0", "0")
    finer = read(("120.350", "120.35004"), ("206.475", "206.47504")).lines[0]
    assert (str(finer.quantity), finer.quantity_step) == ("120350.04 kWh", "0.01")
    coarse = msgspec.structs.replace(PROFILE, quantity_decimals=2, price_decimals=1)
    first = read_operator_statement(sample(NAME), coarse).lines[0]
    assert (first.quantity_step, first.price_step) == ("10", "0.0001")


@pytest.mark.parametrize(
    ("line", "code", "place"),
    [
        ("quantity_decimals = 13", "decimals", "quantity_decimals"),
        ("price_decimals = -1", "decimals", "price_decimals"),
        ("rounded_parts = 0", "rounded_parts", "rounded_parts"),
    ],
)
def test_a_profile_of_impossible_decimals_is_refused(line: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        operator_profile(f"{line}\n".encode() + PLAIN)
    assert caught.value.code == code
    assert place in caught.value.place


def test_a_total_that_is_not_the_sum_names_the_largest_difference() -> None:
    wrong = changed(NAME, "gb18030", ("102,703.33", "102,703.34"))
    found = refused("total", wrong)
    assert found.place == "row 8, 电费(元)"
    assert "sum to 102,703.33, the total is 102,703.34: 0.01 off" in found.reason
    both = changed(NAME, "gb18030", ("206.475,,", "209.475,,"), ("102,703.33", "102,703.34"))
    assert refused("total", both).place == "row 8, 电量(兆瓦时)"


def test_a_row_that_was_lost_shows_in_the_total() -> None:
    lines = sample(NAME).decode("gb18030").splitlines(keepends=True)
    refused("total", "".join(lines[:3] + lines[4:]).encode("gb18030"))


def test_a_file_without_its_total_is_cut_off() -> None:
    lines = sample(NAME).decode("gb18030").splitlines(keepends=True)
    refused("truncated_file", "".join(lines[:-1]).encode("gb18030"))
    refused("truncated_file", sample(NAME)[:-2])
    refused("total", "".join([*lines[:-2], lines[-1], lines[-2]]).encode("gb18030"))
    refused("total", "".join([*lines, lines[-1]]).encode("gb18030"))
    refused("empty_file", "".join([*lines[:2], lines[-1]]).encode("gb18030"))
    refused("empty_file", "".join(lines[:2]).encode("gb18030"))
    refused("empty_file", b"")


@pytest.mark.parametrize(
    ("code", "column", "before", "after"),
    [
        ("untranslated", "结算科目", "容量补偿", "容量补尝"),
        ("untranslated", "交易单元", "二号储能单元", "三号储能单元"),
        ("empty_value", "电费(元)", '"49,626.32"', ""),
        ("empty_value", "结算编号", "JS202608-0001", ""),
        ("number", "电费(元)", "310.28", "310.28元"),
        ("number", "电费(元)", '"49,626.32"', '"4,9626.32"'),
        ("number", "电价(元/兆瓦时)", "412.350", "4.1235e2"),
        ("number", "电费(元)", "310.28", "1" * 41),
        ("money", "电费(元)", "310.28", "310.275"),
        ("date", "结算月份", "2026年08月", "2026-08"),
        ("year", "结算月份", "2026年08月", "1026年08月"),
        ("column_count", "", "月度正式版", "月度正式版,1"),
        ("csv_syntax", "", '"49,626.32"', '"49,626.32"0'),
    ],
)
def test_a_bad_row_is_refused_with_its_place(code: str, column: str, before: str, after: str) -> None:
    with pytest.raises(RowsRejected) as caught:
        read((before, after))
    assert caught.value.code == code
    row = caught.value.rejected[0]
    assert row.column == column
    assert caught.value.place == f"row {row.row}, {column}".removesuffix(", ")
    lines = changed(NAME, "gb18030", (before, after)).decode("gb18030").splitlines()
    assert after in lines[row.row - 1]


def test_all_bad_rows_are_named_at_once() -> None:
    with pytest.raises(RowsRejected) as caught:
        read(("310.28", "x"), ("388.000", "y"))
    assert [row.row for row in caught.value.rejected] == [4, 7]
    assert "and 1 more" in caught.value.reason


def test_a_reference_that_stands_twice_is_refused() -> None:
    found = refused("duplicate_reference", changed(NAME, "gb18030", ("JS202608-0002", "JS202608-0001")))
    assert found.place == "row 4"
    assert "row 3" in found.reason


def test_the_wrong_encoding_is_named() -> None:
    utf8 = sample(NAME).decode("gb18030").encode()
    refused("encoding", b"\xef\xbb\xbf" + utf8)
    refused("encoding", b"\xff\xfe" + sample(NAME))
    assert "电费" in refused("missing_column", changed(NAME, "gb18030", ("电费(元)", "金额"))).reason
    refused("duplicate_header", changed(NAME, "gb18030", ("电价(元/兆瓦时)", "电费(元)")))


def test_a_byte_order_mark_before_utf_8_is_skipped() -> None:
    data = b"\xef\xbb\xbfitem,day,amount\nspot,2026-08-01,1.00\n"
    assert str(read_operator_statement(data, operator_profile(PLAIN)).total) == "1.00"


def test_thousands_are_refused_unless_the_profile_has_them() -> None:
    assert plain("spot,2026-08-01,1234.50").lines[0].reference == "row 2"
    with pytest.raises(RowsRejected) as caught:
        plain('spot,2026-08-01,"1,234.50"')
    assert "thousands" in caught.value.reason


def test_what_we_owe_is_below_zero() -> None:
    payable = PLAIN.replace(b"[columns]", b'sign = "payable"\n[columns]')
    assert str(plain("spot,2026-08-01,12.50", toml=payable).total) == "-12.50"


def test_a_direction_turns_amount_and_quantity() -> None:
    toml = PLAIN.replace(b"[columns]", b'unit = "kWh"\n[columns]\ndirection = "way"\nquantity = "kWh"')
    toml += b'[directions]\nout = "receivable"\nin = "payable"\n[total]\ncolumn = "item"\ntext = "sum"\n'
    data = b"item,day,amount,way,kWh\nspot,2026-08-01,5.00,out,10\nspot,2026-08-01,2.00,in,4\nsum,,3.00,,6\n"
    found = read_operator_statement(data, operator_profile(toml))
    assert [(str(line.quantity), str(line.amount)) for line in found.lines] == [
        ("10 kWh", "5.00"),
        ("-4 kWh", "-2.00"),
    ]
    refused("total", data.replace(b"3.00", b"7.00"), operator_profile(toml))


def test_the_last_point_ends_at_midnight() -> None:
    """Point 1 of 96 ends at 00:15 and point 96 at 24:00 (DOMAIN.md 3.0)."""
    toml = PLAIN.replace(b"[columns]", b'[columns]\npoint = "no"')
    toml = toml.replace(b"[items]", b"points_per_day = 96\n[items]")
    rows = "".join(f"spot,2026-08-01,1.00,{number}\n" for number in range(1, 97))
    found = read_operator_statement(f"item,day,amount,no\n{rows}".encode(), operator_profile(toml))
    assert found.lines[0].interval.end == datetime(2026, 7, 31, 16, 15, tzinfo=UTC)
    assert found.lines[95].interval.end == datetime(2026, 8, 1, 16, tzinfo=UTC)
    for number in ("0", "97", "1.5"):
        with pytest.raises(RowsRejected) as caught:
            read_operator_statement(
                f"item,day,amount,no\nspot,2026-08-01,1.00,{number}\n".encode(), operator_profile(toml)
            )
        assert caught.value.code == "point"


def test_points_of_a_day_when_clocks_change_are_refused() -> None:
    toml = PLAIN.replace(b"[columns]", b'[columns]\npoint = "no"').replace(b"Asia/Shanghai", b"Europe/Berlin")
    toml = toml.replace(b"[items]", b"points_per_day = 24\n[items]")
    with pytest.raises(RowsRejected) as caught:
        read_operator_statement(b"item,day,amount,no\nspot,2026-10-25,1.00,1\n", operator_profile(toml))
    assert caught.value.code == "point"


def test_blank_rows_and_signatures_are_no_lines() -> None:
    toml = PLAIN.replace(b"[columns]", b"skip_last = 1\n[columns]")
    found = plain("spot,2026-08-01,1.00", ",,", "", "signed: SIMULATED", toml=toml)
    assert len(found.lines) == 1


def test_a_price_without_a_unit_is_refused() -> None:
    toml = PLAIN.replace(b"[columns]", b'[columns]\nprice = "price"')
    with pytest.raises(RowsRejected) as caught:
        read_operator_statement(b"item,day,amount,price\nspot,2026-08-01,1.00,0.4\n", operator_profile(toml))
    assert caught.value.code == "unit"


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("field_unknown", "skip_lines", "skip_rows"),
        ("field_missing", "item =", "# item ="),
        ("unit", 'unit = "MWh"', 'unit = "GWd"'),
        ("unit", 'unit = "MWh"', ""),
        ("currency", 'currency = "CNY"', 'currency = "XYZ"'),
        ("direction", '"receivable"', '"ours"'),
        ("date", "%Y年%m月", "%m月"),
        ("zone", "Asia/Shanghai", "Asia/Peking"),
        ("delimiter", "skip_lines", 'delimiter = ",,"\nskip_lines'),
        ("decimals", "[total]", '[decimals]\n"电费(元)" = 2\n[total]'),
        ("points_per_day", 'kind = "month"', 'kind = "month"\npoints_per_day = 96'),
        ("not_allowed", '"gb18030"', '"gbk"'),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(code: str, before: str, after: str) -> None:
    toml = (EXAMPLES / "operator_month.toml").read_text(encoding="utf-8")
    assert before in toml
    with pytest.raises(Refused) as caught:
        operator_profile(toml.replace(before, after, 1))
    assert caught.value.code == code
    assert caught.value.place.startswith("line ")

"""Long CSV: what is accepted, and what is refused with its place."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adapters.meters import profile_of, read, report, text
from ledger.refusal import Refused
from tests.adapters.meters.files import (
    METERS,
    ONE,
    ONE_VALUES,
    PLAIN,
    PLAIN_HEADER,
    PLAIN_TIME,
    one,
    plain,
    refused,
    rejections,
    values,
)

BERLIN = 'column = "time", stamp = "interval_start", zone = "Europe/Berlin"'
SHANGHAI_END = 'column = "time", stamp = "interval_end", zone = "Asia/Shanghai"'


def test_plain_rows_become_runs_per_register() -> None:
    data = PLAIN_HEADER + (
        "M1,import,2026-08-01T00:00:00Z,10\nM1,import,2026-08-01T00:15:00Z,11\n"
        "M1,export,2026-08-01T00:00:00Z,3\nM1,export,2026-08-01T00:15:00Z,4\n"
    )
    parsed = read(data.encode(), plain(), METERS)
    assert values(parsed) == [
        ("M1", "export", "08-01T00:00Z", [3, 4]),
        ("M1", "import", "08-01T00:00Z", [10, 11]),
    ]
    assert (parsed.rows, parsed.readings, parsed.gaps, parsed.rejected) == (4, 4, (), ())
    parsed.require_whole()


def test_interval_end_and_24_00_are_the_next_days_midnight() -> None:
    data = "time,kwh\n2026-08-01 23:45,1\n2026-08-01 24:00,2\n2026-08-02 00:15,3\n"
    parsed = read(data.encode(), one(SHANGHAI_END), METERS)
    assert values(parsed) == [("M1", "import", "08-01T15:30Z", [1000, 2000, 3000])]


def test_midnight_of_the_same_day_is_put_right_only_when_the_profile_says_so() -> None:
    data = b"time,kwh\n1/8/2026 23:45,1\n1/8/2026 0:00,2\n2/8/2026 0:15,3\n"
    rule = SHANGHAI_END + ', date_order = "dmy"'
    fixed = read(data, one(rule + ", midnight_same_day = true"), METERS)
    assert values(fixed) == [("M1", "import", "08-01T15:30Z", [1000, 2000, 3000])]
    assert rejections(read(data, one(rule), METERS)) == [(3, "time_goes_back")]


def test_the_same_day_rule_is_refused_for_interval_starts() -> None:
    with pytest.raises(Refused) as caught:
        one(BERLIN + ", midnight_same_day = true")
    assert caught.value.code == "midnight_same_day"


def test_power_is_energy_over_the_interval_and_the_drift_is_exact() -> None:
    """0.125 kW for a quarter of an hour is 31.25 Wh: 31 is stored, -0.25 Wh is the drift."""
    profile = one(BERLIN, 'values = [{ column = "kw", unit = "kW", register = "import" }]')
    parsed = read(b"time,kw\n2026-08-01T00:00,0.125\n2026-08-01T00:15,0.126\n", profile, METERS)
    assert values(parsed)[0][3] == [31, 32]
    assert parsed.drift_wh == Fraction(31) - Fraction("31.25") + Fraction(32) - Fraction("31.5")


def test_scale_is_an_exact_factor() -> None:
    profile = one(BERLIN, 'values = [{ column = "pu", unit = "kW", scale = "333.3", register = "import" }]')
    parsed = read(b"time,pu\n2026-08-01T00:00,0.030172\n", profile, None)
    exact = Fraction("0.030172") * Fraction("333.3") * 250
    assert values(parsed)[0][3] == [2514]
    assert parsed.drift_wh == 2514 - exact


@pytest.mark.parametrize(
    ("unit", "wh"), [("Wh", 2), ("kWh", 1500), ("MWh", 1_500_000), ("W", 0), ("kW", 375), ("MW", 375_000)]
)
def test_units(unit: str, wh: int) -> None:
    profile = one(BERLIN, f'values = [{{ column = "v", unit = "{unit}", register = "import" }}]')
    assert values(read(b"time,v\n2026-08-01T00:00,1.5\n", profile, None))[0][3] == [wh]


@pytest.mark.parametrize(
    ("unit", "register"), [("kvarh", "import"), ("kWh", "reactive_lagging"), ("kW", "reactive_leading")]
)
def test_a_unit_that_is_not_the_registers_is_refused(unit: str, register: str) -> None:
    with pytest.raises(Refused) as caught:
        one(BERLIN, f'values = [{{ column = "v", unit = "{unit}", register = "{register}" }}]')
    assert (caught.value.code, caught.value.place) == ("unit", "line 5, values[0].unit")


def test_an_unknown_unit_is_refused_with_its_line() -> None:
    with pytest.raises(Refused) as caught:
        one(BERLIN, 'values = [{ column = "v", unit = "BTU", register = "import" }]')
    assert caught.value.place == "line 5, values[0].unit"


def test_signed_values_go_to_two_registers_each_complete() -> None:
    profile = one(BERLIN, 'values = [{ column = "kw", unit = "kW", register = "pv", negative = "import" }]')
    parsed = read(b"time,kw\n2026-08-01T00:00,-2\n2026-08-01T00:15,0\n2026-08-01T00:30,4\n", profile, METERS)
    assert values(parsed) == [
        ("M1", "import", "07-31T22:00Z", [500, 0, 0]),
        ("M1", "pv", "07-31T22:00Z", [0, 0, 1000]),
    ]


def test_negative_energy_without_a_register_for_it_is_rejected() -> None:
    parsed = read(b"time,kwh\n2026-08-01T00:00,-1\n2026-08-01T00:15,1\n", one(BERLIN), METERS)
    assert [(e.place, e.code, e.raw) for e in parsed.rejected] == [
        ("row 2, kwh", "negative_energy", "2026-08-01T00:00,-1")
    ]
    with pytest.raises(Refused) as caught:
        parsed.require_whole()
    assert (caught.value.code, caught.value.place) == ("negative_energy", "row 2, kwh")


@pytest.mark.parametrize(
    "cell",
    [
        '"1,234.5"',
        "1 234",
        "1'234",
        "1e3",
        "1E+3",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "0x10",
        "1.",
        ".",
        "1.2.3",
        "--1",
        "１２",
        "12kWh",
        "9" * 31,
    ],
)
def test_what_is_not_a_plain_number_is_rejected(cell: str) -> None:
    parsed = read(f"time,kwh\n2026-08-01T00:00,{cell}\n".encode(), one(BERLIN), METERS)
    assert [(e.place, e.code) for e in parsed.rejected] == [("row 2, kwh", "number")]
    assert parsed.runs == ()


def test_the_reason_names_thousands_separators() -> None:
    parsed = read(b'time,kwh\n2026-08-01T00:00,"1,234.5"\n', one(BERLIN), METERS)
    assert "thousands separators" in parsed.rejected[0].reason


def test_decimal_comma_takes_no_point() -> None:
    profile = one(BERLIN, more='delimiter = ";"\ndecimal = ","\n')
    parsed = read(b"time;kwh\n2026-08-01T00:00;1,25\n2026-08-01T00:15;1.250\n", profile, METERS)
    assert values(parsed)[0][3] == [1250]
    assert rejections(parsed) == [(3, "number")]


def test_energy_above_what_the_device_can_do_is_rejected() -> None:
    """100 kW x 0.25 h x 1.05 = 26.25 kWh (DOMAIN.md 3.11)."""
    parsed = read(b"time,kwh\n2026-08-01T00:00,26.25\n2026-08-01T00:15,26.251\n", one(BERLIN), METERS)
    assert values(parsed)[0][3] == [26_250]
    assert rejections(parsed) == [(3, "above_device_limit")]
    assert parsed.rejected[0].column == "M1 import 2026-07-31T22:15:00Z"


def test_a_value_that_no_reading_holds_is_rejected_without_a_meter_too() -> None:
    parsed = read(b"time,kwh\n2026-08-01T00:00,2147483.648\n", one(BERLIN), None)
    assert rejections(parsed) == [(2, "reading_range")]


def test_unknown_meter_and_register_are_rejected_row_by_row() -> None:
    data = PLAIN_HEADER + (
        "M1,import,2026-08-01T00:00:00Z,1\nM9,import,2026-08-01T00:00:00Z,1\n"
        "M1,load,2026-08-01T00:00:00Z,1\nM1,grid,2026-08-01T00:00:00Z,1\nM 1,import,2026-08-01T00:00:00Z,1\n"
    )
    parsed = read(data.encode(), plain(), METERS)
    assert rejections(parsed) == [
        (3, "unknown_meter"),
        (4, "unknown_register"),
        (5, "register"),
        (6, "meter_id"),
    ]
    assert [e.column for e in parsed.rejected[2:]] == ["register", "meter"]


def test_an_interval_that_is_not_the_meters_is_rejected() -> None:
    hourly = profile_of(ONE.replace("900", "3600") + f"time = {{ {BERLIN} }}\n" + ONE_VALUES)
    assert rejections(read(b"time,kwh\n2026-08-01T00:00,1\n", hourly, METERS)) == [(2, "interval_length")]


def test_a_start_between_two_intervals_is_rejected() -> None:
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:10,1\n2026-08-01T00:15,1\n2026-08-01T00:30:01,1\n"
    parsed = read(data, one(BERLIN), METERS)
    assert rejections(parsed) == [(3, "misaligned_start"), (5, "misaligned_start")]
    assert values(parsed)[0][3] == [1000, 1000]


def test_a_gap_is_listed() -> None:
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T01:00,0\n"
    parsed = read(data, one(BERLIN), METERS)
    assert [(g.register, g.start.strftime("%H:%M"), g.end.strftime("%H:%M")) for g in parsed.gaps] == [
        ("import", "22:15", "23:00")
    ]
    parsed.require_whole()


def test_an_empty_cell_is_rejected_or_a_gap_but_never_zero() -> None:
    data = b"time,kwh\n2026-08-01T00:00,\n2026-08-01T00:15,1\n2026-08-01T00:30,\n"
    assert rejections(read(data, one(BERLIN), METERS)) == [(2, "empty_value"), (4, "empty_value")]
    parsed = read(data, one(BERLIN, more='empty = "missing"\n'), METERS)
    assert values(parsed) == [("M1", "import", "07-31T22:15Z", [1000])]
    assert [(g.start.minute, g.end.minute) for g in parsed.gaps] == [(0, 15), (30, 45)]
    assert parsed.rejected == ()


def test_listed_texts_are_gaps_but_not_numbers_near_them() -> None:
    profile = one(BERLIN, more='missing_values = ["nan", "-9999"]\n')
    parsed = read(
        b"time,kwh\n2026-08-01T00:00,nan\n2026-08-01T00:15,-9999\n2026-08-01T00:30,9\n", profile, METERS
    )
    assert values(parsed) == [("M1", "import", "07-31T22:30Z", [9000])]


@pytest.mark.parametrize(
    ("stamp", "code"),
    [
        ("2026-03-29T02:15", "skipped_time"),
        ("2026-10-25T02:15", "ambiguous_time"),
        ("2026-02-30T02:15", "time"),
        ("2026-08-01T25:00", "time"),
        ("2026-08-01T24:15", "time"),
        ("2026-08-01T12:60", "time"),
        ("2026-08-01", "time"),
        ("01.08.2026 00:00", "time"),
        ("2026-08-01T00:00:00.5", "time"),
        ("2026-08/01T00:00", "time"),
        ("1026-08-01T00:00", "time"),
        ("", "time"),
        ("2026-08-01T00:00:00+15:00", "utc_offset"),
    ],
)
def test_a_stamp_that_names_no_instant_is_rejected(stamp: str, code: str) -> None:
    parsed = read(f"time,kwh\n{stamp},1\n".encode(), one(BERLIN), METERS)
    assert [(e.place, e.code) for e in parsed.rejected] == [("row 2, time", code)]


def test_a_naive_stamp_without_zone_is_rejected_and_an_offset_in_the_stamp_wins() -> None:
    bare = one('column = "time", stamp = "interval_start"')
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:15+08:00,1\n2026-07-31T16:30Z,1\n"
    parsed = read(data, bare, METERS)
    assert rejections(parsed) == [(2, "naive_time")]
    assert values(parsed) == [("M1", "import", "07-31T16:15Z", [1000, 1000])]
    fixed = one('column = "time", stamp = "interval_start", utc_offset = "+08:00"')
    assert values(read(data, fixed, METERS)) == [("M1", "import", "07-31T16:00Z", [1000, 1000, 1000])]


def test_the_repeated_hour_in_file_order() -> None:
    stamps = [f"2026-10-25T{hour:02}:{minute:02}" for hour in (1, 2, 2, 3) for minute in (0, 15, 30, 45)]
    data = "time,kwh\n" + "".join(f"{stamp},{n}\n" for n, stamp in enumerate(stamps))
    parsed = read(data.encode(), one(BERLIN + ', repeated_hour = "in_order"'), None)
    assert values(parsed) == [("M1", "import", "10-24T23:00Z", [1000 * n for n in range(16)])]
    refusing = read(data.encode(), one(BERLIN), None)
    assert rejections(refusing) == [(row, "ambiguous_time") for row in range(6, 14)]


def test_a_lone_or_third_row_of_the_repeated_hour_is_rejected() -> None:
    """Which pass it belongs to nobody can say; guessing would move energy by an hour."""
    profile = one(BERLIN + ', repeated_hour = "in_order"')
    lone = b"time,kwh\n2026-10-25T01:45,1\n2026-10-25T02:00,1\n2026-10-25T03:00,1\n"
    assert rejections(read(lone, profile, None)) == [(3, "ambiguous_time")]
    third = b"time,kwh\n" + b"2026-10-25T02:00,1\n" * 3
    assert rejections(read(third, profile, None)) == [(4, "ambiguous_time")]


def test_duplicates_with_the_same_value_count_once_and_are_reported() -> None:
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:00,1.0\n2026-08-01T00:15,2\n"
    parsed = read(data, one(BERLIN), METERS)
    assert values(parsed)[0][3] == [1000, 2000]
    assert [(d.row, d.first_row, d.start.strftime("%H:%M")) for d in parsed.duplicates] == [(3, 2, "22:00")]


def test_duplicates_with_different_values_are_both_rejected() -> None:
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:15,2\n2026-08-01T00:15,2.001\n2026-08-01T00:15,2\n"
    parsed = read(data, one(BERLIN), METERS)
    assert rejections(parsed) == [(row, "conflicting_duplicate") for row in (3, 4, 5)]
    assert values(parsed)[0][3] == [1000]


def test_rows_in_another_order_need_the_profiles_word() -> None:
    data = b"time,kwh\n2026-08-01T00:30,3\n2026-08-01T00:15,2\n2026-08-01T00:00,1\n"
    assert rejections(read(data, one(BERLIN), METERS)) == [(3, "time_goes_back"), (4, "time_goes_back")]
    for order in ("descending", "any"):
        parsed = read(data, one(BERLIN, more=f'row_order = "{order}"\n'), METERS)
        assert values(parsed)[0][3] == [1000, 2000, 3000]
    mixed = b"time,kwh\n2026-08-01T00:30,3\n2026-08-01T00:45,2\n2026-08-01T00:00,1\n"
    assert rejections(read(mixed, one(BERLIN, more='row_order = "descending"\n'), METERS)) == [
        (2, "time_goes_back")
    ]


def test_quality_column() -> None:
    letters = '{ "实" = "A", "估" = "E", "缺" = "N" }'
    more = f'quality_from = {{ column = "q", map = {letters} }}\nencoding = "gb18030"\n'
    data = (
        "time,kwh,q\n2026-08-01T00:00,1,实\n2026-08-01T00:15,2,估\n2026-08-01T00:30,,缺\n"
        "2026-08-01T00:45,4,?\n2026-08-01T01:00,5,实\n"
    )
    parsed = read(data.encode("gb18030"), one(BERLIN, more=more), METERS)
    assert [(run.quality, run.values.tolist()) for run in parsed.runs] == [
        ("AE", [1000, 2000]),
        ("A", [5000]),
    ]
    assert [(e.place, e.code) for e in parsed.rejected] == [("row 5, q", "quality")]
    assert len(parsed.gaps) == 1


def test_a_fixed_quality() -> None:
    parsed = read(b"time,kwh\n2026-08-01T00:00,1\n", one(BERLIN, more='quality = "E"\n'), METERS)
    assert parsed.runs[0].quality == "E"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(mark: bytes) -> None:
    parsed = read(mark + b"time,kwh\r\n2026-08-01T00:00,1\r\n", one(BERLIN), METERS)
    assert values(parsed)[0][3] == [1000]


def test_the_files_names_are_translated() -> None:
    profile = profile_of(
        PLAIN.replace('"meter"', '"表号"').replace('"register"', '"类型"')
        + 'encoding = "gb18030"\nmeters = { "一号表" = "M1" }\nregisters = { "正向有功" = "import" }\n'
        + 'time = { column = "时间", stamp = "interval_end", zone = "Asia/Shanghai" }\n'
        + 'values = [{ column = "电量", unit = "kWh" }]\n'
    )
    data = "表号,类型,时间,电量\n一号表,正向有功,2026/8/1 0:15,1.5\n".encode("gb18030")
    assert values(read(data, profile, METERS)) == [("M1", "import", "07-31T16:00Z", [1500])]


def test_gb18030_read_as_utf_8_is_refused_with_its_row() -> None:
    data = "time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:15,电\n".encode("gb18030")
    assert refused(data, one(BERLIN)) == ("encoding", "row 3")


def test_inconsistent_columns_open_quotes_and_blank_lines() -> None:
    data = (
        b'time,kwh\n2026-08-01T00:00,1,5\n2026-08-01T00:15\n\n2026-08-01T00:30,"1\n2026-08-01T00:45,"4"\n\n'
    )
    parsed = read(data, one(BERLIN), METERS)
    assert rejections(parsed) == [(2, "column_count"), (3, "column_count"), (5, "csv_syntax")]
    assert values(parsed) == [("M1", "import", "07-31T22:45Z", [4000])]
    assert parsed.rows == 4


def test_a_last_line_without_end_may_be_cut() -> None:
    data = b"time,kwh\n2026-08-01T00:00,1\n2026-08-01T00:15,12"
    parsed = read(data, one(BERLIN), METERS)
    assert rejections(parsed) == [(3, "truncated_file")]
    whole = read(data, one(BERLIN, more='final_newline = "optional"\n'), METERS)
    assert values(whole)[0][3] == [1000, 12_000]


@pytest.mark.parametrize("data", ["", "\n\n", "time,kwh\n", "time,kwh"])
def test_a_file_without_rows_is_refused(data: str) -> None:
    assert refused(data, one(BERLIN))[0] == "empty_file"


def test_headers() -> None:
    assert refused("time,kwh,kwh\n2026-08-01T00:00,1,1\n", one(BERLIN)) == ("duplicate_header", "row 1")
    assert refused("time,kw\n2026-08-01T00:00,1\n", one(BERLIN)) == ("missing_column", "row 1")
    numbered = one(
        BERLIN.replace('"time"', "1"), ONE_VALUES.replace('"kwh"', "2"), "header = false\nskip_lines = 1\n"
    )
    assert values(read(b"a title\n2026-08-01T00:00,1\n", numbered, METERS))[0][3] == [1000]
    assert refused("a title\n2026-08-01T00:00\n", numbered) == ("missing_column", "row 2")


def test_a_file_above_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "FILE_BYTES_MAX", 1000)
    data = PLAIN_HEADER.encode() + b"M1,import,2026-08-01T00:00:00Z,1\n" * 50
    with pytest.raises(Refused, match="1000 bytes") as caught:
        read(data, plain(), METERS)
    assert caught.value.code == "file_too_large"


def test_too_many_rejected_rows_refuse_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REJECTED_MAX", 3)
    data = PLAIN_HEADER + "".join(f"M9,import,2026-08-01T0{hour}:00:00Z,1\n" for hour in range(5))
    assert refused(data, plain(), METERS)[0] == "too_many_rejected"


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        (PLAIN + PLAIN_TIME + "values = []\n", "values"),
        (PLAIN + PLAIN_TIME + 'meter = "M1"\nvalues = [{ column = "wh", unit = "Wh" }]\n', "meter"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "Wh", register = "pv" }]\n', "register"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "kvarh" }]\n', "unit"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "Wh", scale = "0" }]\n', "scale"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "Wh" }]\nquality = "N"\n', "quality"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "Wh" }]\ndelimiter = ""\n', "delimiter"),
        (PLAIN + PLAIN_TIME + 'values = [{ column = "wh", unit = "Wh" }]\ndelimiter = "."\n', "delimiter"),
        (PLAIN + 'time = { stamp = "interval_end", zone = "UTC", utc_offset = "Z" }\nvalues = []\n', "zone"),
        (PLAIN + 'time = { stamp = "interval_end", utc_offset = "8" }\nvalues = []\n', "utc_offset"),
        (PLAIN + "time = {}\nvalues = []\n", "field_missing"),
        (
            ONE + PLAIN_TIME + 'values = [{ column = "v", unit = "W", register = "pv", negative = "pv" }]',
            "negative",
        ),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(toml: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        profile_of(toml)
    assert caught.value.code == code
    assert caught.value.place.startswith("line ")

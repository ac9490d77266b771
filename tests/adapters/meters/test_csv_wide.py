"""Wide CSV: a line per register and day."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adapters.meters import Profile, profile_of, read
from ledger.refusal import Refused
from tests.adapters.meters.files import METERS, example, refused, rejections, values

ENDS = [f"{m // 60:02}:{m % 60:02}" for m in range(15, 1441, 15)]
HOURS = [f"{h:02}:00" for h in range(24)]


def hourly(zone: str, more: str = "") -> Profile:
    return profile_of(
        'format = "csv_wide"\ninterval_s = 3600\nmeter = "M1"\ndate_column = "day"\n'
        + more
        + f'zone = "{zone}"\nvalue = {{ column = "00:00", unit = "kWh", register = "import" }}\n'
    )


def row(day: str, cells: list[str]) -> str:
    return ",".join([day, *cells]) + "\n"


HEADER = row("day", HOURS)


def test_the_usual_chinese_export_of_96_points() -> None:
    data = "表号,日期,数据类型," + ",".join(ENDS) + "\n"
    for day in (1, 2):
        data += f"M1,2026-08-0{day},正向有功," + ",".join(f"{day}.{n:03}" for n in range(96)) + "\n"
    data += "M1,2026-08-01,反向有功," + ",".join(["0"] * 96) + "\n"
    parsed = read(data.encode("gb18030"), example("cn_96_points"), METERS)
    assert values(parsed) == [
        ("M1", "export", "07-31T16:00Z", [0] * 96),
        ("M1", "import", "07-31T16:00Z", [day * 1000 + n for day in (1, 2) for n in range(96)]),
    ]
    assert parsed.rows == 3
    assert [(gap.register, gap.start.day, gap.end.day) for gap in parsed.gaps] == [("export", 1, 2)]


def test_labels_that_are_not_the_intervals_are_refused() -> None:
    shifted = row("day", [f"{h:02}:30" for h in range(24)])
    profile = profile_of(
        'format = "csv_wide"\ninterval_s = 3600\nmeter = "M1"\ndate_column = "day"\nzone = "UTC"\n'
        'value = { column = "00:30", unit = "kWh", register = "import" }\n'
    )
    assert refused(shifted + row("2026-08-01", ["1"] * 24), profile) == ("header_time", "header")


@pytest.mark.parametrize("last", ["24:00", "00:00", "0:00"])
def test_labels_of_the_ends_close_the_day(last: str) -> None:
    labels = [f"{h}:00" for h in range(1, 24)] + [last]
    profile = profile_of(
        'format = "csv_wide"\ninterval_s = 3600\nmeter = "M1"\ndate_column = "day"\nzone = "UTC"\n'
        'value = { column = "1:00", unit = "kWh", register = "import" }\n'
    )
    parsed = read((row("day", labels) + row("2026-08-01", ["1"] * 24)).encode(), profile, None)
    assert values(parsed) == [("M1", "import", "08-01T00:00Z", [1000] * 24)]


def test_too_few_interval_columns_are_refused() -> None:
    assert refused(row("day", HOURS[:-1]) + row("2026-08-01", ["1"] * 23), hourly("UTC")) == (
        "missing_column",
        "header",
    )


def test_wrong_cells_are_rejected_one_by_one() -> None:
    cells = ["1"] * 24
    cells[2], cells[3], cells[5] = "", "-1", "1e3"
    parsed = read((HEADER + row("2026-08-01", cells)).encode(), hourly("UTC"), None)
    assert [(e.column, e.code) for e in parsed.rejected] == [
        ("02:00", "empty_value"),
        ("03:00", "negative_energy"),
        ("05:00", "number"),
    ]
    assert sum(run.count for run in parsed.runs) == 21
    assert len(parsed.gaps) == 2


def test_wrong_lines_are_rejected_whole() -> None:
    data = HEADER + row("2026-8-1", ["1"] * 25) + row("1.8.26", ["1"] * 24) + row("2026-08-02", ["1"] * 24)
    assert rejections(read(data.encode(), hourly("UTC"), None)) == [(2, "column_count"), (3, "time")]
    assert rejections(read(data.strip().encode(), hourly("UTC"), None))[-1] == (4, "truncated_file")


def test_a_skipped_hour_must_be_empty() -> None:
    cells = ["1"] * 24
    profile = hourly("Europe/Berlin")
    wrong = read((HEADER + row("2026-03-29", cells)).encode(), profile, None)
    assert [(e.column, e.code) for e in wrong.rejected] == [("02:00", "skipped_time")]
    cells[2] = ""
    parsed = read((HEADER + row("2026-03-29", cells)).encode(), profile, None)
    assert parsed.rejected == ()
    assert values(parsed) == [("M1", "import", "03-28T23:00Z", [1000] * 23)]


def test_a_repeated_hour_has_no_place_in_a_line() -> None:
    parsed = read((HEADER + row("2026-10-25", ["1"] * 24)).encode(), hourly("Europe/Berlin"), None)
    assert [(e.column, e.code) for e in parsed.rejected] == [("02:00", "ambiguous_time")]
    assert [(gap.start.hour, gap.end.hour) for gap in parsed.gaps] == [(0, 2)]


def test_missing_cells_are_gaps_and_the_drift_is_kept() -> None:
    cells = ["0.0004"] * 23 + [""]
    parsed = read((HEADER + row("2026-08-01", cells)).encode(), hourly("UTC", 'empty = "missing"\n'), None)
    assert values(parsed)[0][3] == [0] * 23
    assert parsed.drift_wh == -23 * Fraction("0.4")
    assert len(parsed.gaps) == 1


def test_meter_columns_share_the_time() -> None:
    data = b"time;M1;M2;total\n01.08.2026 00:00;12,5;7,25;19,75\n01.08.2026 00:15;1;-2;3\n"
    parsed = read(data, example("column_per_meter"), METERS)
    assert values(parsed) == [
        ("M1", "import", "07-31T22:00Z", [12_500, 1000]),
        ("M2", "import", "07-31T22:00Z", [7250]),
    ]
    assert [(e.place, e.code) for e in parsed.rejected] == [("row 3, M2", "negative_energy")]


def test_a_column_that_is_no_meter_is_refused() -> None:
    profile = example("column_per_meter")
    assert refused(b"time;M1;Temp. C\n01.08.2026 00:00;12,5;7\n", profile)[0] == "meter_id"
    assert refused(b"time;M1;M1\n01.08.2026 00:00;12,5;7\n", profile)[0] == "duplicate_header"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('zone = "UTC"\n', ""), "zone"),
        (('meter = "M1"\n', ""), "meter"),
        ((', register = "import"', ""), "register"),
        (('"kWh"', '"kvarh"'), "unit"),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(change: tuple[str, str], code: str) -> None:
    toml = (
        'format = "csv_wide"\ninterval_s = 3600\nmeter = "M1"\ndate_column = "day"\nzone = "UTC"\n'
        'value = { column = "00:00", unit = "kWh", register = "import" }\n'
    )
    profile_of(toml)
    with pytest.raises(Refused) as caught:
        profile_of(toml.replace(*change))
    assert caught.value.code == code

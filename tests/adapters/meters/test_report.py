"""Rejected rows written back to a file."""

from __future__ import annotations

import csv
import io

from adapters.meters import read
from adapters.meters.report import Parsed, rejected_csv
from tests.adapters.meters.files import METERS, one, plain, values

TIME = 'column = "time", stamp = "interval_start", zone = "Asia/Shanghai"'
DATA = (
    "time,kwh,note\n2026-08-01T00:00,1,a\n"
    '2026-08-01T00:15,-2,"b, c"\n2026-08-01T00:30\n2026-08-01T00:45,4,d\n'
)


def test_each_rejected_row_stands_there_once_with_its_reasons() -> None:
    parsed = read(DATA.encode(), one(TIME), METERS)
    rows = list(csv.DictReader(io.StringIO(rejected_csv(parsed).decode())))
    assert [
        (row["time"], row["kwh"], row["note"], row["rejected_row"], row["rejected_code"]) for row in rows
    ] == [
        ("2026-08-01T00:15", "-2", "b, c", "3", "negative_energy"),
        ("2026-08-01T00:30", "", "", "4", "column_count"),
    ]
    assert rows[0]["rejected_reason"].startswith("kwh: -2 is below zero")


def test_rows_put_right_are_read_with_the_same_profile() -> None:
    back = (
        rejected_csv(read(DATA.encode(), one(TIME), METERS))
        .replace(b",-2,", b",2,")
        .replace(b"00:30,,", b"00:30,3,")
    )
    parsed = read(back, one(TIME), METERS)
    assert values(parsed) == [("M1", "import", "07-31T16:15Z", [2000, 3000])]


def test_the_files_encoding_and_delimiter_are_kept() -> None:
    profile = one(TIME, more='encoding = "gb18030"\ndelimiter = ";"\n')
    parsed = read("time;kwh;注\n2026-08-01T00:00;x;表\n".encode("gb18030"), profile, METERS)
    assert rejected_csv(parsed).decode("gb18030").startswith("time;kwh;注;rejected_row;")
    assert ";表;2;number;" in rejected_csv(parsed).decode("gb18030")


def test_nothing_rejected_is_an_empty_file() -> None:
    parsed = read(b"meter,register,start,wh\nM1,pv,2026-08-01T00:00:00Z,1\n", plain(), METERS)
    assert rejected_csv(parsed) == b""
    assert rejected_csv(Parsed((), (), (), (), 0)) == b""

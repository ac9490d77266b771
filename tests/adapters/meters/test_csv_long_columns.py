"""The fast reader gives what the line-by-line reader gives, or leaves the chunk to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.meters import csv_long_columns, profile_of, text
from adapters.meters.csv_long import CsvLong
from adapters.meters.profile import Header
from adapters.meters.report import Parsed
from ledger.refusal import Refused
from tests.adapters.meters.files import METERS, PLAIN, PLAIN_HEADER, PLAIN_TIME, plain

TIMES = {
    "utc": ("%Y-%m-%dT%H:%M:%SZ", ""),
    "minutes": ("%Y-%m-%d %H:%M+08:00", ""),
    "offset": ("%Y/%m/%d %H:%M:%S-03:30", ""),
    "naive": ("%Y-%m-%d %H:%M", 'zone = "Europe/Berlin", '),
    "naive seconds": ("%Y-%m-%d %H:%M:%S", 'utc_offset = "+08:00", '),
}
VALUES = ["0", "7", "12345", "99999999", "100000000", "0.5", "1.25", "12.3456789", "007", "2147483647"]
FAULTS = [
    "",
    "-1",
    "1e3",
    "1,5",
    "NaN",
    "1.",
    ".5",
    ".",
    " 3",
    '"3"',
    "+4",
    "1_000",
    "４",
    "2147483648",
    "9" * 31,
    "12345678.5",
    "0x1",
    "1:2",
    "1?",
]
STAMPS = [
    "2026-08-01T24:00:00Z",
    "2026-08-01T00:15:30Z",
    "2026-08-01T00:20:00Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-08-01T00:00:00+15:00",
    "2026-8-1 0:15",
    "1980-08-01T00:00:00Z",
    "2026-08-01X00:15:00Z",
    "2026-08-01T0a:15:00Z",
    "2026-08-01T00:15:00X",
    "2026-08-01T00:1::00Z",
    "2026-08-01T00:15:00+08:00",
    "2026-08-01 00:15+09:00",
    "x",
    "",
]
LINES = ["", "\r", ",", "M1,import", "M1,import,2026-08-01T00:00:00Z,1,9", '"M1,import,x', "M1,\rimport,x,1"]


def parsed(profile: CsvLong, data: bytes, *, columns: bool) -> Parsed | tuple[str, str, str]:
    try:
        return profile.read(data, METERS, columns=columns)
    except Refused as refused:
        return refused.code, refused.place, refused.reason


@st.composite
def files(draw: st.DrawFn) -> tuple[CsvLong, bytes]:
    """Any file of a few registers, in blocks or interleaved, with a few injected faults."""
    layout, clock = TIMES[draw(st.sampled_from(sorted(TIMES)))]
    stamp = draw(st.sampled_from(["interval_start", "interval_end"]))
    day = draw(st.sampled_from(["2026-08-01", "2026-10-24", "2026-03-28", "2025-12-31"]))
    unit = draw(st.sampled_from(["Wh", "kWh", "kW"]))
    order = draw(st.sampled_from(["ascending", "descending", "any"]))
    empty = draw(st.sampled_from(["reject", "missing"]))
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    count = draw(st.integers(1, 100))
    keys = draw(
        st.lists(
            st.sampled_from(["M1,import", "M1,export", "M2,import", "M2,pv", "M9,import", "M1,grid"]),
            min_size=1,
            max_size=4,
        )
    )
    interleaved = draw(st.booleans())
    cells = draw(
        st.lists(st.sampled_from(VALUES[: draw(st.integers(1, len(VALUES)))]), min_size=3, max_size=7)
    )
    where = [(key, n) for key in keys for n in range(count)]
    if interleaved:
        where.sort(key=lambda place: place[1])
    rows = [
        f"{key},{(start + timedelta(minutes=15 * n)).strftime(layout)},{cells[(n + at) % len(cells)]}"
        for at, (key, n) in enumerate(where)
    ]
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = draw(st.integers(0, len(rows) - 1))
        key, time, cell = rows[at].rsplit(",", 2) if rows[at].count(",") >= 3 else ("M1,import", "x", "1")
        broken = [
            *(f"{key},{time},{fault}" for fault in FAULTS),
            *(f"{key},{fault},{cell}" for fault in STAMPS),
            *LINES,
        ]
        rows[at] = draw(st.sampled_from(broken) | st.sampled_from(rows))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    last = draw(st.sampled_from([end, end, ""]))
    profile = profile_of(
        PLAIN
        + f'empty = "{empty}"\nrow_order = "{order}"\n'
        + f'time = {{ {clock}column = "start", stamp = "{stamp}" }}\n'
        + f'values = [{{ column = "wh", unit = "{unit}" }}]\n'
    )
    assert isinstance(profile, CsvLong)
    return profile, (PLAIN_HEADER.strip() + end + end.join(rows) + last).encode()


@settings(max_examples=250)
@given(files(), st.sampled_from([64, 700, text.CHUNK_BYTES]))
def test_both_readers_give_the_same(file: tuple[CsvLong, bytes], chunk_bytes: int) -> None:
    profile, data = file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text.chunks, "__defaults__", (chunk_bytes,))
        assert parsed(profile, data, columns=True) == parsed(profile, data, columns=False)


USUAL = [f"M1,import,2026-08-01T0{n // 4}:{n % 4 * 15:02}:00Z" for n in range(8)]


@pytest.mark.parametrize("cells", ["12", "12.5"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_wrong_value_is_seen_among_usual_ones(cells: str, fault: str) -> None:
    rows = [f"{row},{fault if n == 3 else cells}\n" for n, row in enumerate(USUAL)]
    profile = plain()
    assert isinstance(profile, CsvLong)
    data = (PLAIN_HEADER + "".join(rows)).encode()
    result = parsed(profile, data, columns=True)
    assert result == parsed(profile, data, columns=False)
    assert isinstance(result, Parsed)
    fine = {".5", " 3", '"3"', "+4", "12345678.5", "2147483648"}
    assert [entry.row for entry in result.rejected if fault not in fine] == ([] if fault in fine else [5])


@pytest.mark.parametrize("fault", STAMPS)
def test_every_wrong_stamp_is_seen_among_usual_ones(fault: str) -> None:
    rows = [f"M1,import,{fault},5\n" if n == 3 else f"{row},5\n" for n, row in enumerate(USUAL)]
    profile = plain('row_order = "any"\n')
    assert isinstance(profile, CsvLong)
    data = (PLAIN_HEADER + "".join(rows)).encode()
    assert parsed(profile, data, columns=True) == parsed(profile, data, columns=False)


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (b"plain", None),
        ("电".encode(), None),
        (b"\xff", "encoding"),
        (b'"a,b"', None),
        (b'"open', "csv_syntax"),
        (b"a,b", "column_count"),
    ],
)
def test_a_column_that_nobody_reads_must_be_text_too(note: bytes, code: str | None) -> None:
    profile = plain()
    assert isinstance(profile, CsvLong)
    rows = b"".join(b"%s,5,%s\n" % (row.encode(), note if n == 3 else b"x") for n, row in enumerate(USUAL))
    result = parsed(profile, PLAIN_HEADER.encode().replace(b"wh", b"wh,note") + rows, columns=True)
    if isinstance(result, Parsed):
        assert [(entry.row, entry.code) for entry in result.rejected] == ([(5, code)] if code else [])
    else:
        assert result[:2] == (code, "row 5")


def test_lines_too_short_and_too_long_do_not_make_up_for_each_other() -> None:
    profile = plain()
    assert isinstance(profile, CsvLong)
    rows = [f"{row},5" for row in USUAL]
    rows[2], rows[3] = rows[2].removesuffix(",5"), rows[3] + ",5"
    result = parsed(profile, (PLAIN_HEADER + "\n".join(rows) + "\n").encode(), columns=True)
    assert isinstance(result, Parsed)
    assert [(entry.row, entry.code) for entry in result.rejected] == [
        (4, "column_count"),
        (5, "column_count"),
    ]


@pytest.mark.parametrize("name", sorted(TIMES))
@pytest.mark.parametrize("value", ["0", "12345", "12.5", "0.125"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_usual_files_are_read_in_columns(name: str, value: str, end: str) -> None:
    """Else the equality above would compare one reader with itself."""
    layout, clock = TIMES[name]
    start = datetime(2026, 8, 1, tzinfo=UTC)
    rows = [
        f"M{1 + n // 60},import,{(start + timedelta(minutes=15 * n)).strftime(layout)},{value}"
        for n in range(96)
    ]
    profile = profile_of(
        PLAIN
        + f'time = {{ {clock}column = "start", stamp = "interval_end" }}\n'
        + 'values = [{ column = "wh", unit = "Wh" }]\n'
    )
    assert isinstance(profile, CsvLong)
    data = (end.join([PLAIN_HEADER.strip(), *rows]) + end).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.meters.csv_long._Reader.read", None)  # calling it would be an error
        result = profile.read(data, METERS)
    assert (result.rows, result.readings, result.rejected) == (96, 96, ())
    assert result == profile.read(data, METERS, columns=False)


def test_the_quality_column_is_read_in_columns() -> None:
    profile = profile_of(
        PLAIN
        + PLAIN_TIME
        + 'values = [{ column = "wh", unit = "Wh" }]\n'
        + 'quality_from = { column = "q", map = { "1" = "A", "2" = "E" } }\n'
    )
    assert isinstance(profile, CsvLong)
    data = b"meter,register,start,wh,q\n" + b"".join(
        b"M1,import,2026-08-01T%02d:00:00Z,5,%d\n" % (hour, 1 + hour % 2) for hour in range(24)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.meters.csv_long._Reader.read", None)
        result = profile.read(data, METERS)
    assert "".join(run.quality for run in result.runs) == "AE" * 12


@pytest.mark.parametrize(
    ("more", "values"),
    [
        ('decimal = ","\ndelimiter = ";"\n', 'values = [{ column = "wh", unit = "Wh" }]\n'),
        ('missing_values = ["0"]\n', 'values = [{ column = "wh", unit = "Wh" }]\n'),
    ],
)
def test_profiles_that_change_what_a_number_means_are_read_line_by_line(more: str, values: str) -> None:
    profile = profile_of(PLAIN + more + PLAIN_TIME + values)
    assert isinstance(profile, CsvLong)
    header = Header(["meter", "register", "start", "wh"], 4, "row 1")
    assert csv_long_columns.ColumnReader.of(profile, header) is None
    usual = plain()
    assert isinstance(usual, CsvLong)
    assert csv_long_columns.ColumnReader.of(usual, header) is not None


def test_a_day_on_which_the_clocks_change_keeps_its_25_hours() -> None:
    """The days around it are read in columns, that day line by line."""
    clock = 'zone = "Europe/Berlin", repeated_hour = "in_order"'
    time = f'time = {{ column = "start", stamp = "interval_start", {clock} }}\n'
    profile = profile_of(PLAIN + time + 'values = [{ column = "wh", unit = "Wh" }]\n')
    assert isinstance(profile, CsvLong)
    utc = datetime(2026, 10, 23, 22, tzinfo=UTC)
    walls = []
    for n in range(4 * (24 + 25 + 24)):
        at = utc + timedelta(minutes=15 * n)
        shift = 2 if at < datetime(2026, 10, 25, 1, tzinfo=UTC) else 1
        walls.append((at + timedelta(hours=shift)).strftime("%Y-%m-%dT%H:%M"))
    data = (PLAIN_HEADER + "".join(f"M1,import,{wall},{n}\n" for n, wall in enumerate(walls))).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text.chunks, "__defaults__", (500,))
        result = profile.read(data, None)
    assert result.rejected == ()
    assert [(run.start, run.values.tolist()) for run in result.runs] == [(utc, list(range(292)))]

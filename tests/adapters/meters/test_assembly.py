"""Any pile of readings, assembled, against a plain dictionary."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.meters.assembly import assemble
from adapters.meters.points import Key, Points
from ledger.readings import MeterSpec, Register, gaps

START = 1_785_542_400  # 2026-08-01T00:00Z
SPECS = {
    "M1": MeterSpec("M1", ("import", "pv"), 900, 1000, "UTC"),
    "M2": MeterSpec("M2", ("pv",), 900, 1000, "UTC"),
}
Reading = tuple[str, Register, int, int, str]

READINGS = st.lists(
    st.tuples(
        st.sampled_from(["M1", "M2", "M3"]),
        st.sampled_from(["import", "pv"]),
        st.integers(0, 12).map(lambda n: START + 900 * n) | st.sampled_from([START + 60, START + 1]),
        st.sampled_from([0, 1, 2, 262, 263, 10_000]),
        st.sampled_from("AAEN"),
    ),
    max_size=40,
)


def simple(
    readings: list[Reading],
) -> tuple[dict[tuple[str, str, int], tuple[int, str]], dict[int, str], int]:
    """Accepted values, refused rows with their code, and the number of duplicates: row by row."""
    refused: dict[int, str] = {}
    seen: dict[tuple[str, str, int], list[int]] = {}
    for row, (meter, register, start, wh, quality) in enumerate(readings):
        spec = SPECS.get(meter)
        if spec is None:
            refused[row] = "unknown_meter"
        elif register not in spec.registers:
            refused[row] = "unknown_register"
        elif (start - START) % 900:
            refused[row] = "misaligned_start"
        elif quality != "N" and wh > 262:
            refused[row] = "above_device_limit"
        else:
            seen.setdefault((meter, register, start), []).append(row)
    accepted, duplicates = {}, 0
    for place, rows in seen.items():
        contents = {(-1, "N") if readings[r][4] == "N" else readings[r][3:] for r in rows}
        if len(contents) > 1:
            refused |= dict.fromkeys(rows, "conflicting_duplicate")
            continue
        duplicates += len(rows) - 1
        if readings[rows[0]][4] != "N":
            accepted[place] = readings[rows[0]][3], readings[rows[0]][4]
    return accepted, refused, duplicates


@settings(max_examples=200)
@given(READINGS)
def test_what_holds_is_stored_and_what_does_not_is_named(readings: list[Reading]) -> None:
    points = Points()
    for row, (meter, register, start, wh, quality) in enumerate(readings):
        points.add(points.group(Key(meter, register, 900)), start, wh, quality, row)
    found = assemble(points, SPECS, "any")
    accepted, refused, duplicates = simple(readings)
    stored = {
        (run.meter, run.register, int(run.start.timestamp()) + 900 * n): (wh, run.qualities[n])
        for run in found.runs
        for n, wh in enumerate(run.values.tolist())
    }
    assert stored == accepted
    assert {finding.row: finding.code for finding in found.findings} == refused
    assert len(found.findings) == len(refused)
    assert len(found.duplicates) == duplicates
    assert list(found.runs) == sorted(found.runs, key=lambda run: (run.meter, run.register, run.start))
    for gap in gaps(found.runs):
        assert gap in found.gaps
    covered = sum(run.count for run in found.runs) * 900
    missing = sum((gap.end - gap.start).total_seconds() for gap in found.gaps)
    assert (covered + missing) % 900 == 0
    for gap in found.gaps:
        assert not any(
            gap.start < run.end and run.start < gap.end
            for run in found.runs
            if (run.meter, run.register) == (gap.meter, gap.register)
        )


@settings(max_examples=100)
@given(READINGS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(readings: list[Reading], random: object) -> None:
    def runs(order: list[Reading]) -> object:
        points = Points()
        for row, (meter, register, start, wh, quality) in enumerate(order):
            points.add(points.group(Key(meter, register, 900)), start, wh, quality, row)
        result = assemble(points, SPECS, "any")
        return result.runs, result.gaps, sorted(finding.code for finding in result.findings)

    shuffled = list(readings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert runs(shuffled) == runs(readings)


def test_a_register_that_stops_before_the_others_of_its_meter_has_a_gap() -> None:
    points = Points()
    for n in range(4):
        points.add(points.group(Key("M1", "import", 900)), START + 900 * n, 1, "A", n)
    points.add(points.group(Key("M1", "pv", 900)), START + 900, 1, "A", 9)
    found = assemble(points, SPECS)
    assert [
        (g.register, int(g.start.timestamp()) - START, int(g.end.timestamp()) - START) for g in found.gaps
    ] == [
        ("pv", 0, 900),
        ("pv", 1800, 3600),
    ]


def test_a_duplicate_with_another_quality_conflicts() -> None:
    points = Points()
    for row, quality in enumerate("AE"):
        points.add(points.group(Key("M1", "pv", 900)), START, 1, quality, row)
    assert [finding.code for finding in assemble(points, SPECS).findings] == ["conflicting_duplicate"] * 2


def test_hours_align_with_the_meters_zone() -> None:
    points = Points()
    group = points.group(Key("IN", "pv", 3600))
    points.add(group, START + 1800, 1, "A", 1)
    points.add(group, START + 3600 + 900, 1, "A", 2)
    points.add(group, START + 2 * 3600, 1, "A", 3)
    spec = MeterSpec("IN", ("pv",), 3600, 1000, "Asia/Kolkata")
    found = assemble(points, {"IN": spec})
    assert [(finding.row, finding.code) for finding in found.findings] == [
        (2, "misaligned_start"),
        (3, "misaligned_start"),
    ]


def test_nothing_gives_nothing() -> None:
    found = assemble(Points(), SPECS)
    assert (found.runs, found.findings, found.gaps, found.duplicates) == ((), (), (), ())


def of_rows(*rows: tuple[int, int, str]) -> Points:
    """M1's pv: (interval from START, Wh, quality), row by row from 2 as in a file with a header."""
    points = Points()
    for row, (number, wh, quality) in enumerate(rows, 2):
        points.add(points.group(Key("M1", "pv", 900)), START + 900 * number, wh, quality, row)
    return points


def test_an_appended_row_that_contradicts_an_earlier_one_conflicts_with_it() -> None:
    """It is no matter of the file's order: both rows are named, and what each says."""
    found = assemble(of_rows((0, 1, "A"), (1, 2, "A"), (2, 3, "A"), (1, 7, "A")), SPECS)
    assert [(f.row, f.code) for f in found.findings] == [
        (3, "conflicting_duplicate"),
        (5, "conflicting_duplicate"),
    ]
    assert "row 5 says 7 with quality A" in found.findings[0].reason
    assert "row 3 says 2 with quality A" in found.findings[1].reason
    assert sum(run.count for run in found.runs) == 2


def test_an_appended_row_that_repeats_an_earlier_one_counts_once() -> None:
    """DOMAIN.md 3.11: a duplicate (meter, interval, version) changes nothing."""
    found = assemble(of_rows((0, 1, "A"), (1, 2, "A"), (2, 3, "A"), (1, 2, "A")), SPECS)
    assert found.findings == ()
    assert [(duplicate.row, duplicate.first_row) for duplicate in found.duplicates] == [(5, 3)]
    assert [run.values.tolist() for run in found.runs] == [[1, 2, 3]]


def test_a_row_that_goes_back_to_a_time_of_its_own_is_out_of_order() -> None:
    found = assemble(of_rows((0, 1, "A"), (2, 2, "A"), (1, 3, "A"), (3, 4, "A")), SPECS)
    assert [(f.row, f.code) for f in found.findings] == [(4, "time_goes_back")]
    again = assemble(of_rows((0, 1, "A"), (2, 2, "A"), (1, 3, "A"), (1, 3, "A")), SPECS)
    assert [(f.row, f.code) for f in again.findings] == [(4, "time_goes_back"), (5, "time_goes_back")]


def test_a_descending_file_is_judged_alike() -> None:
    found = assemble(of_rows((3, 1, "A"), (2, 2, "A"), (1, 3, "A"), (3, 9, "A")), SPECS, "descending")
    assert [(f.row, f.code) for f in found.findings] == [
        (2, "conflicting_duplicate"),
        (5, "conflicting_duplicate"),
    ]


def test_a_reading_of_an_interval_that_has_not_ended_is_refused() -> None:
    """DOMAIN.md 3.11, clock: 15 minutes of tolerance, to the second; a gap is not a reading."""
    points = of_rows((0, 1, "A"), (1, 2, "A"), (2, 3, "A"), (3, 0, "N"))
    ended = START + 2 * 900
    late = datetime.fromtimestamp(ended - 1, UTC)
    found = assemble(points, SPECS, received_at=late)
    assert [(f.row, f.code) for f in found.findings] == [(4, "future_reading")]
    assert "2026-08-01T00:45:00Z" in found.findings[0].reason
    assert assemble(points, SPECS, received_at=datetime.fromtimestamp(ended, UTC)).findings == ()
    assert assemble(points, SPECS).findings == ()

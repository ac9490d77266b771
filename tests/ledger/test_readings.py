"""Runs of readings: packing, invariants, cutting at days, gaps and checks against the meter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import readings
from ledger.readings import WH_MAX, MeterSpec, Run, gaps, pack, run_of, unpack, validate
from ledger.refusal import Refused

START = datetime(2026, 8, 1, tzinfo=UTC)
SPEC = MeterSpec("M1", ("import", "export"), 900, 100_000, "Asia/Shanghai")


def refused(call: object, *arguments: object, **named: object) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return caught.value


@settings(max_examples=100)
@given(st.lists(st.integers(0, WH_MAX), max_size=50))
def test_unpack_gives_back_what_was_packed(values: list[int]) -> None:
    packed = pack(values)
    assert unpack(packed).tolist() == values
    assert len(packed) == 4 * len(values)


def test_packed_form_is_little_endian_32_bit() -> None:
    assert pack([1, 256]) == b"\x01\x00\x00\x00\x00\x01\x00\x00"


@pytest.mark.parametrize("wrong", [-1, WH_MAX + 1])
def test_a_value_that_does_not_fit_is_refused_with_its_position(wrong: int) -> None:
    error = refused(pack, [0, wrong])
    assert (error.code, error.place) == ("reading_range", "value 2")


def test_torn_and_negative_bytes_are_refused() -> None:
    assert refused(unpack, b"\x00\x00\x00").code == "packed_length"
    assert refused(unpack, b"\xff\xff\xff\xff").code == "reading_range"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"meter": "M 1"}, "meter_id"),
        ({"meter": "a.b"}, "meter_id"),
        ({"meter": "x" * 65}, "meter_id"),
        ({"register": "grid"}, "register"),
        ({"start": datetime(2026, 8, 1)}, "naive_time"),
        ({"start": datetime(2026, 8, 1, tzinfo=timezone(timedelta(hours=8)))}, "naive_time"),
        ({"start": START + timedelta(microseconds=1)}, "misaligned_start"),
        ({"interval_s": 901}, "interval_length"),
        ({"wh": b""}, "empty_run"),
        ({"quality": "AAA"}, "quality"),
        ({"quality": "N"}, "quality"),
        ({"quality": "AA"}, "quality"),
        ({"quality": ""}, "quality"),
    ],
)
def test_a_run_that_exists_is_valid(change: dict[str, object], code: str) -> None:
    fields: dict[str, object] = {
        "meter": "M1",
        "register": "import",
        "start": START,
        "interval_s": 900,
        "wh": pack([1, 2]),
        "quality": "A",
    }
    assert Run(**fields).count == 2  # type: ignore[arg-type]
    assert refused(Run, **(fields | change)).code == code


def test_equal_readings_are_equal_bytes() -> None:
    long = run_of("M1", "import", START, 900, [1, 2], "EE")
    assert long == run_of("M1", "import", START, 900, np.array([1, 2]), "E")
    assert msgspec.json.encode(long) == msgspec.json.encode(run_of("M1", "import", START, 900, [1, 2], "E"))
    assert msgspec.json.decode(msgspec.json.encode(long), type=Run) == long


def test_quality_letters_must_match_the_values() -> None:
    assert refused(run_of, "M1", "import", START, 900, [1, 2, 3], "AA").code == "quality"


def test_gaps_lie_between_runs_of_the_same_register() -> None:
    first = run_of("M1", "import", START, 900, [1, 2], "A")
    later = run_of("M1", "import", START + timedelta(hours=1), 900, [3], "A")
    other = run_of("M1", "export", START + timedelta(hours=5), 900, [3], "A")
    found = gaps([later, other, first])
    assert [(gap.register, gap.start, gap.end) for gap in found] == [("import", first.end, later.start)]


def test_overlapping_runs_are_refused() -> None:
    first = run_of("M1", "import", START, 900, [1, 2], "A")
    again = run_of("M1", "import", START + timedelta(minutes=15), 900, [2], "A")
    error = refused(gaps, [first, again])
    assert (error.code, error.place) == ("overlapping_interval", "M1 import 2026-08-01T00:15:00Z")


def test_range_limit_is_105_percent_of_rated_power_cut_off() -> None:
    """DOMAIN.md 3.11: range (<= P_n x 0.25 h x 1.05)."""
    assert SPEC.wh_max == 26_250
    assert MeterSpec("M1", ("pv",), 900, 1, "UTC").wh_max == 0
    validate(run_of("M1", "import", START, 900, [26_250], "A"), SPEC)
    error = refused(validate, run_of("M1", "import", START, 900, [0, 26_251], "A"), SPEC)
    assert (error.code, error.place) == ("above_device_limit", "M1 import 2026-08-01T00:15:00Z")


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (run_of("M2", "import", START, 900, [1], "A"), "unknown_meter"),
        (run_of("M1", "pv", START, 900, [1], "A"), "unknown_register"),
        (run_of("M1", "import", START, 300, [1], "A"), "interval_length"),
        (run_of("M1", "import", START + timedelta(minutes=7), 900, [1], "A"), "misaligned_start"),
    ],
)
def test_a_run_that_is_not_the_meters_is_refused(run: Run, code: str) -> None:
    assert refused(validate, run, SPEC).code == code


def test_intervals_align_with_the_local_day() -> None:
    """India is at +05:30: its hours start at half past in UTC."""
    hourly = MeterSpec("M1", ("import",), 3600, 100_000, "Asia/Kolkata")
    validate(run_of("M1", "import", START + timedelta(minutes=30), 3600, [1], "A"), hourly)
    error = refused(validate, run_of("M1", "import", START, 3600, [1], "A"), hourly)
    assert error.code == "misaligned_start"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (("M 1", ("import",), 900, 1, "UTC"), "meter_id"),
        (("M1", (), 900, 1, "UTC"), "register"),
        (("M1", ("grid",), 900, 1, "UTC"), "register"),
        (("M1", ("import",), 7, 1, "UTC"), "interval_length"),
        (("M1", ("import",), 900, 0, "UTC"), "power_w_max"),
        (("M1", ("import",), 900, 1, "Mars/Base"), "zone"),
    ],
)
def test_a_meter_that_exists_is_valid(fields: tuple[object, ...], code: str) -> None:
    assert refused(MeterSpec, *fields).code == code


def test_missing_is_no_quality() -> None:
    assert set(readings.QUALITIES) == set("ACEFS")

"""Parameters of the methods: meter errors to the Wh, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import get_args

import msgspec
import numpy as np
import pytest

from ledger.metering.estimation import corrected
from ledger.metering.method import (
    EfficiencyFactor,
    HoldFlat,
    LinearInterpolation,
    Method,
    MultiplierError,
    PvHours,
    ReferenceMeter,
    SimilarDays,
    WiringError,
    ZeroError,
    quality_of,
)
from ledger.refusal import Refused

CHECKED = datetime(2026, 6, 1, tzinfo=UTC)
FOUND = datetime(2026, 8, 1, tzinfo=UTC)
HOURS = PvHours(time(6), time(19))
DAYS = tuple(date(2026, 8, day) for day in (3, 4, 5, 6))
EVERY: tuple[Method, ...] = (
    LinearInterpolation(),
    ReferenceMeter("M2", "pv", HOURS),
    EfficiencyFactor("M2", "pv"),
    SimilarDays(DAYS),
    HoldFlat(HOURS),
    ZeroError(CHECKED, FOUND, "2.5"),
    MultiplierError(CHECKED, FOUND, 3000, 4000),
    WiringError(CHECKED, FOUND, "-33.3"),
)


def test_a_fast_meter_is_corrected_to_zero_error_for_the_later_half() -> None:
    """2.5 % too much since the check of 1 June, found on 1 August: 61 days, so from 1 July 12:00 on."""
    error = ZeroError(CHECKED, FOUND, "2.5")
    assert (error.corrected.start, error.corrected.end) == (datetime(2026, 7, 1, 12, tzinfo=UTC), FOUND)
    assert corrected(np.array([1025, 2050, 100]), error.factor).tolist() == [1000, 2000, 98]
    slow = ZeroError(CHECKED, FOUND, "-2.5")
    assert corrected(np.array([975]), slow.factor).tolist() == [1000]


def test_a_wrong_multiplier_is_corrected_for_all_of_its_period() -> None:
    """CT 150/5 was read as 100/5, times PT 100: 2 000 used, 3 000 right."""
    error = MultiplierError(CHECKED, FOUND, 2000, 3000)
    assert error.corrected.start == CHECKED
    assert corrected(np.array([1, 1, 1, 1000]), error.factor).tolist() == [2, 1, 2, 1500]


def test_wrong_wiring_is_corrected_by_the_difference_rate() -> None:
    """A missing phase: two thirds counted, so (1 - 2/3) / (2/3) = 50 % more."""
    error = WiringError(CHECKED, FOUND, "50")
    assert corrected(np.array([200, 401]), error.factor).tolist() == [300, 602]
    assert error.factor == Fraction(3, 2)


def test_every_method_has_a_code_a_quality_and_can_be_stored() -> None:
    codes = [str(type(method).__struct_config__.tag) for method in EVERY]
    assert {type(method) for method in EVERY} == set(get_args(Method))
    assert len(set(codes)) == len(codes)
    assert {code: quality_of(method) for code, method in zip(codes, EVERY, strict=True)} == {
        "linear_interpolation": "E",
        "reference_meter": "S",
        "efficiency_factor": "E",
        "similar_days": "E",
        "hold_flat": "E",
        "zero_error": "C",
        "multiplier_error": "C",
        "wiring_error": "C",
    }
    for method in EVERY:
        assert msgspec.json.decode(msgspec.json.encode(method), type=Method) == method


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("pv_hours", lambda: PvHours(time(19), time(6))),
        ("similar_days", lambda: SimilarDays(DAYS[:3])),
        ("similar_days", lambda: SimilarDays((*DAYS[:3], DAYS[0]))),
        ("year", lambda: SimilarDays((*DAYS[:3], date(9999, 12, 31)))),
        ("meter_id", lambda: ReferenceMeter("M 2", "pv")),
        ("register", lambda: EfficiencyFactor("M2", "steam")),  # type: ignore[arg-type]
        ("interval", lambda: MultiplierError(FOUND, CHECKED, 1, 2)),
        ("interval", lambda: WiringError(FOUND, FOUND, "5")),
        ("multiplier", lambda: MultiplierError(CHECKED, FOUND, 20, 20)),
        ("multiplier", lambda: MultiplierError(CHECKED, FOUND, 0, 20)),
        ("error_percent", lambda: ZeroError(CHECKED, FOUND, "0")),
        ("error_percent", lambda: ZeroError(CHECKED, FOUND, "-100")),
        ("error_percent", lambda: WiringError(CHECKED, FOUND, "1" * 5000)),
        ("number", lambda: WiringError(CHECKED, FOUND, "5 %")),
    ],
)
def test_what_is_no_method_is_refused(code: str, make: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.code == code

"""What a line of a step test's report compares with what."""

from __future__ import annotations

from dispatch.commissioning.report_text import _line
from dispatch.commissioning.step_result import StepResult


def test_the_meters_change_is_not_shown_beside_the_bounds_of_what_was_read() -> None:
    """From 50 kW out to 50 kW in: the meter moves by 100 kW, and what is read is bounded near -50 kW."""
    scale = StepResult(
        step="scale",
        verdict="passed",
        commanded_w=-50_000,
        read_w=-49_900,
        metered_w=-100_000,
        measured=-49_900,
        least=-51_500,
        most=-48_500,
        unit="W",
    )
    told = _line(scale)
    assert "read -49900 W" in told
    assert "meter changed by -100000 W" in told
    assert told.endswith("allowed read -51500 to -48500 W")

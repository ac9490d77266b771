"""Cells' spread and temperature, and the state of health."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.health.cells import CellLimits, findings, spread_mv
from dispatch.health.state_of_health import CapacityTest, state_of_health
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

LIMITS = CellLimits(spread_mv=30, hottest_mc=45_000, coldest_mc=0, rest_w=1_000)


def sample(**values: int | None) -> Sample:
    whole: dict[str, int | None] = {
        "active_power": 0,
        "cell_voltage_max": 3_340,
        "cell_voltage_min": 3_320,
        "cell_temperature_max": 30_000,
        "cell_temperature_min": 20_000,
    }
    whole |= values
    readings: dict[Role, Reading] = {
        role: Reading(value, "good" if value is not None else "bad")  # type: ignore[misc]
        for role, value in whole.items()
    }
    return Sample(device="B1", run="r", number=1, at_ms=0, readings=readings)


def kinds(**values: int | None) -> list[str]:
    return [one.kind for one in findings(sample(**values), LIMITS)]


def test_cells_beyond_their_limits_are_found() -> None:
    assert kinds() == []
    assert kinds(cell_voltage_max=3_350) == []
    assert kinds(cell_voltage_max=3_351) == ["cell_spread"]
    assert kinds(cell_temperature_max=45_001, cell_temperature_min=-1) == [
        "cell_temperature_high",
        "cell_temperature_low",
    ]


def test_what_is_not_known_is_not_found_wrong_and_never_zero() -> None:
    assert kinds(cell_voltage_min=None, cell_temperature_max=None, cell_temperature_min=None) == []
    assert spread_mv(sample(cell_voltage_max=3_900, active_power=1_001), 1_000) is None, "under power"
    assert spread_mv(sample(active_power=None), 1_000) is None


def test_health_is_the_last_test_less_the_fade_since() -> None:
    tests = [CapacityTest(measured_wh=1000 - 20 * n, discharged_wh=200_000 * n) for n in range(4)]
    found = state_of_health(1000, tests, 700_000)
    assert found is not None
    assert (found.tested, found.health) == (Fraction(94, 100), Fraction(93, 100))
    assert (found.cycles, found.cycles_since_test, found.fade) == (700, 100, Fraction(1, 10_000))


def test_one_test_that_was_off_moves_the_fade_little_and_none_makes_it_new() -> None:
    measured = (1000, 980, 700, 940, 920)
    tests = [CapacityTest(measured_wh=wh, discharged_wh=200_000 * n) for n, wh in enumerate(measured)]
    found = state_of_health(1000, tests, 800_000)
    assert found is not None
    assert found.fade == Fraction(1, 10_000)
    growing = [CapacityTest(measured_wh=900 + 10 * n, discharged_wh=1000 * n) for n in range(3)]
    found = state_of_health(1000, growing, 1_000_000)
    assert found is not None
    assert found.health == Fraction(92, 100)
    assert state_of_health(1000, [], 0) is None
    two = state_of_health(1000, tests[:2], 900_000)
    assert two is not None
    assert (two.fade, two.health) == (None, Fraction(98, 100))


def test_tests_out_of_order_are_refused() -> None:
    tests = [CapacityTest(measured_wh=900, discharged_wh=1000)]
    for nameplate, done in ((1000, 999), (0, 1000)):
        with pytest.raises(Refused):
            state_of_health(nameplate, tests, done)

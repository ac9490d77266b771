"""A local day's prices in slots of its wall clock, also where the clocks change."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from adapters.planning.portfolio import horizon_of_days
from adapters.planning.tariff_prices import by_wall_clock


@pytest.mark.parametrize(
    ("day", "count", "hours"),
    [
        (date(2026, 3, 28), 96, [0, 1, 2, 3, 4, *range(5, 24)]),
        (date(2026, 3, 29), 92, [0, 1, 1, 2, 3, *range(4, 23)]),
        (date(2026, 10, 25), 100, [0, 1, 2, 4, 5, *range(6, 25)]),
    ],
)
def test_a_slot_has_the_price_that_the_clock_shows(day: date, count: int, hours: list[int]) -> None:
    """Each elapsed hour has its own price; of the two from 2 to 3 o'clock the first counts."""
    horizon = horizon_of_days("Europe/Berlin", day, 1, 900)
    assert horizon.count == count
    found = by_wall_clock(np.arange(count) // 4, horizon, "Europe/Berlin")
    assert found.tolist() == np.repeat(hours, 4).tolist()


def test_prices_that_end_within_the_day_stay_as_they_were_last() -> None:
    horizon = horizon_of_days("Europe/Berlin", date(2026, 3, 28), 1, 3600)
    assert by_wall_clock(np.array([5, 6]), horizon, "Europe/Berlin").tolist() == [5, *[6] * 23]

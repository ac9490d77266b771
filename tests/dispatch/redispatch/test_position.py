"""What was sold is kept, or left for a dearer hour, by hand; expected prices follow the last one seen."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from dispatch.optimiser.site import Storage
from dispatch.redispatch.position import expected_prices, redispatch
from ledger.refusal import Refused

FULL = Storage(
    charge_kw=100.0, discharge_kw=100.0, floor_kwh=0.0, ceiling_kwh=100.0, start_kwh=100.0, end_kwh=0.0,
    charge_efficiency=1.0, discharge_efficiency=1.0, availability=np.ones(3), reserve_kwh=np.zeros(3),
)  # fmt: skip
SOLD = np.array([0, 100_000, 0])


def micro(*prices: float) -> np.typing.NDArray[np.int64]:
    return np.array([round(price * 1e6) for price in prices], dtype=np.int64)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (0.55, [0, 100_000, 0]),  # 0.05 more, and two kWh of deviation at 0.03: not worth it
        (0.57, [0, 0, 100_000]),
    ],
)
def test_a_sold_hour_is_left_when_another_pays_more_than_deviating(last: float, expected: list[int]) -> None:
    """Sold at 10:00, real time 0.50 then; from 0.56 at 11:00 on both deviations of 0.03 are earned back."""
    done = redispatch(FULL, 1.0, SOLD, micro(0.4, 0.5, last), deviation_micro=30_000)
    assert done.setpoint_w.tolist() == expected
    assert (done.deviation_w == done.setpoint_w - SOLD).all()
    assert done.stored_wh[-1] == 0


def test_what_is_not_there_is_bought_back() -> None:
    """Empty: the sold 100 kWh are charged at the cheapest hour before, or not given when that is dearer."""
    empty = structs.replace(FULL, start_kwh=0.0)
    done = redispatch(empty, 1.0, SOLD, micro(0.1, 0.5, 0.3), deviation_micro=30_000)
    assert done.setpoint_w.tolist() == [-100_000, 100_000, 0]
    dear = redispatch(empty, 1.0, SOLD, micro(0.6, 0.5, 0.3), deviation_micro=30_000)
    assert dear.setpoint_w.tolist() == [0, 0, 0]
    assert dear.deviation_w.tolist() == [0, -100_000, 0]


def test_other_intervals_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        redispatch(FULL, 1.0, SOLD, micro(0.1, 0.2), deviation_micro=0)
    assert refused.value.code == "series_shape"
    with pytest.raises(Refused):
        expected_prices(micro(0.1), micro(0.1, 0.2), 500)


def test_a_surprise_fades_hour_by_hour() -> None:
    """Half of it each hour; what was seen stays as it came; a day of which nothing was seen is the
    day-ahead's."""
    found = expected_prices(np.array([100, 100, 100, 100]), np.array([60]), 500)
    assert found.tolist() == [60, 80, 90, 95]
    assert expected_prices(np.array([7, 8]), np.array([], dtype=np.int64), 900).tolist() == [7, 8]

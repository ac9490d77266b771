"""What a meter's readings may not say: that an interval was measured before it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ledger.meter_import import CLOCK_TOLERANCE, check_clock
from ledger.readings import run_of
from ledger.refusal import Refused

END = datetime(2026, 8, 1, 1, tzinfo=UTC)
RUN = run_of("M1", "charge", END - timedelta(hours=1), 900, np.arange(4), "A")


def test_an_interval_ends_before_it_is_recorded_give_or_take_the_tolerance() -> None:
    check_clock(RUN, END - CLOCK_TOLERANCE)
    with pytest.raises(Refused) as caught:
        check_clock(RUN, END - CLOCK_TOLERANCE - timedelta(seconds=1))
    assert (caught.value.code, caught.value.place) == ("future_reading", "M1 charge 2026-08-01T00:45:00Z")
    for instant in ("2026-08-01T01:00:00Z", "2026-08-01T00:44:59Z"):
        assert instant in caught.value.reason


def test_the_tolerance_is_no_more_than_an_interval() -> None:
    assert timedelta(0) < CLOCK_TOLERANCE <= timedelta(minutes=15)

"""A test of driving never takes a lease in the first minute of a UTC day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatch.control.lease import LeaseTaken, TakeLease
from ledger.device import Device
from ledger.effective import Period, extended
from ledger.refusal import Refused
from tests.adapters.driving.new_day import wait_s

MIDNIGHT = datetime(2026, 8, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after_s", "waits_s"),
    [(-61, 0), (-60, 122), (-1, 63), (0, 62), (61, 1), (62, 0), (43_200, 0)],
)
def test_it_waits_from_before_midnight_until_leases_are_taken_at_once(after_s: int, waits_s: int) -> None:
    assert wait_s(MIDNIGHT + timedelta(seconds=after_s)) == waits_s


def test_then_whoever_comes_takes_it() -> None:
    device = Device("a", "S1", "battery", 250_000, 500_000)
    others = {"device.a": extended(None, Period(datetime(2026, 1, 1, tzinfo=UTC)), device)}
    take = TakeLease("a", "drive-1", MIDNIGHT.date(), 900, 500)
    free = MIDNIGHT + timedelta(seconds=wait_s(MIDNIGHT))
    with pytest.raises(Refused, match="a holder of the day before"):
        take.decide_at(free - timedelta(milliseconds=1), None, others)
    (taken,) = take.decide_at(free, None, others)
    assert isinstance(taken, LeaseTaken)

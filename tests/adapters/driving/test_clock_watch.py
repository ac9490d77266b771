"""A clock that is set is noticed, one that only drifts or jitters is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.driving.clock_watch import ClockWatch

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)


def test_a_step_of_more_than_half_a_minute_either_way_loses_the_clock() -> None:
    wall, steady = [NOON], [100.0]
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    steady[0] += 86_400
    wall[0] += timedelta(seconds=86_402)
    assert not watch.lost
    for step, lost in ((27, False), (2, True), (-2, False), (-57, False), (-4, True)):
        wall[0] += timedelta(seconds=step)
        assert watch.lost is lost

"""A device that moves with no signal is given no band; one that is slow, late or hardly asked keeps it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta

import pytest

from dispatch.control.follower import AGAIN
from dispatch.control.standing_still import LATE, StandingStill
from tests.dispatch.control.pure_book import KW, START

TOLERANCE_W = 5 * KW
RAMP = 50 * KW
Signal = Callable[[int], int]


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def swings(second: int) -> int:
    """From one end of the band to the other each 4 s."""
    return 80 * KW if second // 4 % 2 else 20 * KW


def watched(signal: Signal, device: Signal, ramp: int = RAMP, seconds: int = 200) -> tuple[str, int | None]:
    """Why it is accused, and since which second."""
    one = StandingStill()
    for second in range(seconds):
        one.look(signal(second), device(second), TOLERANCE_W, ramp, START + after(second))
        if one.why:
            return one.why, second
    return "", None


@pytest.mark.parametrize("signal", [swings, lambda _: 80 * KW, lambda _: 50 * KW + 2 * TOLERANCE_W + RAMP])
def test_one_that_does_nothing_is_seen(signal: Signal) -> None:
    why, second = watched(signal, lambda _: 50 * KW)
    assert second is not None
    assert why.startswith("it stayed at 50000 W while a signal asked for ")
    assert why.endswith(f": it is given no band until {START + after(second) + AGAIN:%H:%M:%S} UTC")
    assert LATE <= after(second) <= LATE + after(5), "not before its time is over, and not long after"


def test_noise_within_its_tolerance_is_no_movement() -> None:
    assert watched(swings, lambda second: 50 * KW + second % 5 * KW)[0]


def test_one_that_is_as_late_as_devices_may_be_is_not_accused() -> None:
    assert watched(swings, lambda second: swings(second - 10)) == ("", None)
    assert watched(lambda _: 80 * KW, lambda second: 80 * KW if second >= 10 else 20 * KW) == ("", None)


@pytest.mark.parametrize("ramp", [300, KW, 3 * KW, 50 * KW])
@pytest.mark.parametrize("real_permille", [750, 1000])
@pytest.mark.parametrize("signal", [swings, lambda second: (second // 60 % 2) * 100 * KW])
def test_one_that_is_as_slow_as_it_is_stated_to_be_is_not_accused(
    ramp: int, real_permille: int, signal: Signal
) -> None:
    power = [50 * KW]
    late = deque([50 * KW] * 8)

    def device(second: int) -> int:
        step = ramp * real_permille // 1000
        power[0] += min(max(signal(second) - power[0], -step), step)
        late.append(power[0])
        return late.popleft()

    assert watched(signal, device, ramp, 900) == ("", None)


def test_a_signal_that_asks_for_little_or_seldom_accuses_nobody() -> None:
    assert watched(lambda second: 50 * KW + 2 * TOLERANCE_W * (second % 2), lambda _: 50 * KW) == ("", None)
    assert watched(lambda second: 90 * KW if second % 20 < 4 else 50 * KW, lambda _: 50 * KW) == ("", None)


def test_what_nobody_read_counts_for_nothing_and_it_is_tried_again() -> None:
    one = StandingStill()
    for second in range(0, 120, 6):
        one.look(80 * KW, 20 * KW, TOLERANCE_W, RAMP, START + after(second))
    assert one.why == "", "readings too far apart"
    at = START + after(1000)
    for second in range(10):
        one.look(80 * KW, 20 * KW, TOLERANCE_W, RAMP, at + after(second))
    one.look(None, None, 0, 0, at + after(10))
    for second in range(11, 20):
        one.look(80 * KW, 20 * KW, TOLERANCE_W, RAMP, at + after(second))
    assert one.why == "", "it was lost in between"
    for second in range(20, 30):
        one.look(80 * KW, 20 * KW, TOLERANCE_W, RAMP, at + after(second))
    assert one.why
    one.look(None, None, 0, 0, at + after(60))
    assert one.why, "it is given no band for a while"
    one.look(None, None, 0, 0, at + after(30) + AGAIN)
    assert one.why == ""

"""What a device gives beyond all that it was told is its own doing, however often it is told anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.may_show import MayShow
from dispatch.control.site_load import PowerRange

BEGIN = datetime(2026, 8, 3, tzinfo=UTC)


def at(second: float) -> datetime:
    return BEGIN + timedelta(seconds=second)


def told(may: MayShow, power_w: int, second: float, takes_s: float = 11) -> None:
    may.told(PowerRange(power_w, power_w), at(second), at(second + takes_s))


def test_more_than_was_ever_told_is_found_though_each_setpoint_is_younger_than_its_time() -> None:
    may, found = MayShow(), []
    for second in range(30):
        if second % 5 == 0:
            told(may, 20 if second % 2 else 30, second)
        if may.beyond(100, 2, at(second)):
            found.append(second)
    assert found == list(range(12, 30)), "once the first setpoint's time is over"


def test_what_was_told_before_may_show_until_the_next_one_s_time_is_over() -> None:
    may = MayShow()
    told(may, 100, 0)
    told(may, 20, 60)
    assert not may.beyond(100, 2, at(71))
    assert not may.beyond(55, 2, at(71)), "on its way"
    assert may.beyond(100, 2, at(72))
    assert not may.beyond(21, 2, at(72))
    assert may.beyond(-20, 2, at(72)), "and the other way"


def test_of_a_band_all_of_it_may_show() -> None:
    may = MayShow()
    may.told(PowerRange(-30, 30), at(0), at(11))
    assert [may.beyond(power_w, 2, at(20)) for power_w in (-33, -32, 32, 33)] == [True, False, False, True]


@settings(derandomize=True, max_examples=200)
@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 30)), min_size=1, max_size=20))
def test_what_does_what_it_is_told_in_time_is_never_beyond(steps: list[tuple[int, int]]) -> None:
    """A device that takes 10 s to follow, at once then."""
    may, second, written = MayShow(), 0, list[tuple[int, int]]()
    for power_w, lasts in steps:
        told(may, power_w, second)
        written.append((second, power_w))
        for _ in range(lasts):
            second += 1
            does_w = next((w for begin, w in reversed(written) if begin + 10 <= second), written[0][1])
            assert not may.beyond(does_w, 0, at(second))

"""A device that acknowledges and does nothing is named, however often it is told something else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.judging import METER_LATE
from adapters.driving.tried import AtDevice
from dispatch.control.setpoint import Setpoint

KW = 1000
START = datetime(2026, 8, 3, tzinfo=UTC)
RAMP_S = 1
Power = Callable[[int], int]
PATHS: tuple[Power, ...] = (
    lambda number: 50 * KW if number % 2 else 40 * KW,
    lambda number: min(20 + number * 3, 250) * KW,
    lambda number: -max(100 - number * 3, 30) * KW,
)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def named_at(told: Power, does: Power, every_s: int, *, band_w: int = 0, seconds: int = 400) -> int | None:
    """From which second on it is known to do nothing; `told` the number of the setpoint, one each
    `every_s`. The one of `written_s` is read back a second later."""
    executor = SimpleNamespace(ready=True, limits=SimpleNamespace(charge_w=250 * KW, discharge_w=250 * KW))
    limits = SimpleNamespace(ramp_w_per_s=50 * KW)
    fleet = SimpleNamespace(id="a", profile=SimpleNamespace(limits=limits, every_s=lambda _: 1))
    one = Driven(cast("Any", SimpleNamespace(fleet=fleet)), cast("Any", executor), cast("Any", None))
    for second in range(seconds):
        number, written_s = second // every_s, second // every_s * every_s
        wanted = Setpoint(
            setpoint_w=told(number), expires_at=after(7200), origin="plan", cause=f"{number}", band_w=band_w
        )
        executor.standing = AtDevice(
            setpoint=wanted,
            day=START.date(),
            target_w=wanted.setpoint_w + band_w,
            before_w=told(number - 1) if number else 0,
            written_at=after(written_s),
            confirmed=every_s == 1 or second > written_s,
            expected_at=after(written_s + RAMP_S) + METER_LATE,
        )
        executor.snapshot = SimpleNamespace(power_w=does(second), read_at=after(second))
        one.wanted, one.good_ms = wanted, millis(after(second))
        one.look(after(second))
        if one.follower.why or one.still.why:
            return second
    return None


@pytest.mark.parametrize("every_s", [1, 4, 10, 60, 900])
@pytest.mark.parametrize("told", PATHS)
def test_one_that_does_nothing_is_named(told: Power, every_s: int) -> None:
    found = named_at(told, lambda _: 0, every_s)
    assert found is not None
    assert found <= 30


@pytest.mark.parametrize("every_s", [4, 10, 60, 900])
@pytest.mark.parametrize("told", PATHS)
def test_one_that_is_late_is_not(told: Power, every_s: int) -> None:
    assert named_at(told, lambda second: told((second - 9) // every_s) if second >= 9 else 0, every_s) is None


@pytest.mark.parametrize("every_s", [4, 10, 60, 900])
def test_one_within_a_band_that_does_nothing_is_named(every_s: int) -> None:
    middles: Power = lambda number: (50 + number % 2) * KW  # noqa: E731
    found = named_at(middles, lambda _: 50 * KW, every_s, band_w=40 * KW)
    assert found is not None
    assert found <= 30
    follows: Power = lambda second: 90 * KW if second >= 9 else 50 * KW  # noqa: E731
    assert named_at(middles, follows, every_s, band_w=40 * KW) is None

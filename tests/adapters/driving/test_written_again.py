"""What a device never did has no time anew where it is written again, as after its watchdog tripped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.judging import METER_LATE
from adapters.driving.tried import AtDevice
from dispatch.control.setpoint import Setpoint

KW = 1000
START = datetime(2026, 8, 3, tzinfo=UTC)
WANTED = Setpoint(setpoint_w=50 * KW, expires_at=START + timedelta(hours=1), origin="response", cause="1")
TRIPPED_S, AGAIN_S, RAMP_S = 14, 16, 2


def standing(second: int) -> AtDevice | None:
    """Written at once, in its safe state after a while, and written again."""
    if TRIPPED_S <= second < AGAIN_S:
        return None
    written_at = START + timedelta(seconds=0 if second < TRIPPED_S else AGAIN_S)
    return AtDevice(
        setpoint=WANTED,
        day=START.date(),
        target_w=WANTED.setpoint_w,
        before_w=0,
        written_at=written_at,
        confirmed=True,
        expected_at=written_at + timedelta(seconds=RAMP_S) + METER_LATE,
    )


def doubted_at(does_w: Callable[[int], int]) -> int | None:
    """From which second on it is told no more than it does, and what it is said to give until then."""
    executor = SimpleNamespace(ready=True, limits=SimpleNamespace(charge_w=250 * KW, discharge_w=250 * KW))
    limits = SimpleNamespace(ramp_w_per_s=50 * KW)
    fleet = SimpleNamespace(id="a", profile=SimpleNamespace(limits=limits, every_s=lambda _: 1))
    one = Driven(cast("Any", SimpleNamespace(fleet=fleet)), cast("Any", executor), cast("Any", None))
    one.wanted = WANTED
    for second in range(60):
        now = START + timedelta(seconds=second)
        executor.standing = standing(second)
        executor.snapshot = SimpleNamespace(power_w=does_w(second), read_at=now)
        one.good_ms = millis(now)
        one.look(now)
        if one.follower.why:
            return second
        assert one.given_w(now) == (0 if executor.standing is None else does_w(second))
    return None


def test_one_that_never_did_it_is_doubted_on() -> None:
    assert doubted_at(lambda _: 0) == AGAIN_S + RAMP_S, "its ramp, and no more"
    assert doubted_at(lambda second: 20 * KW if second < TRIPPED_S else 0) == AGAIN_S + RAMP_S


def test_one_that_did_it_has_its_whole_time_again() -> None:
    assert doubted_at(lambda second: 50 * KW if second < TRIPPED_S or second >= AGAIN_S + 9 else 0) is None
    assert doubted_at(lambda second: 50 * KW if second < TRIPPED_S else 0) == AGAIN_S + RAMP_S + 10 + 5

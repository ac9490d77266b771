"""A fallback's setpoint that is written while nothing can be recorded: its intent is the agreed schedule."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatch.control.command_life import DeviceDay, command_aggregate
from dispatch.control.command_records import RecordWrittenFirst
from dispatch.control.fallback import AcknowledgeFallback, FallbackSchedule, StoreFallback
from dispatch.control.setpoint import Setpoint
from tests.dispatch.control.pure_book import DAY, DEVICE, KW, START, PureBook

NIGHT = FallbackSchedule(device=DEVICE, start=START, interval_s=900, setpoint_w=(100 * KW, 50 * KW))


@pytest.mark.parametrize(
    ("changes", "acknowledged", "raised"),
    [
        ({}, True, False),
        ({}, False, True),
        ({"setpoint_w": 101 * KW}, True, True),
        ({"setpoint_w": 50 * KW}, True, True),
        ({"origin": "plan"}, True, True),
        ({"cause": "fallback of old"}, True, True),
    ],
)
def test_only_what_the_agreed_schedule_says_is_no_unrecorded_raise(
    changes: dict[str, object], acknowledged: bool, raised: bool
) -> None:
    book = PureBook()
    book.do(StoreFallback(NIGHT, "anna"))
    if acknowledged:
        book.do(AcknowledgeFallback(DEVICE, NIGHT.digest))
    told = Setpoint(
        setpoint_w=100 * KW,
        expires_at=START + timedelta(minutes=15),
        origin="fallback",
        cause=f"fallback {NIGHT.digest}",
    )
    told = msgspec.structs.replace(told, **changes)
    book.do(RecordWrittenFirst(DEVICE, DAY, told, "j-1", 0, START, "driver-1"))
    state = book.states[command_aggregate(DEVICE, DAY)]
    assert isinstance(state, DeviceDay)
    assert state.commands[1].raised_unrecorded is raised

"""Aggregates in memory: commands are decided on them as the front door does, by a clock that tests set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.meter import RegisterMeter
from ledger.refusal import Refused
from tests.adapters import sample

START = datetime(2026, 8, 3, 8, tzinfo=UTC)
DAY = START.date()
DEVICE = "bess-1"
KW = 1000


class PureBook:
    """One site with a device of 500 kW and the meter of its storage."""

    def __init__(self) -> None:
        self.states: dict[str, object] = {}
        self.now = START
        device = Device(DEVICE, "S1", "battery", 500 * KW, 1000 * KW)
        for command in (
            sample.register_site(),
            RegisterDevice(Period(datetime(2026, 1, 1, tzinfo=UTC)), device),
            RegisterMeter(sample.FROM_2026, sample.register_meter().meter),
        ):
            self.do(command)

    def do(self, command: Any, *, ahead_ms: int = 0) -> Any:
        """Decide and apply; answers the first event. `ahead_ms`: by how much who asks has a clock ahead."""
        state = self.states.get(command.aggregate)
        others = {name: self.states.get(name) for name in command.reads}
        if hasattr(command, "decide_at"):
            events = command.decide_at(self.now + timedelta(milliseconds=ahead_ms), state, others)
        else:
            events = command.decide(state, others)
        for event in events:
            state = event.apply(state)
        self.states[command.aggregate] = state
        return events[0]

    def refused(self, command: Any) -> str:
        """The code with which it is refused."""
        with pytest.raises(Refused) as refused:
            self.do(command)
        return refused.value.code

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

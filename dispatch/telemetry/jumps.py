"""Values that are doubted because they jumped: since when, from where, and when that is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample


class _Jump(NamedTuple):
    since_ms: int
    before: int | None
    value: int


class JumpWatch:
    """One device's samples, in the order in which they came."""

    def __init__(self) -> None:
        self._believed: dict[Role, int] = {}
        self._open: dict[Role, _Jump] = {}

    @property
    def standing(self) -> str:
        """What is doubted now; "" for nothing."""
        return "; ".join(_told(role, jump) for role, jump in self._open.items())

    def seen(self, sample: Sample) -> Iterator[tuple[int, str]]:
        """Since when, and what: once when a value is doubted, and once when it is believed."""
        for role, reading in sample.readings.items():
            if not isinstance(reading.value, int):
                continue
            jump = self._open.get(role)
            if reading.reason == "jump":
                if jump is None:
                    jump = _Jump(sample.at_ms, self._believed.get(role), reading.value)
                    self._open[role] = jump
                    yield sample.at_ms, _told(role, jump)
                elif jump.value != reading.value:
                    self._open[role] = jump._replace(value=reading.value)
            elif reading.quality == "good":
                self._believed[role] = reading.value
                if jump is not None:
                    del self._open[role]
                    after_ms = sample.at_ms - jump.since_ms
                    yield jump.since_ms, f"{role} is believed again after {after_ms} ms: {reading.value}"


def _told(role: Role, jump: _Jump) -> str:
    before = "" if jump.before is None else f" after {jump.before}"
    return f"{role} is {jump.value}{before}: it cannot have moved so far, and is not believed"

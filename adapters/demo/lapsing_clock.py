"""The time of a day that is told in a minute: it runs as ours does, and is moved on."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class LapsingClock:
    """From `start` on, a second to each that passes, and what is lapsed."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._off_s = -time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self.steady_s())

    def steady_s(self) -> float:
        """Seconds since the start, those that were lapsed among them; they never go back."""
        return time.monotonic() + self._off_s

    def lapse(self, seconds: float) -> None:
        """So much time has passed."""
        assert seconds >= 0
        self._off_s += seconds

    def move_to(self, instant: datetime) -> None:
        """Let it be that time; one that is past already changes nothing."""
        self.lapse(max((instant - self()) / timedelta(seconds=1), 0.0))

    @property
    def ahead_ms(self) -> int:
        """How far it is ahead of the machine's clock."""
        machine = datetime.fromtimestamp(time.time(), self._start.tzinfo)
        return round((self() - machine) / timedelta(milliseconds=1))

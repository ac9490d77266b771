"""Whether a device within a regulation band moves with the signal at all.

Anything within the band is near what it was told, so that its distance from the setpoint accuses nobody. What
does is that it stood still while a device of its stated ramp would have gone clearly elsewhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from dispatch.control.follower import AGAIN

CLEARLY: Final = 2
"""A movement that is asked for counts from so many tolerances on."""
LATE: Final = timedelta(seconds=15)
"""After its ramp a device and its meter may take 10 s; 5 s more are no accident."""
_GAP: Final = timedelta(seconds=5)
"""Of a longer time between two readings nobody knows what it did."""


class StandingStill:
    """One device. W at its AC side, above 0 discharging."""

    def __init__(self) -> None:
        self.why = ""
        """While it is given no band."""
        self._from_w: int | None = None
        self._could_w = 0
        self._asked = timedelta()
        self._at: datetime | None = None
        self._until: datetime | None = None

    def look(
        self, target_w: int | None, does_w: int | None, tolerance_w: int, ramp_w_per_s: int, at: datetime
    ) -> None:
        """A reading of `at`; `target_w` is what the signal makes of the setpoint, None: nothing to be judged.

        Time in which the movement is asked for counts up, other time down: a signal that swings up and down
        accuses a device that never moves, a short one that is over before it can answer does not.
        """
        if self._until is not None and not self._until - AGAIN <= at < self._until:
            self._until, self.why = None, ""
        if target_w is None or does_w is None:
            self._from_w = None
            return
        passed = timedelta() if self._at is None else at - self._at
        self._at = at
        moved = self._from_w is None or abs(does_w - self._from_w) > tolerance_w
        if moved or not timedelta() <= passed <= _GAP:
            self._from_w = self._could_w = does_w
            self._asked = timedelta()
            return
        assert self._from_w is not None, "it was read before"
        step_w = ramp_w_per_s * (passed // timedelta(milliseconds=1)) // 1000
        self._could_w += min(max(target_w - self._could_w, -step_w), step_w)
        clearly = abs(self._could_w - self._from_w) > CLEARLY * tolerance_w
        self._asked = max(self._asked + (passed if clearly else -passed), timedelta())
        if self._asked >= LATE:
            self._until = at + AGAIN
            stayed = f"it stayed at {does_w} W while a signal asked for {target_w} W"
            self.why = f"{stayed}: it is given no band until {self._until:%H:%M:%S} UTC"

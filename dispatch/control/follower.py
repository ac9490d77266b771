"""Whether a device does what it shows to have been told; one that does not is told no more than it does.

A register that holds a setpoint says nothing of the power: a device may acknowledge, and do nothing. What it
leaves is given by others, and it is tried again after a while.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

SHORT: Final = timedelta(seconds=5)
"""It gave less than it was told for so long, after all the time that it may take."""
AGAIN: Final = timedelta(seconds=300)
"""After so long it is told the whole again."""


class Follower:
    """One device. W at its AC side, above 0 discharging."""

    def __init__(self) -> None:
        self.why = ""
        """While it is told no more than it does."""
        self._since: datetime | None = None
        self._most_w = 0
        self._up = True
        self._until: datetime | None = None

    def look(self, told_w: int | None, does_w: int | None, tolerance_w: int, now: datetime) -> None:
        """`told_w`: the setpoint that was read back, once there was time for it; None: nothing to be judged.
        `does_w` is None while that is not known. More than was told is no shortfall."""
        if self._until is not None and not self._until - AGAIN <= now < self._until:
            self._until, self.why = None, ""
        if told_w is None or does_w is None or not falls_short(told_w, does_w, tolerance_w):
            self._since = None
            return
        if self._since is None or self._since > now:
            self._since = now
        if now - self._since < SHORT:
            return
        self._most_w = done_w(told_w, does_w, tolerance_w)
        self._until = now + AGAIN
        self._up = told_w > 0
        self.why = f"{does_w} W in place of {told_w} W: it is told no more than it does"

    def within(self, low_w: int, high_w: int) -> tuple[int, int]:
        """What it can be told, from charging to discharging, less what it was seen not to do."""
        if self._until is None:
            return low_w, high_w
        return (low_w, min(high_w, self._most_w)) if self._up else (max(low_w, self._most_w), high_w)


class Owed:
    """What one device ought to do by now of what it was told.

    What is written again before it was ever done has its ramp, and no more time than that; what it is told
    more the same way has its own time, and the least of all that stays owed since the first: another setpoint
    each few seconds excuses nobody.
    """

    def __init__(self) -> None:
        self.open = False
        """It has not been seen yet to do what it was told."""
        self._told_w = 0
        self._by: datetime | None = None
        self._least_w = 0
        self._least_by: datetime | None = None
        self._written_at: datetime | None = None

    def told(self, told_w: int, written_at: datetime, ramped_at: datetime, expected_at: datetime) -> None:
        """What was written then is to be done by `expected_at`; by `ramped_at` where it was owed before."""
        if written_at == self._written_at:
            return
        by = least_by = expected_at
        least_w = told_w
        if self.open and self.holds(told_w):
            assert self._by is not None, "it was told something"
            assert self._least_by is not None, "it was told something"
            least_w, least_by = min(told_w, self._least_w, key=abs), max(self._least_by, ramped_at)
            if told_w == least_w:
                by = least_by
            elif abs(told_w) <= abs(self._told_w):
                by = max(self._by, ramped_at)
        self.open, self._told_w, self._by, self._written_at = True, told_w, by, written_at
        self._least_w, self._least_by = least_w, least_by

    def seen(self, does_w: int, tolerance_w: int) -> None:
        """What it was read to do since it was written."""
        if not falls_short(self._told_w, does_w, tolerance_w):
            self.open = False
        if not falls_short(self._least_w, does_w, tolerance_w):
            self._least_w, self._least_by = self._told_w, self._by

    def due_w(self, at: datetime) -> int | None:
        """What it ought to do then; None while it has time."""
        if self._by is not None and at >= self._by:
            return self._told_w
        return self._least_w if self._least_by is not None and at >= self._least_by else None

    def holds(self, told_w: int) -> bool:
        """Whether that asks for some of what it was told."""
        return self._told_w * told_w > 0


def done_w(told_w: int, does_w: int, tolerance_w: int) -> int:
    """What of what it was told it does: the whole, unless it falls short of it.

    >>> [done_w(told, does, 1) for told, does in ((50, 49), (50, 90), (50, 18), (-50, -18), (-50, 7))]
    [50, 50, 18, -18, 0]
    """
    if not falls_short(told_w, does_w, tolerance_w):
        return told_w
    return max(does_w, 0) if told_w > 0 else min(does_w, 0)


def falls_short(told_w: int, does_w: int, tolerance_w: int) -> bool:
    """Less than was told, the way that was told.

    >>> [falls_short(told, does, 1) for told, does in ((50, 49), (50, 48), (50, 90), (-50, -48), (0, 9))]
    [False, True, False, True, False]
    """
    return does_w < told_w - tolerance_w if told_w > 0 else told_w < 0 and does_w > told_w + tolerance_w

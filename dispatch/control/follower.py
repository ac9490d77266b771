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
    """By when one device ought to do what it was told. What is written again before it was ever done has its
    ramp, and no more time than that."""

    def __init__(self) -> None:
        self.open = False
        """It has not been seen yet to do what it was told."""
        self.by: datetime | None = None
        self._told_w = 0
        self._written_at: datetime | None = None

    def told(self, told_w: int, written_at: datetime, ramped_at: datetime, expected_at: datetime) -> datetime:
        """By when what was written then is to be done: by `expected_at`, which is later than its ramp."""
        if self.by is None or written_at != self._written_at:
            again = self.open and self.holds(told_w)
            self.by = expected_at if self.by is None or not again else max(self.by, ramped_at)
            self.open, self._told_w, self._written_at = True, told_w, written_at
        return self.by

    def seen(self, does_w: int, tolerance_w: int) -> None:
        """What it was read to do since it was written."""
        if not falls_short(self._told_w, does_w, tolerance_w):
            self.open = False

    def holds(self, told_w: int) -> bool:
        """Whether that is what it was told, or less the same way."""
        return self._told_w * told_w > 0 and abs(told_w) <= abs(self._told_w)


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

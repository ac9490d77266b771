"""When a device is read next, and what of it: on a grid of its own, and later and later while it is silent.

Pure: instants are seconds of some clock that never goes back.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from dispatch.devices.profile import PERIOD_S, Period

TURN_S: Final = 1
"""The grid's step: a device's turn is each second, `phase_s` after the full one."""
BACK_OFF_S: Final = 2
BACK_OFF_S_MAX: Final = 300
"""After the n-th turn in a row without an answer the next is 2 s x n later, and never more than 300 s."""
HURRY_S: Final = 0.05
_HAIR: Final = 1e-6
"""What floats of a clock may be off: an instant of the grid is never taken for the one after it."""


class Turns:
    """`periods`: those in which the device has something to read. `phase_s` is from 0 on: devices with
    different ones are read at different moments, and their blocks of longer periods in different seconds.
    What fell due while a turn took long is read once, not made up for.

    The first turn reads everything.
    """

    def __init__(self, periods: Collection[Period], phase_s: float, now: float) -> None:
        assert phase_s >= 0
        assert periods
        self._phase_s = phase_s
        self._silent = 0
        self._ended = now
        self._next = self._on_grid(now)
        self._due: dict[Period, float] = dict.fromkeys(periods, now)

    @property
    def next_at(self) -> float:
        return self._next

    @property
    def silent(self) -> int:
        """How many turns in a row were not answered."""
        return self._silent

    def due(self) -> tuple[Period, ...]:
        """What is read in the next turn."""
        return tuple(period for period, at in self._due.items() if at <= self._next + _HAIR)

    def answered(self, now: float) -> None:
        """The turn read all that was due, and ended at `now`."""
        self._silent = 0
        self._ended = now
        for period in self.due():
            self._due[period] = self._after(period, self._next)
        self._next = max(self._on_grid(max(now, self._next + TURN_S / 2)), min(self._due.values()))

    def failed(self, now: float) -> None:
        """The turn ended at `now` without an answer; what was due stays due."""
        self._silent += 1
        self._ended = now
        self._next = self._on_grid(now + min(BACK_OFF_S * self._silent, BACK_OFF_S_MAX))

    def hurry(self, now: float) -> None:
        """The next turn is now, whatever was waited for, and reads all but what is read each minute.

        While the device answers, HURRY_S after the last turn at the earliest; while it does not, TURN_S.
        """
        apart = TURN_S if self._silent else HURRY_S
        self._next = min(self._next, max(now, self._ended + apart))
        for period, at in self._due.items():
            if PERIOD_S[period] < PERIOD_S["slow"] or len(self._due) == 1:
                self._due[period] = min(at, self._next)

    def _after(self, period: Period, read_at: float) -> float:
        """The period's next instant on its own grid, after `read_at`."""
        seconds = PERIOD_S[period]
        return (math.floor((read_at - self._phase_s) / seconds + _HAIR) + 1) * seconds + self._phase_s

    def _on_grid(self, at: float) -> float:
        """The first turn from `at` on."""
        return math.ceil((at - self._phase_s) / TURN_S - _HAIR) * TURN_S + self._phase_s

"""The market's own time: the computer's, or one that stands still until it is set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from ledger.refusal import Refused


class Clock(Protocol):
    """What time it is in the market, in UTC."""

    def now(self) -> datetime: ...


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class SteppedClock:
    """Stands at an instant until it is set to a later one."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def check(self, to: datetime) -> None:
        """That the clock may be set so.

        Raises:
            Refused: `clock_backward`.
        """
        if to < self._at:
            raise Refused("clock_backward", f"the clock stands at {self._at.isoformat()}", place="now")

    def set(self, to: datetime) -> None:
        self.check(to)
        self._at = to.astimezone(UTC)

"""What a device's power may be by now, of all that it was told: what is beyond that is its own doing.

What was told before may show until there was time for what came after it. So another setpoint each few
seconds excuses nobody: it allows what lies between those setpoints, and nothing else.
"""

from __future__ import annotations

from datetime import datetime

from dispatch.control.site_load import PowerRange


class MayShow:
    """Of one device; W at its AC side, above 0 discharging. Until what it is told first is to show, it may do
    anything."""

    def __init__(self) -> None:
        self._told: PowerRange | None = None
        self._any_until: datetime | None = None
        self._before: list[tuple[PowerRange, datetime]] = []

    def told(self, told: PowerRange, written_at: datetime, expected_at: datetime) -> None:
        """From then on that is to show, by `expected_at`."""
        self._before = [(one, by) for one, by in self._before if by >= written_at]
        if self._told is None:
            self._any_until = expected_at
        else:
            self._before.append((self._told, expected_at))
        self._told = told

    def beyond(self, power_w: int, tolerance_w: int, at: datetime) -> bool:
        """Whether nothing that it was told explains that power then."""
        if self._told is None or self._any_until is None or at <= self._any_until:
            return False
        may = [self._told, *(one for one, by in self._before if at <= by)]
        low_w, high_w = min(one.low_w for one in may), max(one.high_w for one in may)
        return not low_w - tolerance_w <= power_w <= high_w + tolerance_w

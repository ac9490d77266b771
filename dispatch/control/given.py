"""What of a plan or a response is given: what devices were read to have, not what was shared out among them.

W at the AC side, above 0 discharging.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

LATE: Final = timedelta(seconds=5)
"""What a device was told and does not give for so long is given by nobody."""


class Handed(msgspec.Struct, frozen=True):
    """A device's share: `given_w` is the setpoint that was read back, or, where it does not follow that, what
    it does. `late`: they have differed for `LATE`."""

    told_w: int
    given_w: int
    late: bool = False


class Given(msgspec.Struct, frozen=True):
    """`discharge_w` and `charge_w`: what nobody gives of what is to be discharged, and to be charged, neither
    below 0. `whole`: nothing is missing, and nothing is under way."""

    discharge_w: int
    charge_w: int
    whole: bool

    @property
    def missing_w(self) -> int:
        return self.discharge_w + self.charge_w


def given(unshared_w: int, devices: Sequence[Handed]) -> Given:
    """Of what was shared out among the devices, `unshared_w` of it to none. What one gives too much, or the
    other way, is nothing that another lacks.

    >>> given(0, [Handed(50, 50), Handed(50, 0)])
    Given(discharge_w=0, charge_w=0, whole=False)
    >>> given(10, [Handed(50, 50), Handed(50, 18, late=True)])
    Given(discharge_w=42, charge_w=0, whole=False)
    >>> given(0, [Handed(-50, -18, late=True), Handed(20, 0, late=True), Handed(30, 90, late=True)])
    Given(discharge_w=20, charge_w=32, whole=False)
    >>> given(0, [Handed(-50, -50)])
    Given(discharge_w=0, charge_w=0, whole=True)
    """
    lacking = [unshared_w, *(_lacking_w(one) for one in devices if one.late)]
    discharge_w, charge_w = sum(max(one, 0) for one in lacking), sum(max(-one, 0) for one in lacking)
    return Given(
        discharge_w,
        charge_w,
        not (discharge_w or charge_w) and all(one.told_w == one.given_w for one in devices),
    )


def _lacking_w(one: Handed) -> int:
    """What it gives less than it was told, the way that it was told; it cannot lack more than that."""
    told_w, given_w = one.told_w, one.given_w
    return max(told_w - max(given_w, 0), 0) if told_w > 0 else min(told_w - min(given_w, 0), 0)


class HandedWatch:
    """Since when a device gives something else than it was told."""

    def __init__(self) -> None:
        self._since: datetime | None = None

    def look(self, told_w: int, given_w: int, tolerance_w: int, now: datetime) -> Handed:
        """What differs by no more than `tolerance_w` is given."""
        if abs(told_w - given_w) <= tolerance_w:
            self._since = None
            return Handed(told_w, told_w)
        if self._since is None or self._since > now:
            self._since = now
        return Handed(told_w, given_w, now - self._since >= LATE)

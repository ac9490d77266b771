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
    """`missing_w`: what nobody gives, below 0 of what is to be charged. `whole`: nothing is missing, and
    nothing is under way."""

    missing_w: int
    whole: bool


def given(unshared_w: int, devices: Sequence[Handed]) -> Given:
    """Of what was shared out among the devices, `unshared_w` of it to none.

    >>> given(0, [Handed(50, 50), Handed(50, 0)])
    Given(missing_w=0, whole=False)
    >>> given(10, [Handed(50, 50), Handed(50, 18, late=True)])
    Given(missing_w=42, whole=False)
    >>> given(0, [Handed(-50, -50)])
    Given(missing_w=0, whole=True)
    """
    missing_w = unshared_w + sum(one.told_w - one.given_w for one in devices if one.late)
    return Given(missing_w, not missing_w and all(one.told_w == one.given_w for one in devices))


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

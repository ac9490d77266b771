"""What a site draws behind its storage, from readings of its meter and of its storage of the same moment.

A meter is read every few seconds, a storage each second: a sum of their newest readings takes what the
storage did meanwhile for another load. W throughout; a load is above 0 importing, a storage above 0
discharging.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.refusal import Refused

MARGIN_PERMILLE: Final = 2
"""A load that moves by less than this part of the storage's rating is the same load: what a meter and a
setpoint register cannot show. The margin lies on the safe side."""


class PowerRange(msgspec.Struct, frozen=True):
    """A power that is somewhere from `low_w` to `high_w`."""

    low_w: int
    high_w: int

    def __post_init__(self) -> None:
        if self.low_w > self.high_w:
            raise Refused("power_range", "the lower one first", place="low_w")


def credible(loads: Sequence[PowerRange], margin_w: int) -> PowerRange | None:
    """From the lowest to the highest load that the meter's newest readings leave possible; None where there
    is none. Each of them says as much as is known of what the storage did at that moment.

    A reading while the storage moved says nothing against one while it did not that it may agree with.

    >>> credible([PowerRange(40, 40), PowerRange(30, 55)], 0)
    PowerRange(low_w=40, high_w=40)
    >>> credible([PowerRange(40, 40), PowerRange(10, 25)], 0)
    PowerRange(low_w=10, high_w=40)
    """
    steady = [one for one in loads if one.high_w - one.low_w <= margin_w]
    moved = [one for one in loads if one.high_w - one.low_w > margin_w]
    counted = steady + [one for one in moved if not any(_agree(one, other, margin_w) for other in steady)]
    if not counted:
        return None
    return PowerRange(min(one.low_w for one in counted), max(one.high_w for one in counted))


def held(before: PowerRange | None, found: PowerRange, margin_w: int) -> PowerRange:
    """What to go by: what was gone by, as long as what was found lies in it and not far within.

    Each end follows at once where more is possible than it allows for, and only by more than `margin_w` where
    less is: one constant load, read with its small errors, is one range.

    >>> first = held(None, PowerRange(40_000, 40_020), 200)
    >>> first
    PowerRange(low_w=39800, high_w=40220)
    >>> held(first, PowerRange(39_990, 40_030), 200) == first
    True
    >>> held(first, PowerRange(20_000, 40_000), 200)
    PowerRange(low_w=19800, high_w=40220)
    """
    low_w, high_w = found.low_w - margin_w, found.high_w + margin_w
    if before is None:
        return PowerRange(low_w, high_w)
    return PowerRange(
        before.low_w if 0 <= found.low_w - before.low_w <= 2 * margin_w else low_w,
        before.high_w if 0 <= before.high_w - found.high_w <= 2 * margin_w else high_w,
    )


def _agree(one: PowerRange, other: PowerRange, margin_w: int) -> bool:
    return one.low_w <= other.high_w + margin_w and other.low_w <= one.high_w + margin_w

"""Which intervals of a plan a market's blocks cover, so that regulation is told of each interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from dispatch.planning.plan_record import PlanHead, SitePlanned
from ledger.refusal import Refused

_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


class _Grid(NamedTuple):
    """A block has `length` intervals; `over` of the first one's are before the plan."""

    length: int
    over: int

    def begins(self, count: int) -> tuple[int, ...]:
        return (0, *range(self.length - self.over, count, self.length))


def by_interval(head: PlanHead, sites: Sequence[SitePlanned]) -> tuple[SitePlanned, ...]:
    """The sites as recorded, a number of regulation a block, with one for each of the plan's intervals.

    Raises:
        Refused: `plan_shape` where setpoints are not as many as the plan's intervals, or it is not on record,
            nor to be found out, which intervals the blocks cover.
    """
    return tuple(_site_by_interval(head, one) for one in sites)


def _site_by_interval(head: PlanHead, site: SitePlanned) -> SitePlanned:
    if len(site.setpoint_w) != head.count:
        wrong = f"{len(site.setpoint_w)} setpoints of {site.site} for {head.count} intervals"
        raise Refused("plan_shape", wrong, place="setpoint_w")
    blocks_w = site.regulation_w
    if not blocks_w:
        return site
    begins = head.regulation_from or _found(head, len(blocks_w))
    if len(begins) != len(blocks_w):
        wrong = f"{len(blocks_w)} numbers of {site.site} for {len(begins)} blocks"
        raise Refused("plan_shape", wrong, place="regulation_w")
    spread = tuple(
        power_w
        for power_w, (first, end) in zip(blocks_w, pairwise((*begins, head.count)), strict=True)
        for _ in range(end - first)
    )
    return msgspec.structs.replace(site, regulation_w=spread)


def _found(head: PlanHead, blocks: int) -> tuple[int, ...]:
    """With which interval each block begins, of a plan that does not say it: blocks are parts or multiples of
    an hour, end with the plan where they can, and begin with the clock."""
    grids = list(_grids(head, blocks))
    clock = int(head.start.timestamp()) // head.interval_s
    for likely in (
        [one for one in grids if (one.over + head.count) % one.length == 0],
        [one for one in grids if clock % one.length == one.over],
    ):
        kept = [one for one in grids if one in likely]
        grids = kept or grids
    found = {one.begins(head.count) for one in grids}
    if len(found) != 1:
        wrong = (
            f"which of {head.count} intervals each of {blocks} blocks of regulation covers is not on record"
        )
        raise Refused("plan_shape", wrong, place="regulation_w")
    return found.pop()


def _grids(head: PlanHead, blocks: int) -> Iterator[_Grid]:
    """All by which the plan's intervals lie in so many blocks."""
    for length in range(1, _DAY_S // head.interval_s + 1):
        block_s = length * head.interval_s
        if _DAY_S % block_s or (block_s % _HOUR_S and _HOUR_S % block_s):
            continue
        for over in range(length):
            if (over + head.count - 1) // length + 1 == blocks:
                yield _Grid(length, over)

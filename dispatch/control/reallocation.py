"""A fleet's target shared out among what its devices can do now: by headroom, within ramp and group limits.

Whole W throughout, so that the shares add up. A device belongs to at most one feeder and one industry. Where
both limit, the last W are found by moving shares from one pair of groups to another (a largest flow).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.refusal import Refused

Whole = npt.NDArray[np.int64]

FLEET_W_MAX: Final = 2**31 - 1
"""So that a product of two powers fits 64 bits."""
NO_GROUP: Final = -1


class Capabilities(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What each device does and could do in this step; W, above 0 discharging.

    `present_w` is its setpoint, `low_w` to `high_w` what it could be told, `ramp_w` by how much that may
    change in the step. A lost device has `low_w` = `high_w` = 0. Limits come before ramp.
    """

    device: tuple[str, ...]
    present_w: Whole
    low_w: Whole
    high_w: Whole
    ramp_w: Whole
    feeder: Whole
    """The place of its feeder, -1 for none; so `industry`."""
    industry: Whole

    def __post_init__(self) -> None:
        count = len(self.device)
        for place in ("present_w", "low_w", "high_w", "ramp_w", "feeder", "industry"):
            column: Whole = getattr(self, place)
            if column.shape != (count,) or column.dtype != np.int64:
                raise Refused("fleet_shape", f"{count} whole numbers", place=place)
        sizes = np.abs(self.present_w) + np.maximum(np.abs(self.low_w), np.abs(self.high_w))
        if int(sizes.sum()) > FLEET_W_MAX or int(sizes.max(initial=0)) > FLEET_W_MAX:
            raise Refused("fleet_power", f"up to {FLEET_W_MAX} W together", place="high_w")
        if (self.low_w > self.high_w).any():
            raise Refused("fleet_shape", "not above high_w", place="low_w")
        if (self.ramp_w < 0).any():
            raise Refused("negative", "a ramp is at least 0 W", place="ramp_w")


class GroupLimit(msgspec.Struct, frozen=True):
    """From `low_w` to `high_w` of a group's devices together; `low_w` is below 0 where they charge."""

    low_w: int
    high_w: int

    def __post_init__(self) -> None:
        if not -FLEET_W_MAX <= self.low_w <= self.high_w <= FLEET_W_MAX:
            raise Refused("group_limit", f"-{FLEET_W_MAX} <= low <= high <= {FLEET_W_MAX}", place="low_w")


class Shared(msgspec.Struct, frozen=True, eq=False):
    """Each device's setpoint; `missing_w` of the target that nobody can give (below 0: cannot take); the
    feeders and industries whose limits cannot be kept."""

    setpoint_w: Whole
    missing_w: int
    feeders_broken: tuple[int, ...] = ()
    industries_broken: tuple[int, ...] = ()


def share_out(
    target_w: int,
    fleet: Capabilities,
    feeders: Sequence[GroupLimit] = (),
    industries: Sequence[GroupLimit] = (),
) -> Shared:
    """Setpoints that add up to `target_w` as nearly as devices, ramps and groups allow.

    From what devices do at present, what is short is shared in proportion to headroom. Groups beyond their
    limits are brought back first.

    Raises:
        Refused: `fleet_power`; `group_unknown` for a device of a group that has no limit.
    """
    if abs(target_w) > FLEET_W_MAX:
        raise Refused("fleet_power", f"-{FLEET_W_MAX} to {FLEET_W_MAX} W", place="target_w")
    low = np.clip(fleet.present_w - fleet.ramp_w, fleet.low_w, fleet.high_w)
    high = np.clip(fleet.present_w + fleet.ramp_w, fleet.low_w, fleet.high_w)
    setpoint = np.clip(fleet.present_w, low, high)
    sides = (_Side("feeder", fleet.feeder, feeders), _Side("industry", fleet.industry, industries))
    for _ in range(2):
        for side in sides:
            setpoint = side.repaired(setpoint, low, high)
    short = target_w - int(setpoint.sum())
    if short > 0:
        setpoint = _raised(setpoint, high, short, sides, [side.room_up(setpoint) for side in sides])
    elif short < 0:
        down = [side.room_down(setpoint) for side in sides]
        setpoint = -_raised(-setpoint, -low, -short, sides, down)
    broken = [side.broken(setpoint) for side in sides]
    return Shared(setpoint, target_w - int(setpoint.sum()), *broken)


class _Side:
    """One way in which the devices are grouped; those of no group come last and are not limited."""

    def __init__(self, name: str, of: Whole, limits: Sequence[GroupLimit]) -> None:
        if len(of) and not NO_GROUP <= int(of.min()) <= int(of.max()) < len(limits):
            raise Refused("group_unknown", f"-1 to {len(limits) - 1}", place=name)
        self.of = np.where(of == NO_GROUP, len(limits), of)
        self.count = len(limits) + 1
        self.low = np.array([*(limit.low_w for limit in limits), -2 * FLEET_W_MAX], dtype=np.int64)
        self.high = np.array([*(limit.high_w for limit in limits), 2 * FLEET_W_MAX], dtype=np.int64)

    def sums(self, values: Whole) -> Whole:
        found = np.zeros(self.count, dtype=np.int64)
        np.add.at(found, self.of, values)
        return found

    def room_up(self, setpoint: Whole) -> Whole:
        room: Whole = np.maximum(self.high - self.sums(setpoint), 0)
        return room

    def room_down(self, setpoint: Whole) -> Whole:
        room: Whole = np.maximum(self.sums(setpoint) - self.low, 0)
        return room

    def broken(self, setpoint: Whole) -> tuple[int, ...]:
        sums = self.sums(setpoint)
        return tuple(np.flatnonzero((sums > self.high) | (sums < self.low)).tolist())

    def repaired(self, setpoint: Whole, low: Whole, high: Whole) -> Whole:
        sums = self.sums(setpoint)
        over, under = np.maximum(sums - self.high, 0), np.maximum(self.low - sums, 0)
        lowered = setpoint - proportional(over, setpoint - low, self.of)
        return lowered + proportional(under, high - lowered, self.of)


def proportional(totals: Whole, headroom: Whole, of: Whole) -> Whole:
    """Each group's total shared by headroom among its members (`of`), none above its own headroom.

    Whole; what is left after rounding down goes to the largest remainders, one each, then by place.

    >>> one = np.zeros(3, dtype=np.int64)
    >>> proportional(np.array([7]), np.array([10, 10, 10]), one).tolist()
    [3, 2, 2]
    >>> proportional(np.array([9, 50]), np.array([10, 5, 20]), np.array([0, 0, 1])).tolist()
    [6, 3, 20]
    """
    whole = np.zeros(len(totals), dtype=np.int64)
    np.add.at(whole, of, headroom)
    total = np.minimum(totals, whole)
    products, divisor = headroom * total[of], np.maximum(whole[of], 1)
    shares: Whole = products // divisor
    left = total.copy()
    np.subtract.at(left, of, shares)
    order = np.lexsort((shares * divisor - products, of))
    sorted_of = of[order]
    rank = np.arange(len(of)) - np.searchsorted(sorted_of, sorted_of)
    shares[order[rank < left[sorted_of]]] += 1
    return shares


def _raised(
    setpoint: Whole, high: Whole, short: int, sides: tuple[_Side, _Side], rooms: list[Whole]
) -> Whole:
    """`short` more from devices below `high`, while their groups have room."""
    start, setpoint = setpoint, setpoint.copy()
    rooms = [room.copy() for room in rooms]
    while short > 0:
        headroom = high - setpoint
        for side, room in zip(sides, rooms, strict=True):
            headroom = np.where(room[side.of] > 0, headroom, 0)
        shares = proportional(np.array([short]), headroom, np.zeros_like(headroom))
        for side, room in zip(sides, rooms, strict=True):
            shares = proportional(room, shares, side.of)
        if not shares.any():
            break
        setpoint += shares
        short -= int(shares.sum())
        for side, room in zip(sides, rooms, strict=True):
            room -= side.sums(shares)
    return setpoint if not short else _flow(start, setpoint, high, short, sides, rooms)


def _flow(
    start: Whole, setpoint: Whole, high: Whole, short: int, sides: tuple[_Side, _Side], rooms: list[Whole]
) -> Whole:
    """As `_raised`, by shares given back in one pair of groups so that others may be given in two more.

    Shortest augmenting paths between the feeders with room and the industries with room; devices of a pair
    are alike, and share by headroom."""
    first, second = sides
    cell = first.of * second.count + second.of
    size = (first.count, second.count)
    give, back = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    np.add.at(give, (first.of, second.of), high - setpoint)
    np.add.at(back, (first.of, second.of), setpoint - start)
    moved = np.zeros(size, dtype=np.int64)
    while short > 0:
        path = _path(give, back, rooms)
        if path is None:
            break
        amount = min(short, int(rooms[0][path[0][0]]), int(rooms[1][path[-1][1]]))
        for place, (row, column, forward) in enumerate(path):
            assert forward == (place % 2 == 0), "a path gives and gives back in turn"
            amount = min(amount, int((give if forward else back)[row, column]))
        for row, column, forward in path:
            change = amount if forward else -amount
            give[row, column] -= change
            back[row, column] += change
            moved[row, column] += change
        rooms[0][path[0][0]] -= amount
        rooms[1][path[-1][1]] -= amount
        short -= amount
    more, less = np.maximum(moved, 0).ravel(), np.maximum(-moved, 0).ravel()
    setpoint -= proportional(less, setpoint - start, cell)
    return setpoint + proportional(more, high - setpoint, cell)


def _path(give: Whole, back: Whole, rooms: list[Whole]) -> list[tuple[int, int, bool]] | None:
    """The shortest way from a feeder with room to an industry with room: steps (feeder, industry, giving).

    Level by level: feeders that are reached give to industries, and those take back from other feeders."""
    may_give, may_take = give > 0, (back > 0).T
    reached = [rooms[0] > 0, np.zeros(len(rooms[1]), dtype=bool)]
    came = [np.full(len(room), -1) for room in rooms]
    frontier, side = reached[0], 0
    while frontier.any():
        nodes = np.flatnonzero(frontier)
        edges = (may_take if side else may_give)[nodes]
        side = 1 - side
        found = edges.any(axis=0) & ~reached[side]
        came[side][found] = nodes[edges.argmax(axis=0)[found]]
        reached[side] = reached[side] | found
        if side and (ends := np.flatnonzero(found & (rooms[1] > 0))).size:
            return _steps(came, ends.tolist()[0])
        frontier = found
    return None


def _steps(came: list[npt.NDArray[np.int64]], industry: int) -> list[tuple[int, int, bool]]:
    """Back from an industry to the feeder that nobody came to."""
    feeder = int(came[1][industry])
    steps = [(feeder, industry, True)]
    while (before := int(came[0][feeder])) >= 0:
        steps.append((feeder, before, False))
        feeder = int(came[1][before])
        steps.append((feeder, before, True))
    return steps[::-1]

"""Whether a unit can do all that it is committed to on a day: power, ramp, stored energy, exclusivity.

Pure sums over quarter-hours. The matrix is the one that settlement reads (DOMAIN.md 4), so what is refused
here is what settlement would not pay.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import Claim, Storage
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import grant_claims
from ledger.exclusivity.policy import MatrixStream
from ledger.interval import Instant, Interval
from ledger.refusal import Refused
from trading.envelope import PPM, SLOT_S, DayEnvelope
from trading.product import Id

Whole = npt.NDArray[np.int64]

_S_PER_HOUR: Final = 3600
_S_PER_MIN: Final = 60
_FINE: Final = 3
"""Steps of five minutes in a quarter-hour."""
PATHS_MAX: Final = 64
"""So many ways in which revisions on their way may turn out are looked at; beyond them, all extremes."""


class Commitment(msgspec.Struct, frozen=True, kw_only=True):
    """What one bid or award binds of a unit on a day, in W for each quarter-hour, all at least 0.

    `up_w`: the most that may be asked toward the grid, `down_w` from it. `path_w`: what is planned of it,
    above zero discharging, for each quarter-hour or each five minutes; with it only that path needs the
    energy, without it both extremes do. `or_path_w`: paths that may come instead, while an earlier revision
    may be awarded. `held_s`: for how long the power must be held ready, where it is no path; 0 where only
    the power is asked for. `of` names another unit that has sites in common, where the commitment is that
    unit's. `joint`: those of one name are of the same power, and bind the larger of them.
    """

    bid: Id
    product: Id
    stream: MatrixStream
    up_w: tuple[int, ...]
    down_w: tuple[int, ...]
    path_w: tuple[int, ...] | None = None
    or_path_w: tuple[tuple[int, ...], ...] = ()
    held_s: int | None = None
    awarded: bool = False
    of: Id | None = None
    joint: Id | None = None

    def __post_init__(self) -> None:
        assert len(self.up_w) == len(self.down_w), "as many powers up as down"
        assert min(self.up_w) >= 0, "powers have no sign"
        assert min(self.down_w) >= 0, "powers have no sign"
        for path in self.paths_w:
            assert len(path) in (len(self.up_w), len(self.up_w) * _FINE), "a power for each step"
        assert self.path_w is not None or not self.or_path_w, "another path is beside a path"

    @property
    def reserves(self) -> bool:
        """Whether it keeps power ready, and moves no energy by plan."""
        return self.held_s is not None

    @property
    def paths_w(self) -> tuple[tuple[int, ...], ...]:
        """The paths of which one will be followed; none where the extremes count."""
        return () if self.path_w is None else (self.path_w, *self.or_path_w)


class Day(msgspec.Struct, frozen=True):
    """A unit's delivery day: when it begins, and what the unit can do then."""

    unit: Id
    day: date
    start: Instant
    slots: int
    envelope: DayEnvelope

    def powers_w(self) -> tuple[Whole, Whole]:
        """The available discharging and charging power of each quarter-hour."""
        limits = self.envelope.limits
        up = np.full(self.slots, limits.discharge_w, dtype=np.int64)
        down = np.full(self.slots, limits.charge_w, dtype=np.int64)
        if self.envelope.discharge_w is not None:
            up = np.array(self.envelope.discharge_w, dtype=np.int64)
        if self.envelope.charge_w is not None:
            down = np.array(self.envelope.charge_w, dtype=np.int64)
        return up, down

    def step_s(self, path: Whole) -> int:
        """Seconds of a step of a path through the day."""
        return SLOT_S * self.slots // len(path)

    def at(self, step: int, step_s: int = SLOT_S) -> str:
        begins: datetime = self.start + timedelta(seconds=step * step_s)
        return f"{begins.isoformat()}"


def check(day: Day, commitments: Sequence[Commitment], newest: Commitment, conflicts: Conflicts) -> None:
    """That the unit can keep `newest` beside what it is committed to already.

    Raises:
        Refused: `power`, `committed`, `exclusive_stream`, `ramp`, `stored_energy`, in that order.
    """
    up, down = day.powers_w()
    for name, own, most in (("up_w", newest.up_w, up), ("down_w", newest.down_w, down)):
        over = np.array(own) > most
        if over.any():
            slot = int(over.argmax())
            wrong = f"{own[slot]} W are offered at {day.at(slot)}, where the unit has {most[slot]} W"
            raise Refused("power", wrong, place=name)
    same = [one for one in commitments if _same_power(one, newest)]
    everything = [*joined(one for one in commitments if one not in same), _joined(same, newest)]
    _check_exclusive(day, everything, conflicts, up, down, newest)
    for path in _paths(everything, day.slots):
        _check_ramp(day, path)
        _check_energy(day, path, everything)


def joined(commitments: Iterable[Commitment]) -> list[Commitment]:
    """The commitments, those of the same power as one, where the last of them stands."""
    found: list[Commitment] = []
    for one in commitments:
        same = [other for other in found if _same_power(other, one)]
        found = [other for other in found if other not in same]
        found.append(_joined(same, one))
    return found


def _same_power(one: Commitment, other: Commitment) -> bool:
    return one.joint is not None and (one.joint, one.of) == (other.joint, other.of)


def _joined(others: Sequence[Commitment], last: Commitment) -> Commitment:
    """What `last` and others of the same power bind together: it is held ready, and follows no path."""
    if not others:
        return last
    all_ = (*others, last)
    return msgspec.structs.replace(
        last,
        up_w=tuple(map(max, zip(*(one.up_w for one in all_), strict=True))),
        down_w=tuple(map(max, zip(*(one.down_w for one in all_), strict=True))),
        held_s=max(one.held_s or 0 for one in all_),
    )


def _check_exclusive(
    day: Day,
    everything: Sequence[Commitment],
    conflicts: Conflicts,
    up: Whole,
    down: Whole,
    asked_for: Commitment,
) -> None:
    """By the matrix, each commitment in the order in which it was made; `asked_for` of the last one."""
    for name, short_w in _short_w(day, everything, conflicts, up, down):
        short = (short_w > 0) & (np.array(getattr(asked_for, name)) > 0)
        if short.any():
            slot = int(short.argmax())
            raise _conflict(day, everything, conflicts, name, slot, int(short_w[slot]))


def _short_w(
    day: Day, everything: Sequence[Commitment], conflicts: Conflicts, up: Whole, down: Whole
) -> Iterator[tuple[str, Whole]]:
    """What the matrix does not leave of the last commitment's power, by direction, up first."""
    newest = everything[-1]
    count = day.slots
    most_up, most_down = max(int(up.max()), 1), max(int(down.max()), 1)
    interval = Interval(day.start, day.start + timedelta(seconds=count * SLOT_S))
    storage = Storage(
        site=day.unit,
        start=day.start,
        interval_s=SLOT_S,
        discharge_w_max=most_up,
        charge_w_max=most_down,
        account_month=np.zeros(count, dtype=np.int64),
        scheduled_w=np.zeros(count, dtype=np.int64),
    )
    claims = [
        Claim(
            id=f"c{number}",
            stream=one.stream,
            site=day.unit,
            purpose="market",
            interval=interval,
            up_w=np.array(one.up_w, dtype=np.int64) + (most_up - up) * (one is newest),
            down_w=np.array(one.down_w, dtype=np.int64) + (most_down - down) * (one is newest),
        )
        for number, one in enumerate(everything)
    ]
    granted = grant_claims(conflicts, storage, claims, use="bid").of(claims[-1].id)
    for name, asked, given in (
        ("up_w", claims[-1].up_w, granted.up_w),
        ("down_w", claims[-1].down_w, granted.down_w),
    ):
        assert asked is not None, "both directions are claimed"
        assert given is not None, "what is claimed is decided"
        yield name, np.where(np.array(getattr(newest, name)) > 0, asked - given, 0)


def _conflict(
    day: Day, everything: Sequence[Commitment], conflicts: Conflicts, name: str, slot: int, short_w: int
) -> Refused:
    newest = everything[-1]
    for one in everything[:-1]:
        if not (one.up_w[slot] or one.down_w[slot]):
            continue
        cell = None if one.stream == newest.stream else conflicts.policy.cell(one.stream, newest.stream)
        if cell is not None and any(
            relation.startswith("exclusive") for relation in conflicts.policy.relations(cell)
        ):
            wrong = (
                f"{newest.stream} and {one.stream} exclude each other, and bid {one.bid} has {one.stream} at"
                f" {day.at(slot)} ({conflicts.policy.id}: {conflicts.policy.source_of(cell)})"
            )
            return Refused("exclusive_stream", wrong, place=name)
    taken = ", ".join(one.bid for one in everything[:-1] if getattr(one, name)[slot])
    wrong = f"{short_w} W too much at {day.at(slot)}, beside what is committed to {taken or 'others'}"
    return Refused("committed", wrong, place=name)


def _paths(everything: Sequence[Commitment], slots: int) -> list[Whole]:
    """The power paths that the storage may have to follow: all sold, and all bought.

    A step is a quarter-hour, or five minutes where any commitment's path has them: what is charged and
    discharged within a quarter-hour has its losses. Where one of several paths will be followed, each is.
    """
    moving = [one for one in everything if not one.reserves]
    fine = _FINE if any(len(path) > slots for one in moving for path in one.paths_w) else 1
    steps = slots * fine
    ways = [one.paths_w for one in moving]
    if math.prod(len(paths) or 1 for paths in ways) > PATHS_MAX:
        ways = [paths if len(paths) == 1 else () for paths in ways]
    found: dict[bytes, Whole] = {}
    for chosen in itertools.product(*(paths or (None,) for paths in ways)):
        sold, bought = np.zeros(steps, dtype=np.int64), np.zeros(steps, dtype=np.int64)
        for one, path in zip(moving, chosen, strict=True):
            sold += _stepped(one.up_w if path is None else path, steps)
            bought += -_stepped(one.down_w, steps) if path is None else _stepped(path, steps)
        found |= {path.tobytes(): path for path in (sold, bought)}
    return list(found.values())


def _stepped(powers: tuple[int, ...], steps: int) -> Whole:
    return np.repeat(np.array(powers, dtype=np.int64), steps // len(powers))


def _check_ramp(day: Day, path: Whole) -> None:
    ramp = day.envelope.limits.ramp_w_per_min
    if ramp is None:
        return
    step_s = day.step_s(path)
    over = np.abs(np.diff(path)) * _S_PER_MIN > ramp * step_s
    if over.any():
        step = int(over.argmax())
        at = day.at(step + 1, step_s)
        wrong = f"{path[step]} W to {path[step + 1]} W at {at} is more than {ramp} W a minute"
        raise Refused("ramp", wrong, place="curves")


def _check_energy(day: Day, path: Whole, everything: Sequence[Commitment]) -> None:
    """That the stored energy stays between floor and ceiling, with what must be held ready beside it."""
    least, most, _ = _margins(day, path, everything)
    limits, step_s = day.envelope.limits, day.step_s(path)
    for wrong, over, bound in (("less", least < 0, "floor"), ("more", most > 0, "ceiling")):
        if over.any():
            step = int(over.argmax())
            held = limits.floor_wh if bound == "floor" else limits.ceiling_wh
            raise Refused(
                "stored_energy",
                f"at {day.at(step, step_s)} the storage would hold {wrong} than its {bound} of {held} Wh",
                place="curves" if not everything[-1].path_w else "schedule_w",
            )


def _margins(
    day: Day, path: Whole, everything: Sequence[Commitment]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int]:
    """Each step's least above the floor and most above the ceiling, with what must be held ready, and a Wh.

    Sums are exact: Ws x millionths x millionths as Python's whole numbers.
    """
    limits = day.envelope.limits
    gain, loss = limits.charge_ppm, limits.discharge_ppm
    step_s = day.step_s(path)
    one_wh = _S_PER_HOUR * PPM * loss
    change = np.minimum(-path, 0).astype(object) * (step_s * PPM * PPM)
    change += np.maximum(-path, 0).astype(object) * (step_s * gain * loss)
    stored = np.cumsum(change) + limits.stored_wh * one_wh
    before = np.concatenate(([limits.stored_wh * one_wh], stored[:-1]))
    up, down = (np.repeat(held, len(path) // day.slots) for held in _held(everything, day.slots))
    least = np.minimum(stored, before) - up.astype(object) * (PPM * PPM) - limits.floor_wh * one_wh
    most = np.maximum(stored, before) + down.astype(object) * (gain * loss) - limits.ceiling_wh * one_wh
    return least, most, one_wh


def short_of(
    day: Day, commitments: Sequence[Commitment], award: Commitment, conflicts: Conflicts
) -> tuple[Whole, Whole]:
    """What of an award's power, up and down in W, the unit does not have beside its other commitments."""
    up, down = day.powers_w()
    own = [one for one in commitments if _same_power(one, award)]
    everything = [*joined(one for one in commitments if one not in own), _joined(own, award)]
    beyond = [
        np.maximum(np.array(powers) - most, 0) for powers, most in ((award.up_w, up), (award.down_w, down))
    ]
    short = [short_w for _, short_w in _short_w(day, everything, conflicts, up, down)]
    asked = [np.array(award.up_w), np.array(award.down_w)]
    found = [np.minimum(np.maximum(*pair), most) for *pair, most in zip(beyond, short, asked, strict=True)]
    return found[0], found[1]


def lacking_wh(day: Day, commitments: Sequence[Commitment]) -> int:
    """The most by which the stored energy would leave floor or ceiling, in Wh of the storage, rounded up."""
    everything = joined(commitments)
    worst = 0
    for path in _paths(everything, day.slots):
        least, most, one_wh = _margins(day, path, everything)
        worst = max(worst, -(int(least.min()) // one_wh), -(-int(most.max()) // one_wh))
    return worst


def _held(everything: Sequence[Commitment], slots: int) -> tuple[Whole, Whole]:
    """Ws that must be ready in each quarter-hour: power x the time for which it is to be held."""
    up, down = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64)
    for one in everything:
        if one.held_s:
            up += np.array(one.up_w) * one.held_s
            down += np.array(one.down_w) * one.held_s
    return up, down

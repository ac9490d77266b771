"""What a stream claims of a site's storage, and the storage that is there to be claimed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.exclusivity.policy import MATRIX_STREAMS, MatrixStream
from ledger.identity import checked_id
from ledger.interval import Instant, Interval
from ledger.refusal import Refused

Whole = npt.NDArray[np.int64]

Purpose = Literal["market", "bill", "baseline", "rebound"]
"""What a claim is for: a market's payment; the effect on the bill; the same, for Wh that a response's
baseline already contains; charging that makes up for a response, which nobody pays."""

Quantity = Literal["discharge_wh", "charge_wh", "up_w", "down_w"]
QUANTITIES: Final[tuple[Quantity, ...]] = get_args(Quantity)

PURPOSES: Final[dict[MatrixStream, tuple[Purpose, ...]]] = {
    "arbitrage": ("bill", "baseline"),
    "pv_time_shift": ("bill", "baseline"),
    "demand_charge": ("bill",),
    "demand_response": ("market", "rebound"),
    "spot": ("market",),
    "ancillary": ("market",),
    "capacity": ("market",),
    "capacity_lease": ("market",),
}
_PAID_FOR_POWER: Final[frozenset[MatrixStream]] = frozenset({"capacity", "capacity_lease"})
_WHOLE_MAX: Final = 2**40
_SUSTAIN_S_MAX: Final = 2**20


class Node(NamedTuple):
    """A stream and what it claims for: what the matrix is about."""

    stream: MatrixStream
    purpose: Purpose


_NODES: Final[dict[MatrixStream, dict[Purpose, Node]]] = {
    stream: {purpose: Node(stream, purpose) for purpose in purposes} for stream, purposes in PURPOSES.items()
}


class Claim(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What one stream claims in consecutive intervals, the first from `interval.start`; all at least 0.

    `discharge_wh` and `charge_wh` are energy at the storage's AC side; `up_w` and `down_w` are power kept
    ready toward and from the grid, each to be held for `sustain_s` (0: no stored energy is needed). An
    array that is None claims nothing of the kind. Arrays become read-only.
    """

    id: str
    stream: MatrixStream
    site: str
    purpose: Purpose
    interval: Interval
    discharge_wh: Whole | None = None
    charge_wh: Whole | None = None
    up_w: Whole | None = None
    down_w: Whole | None = None
    sustain_s: int = 0

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.site, "site")
        if self.stream not in MATRIX_STREAMS:
            raise Refused("not_allowed", f"allowed: {', '.join(MATRIX_STREAMS)}", place="stream")
        if self.purpose not in PURPOSES[self.stream]:
            allowed = ", ".join(PURPOSES[self.stream])
            raise Refused("claim_purpose", f"{self.stream} claims for: {allowed}", place="purpose")
        given = [name for name in QUANTITIES if getattr(self, name) is not None]
        if not given:
            raise Refused("claim_empty", f"state at least one of {', '.join(QUANTITIES)}")
        lengths = {_checked(getattr(self, name), name) for name in given}
        if len(lengths) > 1:
            raise Refused("claim_length", "every array has one number per interval")
        if not 0 <= self.sustain_s <= _SUSTAIN_S_MAX:
            raise Refused("claim_sustain", f"0 to {_SUSTAIN_S_MAX} seconds", place="sustain_s")
        self._check_kind()

    def _check_kind(self) -> None:
        energy = self.discharge_wh is not None or self.charge_wh is not None
        power = self.up_w is not None or self.down_w is not None
        if energy and self.stream in _PAID_FOR_POWER:
            raise Refused("claim_kind", f"{self.stream} is paid for power and claims no energy")
        if power and self.purpose in ("baseline", "rebound"):
            raise Refused("claim_kind", f"a {self.purpose} claim is about energy and claims no power")

    @property
    def node(self) -> Node:
        return _NODES[self.stream][self.purpose]

    @property
    def count(self) -> int:
        """How many intervals the claim has."""
        return next(len(array) for name in QUANTITIES if (array := getattr(self, name)) is not None)

    def asked(self, quantity: Quantity) -> Whole | None:
        """The claimed numbers of that kind, where there are any."""
        array: Whole | None = getattr(self, quantity)
        return array


class Storage(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What a site's storage did and can do, interval by interval from `start`.

    `account_month` numbers the account's billing months from 0 (its anchor day is the account's own), one
    per interval. `discharge_wh` and `charge_wh`: metered Wh at the AC side, or the planned ones before the
    meter has spoken. `scheduled_w`: the power already planned, above zero discharging, that no claim
    names. `above_floor_wh` and `below_ceiling_wh`: stored energy that may still be delivered or taken at
    the interval's start. None means not known: a claim that needs it is refused, never taken as zero.
    """

    site: str
    start: Instant
    interval_s: int
    discharge_w_max: int
    charge_w_max: int
    account_month: Whole
    discharge_wh: Whole | None = None
    charge_wh: Whole | None = None
    scheduled_w: Whole | None = None
    above_floor_wh: Whole | None = None
    below_ceiling_wh: Whole | None = None

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        if self.start.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="start")
        if self.interval_s <= 0:
            raise Refused("interval", "the interval's length is above zero", place="interval_s")
        if not (0 < self.discharge_w_max <= _WHOLE_MAX and 0 < self.charge_w_max <= _WHOLE_MAX):
            raise Refused("nameplate", f"the storage's power is 1 to {_WHOLE_MAX} W")
        count = _checked(self.account_month, "account_month")
        for name in ("discharge_wh", "charge_wh", "scheduled_w", "above_floor_wh", "below_ceiling_wh"):
            array: Whole | None = getattr(self, name)
            if array is not None and _checked(array, name, signed=name == "scheduled_w") != count:
                raise Refused("claim_length", f"{count} intervals have {len(array)} numbers", place=name)
        months = self.account_month
        steps = months[1:] - months[:-1]
        if months[0] != 0 or np.any((steps != 0) & (steps != 1)):
            raise Refused("account_month", "months are numbered 0, 1, 2 ... in order", place="account_month")
        if self.scheduled_w is not None and np.any(
            (self.scheduled_w > self.discharge_w_max) | (self.scheduled_w < -self.charge_w_max)
        ):
            raise Refused("schedule", "the schedule is more than the storage's power", place="scheduled_w")

    @property
    def count(self) -> int:
        return len(self.account_month)

    def at(self, position: int) -> Interval:
        """The interval at that position."""
        begin: datetime = self.start + timedelta(seconds=self.interval_s * position)
        return Interval(begin, begin + timedelta(seconds=self.interval_s))

    def span(self, claim: Claim) -> slice:
        """Where the claim's intervals lie among the storage's.

        Raises:
            Refused: `claim_site` for another site's claim, `claim_interval` for one that does not fit.
        """
        if claim.site != self.site:
            raise Refused("claim_site", f"{claim.site} is not {self.site}", place=f"claims.{claim.id}.site")
        place = f"claims.{claim.id}.interval"
        if claim.interval.seconds != claim.count * self.interval_s:
            message = f"{claim.count} numbers are not {claim.interval.seconds} s of {self.interval_s} s each"
            raise Refused("claim_interval", message, place=place)
        first, rest = divmod(claim.interval.start - self.start, timedelta(seconds=self.interval_s))
        if rest or first < 0 or first + claim.count > self.count:
            end = self.at(self.count - 1).end
            message = f"must be whole intervals within {self.start.isoformat()} to {end.isoformat()}"
            raise Refused("claim_interval", message, place=place)
        return slice(first, first + claim.count)


def _checked(array: Whole, place: str, *, signed: bool = False) -> int:
    """The array's length, when it is whole numbers of a sane size; it becomes read-only."""
    if array.dtype != np.int64 or array.ndim != 1 or not array.size:
        raise Refused("claim_array", "one or more whole numbers as int64", place=place)
    low = -_WHOLE_MAX if signed else 0
    # Read without a sign, a number below zero is larger than any allowed one.
    least = array.min() if signed else low
    if least < low or (array if signed else array.view(np.uint64)).max() > _WHOLE_MAX:
        raise Refused("claim_amount", f"each is {low} to {_WHOLE_MAX}", place=place)
    array.setflags(write=False)
    return len(array)

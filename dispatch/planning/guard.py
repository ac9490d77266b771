"""Between two plans, second by second: the setpoint that keeps the billed interval's mean under its target.

The plan's setpoint is only a wish. What wins over it, weakest first: the peak target, no reverse flow, stored
energy, power. The guard uses what the plan held in reserve: its floor is the storage's own.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ledger.refusal import Refused

Reason = Literal["plan", "charge_cut", "peak", "reverse_flow", "stored_energy", "power"]
"""Why the setpoint is what it is: as wished; less charging, or more discharging, for the peak target; no more
out of the site than may go; the storage is too empty or too full; its power is too small."""

_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600


class GuardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is guarded: the mean import of a billed interval of `interval_s`, W; storage as in `SiteLimits`.

    `floor_wh` is the storage's own floor, and what must not be used for the bill (a UPS), without the reserve
    that is kept for the guard itself.
    """

    interval_s: int
    target_w: int
    charge_w_max: int
    discharge_w_max: int
    floor_wh: int
    ceiling_wh: int
    charge_efficiency_ppm: int
    discharge_efficiency_ppm: int
    export_w_max: int = 0

    def __post_init__(self) -> None:
        for place in ("target_w", "charge_w_max", "discharge_w_max", "floor_wh", "export_w_max"):
            if getattr(self, place) < 0:
                raise Refused("guard_limits", "0 or more", place=place)
        if self.interval_s <= 0:
            raise Refused("guard_limits", "above 0 seconds", place="interval_s")
        if self.ceiling_wh < self.floor_wh:
            raise Refused("guard_limits", "not below floor_wh", place="ceiling_wh")
        for place in ("charge_efficiency_ppm", "discharge_efficiency_ppm"):
            if not 0 < getattr(self, place) <= _PPM:
                raise Refused("guard_limits", f"1 to {_PPM} millionths", place=place)


class Billed(msgspec.Struct, frozen=True):
    """What of the billed interval is over: its seconds, and what the meter imported in them (Ws)."""

    elapsed_s: int = 0
    import_ws: int = 0

    def after(self, net_w: int, seconds: int = 1) -> Billed:
        """The same a moment later; `net_w` at the meter, below 0 exporting, which is metered apart."""
        return Billed(self.elapsed_s + seconds, self.import_ws + max(net_w, 0) * seconds)


class Guarded(msgspec.Struct, frozen=True):
    """A setpoint, above 0 discharging, and why it is not the wished one."""

    setpoint_w: int
    reason: Reason


def guard(
    limits: GuardLimits, billed: Billed, wish_w: int, behind_w: int, stored_wh: int, hold_s: int = 1
) -> Guarded:
    """The setpoint for the next `hold_s` seconds, nearest to the wish.

    `behind_w` is what the meter would import with the storage at rest: load less PV, now. What the interval
    may still import is spread evenly over its rest, so that an interval that began low may end high and one
    that began high is led back. No more is stored or taken than `stored_wh` allows for all of `hold_s`.

    Raises:
        Refused: `guard_step` for seconds that do not lie in the billed interval.
    """
    left_s = limits.interval_s - billed.elapsed_s
    if not 0 < hold_s <= left_s:
        raise Refused("guard_step", f"1 to {max(left_s, 0)} seconds", place="hold_s")
    may_ws = max(0, limits.target_w * limits.interval_s - billed.import_ws)
    lowest = behind_w - may_ws // left_s
    highest = behind_w + limits.export_w_max
    now, reason = wish_w, _PLAN
    if now < lowest:
        now, reason = lowest, "charge_cut" if lowest <= 0 else "peak"
    if now > highest:
        now, reason = highest, "reverse_flow"
    out = max(0, stored_wh - limits.floor_wh) * limits.discharge_efficiency_ppm * _S_PER_HOUR
    into = max(0, limits.ceiling_wh - stored_wh) * _PPM * _S_PER_HOUR
    most_out = out // (_PPM * hold_s)
    most_in = into // (limits.charge_efficiency_ppm * hold_s)
    if not -most_in <= now <= most_out:
        now, reason = min(max(now, -most_in), most_out), "stored_energy"
    if not -limits.charge_w_max <= now <= limits.discharge_w_max:
        now, reason = min(max(now, -limits.charge_w_max), limits.discharge_w_max), "power"
    return Guarded(now, reason)


_PLAN: Final[Reason] = "plan"

"""What a step test commands, and how far what follows may be from it."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatch.devices.control import Watchdog
from dispatch.devices.profile import Profile
from ledger.refusal import Refused

STEP_PART: Final = 5
"""The first step is a fifth of the smaller direction's limit, until sign and scale are known."""
REVERT_S: Final = 5
_PERMILLE: Final = 1000
_TOLD: Final = 4
"""Three messages that show a power tell that it stands; the first may be about to come."""


class StepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Powers in W, above zero each; the test commands `step_w` both ways, then the full powers.

    `ramp_w_per_s` and `watchdog_s` are the profile's; `safe_w` is where the device goes by itself when nobody
    speaks to it. `told_ms`: so often at least a device tells its power that tells it by itself; 0 for one
    that is asked. `tolerance_permille` of what was commanded, and at least `tolerance_w`, is how far power
    may be from it; `ramp_permille` how far the ramp. Skew in ms. `clock` and `counter`: the device's profile
    has them, as `watchdog_s` and `reverts` say of the others.
    """

    step_w: int
    discharge_w: int
    charge_w: int
    ramp_w_per_s: int
    watchdog_s: int | None
    beat_s: int | None
    reverts: bool
    releases: bool
    safe_w: int
    tolerance_w: int
    soc_min: int
    soc_max: int
    tolerance_permille: int = 30
    ramp_permille: int = 250
    effect_ms_max: int = 2_000
    sample_ms: int = 250
    told_ms: int = 0
    skew_flagged_ms: int = 2_000
    skew_ms_max: int = 30_000
    clock: bool = False
    counter: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.step_w <= min(self.discharge_w, self.charge_w):
            wrong = f"1 to {min(self.discharge_w, self.charge_w)} W, the smaller of both full powers"
            raise Refused("step_power", wrong, place="step_w")
        if self.step_w <= 2 * self.allowed_w(self.step_w):
            wrong = f"more than {2 * self.allowed_w(self.step_w)} W: two tolerances"
            raise Refused("step_power", wrong, place="step_w")
        if not 20 <= self.sample_ms <= self.effect_ms_max:
            raise Refused("step_times", f"20 to {self.effect_ms_max} ms", place="sample_ms")

    def allowed_w(self, commanded_w: int) -> int:
        """How far from `commanded_w` the power may be."""
        return max(self.tolerance_w, abs(commanded_w) * self.tolerance_permille // _PERMILLE)

    def ramp_ms(self, change_w: int) -> int:
        """How long the profile says that a change takes."""
        return -(-abs(change_w) * 1000 // self.ramp_w_per_s)

    def wait_ms(self, change_w: int) -> int:
        """How long a change is waited for: its latency, twice its ramp, and a few samples."""
        samples_ms = 8 * self.sample_ms + _TOLD * self.told_ms
        return self.effect_ms_max + 2 * self.ramp_ms(change_w) + samples_ms

    @property
    def revert_s(self) -> int:
        """How long the setpoint lasts that is left to end by itself: it is seen before that."""
        return REVERT_S + _TOLD * self.told_ms // 1000


def step_plan(
    profile: Profile,
    *,
    step_w: int | None = None,
    discharge_w: int | None = None,
    charge_w: int | None = None,
    safe_w: int = 0,
) -> StepPlan:
    """The plan for a device of that profile; full powers are its limits unless less is stated.

    Raises:
        Refused: `control_missing` for a device that is only read; `step_power`.
    """
    limits, control = profile.limits, profile.control
    if limits is None or control is None or "setpoint" not in profile.roles:
        raise Refused("control_missing", f"{profile.id} is read only", place="control")
    most = {"discharge_w": limits.discharge_w_max, "charge_w": limits.charge_w_max}
    for place, given in (("discharge_w", discharge_w), ("charge_w", charge_w)):
        if given is not None:
            if not 0 < given <= most[place]:
                raise Refused("step_power", f"1 to {most[place]} W", place=place)
            most[place] = given
    watchdog: Watchdog | None = control.watchdog
    return StepPlan(
        step_w=max(1, min(most.values()) // STEP_PART) if step_w is None else step_w,
        discharge_w=most["discharge_w"],
        charge_w=most["charge_w"],
        ramp_w_per_s=limits.ramp_w_per_s,
        watchdog_s=None if watchdog is None else watchdog.timeout_s,
        beat_s=None if watchdog is None else watchdog.period_s,
        reverts="revert_timer" in profile.roles,
        releases=bool(control.release),
        safe_w=safe_w,
        tolerance_w=max(limits.discharge_w_max, limits.charge_w_max) // 200,
        soc_min=limits.soc_min,
        soc_max=limits.soc_max,
        clock="device_clock" in profile.roles,
        counter="device_heartbeat" in profile.roles,
    )

"""How a device is written: what in which order, how often, and what it does when we fall silent."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.refusal import Refused

Function = Literal[6, 16]
"""Modbus functions: 06 writes one register, 16 several at once."""
Gives = Literal["setpoint", "revert_timer", "constant"]

LIMIT_MAX: Final = 2**31 - 1
"""The most W, W/s or Wh of a device: what a setpoint can say (`dispatch.control.setpoint`)."""
WATCHDOG_S_MAX: Final = 60
"""A device that we no longer reach goes to its safe state within a minute (10 s where it serves reserves)."""
MODULUS: Final = 65_536
"""A watchdog's counter, where its point holds that and nothing else is stated."""
REFRESH_PART: Final = 3
"""A watchdog is refreshed at a third of its time, so that one lost write changes nothing."""


class WriteStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One write: the setpoint, the seconds until it reverts, or the same number each time."""

    point: str
    gives: Gives
    constant: int | None = None

    def __post_init__(self) -> None:
        one_of(self.gives, Gives, "gives")
        if (self.gives == "constant") != (self.constant is not None):
            raise Refused(
                "write_step", "a constant, where and only where the step gives one", place="constant"
            )


class Watchdog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The counter that we advance; after `timeout_s` without it the device is in its safe state."""

    point: str
    period_s: int
    timeout_s: int
    modulus: int | None = None
    """The counter's values are 1 up to below this, and then 1 again. Its profile sets it where it is not
    stated: `MODULUS`, or what the point holds."""

    def __post_init__(self) -> None:
        if not 1 <= self.timeout_s <= WATCHDOG_S_MAX:
            raise Refused("watchdog", f"1 to {WATCHDOG_S_MAX} s", place="timeout_s")
        if not self.period_s >= 1 or self.period_s * REFRESH_PART > self.timeout_s:
            raise Refused("watchdog", "from 1 s, and at most a third of the timeout", place="period_s")
        if self.modulus is not None and self.modulus < 3:
            raise Refused("watchdog", "the counter has at least two values", place="modulus")

    def count(self, beat: int) -> int:
        """What the counter holds at the `beat`-th refresh (from 0): never the value before."""
        assert self.modulus is not None, "its profile has set it"
        return beat % (self.modulus - 1) + 1


class Control(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`functions`: those that the device knows. `steps`: in order; whatever enables comes last.

    `writes_per_day`: how often a register may be written, unless its point says otherwise: each write wears
    the memory of some devices.
    """

    functions: tuple[int, ...]
    writes_per_day: int
    steps: tuple[WriteStep, ...]
    release: tuple[WriteStep, ...] = ()
    """Gives the device back to its own control."""
    watchdog: Watchdog | None = None
    together: bool = False
    """Whether it applies at once what one request of function 16 writes: steps side by side are one then."""

    def __post_init__(self) -> None:
        if self.together and 16 not in self.functions:
            raise Refused("write_function", "16, where steps are written together", place="together")
        if (
            not self.functions
            or set(self.functions) - {6, 16}
            or len(set(self.functions)) < len(self.functions)
        ):
            raise Refused("write_function", "6, 16, or both", place="functions")
        if self.writes_per_day < 1:
            raise Refused("write_budget", "from 1", place="writes_per_day")
        if not self.steps:
            raise Refused("write_order", "a step for the setpoint at least", place="steps")
        if any(step.gives != "constant" for step in self.release):
            raise Refused("write_step", "a release gives constants", place="release")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the device can do: W at the AC side, both directions above zero; ramp in W per second.

    A setpoint in percent is of `discharge_w_max` above zero and of `charge_w_max` below.
    """

    charge_w_max: int
    discharge_w_max: int
    ramp_w_per_s: int
    energy_wh: int
    soc_min: int = 0
    soc_max: int = 100_000
    """Thousandths of a percent."""

    def __post_init__(self) -> None:
        for place in ("charge_w_max", "discharge_w_max", "ramp_w_per_s", "energy_wh"):
            if not 1 <= getattr(self, place) <= LIMIT_MAX:
                raise Refused("device_limits", f"1 to {LIMIT_MAX}", place=place)
        if not 0 <= self.soc_min < self.soc_max <= 100_000:
            raise Refused("device_limits", "0 to 100000, the lower first", place="soc_max")

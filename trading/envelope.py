"""What a trading unit can do: the power, energy and ramp within which its bids are feasible.

Stated by the desk or the optimiser from what the sites' devices can do, as a standing envelope and for single
delivery days. Nothing of it is guessed: a unit without one offers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading.product import Id

SLOT_S: Final = 900
"""Commitments are kept by quarter-hours; shorter intervals count with their largest power."""
PPM: Final = 10**6
_WHOLE_MAX: Final = 2**40


class UnitEnvelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Power at the grid in W, stored energy in Wh, losses in millionths.

    `stored_wh` is what the storage is planned to hold when a delivery day begins, between `floor_wh` (kept
    for the sites themselves) and `ceiling_wh`. Charging stores `charge_ppm` millionths of what it takes,
    discharging needs 10^6/`discharge_ppm` of what it gives. `ramp_w_per_min`: None where nothing limits it.
    """

    discharge_w: int
    charge_w: int
    stored_wh: int
    floor_wh: int
    ceiling_wh: int
    charge_ppm: int
    discharge_ppm: int
    ramp_w_per_min: int | None = None

    def __post_init__(self) -> None:
        for place in ("discharge_w", "charge_w", "stored_wh", "floor_wh", "ceiling_wh"):
            if not 0 <= getattr(self, place) <= _WHOLE_MAX:
                raise Refused("envelope", f"0 to {_WHOLE_MAX}", place=place)
        if not self.floor_wh <= self.stored_wh <= self.ceiling_wh:
            raise Refused("envelope", "between floor_wh and ceiling_wh", place="stored_wh")
        for place in ("charge_ppm", "discharge_ppm"):
            if not 0 < getattr(self, place) <= PPM:
                raise Refused("envelope", f"1 to {PPM} millionths", place=place)
        if self.ramp_w_per_min is not None and self.ramp_w_per_min <= 0:
            raise Refused("envelope", "above 0 W a minute", place="ramp_w_per_min")


class DayEnvelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The envelope of one delivery day; the available powers by quarter-hour where they differ."""

    limits: UnitEnvelope
    discharge_w: tuple[int, ...] | None = None
    charge_w: tuple[int, ...] | None = None

    def check(self, slots: int) -> None:
        """That the profiles fit a day of so many quarter-hours.

        Raises:
            Refused: `envelope`.
        """
        for place, most in (("discharge_w", self.limits.discharge_w), ("charge_w", self.limits.charge_w)):
            profile: tuple[int, ...] | None = getattr(self, place)
            if profile is None:
                continue
            if len(profile) != slots:
                wrong = f"one power for each of {slots} quarter-hours, not {len(profile)}"
                raise Refused("envelope", wrong, place=place)
            for number, power in enumerate(profile):
                if not 0 <= power <= most:
                    raise Refused("envelope", f"0 to {most} W", place=f"{place}[{number}]")


def slots_of(zone: str, day: date) -> int:
    """How many quarter-hours the local day has."""
    length = midnight(day + timedelta(days=1), zone_of(zone)) - midnight(day, zone_of(zone))
    return int(length.total_seconds()) // SLOT_S


class EnvelopeStated(msgspec.Struct, frozen=True, tag_field="kind", tag="envelope.stated.v1"):
    period: Period
    envelope: UnitEnvelope

    def apply(self, state: History[UnitEnvelope] | None) -> History[UnitEnvelope]:
        return extended(state, self.period, self.envelope)


class StateEnvelope(msgspec.Struct, frozen=True):
    """State what a unit can do from an instant on."""

    unit: Id
    period: Period
    envelope: UnitEnvelope

    @property
    def aggregate(self) -> str:
        return f"envelope.{self.unit}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"trading_unit.{self.unit}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[EnvelopeStated]:
        """Raises:
        Refused: `unknown_trading_unit`; `envelope` for more power than its members were registered with."""
        checked_id(self.unit, "unit")
        history: History[TradingUnit] = known(others, f"trading_unit.{self.unit}", History)
        most = sum(member.capability_w for member in history.latest.document.members)
        for place in ("discharge_w", "charge_w"):
            if getattr(self.envelope, place) > most:
                raise Refused("envelope", f"the unit's members can do {most} W", place=place)
        return (EnvelopeStated(self.period, self.envelope),)

"""Meters: what measures, where it sits, which registers it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.readings import MeterSpec, Register
from ledger.refusal import Refused
from ledger.site import Site

Position = Literal["grid", "load", "storage", "pv"]
"""Where a meter sits: at the grid connection, at the site's own load behind the storage, at the
storage's AC side (after its losses and auxiliaries), or at the PV plant."""


class Meter(msgspec.Struct, frozen=True):
    """A revenue meter; energy per register and interval, each at least zero."""

    id: str
    site: str
    position: Position
    registers: tuple[Register, ...]
    interval_s: int
    power_w_max: int
    zone: str
    feeder: str | None = None
    """Which supply feeder of the account it stands on or behind; for accounts with several only."""

    def __post_init__(self) -> None:
        checked_id(self.id, "meter.id")
        if self.feeder is not None:
            checked_id(self.feeder, "meter.feeder")
        if self.position not in get_args(Position):
            allowed = ", ".join(get_args(Position))
            raise Refused(
                "meter_position", f"{self.position!r} is not one of {allowed}", place="meter.position"
            )
        if not self.registers or len(set(self.registers)) != len(self.registers):
            raise Refused("registers", "at least one register, none twice", place="meter.registers")
        MeterSpec(self.id, self.registers, self.interval_s, self.power_w_max, self.zone)

    @property
    def spec(self) -> MeterSpec:
        """What a file of its readings is validated against."""
        return MeterSpec(self.id, self.registers, self.interval_s, self.power_w_max, self.zone)


class MeterRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="meter.registered.v1"):
    period: Period
    meter: Meter

    def apply(self, state: History[Meter] | None) -> History[Meter]:
        return extended(state, self.period, self.meter)


class RegisterMeter(msgspec.Struct, frozen=True):
    """Register a meter of a known site, or a new version of one."""

    period: Period
    meter: Meter

    @property
    def aggregate(self) -> str:
        return f"meter.{self.meter.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.meter.site}",)

    def decide(self, state: History[Meter] | None, others: Mapping[str, object]) -> tuple[MeterRegistered]:
        """Raises:
        Refused: `unknown_site`; `unknown_feeder` for a feeder that no version of the site's account has;
            `interval_changed`."""
        site = known(others, f"site.{self.meter.site}", History)
        _check_feeder(self.meter, site)
        if state is not None and state.latest.document.interval_s != self.meter.interval_s:
            raise Refused(
                "interval_changed",
                f"meter {self.meter.id} reads every {state.latest.document.interval_s} s; "
                "register a new meter for another interval length",
                place="meter.interval_s",
            )
        return (MeterRegistered(self.period, self.meter),)


def _check_feeder(meter: Meter, site: History[Site]) -> None:
    """Which meters a feeder needs is seen when a month is settled: they are registered one by one."""
    if meter.feeder is None:
        return
    feeders = {feeder.id for version in site.versions for feeder in version.document.account.feeders}
    if meter.feeder not in feeders:
        allowed = ", ".join(sorted(feeders)) or "none: the account has one supply"
        raise Refused(
            "unknown_feeder",
            f"site {meter.site} has no feeder {meter.feeder!r}; it has {allowed}",
            place="meter.feeder",
        )

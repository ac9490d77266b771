"""Whether storages can do what a plan says, checked on whole numbers before any command.

Shares nothing with the optimiser but the numbers: power, stored energy, ramp, cycles, the meter's limits,
what is committed to markets, and the exclusivity matrix as settlement will apply it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.claim import Storage as ClaimedStorage
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import grant_claims
from ledger.interval import Instant, Interval
from ledger.refusal import Refused

Whole = npt.NDArray[np.int64]

Rule = Literal[
    "power", "stored_energy", "stored_path", "ramp", "cycles", "import_limit", "export_limit", "curtailment",
    "regulation_power", "regulation_energy", "response", "response_regulation", "spot_part", "commitment",
    "exclusivity",
]  # fmt: skip

_IN_WH: Final[tuple[Rule, ...]] = ("stored_energy", "stored_path", "cycles", "regulation_energy")
_IN_EITHER: Final[tuple[Rule, ...]] = ("exclusivity", "spot_part")
_PPM: Final = 1_000_000
_MILLI: Final = 1000
_S_PER_HOUR: Final = 3600


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that a plan breaks at a site (empty: the portfolio): in which interval first, by how many W or
    Wh; in how many, in which most, by how much. Of the meter's limits `energy_wh` is what it is in all."""

    rule: Rule
    site: str
    interval: int
    excess: int
    intervals: int
    worst_interval: int
    worst: int
    energy_wh: int | None = None

    def said(self) -> str:
        """For people."""
        unit = "" if self.rule in _IN_EITHER else " Wh" if self.rule in _IN_WH else " W"
        told = [f"{self.rule} at {self.site or 'the portfolio'}[{self.interval}] by {self.excess}{unit}"]
        if self.intervals > 1:
            told.append(
                f"in {self.intervals} intervals by up to {self.worst}{unit} ([{self.worst_interval}])"
            )
        if self.energy_wh is not None:
            told.append(f"{self.energy_wh} Wh in all")
        return ", ".join(told)


class Tolerance(msgspec.Struct, frozen=True):
    """What rounding to whole W and Wh may do: a few W, and a few Wh of stored energy."""

    power_w: int = 2
    energy_wh: int = 20


ROUNDING: Final = Tolerance()


class SiteLimits(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What a site's storage and meter can do. W and Wh; arrays per interval; efficiencies in millionths.

    `floor_wh` includes what must stay in reserve. `discharge_wh_max` is what each day may still take out of
    the cells; `day` says which of these days, the first being 0, each interval is of (None: all of the
    first). `baseline_w` has a number for each slot of the response. A limit that is None does not exist.
    """

    id: str
    interval_s: int
    load_w: Whole
    pv_w: Whole
    import_w_max: Whole
    export_w_max: Whole
    charge_w_max: Whole
    discharge_w_max: Whole
    floor_wh: Whole
    ceiling_wh: int
    start_wh: int
    charge_efficiency_ppm: int
    discharge_efficiency_ppm: int
    loss_ppm: int = 0
    discharge_wh_max: tuple[int, ...] | None = None
    day: Whole | None = None
    ramp_w: int | None = None
    start_setpoint_w: int = 0
    baseline_w: Whole | None = None

    def days(self) -> Whole:
        """Which day of `discharge_wh_max` each interval is of."""
        return np.zeros(len(self.load_w), dtype=np.int64) if self.day is None else self.day


class Markets(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What is shared: each interval's regulation block, the response's slots, and what may be sold."""

    block: Whole | None = None
    sustain_s: int = 0
    call_wh_per_kw: int = 0
    regulation_w_min: int = 0
    slot: Whole | None = None
    response_w_min: int = 0
    response_w_max: int = 0
    spot_w_max: int = 0


class PlannedSite(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What the site is to do: setpoints above 0 discharge, stored energy at each interval's end."""

    id: str
    setpoint_w: Whole
    stored_wh: Whole
    curtailed_w: Whole
    spot_w: Whole
    regulation_w: Whole
    response_w: Whole


def check_site(
    limits: SiteLimits, markets: Markets, planned: PlannedSite, tolerance: Tolerance = ROUNDING
) -> tuple[Violation, ...]:
    """Every rule that the site's plan breaks; empty for a plan that can be commanded.

    Raises:
        Refused: `plan_shape` when the plan is of another site, or has other intervals, blocks or slots.
    """
    _check_shapes(limits, markets, planned)
    found = _Found(limits.id)
    setpoint = planned.setpoint_w
    found.above("power", setpoint - limits.discharge_w_max, 0)
    found.above("power", -setpoint - limits.charge_w_max, 0)
    steps = np.abs(np.diff(setpoint, prepend=limits.start_setpoint_w))
    if limits.ramp_w is not None:
        found.above("ramp", steps - limits.ramp_w, tolerance.power_w)
    stored = _stored(limits, setpoint)
    found.above("stored_path", np.abs(stored - planned.stored_wh), tolerance.energy_wh)
    found.above("stored_energy", limits.floor_wh - stored, tolerance.energy_wh)
    found.above("stored_energy", stored - limits.ceiling_wh, tolerance.energy_wh)
    found.above(
        "curtailment", np.maximum(-planned.curtailed_w, planned.curtailed_w - limits.pv_w), tolerance.power_w
    )
    net = limits.load_w - limits.pv_w + planned.curtailed_w - setpoint
    interval_s = limits.interval_s
    found.above("import_limit", net - limits.import_w_max, tolerance.power_w, interval_s=interval_s)
    found.above("export_limit", -net - limits.export_w_max, tolerance.power_w, interval_s=interval_s)
    beyond = np.abs(planned.spot_w) > np.abs(setpoint) + tolerance.power_w
    found.above("spot_part", (beyond | (planned.spot_w * setpoint < 0)).astype(np.int64), 0)
    _check_regulation(limits, markets, planned, stored, tolerance, found)
    _check_response(limits, markets, planned, net, tolerance, found)
    _check_cycles(limits, markets, planned, tolerance, found)
    return tuple(found.violations)


class Overrun(NamedTuple):
    """By how much a plan overruns limits in all, in the order in which they may: what is stored (with what a
    day may use) least of all, then the meter's import and export, then the ramp. Wh and W, summed."""

    energy_wh: int
    meter_w: int
    ramp_w: int


def overrun(limits: SiteLimits, planned: PlannedSite, tolerance: Tolerance = ROUNDING) -> Overrun:
    """How far limits that may give way are overrun, rounding aside."""
    setpoint = planned.setpoint_w
    stored = _stored(limits, setpoint)
    energy = _beyond(limits.floor_wh - stored, tolerance.energy_wh)
    energy += _beyond(stored - limits.ceiling_wh, tolerance.energy_wh)
    found = _Found(limits.id)
    _check_cycles(limits, Markets(), planned, tolerance, found)
    energy += sum(one.excess for one in found.violations)
    net = limits.load_w - limits.pv_w + planned.curtailed_w - setpoint
    meter = _beyond(net - limits.import_w_max, tolerance.power_w)
    meter += _beyond(-net - limits.export_w_max, tolerance.power_w)
    ramp = 0
    if limits.ramp_w is not None:
        steps = np.abs(np.diff(setpoint, prepend=limits.start_setpoint_w))
        ramp = _beyond(steps - limits.ramp_w, tolerance.power_w)
    return Overrun(energy, meter, ramp)


def _beyond(excess: Whole, tolerance: int) -> int:
    return int(excess[excess > tolerance].sum())


def check_portfolio(
    markets: Markets,
    planned: Sequence[PlannedSite],
    regulation_w: Whole,
    response_w: Whole,
    shortfall_w: Whole,
    tolerance: Tolerance = ROUNDING,
) -> tuple[Violation, ...]:
    """What is offered for the portfolio against what its sites give, and against the markets' limits."""
    found = _Found("")
    if markets.block is not None:
        given = sum((site.regulation_w for site in planned), np.zeros_like(regulation_w))
        found.above("commitment", regulation_w - given, tolerance.power_w)
        short = np.where(regulation_w > 0, markets.regulation_w_min - regulation_w, 0)
        found.above("commitment", short, tolerance.power_w)
    if markets.slot is not None:
        given = sum((site.response_w for site in planned), np.zeros_like(response_w))
        found.above("commitment", response_w - given - shortfall_w, tolerance.power_w)
        found.above("commitment", response_w - markets.response_w_max, tolerance.power_w)
        if response_w.any():
            found.above("commitment", markets.response_w_min - response_w, tolerance.power_w)
    position = np.abs(sum(site.spot_w for site in planned))
    found.above(
        "commitment", np.atleast_1d(position) - markets.spot_w_max, tolerance.power_w * max(1, len(planned))
    )
    return tuple(found.violations)


def check_exclusivity(
    conflicts: Conflicts, limits: SiteLimits, markets: Markets, planned: PlannedSite, start: Instant
) -> tuple[Violation, ...]:
    """Whether the matrix grants the site's plan every Wh and W that its streams would claim.

    What is at spot claims its energy, what is offered as regulation its power both ways, discharge in a slot
    in which the site responds is the response's, and every other Wh is arbitrage behind the meter.
    """
    setpoint, count = planned.setpoint_w, len(planned.setpoint_w)
    energy = np.abs(setpoint) * limits.interval_s // _S_PER_HOUR
    discharge, charge = np.where(setpoint > 0, energy, 0), np.where(setpoint < 0, energy, 0)
    at_spot = planned.spot_w != 0
    responds = np.zeros(count, dtype=np.bool_)
    if markets.slot is not None:
        responds[markets.slot[planned.response_w > 0]] = True
    offered = np.zeros(count, dtype=np.int64)
    if markets.block is not None:
        offered = planned.regulation_w[markets.block]
    storage = ClaimedStorage(
        site=limits.id,
        start=start,
        interval_s=limits.interval_s,
        discharge_w_max=max(1, int(limits.discharge_w_max.max())),
        charge_w_max=max(1, int(limits.charge_w_max.max())),
        account_month=np.zeros(count, dtype=np.int64),
        discharge_wh=discharge,
        charge_wh=charge,
        scheduled_w=setpoint.copy(),
    )
    whole = Interval(start, storage.at(count - 1).end)
    behind = ~at_spot & ~responds

    def kept(energy_wh: Whole, where: npt.NDArray[np.bool_]) -> Whole:
        return np.where(where, energy_wh, 0)

    claims = [
        Claim(id="regulation", stream="ancillary", site=limits.id, purpose="market", interval=whole,
              up_w=offered, down_w=offered.copy()),
        Claim(id="response", stream="demand_response", site=limits.id, purpose="market", interval=whole,
              discharge_wh=kept(discharge, responds & ~at_spot)),
        Claim(id="spot", stream="spot", site=limits.id, purpose="market", interval=whole,
              discharge_wh=kept(discharge, at_spot), charge_wh=kept(charge, at_spot)),
        Claim(id="arbitrage", stream="arbitrage", site=limits.id, purpose="bill", interval=whole,
              discharge_wh=kept(discharge, behind), charge_wh=kept(charge, behind)),
    ]  # fmt: skip
    found = _Found(limits.id)
    for grant in grant_claims(conflicts, storage, claims, use="plan").grants:
        for quantity in ("discharge_wh", "charge_wh", "up_w", "down_w"):
            asked, granted = getattr(grant.claim, quantity), getattr(grant, quantity)
            if asked is not None:
                found.above("exclusivity", asked - granted, 0)
    return tuple(found.violations)


class _Found:
    """The violations of one site as they are found."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.violations: list[Violation] = []

    def above(
        self,
        rule: Rule,
        excess: Whole,
        tolerance: int,
        at: Whole | None = None,
        *,
        interval_s: int | None = None,
    ) -> None:
        """`at` says which interval each number is of; None for one each from the first. `interval_s` is how
        long each of them is, where the energy in all is told."""
        over = np.flatnonzero(excess > tolerance)
        if not len(over):
            return
        interval = over if at is None else at[over]
        amount = excess[over]
        worst = int(np.argmax(amount))
        self.violations.append(
            Violation(
                rule=rule,
                site=self.site,
                interval=int(interval[0]),
                excess=int(amount[0]),
                intervals=len(over),
                worst_interval=int(interval[worst]),
                worst=int(amount[worst]),
                energy_wh=None if interval_s is None else int(amount.sum()) * interval_s // _S_PER_HOUR,
            )
        )


def _check_shapes(limits: SiteLimits, markets: Markets, planned: PlannedSite) -> None:
    count = len(limits.load_w)
    blocks = 0 if markets.block is None else int(markets.block[-1]) + 1
    slots = 0 if markets.slot is None else len(markets.slot)
    wanted = {"setpoint_w": count, "stored_wh": count, "curtailed_w": count, "spot_w": count}
    wanted |= {"regulation_w": blocks, "response_w": slots}
    if planned.id != limits.id:
        raise Refused("plan_shape", f"{planned.id} is not {limits.id}", place="planned.id")
    for name, size in wanted.items():
        array = getattr(planned, name)
        if array.dtype != np.int64 or array.shape != (size,):
            raise Refused("plan_shape", f"{size} whole numbers as int64", place=f"planned.{name}")


def _stored(limits: SiteLimits, setpoint: Whole) -> Whole:
    """Stored Wh at each interval's end, in whole mWh on the way: what is gained is rounded down."""
    now = limits.start_wh * _MILLI
    seconds = limits.interval_s
    path: list[int] = []
    for power in setpoint.tolist():
        now = now * (_PPM - limits.loss_ppm) // _PPM
        at_meter = power * seconds * _MILLI
        if power < 0:
            now += -at_meter * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
        else:
            now -= at_meter * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
        path.append(now)
    return np.array([-(-stored // _MILLI) for stored in path], dtype=np.int64)


def _check_regulation(
    limits: SiteLimits,
    markets: Markets,
    planned: PlannedSite,
    stored: Whole,
    tolerance: Tolerance,
    found: _Found,
) -> None:
    """A W of regulation is free in both directions, with the energy to sustain it (DOMAIN.md 4)."""
    if markets.block is None:
        return
    offered = planned.regulation_w[markets.block]
    found.above("regulation_power", -offered, 0)
    found.above("regulation_power", offered + planned.setpoint_w - limits.discharge_w_max, tolerance.power_w)
    found.above("regulation_power", offered - planned.setpoint_w - limits.charge_w_max, tolerance.power_w)
    held = offered * markets.sustain_s
    up = held * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
    down = held * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
    found.above(
        "regulation_energy", np.where(offered > 0, limits.floor_wh + up - stored, 0), tolerance.energy_wh
    )
    found.above(
        "regulation_energy", np.where(offered > 0, stored + down - limits.ceiling_wh, 0), tolerance.energy_wh
    )


def _check_response(
    limits: SiteLimits,
    markets: Markets,
    planned: PlannedSite,
    net: Whole,
    tolerance: Tolerance,
    found: _Found,
) -> None:
    """A site reduces what its meter shows below its baseline, and regulates nothing meanwhile."""
    if markets.slot is None or not planned.response_w.any():
        return
    if limits.baseline_w is None:
        found.above("response", planned.response_w, 0, markets.slot)
        return
    retail = (net + planned.spot_w)[markets.slot]
    beyond = planned.response_w - np.maximum(limits.baseline_w - retail, 0)
    found.above("response", beyond, tolerance.power_w, markets.slot)
    if markets.block is not None:
        offered = planned.regulation_w[markets.block[markets.slot]]
        found.above("response_regulation", offered, tolerance.power_w, markets.slot)


def _check_cycles(
    limits: SiteLimits, markets: Markets, planned: PlannedSite, tolerance: Tolerance, found: _Found
) -> None:
    if limits.discharge_wh_max is None:
        return
    day, setpoint = limits.days(), np.maximum(planned.setpoint_w, 0)
    for number, most in enumerate(limits.discharge_wh_max):
        discharged = int(setpoint[day == number].sum()) * limits.interval_s * _PPM
        used = discharged // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
        if markets.block is not None:
            begins = day[np.searchsorted(markets.block, np.arange(len(planned.regulation_w)))]
            called = int(planned.regulation_w[begins == number].sum())
            used += called * markets.call_wh_per_kw // _MILLI
        first = np.flatnonzero(day == number)[:1]
        found.above("cycles", np.array([used - most]), tolerance.energy_wh, first)

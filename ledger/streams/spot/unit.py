"""A trading unit's quantities on a market's settlement intervals: metered, cleared, declared, contracted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from ledger.interval import Interval
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.streams.spot.facts import (
    SpotClearing,
    SpotContract,
    SpotDeclaration,
    SpotIntradayTrade,
    SpotMonth,
)
from ledger.streams.spot.prices import SpotPrices, Whole

Schedule = Literal["clearing", "declaration"]
Schedules = SpotClearing | SpotDeclaration
S = TypeVar("S", bound=Schedules)


class GridCharges(NamedTuple):
    """What the unit's grid account pays per kWh drawn, for the network and for the government's funds."""

    transmission: Price
    funds: Price


class TradingUnit(NamedTuple):
    """One unit over the settled interval: what it metered in Wh per `meter_interval_s`, and its facts."""

    site: str
    meter_interval_s: int
    injected_wh: Whole
    """Up-grid: discharge. Never negative."""
    withdrawn_wh: Whole
    """Down-grid: charge or load. Never negative."""
    clearings: tuple[SpotClearing, ...]
    contracts: tuple[SpotContract, ...]
    """Empty for a unit without any."""
    declarations: tuple[SpotDeclaration, ...]
    """Read only where the rule settles by them."""
    statement: SpotMonth | None
    grid_charges: GridCharges | None
    """Needed where charging energy bears them."""
    trades: tuple[SpotIntradayTrade, ...] = ()


class Quantity(NamedTuple):
    """Both directions per settlement interval, Wh, never negative."""

    injected: Whole
    withdrawn: Whole

    @property
    def net(self) -> Whole:
        return self.injected - self.withdrawn


def metered(unit: TradingUnit, prices: SpotPrices) -> Quantity:
    """What the unit injected and withdrew, summed to the settlement interval.

    Raises:
        Refused: `profile` for energies that do not fill the interval, `energy_range` for one below zero.
    """
    if unit.meter_interval_s <= 0:
        raise Refused("interval", f"{unit.meter_interval_s} s is not above zero", place="meter_interval_s")
    count, rest = divmod(prices.interval.seconds, unit.meter_interval_s)
    found: list[Whole] = []
    for place, values in (("injected_wh", unit.injected_wh), ("withdrawn_wh", unit.withdrawn_wh)):
        if values.dtype != np.int64 or values.shape != (count,) or rest:
            raise Refused(
                "profile",
                f"{prices.interval.seconds} s have {count} int64 energies of {unit.meter_interval_s} s,"
                f" not {values.shape} {values.dtype}",
                place=f"{unit.site} {place}",
            )
        if int(values.min()) < 0:
            raise Refused("energy_range", "a register is never negative", place=f"{unit.site} {place}")
        found.append(_summed(values, unit.meter_interval_s, prices.interval_s, f"{unit.site} {place}"))
    return Quantity(*found)


def scheduled(facts: Sequence[Schedules], unit: TradingUnit, prices: SpotPrices, kind: Schedule) -> Quantity:
    """The cleared or declared quantities of every interval.

    Raises:
        Refused: `clearing_missing` or `declaration_missing` naming the first instant without one,
            `clearing_overlap` or `declaration_overlap` where two facts meet, `interval` for one that reaches
            beyond the settled interval, `fact_site`, `fact_rule`.
    """
    injected, withdrawn = (np.zeros(prices.intervals, dtype=np.int64) for _ in range(2))
    covered = np.zeros(prices.intervals, dtype=np.bool_)
    for run in end_to_end(facts, prices.interval_s):
        for fact in run:
            check_fact(fact, unit, prices)
            if fact.interval.start < prices.interval.start or fact.interval.end > prices.interval.end:
                raise Refused(
                    "interval",
                    f"reaches beyond {prices.interval.start} to {prices.interval.end}",
                    place=f"{kind} {fact.id}",
                )
        place, step_s = f"{kind} {run[0].id}", run[0].step_s
        first = _position(run[0].interval, prices, place)
        both = energies_of(run)
        up, down = (_summed(values, step_s, prices.interval_s, place) for values in both)
        part = slice(first, first + len(up))
        if covered[part].any():
            code = "clearing_overlap" if kind == "clearing" else "declaration_overlap"
            met = run[int(covered[part].argmax()) * len(run) // len(up)]
            raise Refused(code, "another one covers a part of its interval", place=f"{kind} {met.id}")
        covered[part] = True
        injected[part], withdrawn[part] = up, down
    if not covered.all():
        at = prices.interval.start + timedelta(seconds=prices.interval_s * int(np.argmin(covered)))
        code = "clearing_missing" if kind == "clearing" else "declaration_missing"
        raise Refused(code, f"{unit.site} has no {kind} from {at}", place=str(at))
    return Quantity(injected, withdrawn)


def end_to_end(facts: Sequence[S], interval_s: int) -> list[list[S]]:
    """Schedules that follow each other, of as many values for the same time, which is whole intervals: mostly
    the days of a month. Where the first of them fits the intervals all do, and they are laid out at once."""
    runs: list[list[S]] = []
    alike: object = None
    for fact in facts:
        seconds = fact.interval.seconds
        shape = (seconds, len(fact.injected_wh))
        follows = runs and alike == shape and fact.interval.start == runs[-1][-1].interval.end
        if follows and seconds % interval_s == 0:
            runs[-1].append(fact)
        else:
            runs.append([fact])
        alike = shape
    return runs


def energies_of(run: Sequence[Schedules]) -> Whole:
    """Injected and withdrawn, a row each."""
    both = [fact.injected_wh for fact in run], [fact.withdrawn_wh for fact in run]
    return np.array(both, dtype=np.int64).reshape(2, -1)


def contracted(
    contract: SpotContract | SpotIntradayTrade, unit: TradingUnit, prices: SpotPrices
) -> tuple[slice, Whole, Whole]:
    """The part of the settled interval that the contract covers, its volumes there, and the position of
    each one's price.

    Raises:
        Refused: `profile` for intervals that do not make up the market's, or a price for each where they
            are shorter; `interval`, `fact_site`, `fact_rule`.
    """
    check_fact(contract, unit, prices)
    place = f"contract {contract.id}"
    if contract.step_s != prices.interval_s and len(contract.price_per_kwh) > 1:
        raise Refused("profile", f"a price for each interval is one per {prices.interval_s} s", place=place)
    volumes = _summed(np.array(contract.volume_wh, dtype=np.int64), contract.step_s, prices.interval_s, place)
    first = _position(contract.interval, prices, place)
    part = slice(min(max(first, 0), prices.intervals), min(max(first + len(volumes), 0), prices.intervals))
    own = np.arange(part.start - first, part.stop - first, dtype=np.int64)
    return part, volumes[own], own if len(contract.price_per_kwh) > 1 else np.zeros_like(own)


def check_fact(
    fact: SpotClearing | SpotDeclaration | SpotContract | SpotIntradayTrade | SpotMonth,
    unit: TradingUnit,
    prices: SpotPrices,
) -> None:
    """That the fact is this unit's and was told under this rule.

    Raises:
        Refused: `fact_site` or `fact_rule`.
    """
    if fact.site != unit.site:
        raise Refused("fact_site", f"is of {fact.site}, not {unit.site}", place=fact.id)
    if fact.rule != prices.rule:
        raise Refused("fact_rule", f"is of rule {fact.rule}, not {prices.rule}", place=fact.id)


def _position(interval: Interval, prices: SpotPrices, place: str) -> int:
    first, off = divmod(interval.start - prices.interval.start, timedelta(seconds=prices.interval_s))
    if off:
        raise Refused("interval", f"{interval.start} is inside a settlement interval", place=place)
    return first


def _summed(values: Whole, step_s: int, interval_s: int, place: str) -> Whole:
    """Energies of `step_s` summed to `interval_s`."""
    count, rest = divmod(interval_s, step_s)
    if rest or len(values) % count:
        raise Refused(
            "profile", f"intervals of {step_s} s do not make up those of {interval_s} s", place=place
        )
    if count == 1:
        return values
    if max(int(values.max()), -int(values.min())) * count >= 2**63:
        raise Refused("energy_range", "the energies are too large to be summed in 64 bits", place=place)
    sums: Whole = values.reshape(-1, count).sum(axis=1)
    return sums

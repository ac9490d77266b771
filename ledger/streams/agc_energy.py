"""Energy delivered under AGC: not arbitrage; it settles at the real-time energy price (DOMAIN.md 3.6, 4).

Whose rule says that the market does not settle it leaves it on the account's bill, untagged by a payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from ledger.clauses.flow import exact_text
from ledger.interval import Interval, midnight, zone_of
from ledger.market_price import PriceSeries
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.earned import Earned
from ledger.streams.performance_factor import whole_product
from ledger.streams.regulation import AgcInstructions, RegulationPerformance, RegulationRule
from ledger.streams.regulation_market import Bools, Ints, RegulationMarket, check_fact, laid_out, measured

_WH_PER_KWH: Final = 1000
_INT64: Final = 2**63


class AgcEnergy(NamedTuple):
    """Energy delivered under AGC, one number per meter interval: tagged ancillary, no other's."""

    charge_wh: Ints
    discharge_wh: Ints


def agc_energy(
    market: RegulationMarket,
    performances: Sequence[RegulationPerformance | AgcInstructions],
    charge_wh: Ints,
    discharge_wh: Ints,
    interval_s: int,
) -> AgcEnergy:
    """What of the site's Wh was delivered under AGC; both registers from the start of the market's time.

    All that was metered in periods with an instruction of any product, unless what was measured says how much
    of it: then that, laid over the period's readings in proportion to them. A reading that is longer than the
    settlement period is under AGC when one of its periods is: its Wh cannot be told apart.

    Raises:
        Refused: `interval` unless periods and readings are made of each other, `profile` unless both
            registers cover the time; `agc_energy` for more under AGC than was metered; and what `measured`
            refuses.
    """
    period_s = market.rule.period_s
    if interval_s <= 0 or (period_s % interval_s and interval_s % period_s):
        raise Refused("interval", f"readings of {interval_s} s do not fit periods of {period_s} s")
    count = market.period.seconds // interval_s
    for name, values in (("charge_wh", charge_wh), ("discharge_wh", discharge_wh)):
        if values.dtype != np.int64 or values.shape != (count,) or values.min() < 0:
            raise Refused("profile", f"the register is not {count} whole Wh from 0 (int64)", place=name)
    wholly = np.zeros(market.periods, dtype=np.bool_)
    told = np.zeros((2, market.periods), dtype=np.int64)
    for fact in performances:
        check_fact(market.rule, fact)
        done = fact if isinstance(fact, RegulationPerformance) else measured(market.rule, fact)
        if done.charged_wh is None or done.discharged_wh is None:
            wholly |= laid_out(market, [(done, done.instructions)], "performance_overlap")[0] > 0
        else:
            for row, numbers in enumerate((done.charged_wh, done.discharged_wh)):
                told[row] += laid_out(market, [(done, numbers)], "performance_overlap")[0]
    at_once = max(period_s // interval_s, 1)
    longer = max(interval_s // period_s, 1)
    under = np.repeat(wholly.reshape(-1, longer).max(axis=1), at_once)
    found: list[Ints] = []
    for numbers_told, metered in zip(told, (charge_wh, discharge_wh), strict=True):
        each = numbers_told.reshape(-1, longer).sum(axis=1)
        found.append(np.where(under, metered, _spread(market, each, metered, at_once)))
    return AgcEnergy(*found)


def _spread(market: RegulationMarket, told: Ints, metered: Ints, at_once: int) -> Ints:
    """Each told number over its `at_once` readings in proportion to them, in whole Wh that add up to it."""
    if not told.any():
        return np.zeros_like(metered)
    readings = metered.reshape(-1, at_once)
    total = readings.sum(axis=1)
    if (more := told > total).any():
        number = int(more.argmax())
        at = market.period.start + timedelta(seconds=market.period.seconds // len(told)) * number
        wrong = f"{told[number]} Wh under AGC of {market.rule.id}, and {total[number]} Wh were metered"
        raise Refused("agc_energy", wrong, place=at.isoformat())
    assert int(told.max()) * int(total.max()) < _INT64
    running = np.cumsum(readings, axis=1) * told[:, None] // np.maximum(total, 1)[:, None]
    spread: Ints = np.diff(running, axis=1, prepend=0).reshape(-1)
    return spread


def agc_energy_earned(
    rule: RegulationRule,
    interval: Interval,
    interval_s: int,
    charge_wh: Ints,
    discharge_wh: Ints,
    real_time: PriceSeries | None,
) -> Earned | None:
    """Discharged less charged Wh under AGC, each at its interval's real-time price; None where none moved.

    Both arrays hold AGC's Wh only, from `interval.start`. A price that is published more often than the meter
    is read is its mean (DOMAIN.md 3.0); one published less often holds for all of its readings.
    100 kWh out at 0.30 and 40 kWh in at 0.50: 30.00 - 20.00 = 10.00 yuan.

    Raises:
        Refused: `price_missing` naming the first interval with AGC energy that has no price, `currency`,
            `price_interval`.
    """
    moved = (charge_wh > 0) | (discharge_wh > 0)
    if not moved.any():
        return None
    first = interval.start + timedelta(seconds=interval_s) * int(moved.argmax())
    if real_time is None:
        wrong = f"energy under AGC of {rule.id} settles at real-time prices: none is known at a market_point"
        raise Refused("price_missing", wrong, place=first.isoformat())
    if real_time.currency != rule.currency:
        wrong = f"real-time prices in {real_time.currency}, {rule.id} is in {rule.currency}"
        raise Refused("currency", wrong, place=f"{real_time.market} {real_time.node}")
    sums, known, parts = _prices(real_time, interval, interval_s)
    if (missing := moved & ~known).any():
        at: datetime = interval.start + timedelta(seconds=interval_s) * int(missing.argmax())
        wrong = (
            f"{real_time.market} {real_time.node} has no real-time price for energy under AGC of {rule.id}"
        )
        raise Refused("price_missing", wrong, place=at.isoformat())
    worth = whole_product(discharge_wh - charge_wh, sums, terms=len(sums))
    divisor = parts * _WH_PER_KWH
    terms: list[Basis] = []
    zone = zone_of(rule.zone)
    begin, day = 0, interval.start.astimezone(zone).date()
    while begin < len(sums):
        day_end = midnight(day + timedelta(days=1), zone)
        end = min(int((day_end - interval.start).total_seconds()) // interval_s, len(sums))
        rows = slice(begin, end)
        out, into = int(discharge_wh[rows].sum()), int(charge_wh[rows].sum())
        if out or into:
            label = f"{day}, under AGC: {out} Wh discharged less {into} Wh charged"
            exact = exact_text(Fraction(int(worth[rows].sum()), divisor))
            terms.append(Basis(label, str(out - into), "Wh", "real-time, by interval", exact))
        begin, day = end, day + timedelta(days=1)
    total = Fraction(int(worth.sum()), divisor)
    note = f"energy under AGC of {rule.id} at the real-time price; it is not counted as arbitrage"
    return Earned("ancillary", total, Money.round(total, rule.currency), tuple(terms), note)


def _prices(series: PriceSeries, interval: Interval, interval_s: int) -> tuple[Ints, Bools, int]:
    """Each reading's price as a sum, where it is known, and the number that makes a price of the sum."""
    step_s = series.interval_s
    if step_s % interval_s and interval_s % step_s:
        wrong = f"prices of {step_s} s and readings of {interval_s} s are not made of each other"
        raise Refused("price_interval", wrong, place=f"{series.market} {series.node}")
    step = timedelta(seconds=step_s)
    count = -(-interval.seconds // step_s)
    scale = max((block.scale for block in series.blocks), default=0)
    mantissas, known = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for block in series.blocks:
        at, off = divmod(block.start - interval.start, step)
        if off:
            wrong = f"prices of {step_s} s from {block.start} do not fall on {interval.start}"
            raise Refused("price_interval", wrong, place=f"{series.market} {series.node}")
        factor = 10 ** (scale - block.scale)
        begin, end = max(at, 0), min(at + len(block.mantissas), count)
        if end > begin:
            values = block.mantissas[begin - at : end - at]
            if max(int(values.max()), -int(values.min())) * factor * max(interval_s // step_s, 1) >= _INT64:
                raise Refused("price_range", "the prices are too large for 64 bits", place=str(block.start))
            mantissas[begin:end], known[begin:end] = values * factor, True
    if step_s >= interval_s:
        each, readings = step_s // interval_s, interval.seconds // interval_s
        return np.repeat(mantissas, each)[:readings], np.repeat(known, each)[:readings], 10**scale
    each = interval_s // step_s
    return mantissas.reshape(-1, each).sum(axis=1), known.reshape(-1, each).min(axis=1), each * 10**scale

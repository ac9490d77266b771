"""Two-settlement of energy, and contracts for difference beside it (DOMAIN.md 3.5).

R = Q_c P_c + (Q_da - Q_c) P_da + (Q_rt - Q_da) P_rt is the sum of three settlement items: Q_da P_da,
(Q_rt - Q_da) P_rt and Q_c (P_c - P_da). A withdrawal is a negative Q at the same prices.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from ledger.quantity import exact
from ledger.streams.earned import Earned
from ledger.streams.spot.facts import SpotContract, SpotIntradayTrade
from ledger.streams.spot.leaves import WH_PER_KWH, DayLeaves, by_day, day_line, products, scaled, whole
from ledger.streams.spot.prices import SpotPrices, Whole
from ledger.streams.spot.unit import Quantity, TradingUnit, contracted


def real_time_lines(real_time: Quantity, prices: SpotPrices) -> list[Earned]:
    """All that was metered at the real-time price, of each direction, where there is one settlement."""
    return [
        _energy(f"real-time energy, {direction}", sign * wh, prices.real_time, prices)
        for direction, sign, wh in (
            ("injected", 1, real_time.injected),
            ("withdrawn", -1, real_time.withdrawn),
        )
        if wh.any()
    ]


def energy_lines(cleared: Quantity, real_time: Quantity, prices: SpotPrices) -> list[Earned]:
    """Day-ahead energy and real-time deviation, of each direction that was cleared or metered."""
    lines: list[Earned] = []
    for direction, sign in (("injected", 1), ("withdrawn", -1)):
        planned: Whole = getattr(cleared, direction)
        actual: Whole = getattr(real_time, direction)
        if not planned.any() and not actual.any():
            continue
        lines += [
            _energy(f"day-ahead energy, {direction}", sign * planned, prices.day_ahead, prices),
            _energy(f"real-time deviation, {direction}", sign * (actual - planned), prices.real_time, prices),
        ]
    return lines


def contract_lines(contract: SpotContract, unit: TradingUnit, prices: SpotPrices) -> list[Earned]:
    """The contract's difference to the day-ahead price at the unit.

    Where contracts settle at the reference node, also volume x (P_node - P_ref): both together are
    volume x (P_c - P_ref). A contract that does not hold in the settled interval has no line.

    Raises:
        Refused: what `contracted` refuses.
    """
    found = _difference(f"contract for difference {contract.id}", contract, unit, prices, prices.day_ahead)
    if found is None:
        return []
    volume, line = found
    lines = [line]
    if prices.reference is not None:
        spread = prices.day_ahead - prices.reference
        lines.append(_energy(f"node spread of contract {contract.id}", volume, spread, prices))
    return lines


def trade_lines(trade: SpotIntradayTrade, unit: TradingUnit, prices: SpotPrices) -> list[Earned]:
    """The trade's difference to the real-time price, at which the deviation has it already.

    Raises:
        Refused: what `contracted` refuses.
    """
    found = _difference(f"intraday trade {trade.id}", trade, unit, prices, prices.real_time)
    return [] if found is None else [found[1]]


def _difference(
    note: str,
    contract: SpotContract | SpotIntradayTrade,
    unit: TradingUnit,
    prices: SpotPrices,
    against: Whole,
) -> tuple[Whole, Earned] | None:
    """Volume x (stated price - `against`), with the volumes; None where it does not hold in the interval."""
    part, volumes, positions = contracted(contract, unit, prices)
    if part.start == part.stop:
        return None
    stated = [exact(text) for text in contract.price_per_kwh]
    parts = lcm(prices.denominator, *(price.denominator for price in stated))
    numerators = whole([int(price * parts) for price in stated])[positions]
    other = scaled(against, parts // prices.denominator)
    difference = np.zeros_like(other, dtype=object if numerators.dtype == object else other.dtype)
    difference[part] = numerators - other[part]
    volume = np.zeros(prices.intervals, dtype=np.int64)
    volume[part] = volumes
    leaves = DayLeaves(
        by_day(volume, prices), 1, by_day(products(volume, difference), prices), WH_PER_KWH * parts
    )
    return volume, day_line(note, leaves, prices)


def _energy(note: str, wh: Whole, price: Whole, prices: SpotPrices) -> Earned:
    worth = by_day(products(wh, price), prices)
    return day_line(note, DayLeaves(by_day(wh, prices), 1, worth, WH_PER_KWH * prices.denominator), prices)


def no_contract_terms(unit: TradingUnit, factor: Fraction, price: Fraction) -> tuple[str, Fraction, Fraction]:
    """What a user without a contract pays: label, Wh below zero, price per kWh."""
    return "withdrawn without a contract", Fraction(-int(unit.withdrawn_wh.sum())), factor * price

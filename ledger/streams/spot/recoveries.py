"""What a market takes back or adds beside energy: declaration recovery, execution penalty, levelling."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.clauses.flow import exact_text
from ledger.clauses.share import amount, portion
from ledger.streams.earned import Earned
from ledger.streams.spot.leaves import (
    WH_PER_KWH,
    DayLeaves,
    by_day,
    day_line,
    priced_line,
    products,
    scaled,
)
from ledger.streams.spot.prices import SpotPrices
from ledger.streams.spot.rule import DeclarationRecovery, ExecutionPenalty
from ledger.streams.spot.unit import Quantity


def declaration_recovery(
    item: DeclarationRecovery, declared: Quantity, real_time: Quantity, prices: SpotPrices
) -> Earned:
    """(Q_decl - Q_rt (1 + tolerance)) (P_da - P_rt) of each interval and direction, never below zero.

    For a withdrawal both factors change sign: declared too much, cheap day-ahead, dear in real time.
    """
    tolerance = portion(item.tolerance, "tolerance")
    parts, tolerated = tolerance.denominator, tolerance.numerator + tolerance.denominator
    gain = prices.day_ahead - prices.real_time
    excess_wh: npt.NDArray[Any] = np.zeros(prices.intervals, dtype=np.int64)
    worth: npt.NDArray[Any] = np.zeros(prices.intervals, dtype=np.int64)
    for direction, sign in (("injected", 1), ("withdrawn", -1)):
        excess = scaled(getattr(declared, direction), parts) - scaled(
            getattr(real_time, direction), tolerated
        )
        if item.zero_floor == "each_factor":
            recovered = products(np.maximum(excess, 0), np.maximum(sign * gain, 0))
        else:
            recovered = np.maximum(products(excess, sign * gain), 0)
        excess_wh = excess_wh + np.where(recovered > 0, excess, 0)
        worth = _sum(worth, recovered)
    worth_parts = WH_PER_KWH * prices.denominator * parts
    leaves = DayLeaves(by_day(excess_wh, prices), parts, [-w for w in by_day(worth, prices)], worth_parts)
    return day_line("day-ahead declaration recovery", leaves, prices)


def execution_penalty(
    item: ExecutionPenalty, declared: Quantity, real_time: Quantity, price: Fraction, prices: SpotPrices
) -> Earned:
    """max(|Q_act - Q_decl| - max(|Q_decl| x tolerance, threshold), 0) x `price` x factor, paid by the unit.

    Q is the net of both directions; `price` is the assessment price per kWh.
    """
    tolerance = portion(item.tolerance, "tolerance")
    parts = tolerance.denominator
    off = scaled(np.abs(real_time.net - declared.net), parts)
    allowed = np.maximum(scaled(np.abs(declared.net), tolerance.numerator), item.threshold_wh * parts)
    days = by_day(np.maximum(off - allowed, 0), prices)
    charge = -price * amount(item.factor, "factor")
    worth_parts = parts * WH_PER_KWH * charge.denominator
    leaves = DayLeaves(days, parts, [wh * charge.numerator for wh in days], worth_parts)
    return day_line("execution penalty", leaves, prices, exact_text(charge))


def levelling(month: Quantity, real_time: Quantity, price: Fraction, prices: SpotPrices) -> Earned:
    """(Q_month - sum of Q_daily) x P_month; a withdrawal has the opposite sign.

    `month` has one value for each direction.
    """
    terms = [
        (
            f"{direction}, month less its days",
            Fraction(
                sign * (int(getattr(month, direction).sum()) - int(getattr(real_time, direction).sum()))
            ),
            price,
        )
        for direction, sign in (("injected", 1), ("withdrawn", -1))
    ]
    return priced_line("monthly levelling", [term for term in terms if term[1]], prices)


def _sum(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The sum of two that are not below zero: in 64 bits where both leave room for it."""
    whole = left.dtype == np.int64 and right.dtype == np.int64
    if whole and max(int(left.max()), int(right.max())) < 2**62:
        small: npt.NDArray[Any] = left + right
        return small
    large: npt.NDArray[Any] = left.astype(object) + right.astype(object)
    return large

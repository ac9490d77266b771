"""Energies x prices summed by day, exact, and the line that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.clauses.flow import exact_text, quotient_text
from ledger.quantity import Money
from ledger.settlement.line import Basis
from ledger.streams.earned import Earned
from ledger.streams.spot.prices import SpotPrices

BY_INTERVAL: Final = "by interval"
"""The price of a leaf that sums a day whose intervals have prices of their own."""

WH_PER_KWH: Final = 1000
_INT64: Final = 2**63


class DayLeaves(NamedTuple):
    """Per day of the settled interval: `wh` / `wh_parts` of energy, worth `worth` / `worth_parts`."""

    wh: list[int]
    wh_parts: int
    worth: list[int]
    worth_parts: int


def scaled(values: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """`values` x `factor`, with a bit to spare: in 64 bits where that fits, else as unbounded integers."""
    if values.dtype == np.int64 and _peak(values) * abs(factor) < _INT64 // 2:
        small: npt.NDArray[Any] = values * factor
        return small
    large: npt.NDArray[Any] = values.astype(object) * factor
    return large


def whole(values: Sequence[int]) -> npt.NDArray[Any]:
    """The integers in 64 bits with a bit to spare, else unbounded."""
    fits = max(map(abs, values)) < _INT64 // 2
    return np.array(values, dtype=np.int64 if fits else object)


def products(energy: npt.NDArray[Any], price: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Energy x price of each interval; any sum of them is exact too."""
    whole = energy.dtype == np.int64 and price.dtype == np.int64
    if whole and _peak(energy) * _peak(price) * len(energy) < _INT64:
        small: npt.NDArray[Any] = energy * price
        return small
    large: npt.NDArray[Any] = energy.astype(object) * price.astype(object)
    return large


def by_day(values: npt.NDArray[Any], prices: SpotPrices) -> list[int]:
    """The sums over the market's days."""
    if values.dtype == np.int64 and _peak(values) * len(values) >= _INT64:
        values = values.astype(object)
    return [int(total) for total in np.add.reduceat(values, prices.day_starts).tolist()]


def day_line(note: str, leaves: DayLeaves, prices: SpotPrices, price: str = BY_INTERVAL) -> Earned:
    """One settlement item with a leaf for each day that has any energy or money.

    `price` is the text of the one price per kWh that all intervals have, if they have one.
    """
    quantities = [quotient_text(wh, leaves.wh_parts) for wh in leaves.wh]
    worths = [quotient_text(worth, leaves.worth_parts) for worth in leaves.worth]
    basis = tuple(
        Basis(day, quantity, "Wh", price, worth)
        for day, quantity, worth in zip(prices.days, quantities, worths, strict=True)
        if quantity != "0" or worth != "0"
    )
    return _earned(note, Fraction(sum(leaves.worth), leaves.worth_parts), basis, prices)


def priced_line(note: str, terms: Iterable[tuple[str, Fraction, Fraction]], prices: SpotPrices) -> Earned:
    """One settlement item whose terms are (label, Wh, price per kWh)."""
    worths = [(label, wh, price, wh / WH_PER_KWH * price) for label, wh, price in terms]
    basis = tuple(
        Basis(label, exact_text(wh), "Wh", exact_text(price), exact_text(worth))
        for label, wh, price, worth in worths
    )
    return _earned(note, sum((worth for *_, worth in worths), Fraction(0)), basis, prices)


def stated_line(note: str, amount: Fraction, prices: SpotPrices) -> Earned:
    """An amount that somebody else computed; it has no terms."""
    return _earned(note, amount, (), prices)


def _earned(note: str, exact: Fraction, basis: tuple[Basis, ...], prices: SpotPrices) -> Earned:
    return Earned("spot", exact, Money.round(exact, prices.currency), basis, note)


def _peak(values: npt.NDArray[Any]) -> int:
    return max(int(values.max()), -int(values.min()), 1)

"""The direct form of what storage moved in a billing cycle: energies at their period's import price.

DOMAIN.md 3.1, summed in whole numbers: Wh x price is exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ledger.quantity import PRICE_SCALE_MAX, decimal_text
from ledger.settlement.line import Basis
from ledger.storage_saving import ByPeriod
from ledger.tariff import MonthPrices

_SCALE: Final = 3 + PRICE_SCALE_MAX
"""Decimal places of Wh x price per kWh, whatever the price's own scale."""


def whole_wh(energies: ByPeriod) -> int:
    """All periods and parts of the cycle together, in Wh."""
    return sum(sum(part.values()) for part in energies)


def value_of(energies: ByPeriod, parts: tuple[MonthPrices, ...]) -> Fraction:
    """Energies at each period's import price, in major units."""
    total = 0
    for part, prices in zip(energies, parts, strict=True):
        for period, wh in part.items():
            if wh:
                price = prices.price_of(period)
                total += wh * price.mantissa * 10 ** (PRICE_SCALE_MAX - price.scale)
    return Fraction(total, 10**_SCALE)


def direct_terms(
    charged: ByPeriod, discharged: ByPeriod, parts: tuple[MonthPrices, ...]
) -> tuple[tuple[Basis, ...], Fraction]:
    """The terms of the direct form, each period's discharge and charge at its price, and their sum."""
    terms: list[Basis] = []
    total = 0
    for label, energies, sign in (("discharged", discharged, 1), ("charged", charged, -1)):
        for part, prices in zip(energies, parts, strict=True):
            at = f", prices of {prices.month}" if len(parts) > 1 else ""
            for period, wh in part.items():
                if wh:
                    price = prices.price_of(period)
                    money = sign * wh * price.mantissa * 10 ** (PRICE_SCALE_MAX - price.scale)
                    total += money
                    name = f"{label}, {period}{at}"
                    terms.append(Basis(name, str(wh), "Wh", str(price), _money_text(money)))
    return tuple(terms), Fraction(total, 10**_SCALE)


def _money_text(money: int) -> str:
    """As `exact_text`, of `money` x 10^-_SCALE in major units."""
    return decimal_text(money, _SCALE).rstrip("0").rstrip(".")

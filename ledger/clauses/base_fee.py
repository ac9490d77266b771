"""A fixed fee for contracted capacity."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal

from ledger.clauses.fee import check_fee_parties, fee_parties, fee_parts
from ledger.clauses.flow import (
    Flow,
    Notice,
    Outcome,
    Phase,
    Proration,
    Terms,
    Timing,
    exact_text,
    grouped,
    one_of,
)
from ledger.clauses.share import Amount, amount

FeeUnit = Literal["kWh.month", "kWh.year", "kW.month"]
QuantityBasis = Literal["nameplate", "usable"]


class BaseFee(Terms, frozen=True, kw_only=True, tag="base_fee"):
    """F_b = rate x quantity x period (DOMAIN.md 2.3), computed as written and never corrected.

    `quantity` is the contracted kWh (or kW, as `unit` says) and `quantity_basis` what it measures. A fee
    `before_split` is paid by the pool (`payer = "pool"`), also when the pool is too small; one
    `after_split` is paid by a party out of its own entitlement.
    """

    is_fee: ClassVar = True

    rate: Amount
    """Currency per `unit`."""
    unit: FeeUnit
    quantity: Amount
    quantity_basis: QuantityBasis
    proration: Proration
    payer: str
    payee: str
    timing: Timing

    def __post_init__(self) -> None:
        amount(self.rate, "rate")
        amount(self.quantity, "quantity")
        one_of(self.unit, FeeUnit, "unit")
        one_of(self.quantity_basis, QuantityBasis, "quantity_basis")
        one_of(self.proration, Proration, "proration")
        check_fee_parties(self.payer, self.payee, self.timing)

    @property
    def phase(self) -> Phase:
        return self.timing

    @cached_property
    def annual(self) -> Fraction:
        """The fee of twelve whole months, in major units."""
        year = amount(self.rate, "rate") * amount(self.quantity, "quantity")
        return year if self.unit == "kWh.year" else year * 12

    @cached_property
    def monthly(self) -> Fraction:
        return self.annual / 12

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from fee_parties(self.payer, self.payee)

    def apply(self, flow: Flow) -> Outcome:
        """The fee of the month, and a notice when the fee cannot be meant (DOMAIN.md 2.1 Q04)."""
        part = flow.months(self.proration)
        exact = self.monthly * part
        fee = flow.minor(exact)
        notices = []
        if fee > flow.pool:
            text = f"the base fee {flow.money(fee)} is above the pool {flow.money(flow.pool)}"
            notices.append(Notice("implausible_fee", text))
        if flow.capital_cost is not None and 2 * self.annual > flow.capital_cost:
            year = f"{grouped(exact_text(self.annual))} {flow.currency}"
            notices.append(
                Notice("implausible_fee", f"the base fee is {year} a year, above half of the capital")
            )
        per, period = self.unit.split(".")
        count = part / 12 if period == "year" else part
        basis = (
            f"{self.rate} {flow.currency}/{self.unit} x {grouped(self.quantity)} {per} {self.quantity_basis}"
            f" x {count} {period}"
        )
        parts = fee_parts(
            self.payer,
            self.payee,
            exact,
            fee,
            basis,
            quantity=exact_text(amount(self.quantity, "quantity") * count),
            unit=self.unit,
            price=self.rate,
        )
        return Outcome(*parts, notices=tuple(notices))

"""A fixed fee that follows an index from year to year."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar, Final, Literal

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
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.interval import Month
from ledger.refusal import Refused

FeePeriod = Literal["month", "year"]

_YEAR: Final = re.compile(r"\d{4}", re.ASCII)


class IndexedFee(Terms, frozen=True, kw_only=True, omit_defaults=True, tag="indexed_fee"):
    """F = amount x index(year) / index(base year), or amount x (1 + rise)^(year - base year).

    Each year begins in `adjusted_in`: from then on the index value stated under that year holds. Nothing is
    rounded but the month's fee. Timing and payer are as for a base fee.
    """

    is_fee: ClassVar = True

    amount: Amount
    """Of a whole `period` of the base year."""
    period: FeePeriod
    base_year: int
    adjusted_in: int
    """1 to 12."""
    index: dict[str, Amount] | None = None
    """Year -> the published value, such as `2027 = "102.3"`; stated unless `annual_rise` is."""
    annual_rise: Portion | None = None
    source: str
    """What publishes the index, or where the rise was agreed."""
    proration: Proration
    payer: str
    payee: str
    timing: Timing

    def __post_init__(self) -> None:
        amount(self.amount, "amount")
        one_of(self.period, FeePeriod, "period")
        one_of(self.proration, Proration, "proration")
        if not self.source.strip():
            raise Refused("empty", "state what the index or the rise rests on", place="source")
        if not 1 <= self.adjusted_in <= 12:
            raise Refused("adjusted_in", f"{self.adjusted_in} is not a month 1..12", place="adjusted_in")
        if (self.index is None) == (self.annual_rise is None):
            raise Refused("indexation", "state an index or an annual_rise, one of them", place="index")
        if self.annual_rise is not None:
            portion(self.annual_rise, "annual_rise")
        for year, value in (self.index or {}).items():
            if not _YEAR.fullmatch(year):
                raise Refused("index_year", f"{year!r} is not a year such as 2027", place=f"index.{year}")
            if not amount(value, f"index.{year}"):
                raise Refused("index_value", "an index is above zero", place=f"index.{year}")
        if self.index is not None and str(self.base_year) not in self.index:
            raise Refused("index_missing", f"no value of the base year {self.base_year}", place="index")
        check_fee_parties(self.payer, self.payee, self.timing)

    @property
    def phase(self) -> Phase:
        return self.timing

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from fee_parties(self.payer, self.payee)

    def year_of(self, month: Month) -> int:
        """The year whose index value holds in `month`."""
        return month.year if month.month >= self.adjusted_in else month.year - 1

    def factor(self, year: int) -> Fraction:
        """What the base year's amount is multiplied by.

        Raises:
            Refused: `index_missing` for a year without a value; `index_year` for a rise before the base year.
        """
        if self.index is not None:
            if str(year) not in self.index:
                known = ", ".join(sorted(self.index))
                text = f"no value of {year} is stated; there are {known}"
                raise Refused("index_missing", text, place=f"index.{year}")
            return amount(self.index[str(year)], "index") / amount(self.index[str(self.base_year)], "index")
        if year < self.base_year:
            raise Refused("index_year", f"{year} is before the base year {self.base_year}", place="base_year")
        assert self.annual_rise is not None
        return (1 + portion(self.annual_rise, "annual_rise")) ** (year - self.base_year)

    def apply(self, flow: Flow) -> Outcome:
        """The month's fee, and a notice when it is above the pool.

        Raises:
            Refused: `index_missing`, `index_year`.
        """
        year = self.year_of(flow.month)
        count = flow.months(self.proration) / (12 if self.period == "year" else 1)
        exact = amount(self.amount, "amount") * self.factor(year) * count
        fee = flow.minor(exact)
        notices = []
        if fee > flow.pool:
            text = f"the indexed fee {flow.money(fee)} is above the pool {flow.money(flow.pool)}"
            notices.append(Notice("implausible_fee", text))
        basis = (
            f"{grouped(self.amount)} {flow.currency}/{self.period} of {self.base_year} x {self._how(year)}"
            f" x {count} {self.period}"
        )
        return Outcome(*fee_parts(self.payer, self.payee, exact, fee, basis), notices=tuple(notices))

    def _how(self, year: int) -> str:
        if self.index is not None:
            return f"{self.index[str(year)]}/{self.index[str(self.base_year)]} ({self.source}, {year})"
        return f"{exact_text(self.factor(year))} ({self.annual_rise} a year, {year - self.base_year} times)"

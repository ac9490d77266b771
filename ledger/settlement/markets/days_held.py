"""A month's payment of which a contract holds only some days.

The days' parts of a month add up to its payment to the fen, however contracts divide the month: a part is
round(total x days before its end / N) - round(total x days before its first / N).
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from ledger.clauses.flow import exact_text
from ledger.interval import Month, zone_of
from ledger.quantity import Money
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case
from ledger.streams.earned import Earned


class DaysHeld(NamedTuple):
    """Of the `days` that a payment is for, those that the contract holds: number `before` up to `through`."""

    starts: date
    days: int
    before: int
    through: int

    @property
    def whole(self) -> bool:
        return self.before == 0 and self.through == self.days

    @property
    def words(self) -> str:
        first, last = (self.starts + timedelta(days=number) for number in (self.before, self.through - 1))
        return f"{self.through - self.before} of {self.days} days, {first} to {last}"


def days_held(case: Case, first: date, end: date) -> DaysHeld:
    """Which of the local days [first, end) the contract holds; none of them gives an empty range.

    Days are counted, not hours: one of 23 or 25 hours is a day.
    """
    zone = zone_of(case.site.zone)
    settled = case.market.interval
    held = (settled.start.astimezone(zone).date(), settled.end.astimezone(zone).date())
    days = (end - first).days
    before, through = (min(max((day - first).days, 0), days) for day in held)
    return DaysHeld(first, days, before, max(before, through))


def month_held(case: Case, month: Month) -> DaysHeld:
    """Which days of the month the contract holds."""
    return days_held(case, month.first_day, month.next().first_day)


def held_part(whole: Earned, held: DaysHeld) -> Earned:
    """The held days' part of a payment.

    1000.00 over 31 days: the first ten are 322.58, the next ten 322.58, the last eleven 354.84.
    """
    if held.whole:
        return whole
    currency = whole.amount.currency
    to_end, to_first = (
        Money.round(whole.exact * number / held.days, currency) for number in (held.through, held.before)
    )
    part = Fraction(held.through - held.before, held.days)
    terms = tuple(
        Basis(
            f"{term.label}; {held.words}",
            exact_text(Fraction(term.quantity) * part),
            term.unit,
            term.price,
            exact_text(Fraction(term.exact) * part),
        )
        for term in whole.basis
    )
    note = f"{whole.note}; {held.words}" if whole.note else held.words
    return Earned(whole.stream, whole.exact * part, to_end - to_first, terms, note)

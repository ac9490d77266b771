"""Shares that change by brackets of what is divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal

import msgspec

from ledger.clauses.carry import PoolToDate
from ledger.clauses.divided import divided
from ledger.clauses.flow import (
    Flow,
    Outcome,
    Part,
    Phase,
    Proration,
    Stated,
    Terms,
    check_reset_month,
    one_of,
)
from ledger.clauses.share import Amount, Shares, amount, weights
from ledger.clauses.telling import REACHED, Before, Told, carried, stated, times
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

BracketPeriod = Literal["month", "year"]


class Bracket(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What lies above the bracket before and at or below `up_to`; the last has no `up_to`."""

    up_to: Amount | None = None
    shares: Shares

    def __post_init__(self) -> None:
        if self.up_to is not None:
            amount(self.up_to, "up_to")
        assert self.weights

    @cached_property
    def weights(self) -> Mapping[str, Fraction]:
        return weights(self.shares, "shares")


class TieredShare(Terms, frozen=True, kw_only=True, omit_defaults=True, tag="tiered_share"):
    """Everything above zero that the clauses before left, each bracket of it by its own shares.

    Marginal: the shares of a bracket hold for the part inside it and for nothing below (DOMAIN.md 2.3,
    excess by brackets). Brackets of a `month` are for a whole one; a month covered in part counts as
    `proration` says. Brackets of a `year` hold for what was divided since `reset_month`, and a year covered
    in part has them whole; a loss, which is the loss split's, does not lower that count.
    """

    account: ClassVar = PoolToDate

    brackets: tuple[Bracket, ...]
    period: BracketPeriod
    reset_month: int | None = None
    """1 to 12, stated exactly for brackets of a year."""
    proration: Proration | None = None
    """Stated exactly for brackets of a month."""

    def __post_init__(self) -> None:
        one_of(self.period, BracketPeriod, "period")
        check_reset_month(self.reset_month, by_year=self.period == "year")
        if (self.period == "month") != (self.proration is not None):
            raise Refused("proration", "state it for brackets of a month, and only then", place="proration")
        if self.proration is not None:
            one_of(self.proration, Proration, "proration")
        if not self.brackets or self.brackets[-1].up_to is not None:
            raise Refused("brackets", "the last bracket has no up_to: it takes all above", place="brackets")
        for index, bracket in enumerate(self.brackets[:-1]):
            below = amount(self.brackets[index - 1].up_to or "0", "up_to") if index else Fraction(0)
            if bracket.up_to is None or amount(bracket.up_to, "up_to") <= below:
                text = f"an up_to above {below} is needed: brackets ascend"
                raise Refused("brackets", text, place=f"brackets[{index}].up_to")

    @property
    def phase(self) -> Phase:
        return "rest"

    @property
    def percentages(self) -> tuple[Stated, ...]:
        return tuple(
            Stated(
                one.shares,
                f"bracket {number}" if one.up_to is None else f"bracket {number}, up to {one.up_to}",
            )
            for number, one in enumerate(self.brackets, 1)
        )

    def named_parties(self) -> Iterator[tuple[str, str]]:
        for index, bracket in enumerate(self.brackets):
            for party in bracket.shares:
                yield f"brackets[{index}].shares.{party}", party

    def needs_prior(self, month: Month) -> bool:
        return self.period == "year" and month.month != self.reset_month

    def apply(self, flow: Flow) -> Outcome:
        """Take all that is left, when it is above zero."""
        taken = max(flow.remaining, 0)
        before = self._before(flow)
        part = flow.months(self.proration) if self.proration is not None else Fraction(1)
        parts: list[Part] = []
        low = 0
        for bracket in self.brackets:
            above = max(before + taken - low, 0)
            inside, ends_inside, bottom = above - max(before - low, 0), True, low
            what = f"part above {flow.money(low)}"
            if bracket.up_to is not None:
                high = flow.minor(amount(bracket.up_to, "up_to") * part)
                inside = min(above, high - low) - min(max(before - low, 0), high - low)
                ends_inside = above <= high - low
                what += f" up to {flow.money(high)}"
                low = high
            within = divided(flow, inside, bracket.shares, bracket.weights, what)
            if ends_inside and before < bottom:
                within = tuple(_rising(flow, inside, before, one) for one in within)
            parts.extend(within)
        carry = None
        if self.period == "year":
            carry = PoolToDate(flow.month, Money(before + taken, flow.currency))
        return Outcome(taken, tuple(parts), carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """Each bracket's upper end, a bound or the sum to date, less its lower: a bound or the sum before."""
        taken, before = max(flow.remaining, 0), self._before(flow)
        part = flow.months(self.proration) if self.proration is not None else Fraction(1)
        to_date: Told = ()
        if before:
            label, since = "divided in the year before", self.reset_month
            to_date = ((Fraction(1), Before(label, Fraction(before, flow.unit), carried, since)),)
        found: list[Told] = []
        low, lower = 0, _NOTHING
        for number, bracket in enumerate(self.brackets, 1):
            bottom, high, upper = low, before + taken, _NOTHING
            if bracket.up_to is not None:
                bound = amount(bracket.up_to, "up_to")
                low, upper = flow.minor(bound * part), stated(flow, f"bound of bracket {number}", bound, part)
                high = min(high, low)
            inside = high - max(bottom, before)
            if inside > 0:
                if high == before + taken:
                    told = REACHED + (() if before >= bottom else to_date + times(Fraction(-1), lower))
                else:
                    told = upper + times(Fraction(-1), to_date if before > bottom else lower)
                found.extend(times(weight, told) for _, weight in sorted(bracket.weights.items()))
            lower = upper
        return tuple(found)

    def _before(self, flow: Flow) -> int:
        """What was divided in the year before this month."""
        carried = flow.carried
        if self.period == "month" or not isinstance(carried, PoolToDate):
            return 0
        if flow.month.month == self.reset_month and carried.month != flow.month:
            return 0
        return carried.amount.minor


def _rising(flow: Flow, inside: int, before: int, part: Part) -> Part:
    """The part of the bracket in which the sum ends: it grows with each unit; the bracket's lower bound,
    which the brackets below have, is the clause's own."""
    each = part.exact * flow.unit / inside
    return msgspec.structs.replace(part, per_remaining=each, earlier=each * before / flow.unit)


_NOTHING: Told = ()

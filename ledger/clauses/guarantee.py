"""A guaranteed sum a year, and a share of what is earned above it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal

from ledger.clauses.carry import Carry, GuaranteeToDate
from ledger.clauses.facts import Cause
from ledger.clauses.flow import (
    Flow,
    Outcome,
    Part,
    Phase,
    Proration,
    Stated,
    Terms,
    check_carve_outs,
    check_reset_month,
    exact_text,
    one_of,
)
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.clauses.telling import REACHED, Before, Told, carried, stated, times
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

Measure = Literal["year_to_date"]
GuaranteeCarry = Literal["annual_reset", "contract"]


class Guarantee(Terms, frozen=True, kw_only=True, omit_defaults=True, tag="guarantee"):
    """U_m = G_m + round(alpha x max(R_m - G_m, 0)), G_m = round(G x m / 12); pay_m = U_m - U_(m-1).

    (DOMAIN.md 2.3.) R_m is what reached this clause in the m months to date, losses included. The
    guaranteed party receives pay_m, the other party the rest, which is negative when it tops up.
    U_(m-1) is taken with this contract's own terms: an amendment changes the months from its start only.
    With `annual_reset` the count begins anew in `reset_month`; with `contract` it never does.
    The days that a carve-out excludes do not count in m; what was earned on them counts in R. An operator's
    fee is a fee clause that stands before.
    """

    account: ClassVar = GuaranteeToDate
    bears_loss: ClassVar = True

    annual_amount: Amount
    guaranteed_party: str
    other_party: str
    excess_share: Portion
    """The guaranteed party's part of what is earned above the guarantee (alpha)."""
    measure: Measure
    carry: GuaranteeCarry
    reset_month: int | None = None
    """1 to 12, stated exactly when `carry` is annual_reset. Written also when it is None: contracts were
    stored so, and what settles them is known by a digest of the written form."""
    proration: Proration
    carve_outs: tuple[Cause, ...] = ()
    """Which evidenced exclusions lower the guarantee; none unless it is stated."""

    def __post_init__(self) -> None:
        amount(self.annual_amount, "annual_amount")
        portion(self.excess_share, "excess_share")
        if self.guaranteed_party == self.other_party:
            raise Refused("guarantee_parties", "a party cannot guarantee itself", place="other_party")
        one_of(self.measure, Measure, "measure")
        one_of(self.carry, GuaranteeCarry, "carry")
        one_of(self.proration, Proration, "proration")
        check_reset_month(self.reset_month, by_year=self.carry == "annual_reset")
        check_carve_outs(self.carve_outs)

    @property
    def phase(self) -> Phase:
        return "rest"

    @property
    def percentages(self) -> tuple[Stated, ...]:
        rest = f"{exact_text(100 * (1 - self.alpha))}%"
        return (Stated({self.guaranteed_party: self.excess_share, self.other_party: rest}, "the excess"),)

    @property
    def left_out(self) -> tuple[Cause, ...]:
        return self.carve_outs

    @cached_property
    def monthly(self) -> Fraction:
        return amount(self.annual_amount, "annual_amount") / 12

    @cached_property
    def alpha(self) -> Fraction:
        return portion(self.excess_share, "excess_share")

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield "guaranteed_party", self.guaranteed_party
        yield "other_party", self.other_party

    def needs_prior(self, month: Month) -> bool:
        return month.month != self.reset_month

    def apply(self, flow: Flow) -> Outcome:
        """Take all that is left, gain or loss, and share it year to date."""
        months_before, pool_before = self._to_date(flow)
        months = months_before + flow.months(self.proration, self.carve_outs)
        pool = pool_before + flow.remaining
        paid = self._due(flow, months_before, pool_before)
        pay = self._due(flow, months, pool) - paid
        guaranteed = flow.minor(self.monthly * months)
        excess = max(pool - guaranteed, 0)
        unit = flow.unit
        exact = self.monthly * months + (self.alpha * excess - paid) / unit
        basis = (
            f"guaranteed to date {flow.money(guaranteed)} (months: {months}) + {self.excess_share} of the"
            f" excess {flow.money(excess)} - due before {flow.money(paid)}"
        )
        # What the guaranteed party is paid is its own line's to tell.
        rest = f"what is left of {flow.money(flow.remaining)} after the guarantee"
        each = self.alpha if excess else Fraction(0)
        before = (each * pool_before - paid) / unit
        parts = (
            Part(self.guaranteed_party, exact, pay, basis, per_remaining=each, earlier=before),
            Part(
                self.other_party,
                Fraction(flow.remaining, unit) - exact,
                flow.remaining - pay,
                rest,
                per_remaining=1 - each,
                earlier=-before,
            ),
        )
        carry = GuaranteeToDate(flow.month, exact_text(months), Money(pool, flow.currency))
        return Outcome(flow.remaining, parts, carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The guarantee to date, the share of the excess over it, less what was due for earlier months."""
        months_before, pool_before = self._to_date(flow)
        months = months_before + flow.months(self.proration, self.carve_outs)
        annual, since = amount(self.annual_amount, "annual_amount"), self.reset_month
        to_date = stated(flow, f"guaranteed to date, {months} of 12 months", annual, months / 12)
        told = to_date[:1]
        guaranteed = flow.minor(self.monthly * months)
        if pool_before + flow.remaining > guaranteed:
            excess = times(Fraction(-1), to_date)
            if pool_before:
                earned = Fraction(pool_before, flow.unit)
                excess = ((Fraction(1), Before("pool of", earned, carried, since)), *excess)
            told += times(self.alpha, REACHED + excess)
        paid = self._due(flow, months_before, pool_before)
        if paid:
            label = "due for"
            before = Before(label, Fraction(paid, flow.unit), lambda one: self._due_by(flow, one), since)
            told += ((Fraction(-1), before),)
        return told, REACHED + times(Fraction(-1), told)

    def _due_by(self, flow: Flow, carry: Carry) -> Fraction:
        """U as an earlier month left it, by the terms of now."""
        assert isinstance(carry, GuaranteeToDate), "its account is a guarantee's"
        return Fraction(self._due(flow, Fraction(carry.months), carry.pool.minor), flow.unit)

    def _to_date(self, flow: Flow) -> tuple[Fraction, int]:
        """The months and the pool before this one, in the year or the contract."""
        before = flow.carried
        if not isinstance(before, GuaranteeToDate):
            return Fraction(0), 0
        if flow.month.month == self.reset_month and before.month != flow.month:
            return Fraction(0), 0
        return Fraction(before.months), before.pool.minor

    def _due(self, flow: Flow, months: Fraction, pool: int) -> int:
        """U after so many months, in minor units."""
        guaranteed = flow.minor(self.monthly * months)
        return guaranteed + flow.minor(self.alpha * max(pool - guaranteed, 0) / flow.unit)

"""The first return on capital."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from ledger.clauses.carry import HurdleUnpaid
from ledger.clauses.divided import Divided
from ledger.clauses.flow import Flow, Outcome, Phase, Proration, grouped, one_of
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.clauses.telling import REACHED, Told, left_before, shared, stated
from ledger.interval import Month
from ledger.quantity import Money


class Hurdle(Divided, frozen=True, kw_only=True, tag="hurdle"):
    """B = min(max(remaining, 0), r x K / 12 + unpaid of earlier months), by shares of capital.

    (DOMAIN.md 2.3.) `capital` is K, the paid-in capital that the return is due on. A month covered in
    part counts as `proration` says. Each month's due is rounded on its own. Without `carry_forward` what a
    month cannot pay is lost.
    """

    account: ClassVar = HurdleUnpaid

    capital: Amount
    annual_rate: Portion
    proration: Proration
    carry_forward: bool

    def __post_init__(self) -> None:
        amount(self.capital, "capital")
        portion(self.annual_rate, "annual_rate")
        one_of(self.proration, Proration, "proration")
        super().__post_init__()

    @property
    def phase(self) -> Phase:
        return "tier"

    @cached_property
    def monthly(self) -> Fraction:
        """The return due for a whole month, in major units."""
        return amount(self.capital, "capital") * portion(self.annual_rate, "annual_rate") / 12

    def needs_prior(self, _: Month) -> bool:
        return self.carry_forward

    def apply(self, flow: Flow) -> Outcome:
        """Take the return due, as far as the pool reaches."""
        months = flow.months(self.proration)
        unpaid = flow.carried.amount.minor if isinstance(flow.carried, HurdleUnpaid) else 0
        due = flow.minor(self.monthly * months) + (unpaid if self.carry_forward else 0)
        taken = min(max(flow.remaining, 0), due)
        rate = f"{self.annual_rate} a year on {grouped(self.capital)} {flow.currency}"
        what = f"return on capital ({rate}, due {flow.money(due)})"
        carry = HurdleUnpaid(Money(due - taken, flow.currency)) if self.carry_forward else None
        due_before = unpaid if self.carry_forward else 0
        return Outcome(taken, self.divide(flow, taken, what, earlier=due_before), carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The return due where the pool pays it, else all that reached the clause."""
        outcome = self.apply(flow)
        price = portion(self.annual_rate, "annual_rate") / 12 * flow.months(self.proration)
        label = f"return due on capital at {self.annual_rate} a year"
        due = stated(flow, label, amount(self.capital, "capital"), price)
        if self.carry_forward and isinstance(flow.carried, HurdleUnpaid):
            due += left_before("return left unpaid", flow.carried.amount.minor, flow)
        told = REACHED if outcome.taken == flow.remaining else due
        return shared(flow, outcome.taken, outcome.parts, told)

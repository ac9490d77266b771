"""The first return on what the parties' capital accounts hold."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar

from ledger.clauses.carry import HurdleUnpaid
from ledger.clauses.divided import divided
from ledger.clauses.flow import Flow, Outcome, Phase, Proration, Terms, exact_text, grouped, one_of
from ledger.clauses.share import Portion, portion
from ledger.clauses.telling import REACHED, Told, left_before, shared, stated
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused


class CapitalHurdle(Terms, frozen=True, kw_only=True, tag="capital_hurdle"):
    """A hurdle whose capital and shares are the parties' accounts, not the contract's (DOMAIN.md 2.3).

    K is the sum of the paid-in balances, averaged over the contract's days in the month, and each party's
    share is its part of K. Else it is a hurdle: unpaid return carries forward where that is stated, and is
    divided by the shares of the month that pays it.
    """

    account: ClassVar = HurdleUnpaid

    annual_rate: Portion
    proration: Proration
    carry_forward: bool

    def __post_init__(self) -> None:
        portion(self.annual_rate, "annual_rate")
        one_of(self.proration, Proration, "proration")

    @property
    def phase(self) -> Phase:
        return "tier"

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def needs_prior(self, _: Month) -> bool:
        return self.carry_forward

    def apply(self, flow: Flow) -> Outcome:
        """Take the return due, as far as the pool reaches.

        Raises:
            Refused: `capital_missing` without capital accounts; no capital is a balance of zero.
        """
        if flow.facts.capital is None:
            text = "the return rests on capital accounts: state each party's balance"
            raise Refused("capital_missing", text, place="facts.capital")
        balances = {party: Fraction(text) for party, text in flow.facts.capital.items()}
        capital = sum(balances.values(), Fraction(0))
        unpaid = flow.carried.amount.minor if isinstance(flow.carried, HurdleUnpaid) else 0
        monthly = capital * portion(self.annual_rate, "annual_rate") / 12
        due = flow.minor(monthly * flow.months(self.proration)) + (unpaid if self.carry_forward else 0)
        taken = min(max(flow.remaining, 0), due) if capital else 0
        rate = f"{self.annual_rate} a year on {grouped(exact_text(capital))} {flow.currency}"
        what = f"return on capital ({rate}, due {flow.money(due)})"
        carry = HurdleUnpaid(Money(due - taken, flow.currency)) if self.carry_forward else None
        weights = {party: balance / capital for party, balance in balances.items() if balance}
        shown = {party: f"{exact_text(100 * weight)}%" for party, weight in weights.items()}
        due_before = unpaid if self.carry_forward else 0
        return Outcome(taken, divided(flow, taken, shown, weights, what, earlier=due_before), carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The return due on the capital of all parties where the pool pays it, else all that reached it.

        Nobody is named: what a party has paid in is its own, and is shown with the capital accounts.
        """
        outcome = self.apply(flow)
        price = portion(self.annual_rate, "annual_rate") / 12 * flow.months(self.proration)
        capital = sum((Fraction(text) for text in (flow.facts.capital or {}).values()), Fraction(0))
        label = f"return due on the capital of all parties at {self.annual_rate} a year"
        due = stated(flow, label, capital, price)
        if self.carry_forward and isinstance(flow.carried, HurdleUnpaid):
            due += left_before("return left unpaid", flow.carried.amount.minor, flow)
        told = REACHED if outcome.taken == flow.remaining else due
        return shared(flow, outcome.taken, outcome.parts, told)

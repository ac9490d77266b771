"""Who bears a negative pool."""

from __future__ import annotations

from typing import ClassVar

from ledger.clauses.carry import LossUnrecovered
from ledger.clauses.divided import Divided
from ledger.clauses.flow import Flow, Outcome, Phase
from ledger.clauses.telling import REACHED, Told, left_before, shared
from ledger.interval import Month
from ledger.quantity import Money


class LossSplit(Divided, frozen=True, kw_only=True, tag="loss_split"):
    """A pool below zero, by shares, mirroring a positive one (DOMAIN.md 2.3).

    With `carry_forward` the parties recover what they bore from later pools, in the same shares, at this
    clause's place in the order; without it a loss stays where it fell.
    """

    account: ClassVar = LossUnrecovered

    carry_forward: bool

    @property
    def phase(self) -> Phase:
        return "loss"

    def needs_prior(self, _: Month) -> bool:
        return self.carry_forward

    def apply(self, flow: Flow) -> Outcome:
        """Take all of a loss; of a gain, what recovers earlier losses."""
        if not self.carry_forward:
            taken = min(flow.remaining, 0)
            return Outcome(taken, self.divide(flow, taken, "loss"))
        unrecovered = flow.carried.amount.minor if isinstance(flow.carried, LossUnrecovered) else 0
        taken = min(flow.remaining, unrecovered)
        what = "loss" if taken < 0 else "recovery of earlier losses"
        carry = LossUnrecovered(Money(unrecovered - taken, flow.currency))
        return Outcome(taken, self.divide(flow, taken, what, earlier=taken), carry)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """All that reached the clause, or the losses that earlier months left."""
        outcome = self.apply(flow)
        told = REACHED
        if outcome.taken != flow.remaining:
            told = left_before("losses not recovered yet", outcome.taken, flow)
        return shared(flow, outcome.taken, outcome.parts, told)

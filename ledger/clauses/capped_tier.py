"""A tier that takes up to a sum each month."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

from ledger.clauses.by_service import ByService
from ledger.clauses.flow import Flow, Outcome, Phase, Proration, one_of
from ledger.clauses.share import Amount, amount
from ledger.clauses.telling import REACHED, Told, shared, stated


class CappedTier(ByService, frozen=True, kw_only=True, omit_defaults=True, tag="capped_tier"):
    """O = min(max(remaining, 0), cap), by shares (DOMAIN.md 2.3).

    `cap` is for a whole month; a month covered in part counts as `proration` says.
    """

    cap: Amount
    proration: Proration

    def __post_init__(self) -> None:
        amount(self.cap, "cap")
        one_of(self.proration, Proration, "proration")
        super().__post_init__()

    @property
    def phase(self) -> Phase:
        return "tier"

    @cached_property
    def monthly(self) -> Fraction:
        return amount(self.cap, "cap")

    def apply(self, flow: Flow) -> Outcome:
        """Take what is left, up to the cap."""
        cap = flow.minor(self.monthly * flow.months(self.proration))
        taken = min(max(flow.remaining, 0), cap)
        return Outcome(taken, self.divide(flow, taken, f"tier (at most {flow.money(cap)})"))

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The cap where it is reached, else all that reached the clause."""
        outcome = self.apply(flow)
        cap = stated(flow, "cap of the tier", self.monthly, flow.months(self.proration))
        told = REACHED if outcome.taken == flow.remaining else cap
        return shared(flow, outcome.taken, outcome.parts, told)

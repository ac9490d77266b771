"""The split of all that is left."""

from __future__ import annotations

from ledger.clauses.by_service import ByService
from ledger.clauses.flow import Flow, Outcome, Phase


class RemainderSplit(ByService, frozen=True, kw_only=True, omit_defaults=True, tag="remainder_split"):
    """Everything that the clauses before left, by shares (DOMAIN.md 2.3); a loss is the loss split's."""

    @property
    def phase(self) -> Phase:
        return "rest"

    def apply(self, flow: Flow) -> Outcome:
        """Take all that is left, when it is above zero."""
        taken = max(flow.remaining, 0)
        return Outcome(taken, self.divide(flow, taken, "remainder"))

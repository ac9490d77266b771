"""A clause that divides what it takes by fixed shares, or by the services that the parties rendered."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from ledger.clauses.divided import Divided, divided
from ledger.clauses.flow import Flow, Part, Stated, exact_text, one_of
from ledger.clauses.share import amount
from ledger.identity import checked_id
from ledger.refusal import Refused

Weights = Literal["fixed", "evidence"]
ZeroScores = Literal["refused", "shares"]


class ByService(Divided, frozen=True, kw_only=True, omit_defaults=True):
    """With `weights` of evidence each party's part is its recorded score over the sum of all (DOMAIN.md 2.3).

    The parties are those of `shares`, and each has a score of the month. Where every score is zero nothing
    can be divided by them: the contract states whether its `shares` then hold or the month is refused
    (DOMAIN.md 5, pro-rata with zero weights).
    """

    weights: Weights = "fixed"
    zero_scores: ZeroScores | None = None
    """Stated exactly with evidence."""
    measure: str | None = None
    """What the scores count, such as `availability`; each that is recorded says the same. Where the contract
    does not state it, a month's scores are of one measure (`ledger.recorded_service`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.weights, Weights, "weights")
        if (self.weights == "evidence") != (self.zero_scores is not None):
            text = "state what holds where all scores are zero with weights of evidence, and only then"
            raise Refused("zero_scores", text, place="zero_scores")
        if self.zero_scores is not None:
            one_of(self.zero_scores, ZeroScores, "zero_scores")
        if self.measure is not None:
            if self.weights != "evidence":
                text = "state a measure with weights of evidence only"
                raise Refused("service_measure", text, place="measure")
            checked_id(self.measure, "measure")

    @property
    def percentages(self) -> tuple[Stated, ...]:
        return (Stated(self.shares),) if self.weights == "fixed" else ()

    @property
    def measured(self) -> tuple[str, ...]:
        return tuple(self.shares) if self.weights == "evidence" else ()

    def divide(self, flow: Flow, taken: int, what: str, *, earlier: int = 0) -> tuple[Part, ...]:
        """`taken` minor units by the shares or the scores; see `divided`.

        Raises:
            Refused: `service_missing` for a party without a score, which is not a score of zero;
                `zero_scores` where the contract refuses to divide by them.
        """
        if self.weights == "fixed" or not taken:
            return super().divide(flow, taken, what, earlier=earlier)
        missing = sorted(set(self.shares) - set(flow.facts.service))
        if missing:
            text = f"no score of {', '.join(missing)} is recorded for {flow.month}; missing is not zero"
            raise Refused("service_missing", text, place="facts.service")
        scores = {party: amount(flow.facts.service[party], "score") for party in self.shares}
        total = sum(scores.values(), Fraction(0))
        if total:
            weights = {party: score / total for party, score in scores.items() if score}
            shown = {party: f"{flow.facts.service[party]}/{exact_text(total)}" for party in weights}
            return divided(flow, taken, shown, weights, what, earlier=earlier)
        if self.zero_scores == "refused":
            text = f"all scores of {flow.month} are zero, and the contract divides by nothing else"
            raise Refused("zero_scores", text, place="facts.service")
        return super().divide(flow, taken, f"{what}, all scores being zero,", earlier=earlier)

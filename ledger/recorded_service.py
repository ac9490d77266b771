"""Services rendered as facts: the parties' scores a month, one aggregate a contract.

Scores by which one clause divides are of one measure: hours beside counts would be shared as if they were
alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.clauses.by_service import ByService
from ledger.clauses.facts import ServiceScore
from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.signed_contract import version_in


class ServiceScores(msgspec.Struct, frozen=True):
    """By month and party, such as `2026-08` and `operator`: the score that was recorded last, and its measure
    where that was stated."""

    scores: dict[str, dict[str, ServiceScore]] = {}
    measures: dict[str, dict[str, str]] = {}

    def measure(self, month: Month, party: str) -> str:
        """What that score counts; empty where it was not stated."""
        return self.measures.get(str(month), {}).get(party, "")


class ServiceScoreRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="service.score_recorded.v1"):
    contract: str
    month: Month
    score: ServiceScore
    measure: str = ""
    """Empty where it was not stated."""

    def apply(self, state: ServiceScores | None) -> ServiceScores:
        before = state or ServiceScores()
        month, party = str(self.month), self.score.party
        scores = before.scores.get(month, {}) | {party: self.score}
        measures = {name: one for name, one in before.measures.get(month, {}).items() if name != party}
        if self.measure:
            measures[party] = self.measure
        others = {name: one for name, one in before.measures.items() if name != month}
        return ServiceScores(
            before.scores | {month: scores}, others | {month: measures} if measures else others
        )


class RecordServiceScore(msgspec.Struct, frozen=True, tag_field="command", tag="service.record_score"):
    """Record what a party rendered in a month, or record it anew (DOMAIN.md 2.3: w_service from evidence).

    `measure` is what the score counts, such as `availability`; a score that states none is of no other's."""

    contract: str
    month: Month
    score: ServiceScore
    measure: str = ""

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        if self.measure:
            checked_id(self.measure, "measure")

    @property
    def aggregate(self) -> str:
        return f"service.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"contract.{self.contract}",)

    def decide(
        self, state: ServiceScores | None, others: Mapping[str, object]
    ) -> tuple[ServiceScoreRecorded]:
        """Raises:
        Refused: `unknown_contract`; `not_measured` where no clause of the version that holds in the month
            divides by the party's score; `service_measure` where one divides by another measure."""
        history = known(others, f"contract.{self.contract}", History)
        versions: list[Contract] = [one.document for one in history.versions]
        held = version_in(versions, self.month)
        clauses = () if held is None else versions[held].clauses
        measured = sorted({party for clause in clauses for party in clause.measured})
        if self.score.party not in measured:
            text = (
                f"no clause of contract {self.contract} divides by the score of {self.score.party} in"
                f" {self.month}; it measures {', '.join(measured) or 'nobody'}"
            )
            raise Refused("not_measured", text, place="party")
        for clause in clauses:
            if isinstance(clause, ByService) and self.score.party in clause.measured:
                self._check_measure(clause, state or ServiceScores())
        return (ServiceScoreRecorded(self.contract, self.month, self.score, self.measure),)

    def _check_measure(self, clause: ByService, held: ServiceScores) -> None:
        """That it is the clause's measure; where that is not stated, that of the month's other scores."""
        own = _named(self.measure)
        if clause.measure is not None:
            if self.measure != clause.measure:
                text = f"contract {self.contract} divides by {clause.measure}, and this score is of {own}"
                raise Refused("service_measure", text, place="measure")
            return
        recorded = held.scores.get(str(self.month), {})
        before = held.measure(self.month, self.score.party) if self.score.party in recorded else None
        for party in clause.measured:
            measure = held.measure(self.month, party)
            # Scores of before measures were stated get theirs one after the other.
            stated_later = measure == before == ""
            if (
                party != self.score.party
                and party in recorded
                and measure != self.measure
                and not stated_later
            ):
                text = (
                    f"{self.month} has a score of {party} of {_named(measure)}, and this one is of {own}: a"
                    " clause divides by one measure; record it by that, or state it in the contract's clause"
                )
                raise Refused("service_measure", text, place="measure")


def _named(measure: str) -> str:
    return measure or "no stated measure"

"""Services rendered as facts: the parties' scores a month, one aggregate a contract."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.clauses.facts import ServiceScore
from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.signed_contract import version_in


class ServiceScores(msgspec.Struct, frozen=True):
    """By month and party, such as `2026-08` and `operator`: the score that was recorded last."""

    scores: dict[str, dict[str, ServiceScore]] = {}


class ServiceScoreRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="service.score_recorded.v1"):
    contract: str
    month: Month
    score: ServiceScore

    def apply(self, state: ServiceScores | None) -> ServiceScores:
        before = {} if state is None else state.scores
        of_month = before.get(str(self.month), {}) | {self.score.party: self.score}
        return ServiceScores(before | {str(self.month): of_month})


class RecordServiceScore(msgspec.Struct, frozen=True, tag_field="command", tag="service.record_score"):
    """Record what a party rendered in a month, or record it anew (DOMAIN.md 2.3: w_service from evidence)."""

    contract: str
    month: Month
    score: ServiceScore

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")

    @property
    def aggregate(self) -> str:
        return f"service.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"contract.{self.contract}",)

    def decide(self, _: ServiceScores | None, others: Mapping[str, object]) -> tuple[ServiceScoreRecorded]:
        """Raises:
        Refused: `unknown_contract`; `not_measured` where no clause of the version that holds in the month
            divides by the party's score."""
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
        return (ServiceScoreRecorded(self.contract, self.month, self.score),)

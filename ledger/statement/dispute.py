"""A party's objection: it freezes its lines only, and ends in a delta or in a reasoned refusal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, get_args

import msgspec

from ledger.command import known
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.statement.issue import at
from ledger.statement.life import Dispute, Life, StatementKey, Upheld

Decision = Literal["upheld", "rejected"]
_REASON_MAX: Final = 2000


class DisputeRaised(msgspec.Struct, frozen=True, tag_field="kind", tag="dispute.raised.v1"):
    dispute: Dispute

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, disputes=(*state.disputes, self.dispute))


class DisputeDecided(msgspec.Struct, frozen=True, tag_field="kind", tag="dispute.decided.v1"):
    """`instead_of` is the decision that this one takes the place of, where it was upheld before."""

    id: str
    decision: Decision
    answer: str
    decided_by: str
    instead_of: Upheld | None = None

    def apply(self, state: Life) -> Life:
        return _with(
            state,
            self.id,
            status=self.decision,
            answer=self.answer,
            decided_by=self.decided_by,
            upheld=self.instead_of,
        )


class DisputeCorrected(msgspec.Struct, frozen=True, tag_field="kind", tag="dispute.corrected.v1"):
    """The run whose delta ends the dispute."""

    id: str
    run: int

    def apply(self, state: Life) -> Life:
        return _with(state, self.id, status="corrected", corrected_by_run=self.run)


class RaiseDispute(msgspec.Struct, frozen=True):
    """Object to lines of an issued statement, while it may be queried."""

    key: StatementKey
    id: str
    lines: tuple[int, ...]
    reason: str
    raised_by: str
    on: date

    @property
    def aggregate(self) -> str:
        return self.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[DisputeRaised]:
        """Raises:
        Refused: `statement_status`, `too_late`, `unknown_line`, `reason`, `exists`, `line_disputed`."""
        checked_id(self.id, "id")
        checked_id(self.raised_by, "raised_by")
        life = at(state, self.key, "issued")
        assert life.query_until is not None
        assert life.terms is not None
        if self.on > life.query_until:
            raise Refused(
                "too_late", f"it could be queried until {life.query_until}; silence accepted it", place="on"
            )
        _check_reason(self.reason, "reason")
        if any(dispute.id == self.id for dispute in life.disputes):
            raise Refused("exists", f"dispute {self.id} exists already", place="id")
        if not self.lines or len(set(self.lines)) != len(self.lines):
            raise Refused("unknown_line", "name at least one line, each once", place="lines")
        taken = {line: one.id for one in life.disputes if one.freezes for line in one.lines}
        for line in self.lines:
            if line not in life.lines:
                raise Refused("unknown_line", f"the statement has no line {line}", place="lines")
            if line in taken:
                raise Refused("line_disputed", f"dispute {taken[line]} holds line {line}", place="lines")
        about = sum((life.lines[line] for line in self.lines), Money.zero(life.amount.currency))
        until = life.terms.answer_until(self.on)
        return (
            DisputeRaised(Dispute(self.id, self.lines, about, self.reason, self.raised_by, self.on, until)),
        )


class DecideDispute(msgspec.Struct, frozen=True, tag_field="command", tag="dispute.decide"):
    """Uphold or reject a dispute, with the answer that the party reads.

    An upheld one may be rejected after all, by another person than upheld it: so it ends where settling again
    changes nothing. A rejected or corrected one has ended.
    """

    key: StatementKey
    id: str
    decision: Decision
    answer: str
    decided_by: str

    @property
    def aggregate(self) -> str:
        return self.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[DisputeDecided]:
        """Raises:
        Refused: `unknown_dispute`, `dispute_status`, `reason`, `four_eyes` for who raised it."""
        checked_id(self.decided_by, "decided_by")
        if self.decision not in get_args(Decision):
            raise Refused("not_allowed", f"{self.decision!r} is not upheld or rejected", place="decision")
        _check_reason(self.answer, "answer")
        dispute = _dispute(state, self.key, self.id)
        again = dispute.status == "upheld"
        if dispute.status != "open" and not (again and self.decision == "rejected"):
            text = f"dispute {self.id} is {dispute.status} already"
            may = f"; another person than {dispute.decided_by} may reject it after all" if again else ""
            raise Refused("dispute_status", f"{text}{may}", place="id")
        self.check_decider(state, self.decided_by)
        if not again:
            return (DisputeDecided(self.id, self.decision, self.answer, self.decided_by),)
        before = Upheld(dispute.decided_by, dispute.answer)
        return (DisputeDecided(self.id, self.decision, self.answer, self.decided_by, before),)

    def check_decider(self, state: object, actor: str) -> None:
        """That nobody judges an objection of their own, nor takes back what they upheld, however many persons
        the book asks for: neither who decides it nor who approves the decision.

        Raises:
            Refused: `four_eyes`, `unknown_dispute`.
        """
        dispute = _dispute(state if isinstance(state, Life) else None, self.key, self.id)
        if actor in {dispute.raised_by, self.key.party}:
            raise Refused(
                "four_eyes", f"dispute {self.id} is {actor}'s own: another must decide it", place="actor"
            )
        if dispute.status == "upheld" and actor == dispute.decided_by:
            text = f"{actor} upheld dispute {self.id}: another must reject it"
            raise Refused("four_eyes", text, place="actor")


class CorrectDispute(msgspec.Struct, frozen=True):
    """Name the later run whose delta ends an upheld dispute; its statement of the party has been issued, so
    that the delta is asked for when the lines are no longer frozen."""

    key: StatementKey
    id: str
    run: int

    @property
    def aggregate(self) -> str:
        return self.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return f"settlement.{self.key.contract}_{self.key.month}", self._correction.aggregate

    @property
    def _correction(self) -> StatementKey:
        return msgspec.structs.replace(self.key, run=self.run)

    def decide(self, state: Life | None, others: Mapping[str, object]) -> tuple[DisputeCorrected]:
        """Raises:
        Refused: `unknown_dispute`, `dispute_status`, `unknown_run` for a run that is not later, or in
            which the party has no part; `not_issued`."""
        dispute = _dispute(state, self.key, self.id)
        if dispute.status != "upheld":
            raise Refused("dispute_status", f"dispute {self.id} is {dispute.status}, not upheld", place="id")
        runs = known(others, self.reads[0], Runs)
        if self.run <= self.key.run or (self.run, self.key.party) not in runs.statements_up_to(self.run):
            text = (
                f"no correction {self.run} after run {self.key.run} is recorded; where settling again changes"
                " nothing, another person than upheld the dispute rejects it with that reason"
            )
            raise Refused("unknown_run", text, place="run")
        correction = others.get(self._correction.aggregate)
        if not isinstance(correction, Life) or correction.issued_on is None:
            raise Refused(
                "not_issued",
                f"run {self.run} has not been issued to {self.key.party}: issue the statement with the delta",
                place="run",
            )
        return (DisputeCorrected(self.id, self.run),)


def _dispute(state: Life | None, key: StatementKey, name: str) -> Dispute:
    for dispute in state.disputes if state else ():
        if dispute.id == name:
            return dispute
    raise Refused("unknown_dispute", f"{key.aggregate} has no dispute {name!r}", place="id")


def _check_reason(text: str, place: str) -> None:
    if not 0 < len(text.strip()) <= _REASON_MAX:
        raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place=place)


def _with(state: Life, name: str, **changes: object) -> Life:
    return msgspec.structs.replace(
        state,
        disputes=tuple(
            msgspec.structs.replace(one, **changes) if one.id == name else one for one in state.disputes
        ),
    )

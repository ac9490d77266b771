"""From a recorded run to a statement that a partner has accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from ledger import book
from ledger.accounting.billing import billing, run_before, settled_with
from ledger.book import Book
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.run import PROVISIONAL, Run, Runs
from ledger.statement.invoice import Billing
from ledger.statement.life import Life, StatementKey, Status
from ledger.statement.terms import Terms


class StatementReviewed(msgspec.Struct, frozen=True, tag_field="kind", tag="statement.reviewed.v1"):
    key: StatementKey
    amount: Money
    lines: dict[int, Money]
    billing: Billing
    reviewed_by: str

    def apply(self, _: object) -> Life:
        return Life(
            key=self.key,
            status="reviewed",
            amount=self.amount,
            lines=self.lines,
            billing=self.billing,
            reviewed_by=self.reviewed_by,
        )


class StatementApproved(msgspec.Struct, frozen=True, tag_field="kind", tag="statement.approved.v1"):
    approved_by: str

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, status="approved", approved_by=self.approved_by)


class StatementIssued(msgspec.Struct, frozen=True, tag_field="kind", tag="statement.issued.v1"):
    issued_on: date
    query_until: date
    due_on: date
    terms: Terms

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(
            state,
            status="issued",
            issued_on=self.issued_on,
            query_until=self.query_until,
            due_on=self.due_on,
            terms=self.terms,
        )


class StatementConfirmed(msgspec.Struct, frozen=True, tag_field="kind", tag="statement.confirmed.v1"):
    confirmed_by: str
    on: date

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, status="confirmed")


class StatementDeemedAccepted(
    msgspec.Struct, frozen=True, tag_field="kind", tag="statement.deemed_accepted.v1"
):
    on: date

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, status="deemed_accepted")


class _About(msgspec.Struct, frozen=True):
    """A command about one statement that reads nothing else."""

    key: StatementKey

    @property
    def aggregate(self) -> str:
        return self.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class ReviewStatement(_About, frozen=True):
    """Say that a run's statement of a party was looked at and can be approved."""

    reviewed_by: str

    @property
    def reads(self) -> tuple[str, ...]:
        settlement = f"settlement.{self.key.contract}_{self.key.month}"
        void = f"voided_run.{self.key.contract}_{self.key.month}_{self.key.run}"
        return settlement, f"contract.{self.key.contract}", book.AGGREGATE, void

    def decide(self, state: Life | None, others: Mapping[str, object]) -> tuple[StatementReviewed]:
        """Raises:
        Refused: `exists`, `unknown_run`, `unknown_party`, `provisional` for a run that pays nothing,
            `run_void` for one that asks for nothing any more while none corrects it, `vat_rate_missing`
            where the contract's VAT rates do not reach the month."""
        checked_id(self.reviewed_by, "reviewed_by")
        if state is not None:
            raise Refused("exists", f"this statement was reviewed by {state.reviewed_by}", place="run")
        run = _run(known(others, self.reads[0], Runs), self.key)
        latest = known(others, self.reads[0], Runs).latest
        if others.get(self.reads[3]) is not None and latest is run:
            text = f"run {run.number} is void: settle {self.key.month} again, then review both"
            raise Refused("run_void", text, place="run")
        if run.kind == PROVISIONAL:
            raise Refused("provisional", f"run {run.number} is provisional and pays nothing", place="run")
        amount = run.delta.get(self.key.party)
        if amount is None:
            raise Refused("unknown_party", f"{self.key.party} has no part in this run", place="party")
        billed = self._billing(others)
        lines = self._lines(known(others, self.reads[0], Runs), run)
        return (StatementReviewed(self.key, amount, lines, billed, self.reviewed_by),)

    def _lines(self, runs: Runs, run: Run) -> dict[int, Money]:
        """What each line adds to the amount; of a correction its delta (DOMAIN.md 3.10).

        A line is known again by its rule and site, and by its place among those that are alike.
        """
        earlier = run_before(runs, run.number)
        asked: dict[_Which, Money] = {}
        if earlier is not None:
            before = _run(runs, msgspec.structs.replace(self.key, run=earlier))
            asked = {which: money for which, _, money in _told_apart(before, self.key.party)}
        return {
            number: money - asked[which] if which in asked else money
            for which, number, money in _told_apart(run, self.key.party)
        }

    def _billing(self, others: Mapping[str, object]) -> Billing:
        runs, history = known(others, self.reads[0], Runs), known(others, self.reads[1], History)
        settled = settled_with(runs, self.key.run, history)
        earlier = run_before(runs, self.key.run)
        before = None if earlier is None else settled_with(runs, earlier, history)
        return billing(known(others, book.AGGREGATE, Book).owner, self.key.party, settled, before)


class ApproveStatement(_About, frozen=True):
    """Approve what another person reviewed."""

    approved_by: str

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[StatementApproved]:
        """Raises:
        Refused: `statement_status`, `four_eyes`."""
        checked_id(self.approved_by, "approved_by")
        life = at(state, self.key, "reviewed")
        if life.reviewed_by == self.approved_by:
            raise Refused(
                "four_eyes",
                f"{self.approved_by} reviewed this and cannot approve it; another must",
                place="actor",
            )
        return (StatementApproved(self.approved_by),)


class IssueStatement(_About, frozen=True):
    """Send an approved statement to its party; the days to query and to pay count from `on`."""

    on: date
    terms: Terms

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[StatementIssued]:
        """Raises:
        Refused: `statement_status`, `calendar_year`."""
        at(state, self.key, "approved")
        terms = self.terms
        return (StatementIssued(self.on, terms.query_until(self.on), terms.due(self.on), terms),)


class ConfirmStatement(_About, frozen=True):
    """The party accepts its statement."""

    confirmed_by: str
    on: date

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[StatementConfirmed]:
        """Raises:
        Refused: `statement_status`, `dispute_open`."""
        checked_id(self.confirmed_by, "confirmed_by")
        _check_undisputed(at(state, self.key, "issued"))
        return (StatementConfirmed(self.confirmed_by, self.on),)


class AcceptBySilence(_About, frozen=True):
    """Nobody queried the statement in time: silence accepts it (DOMAIN.md 3.10)."""

    on: date

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[StatementDeemedAccepted]:
        """Raises:
        Refused: `statement_status`, `dispute_open`, `too_early`."""
        life = at(state, self.key, "issued")
        _check_undisputed(life)
        assert life.query_until is not None
        if self.on <= life.query_until:
            raise Refused("too_early", f"it may be queried until {life.query_until}", place="on")
        return (StatementDeemedAccepted(self.on),)


ISSUED: Final[tuple[Status, ...]] = ("issued", "confirmed", "deemed_accepted")
"""In which of them money moves on a statement."""


def at(state: Life | None, key: StatementKey, *allowed: Status) -> Life:
    """The statement, when it stands where the command can be accepted.

    Raises:
        Refused: `unknown_statement`, `statement_status`.
    """
    if state is None:
        raise Refused("unknown_statement", f"{key.aggregate} was not reviewed yet", place="statement")
    if state.status not in allowed:
        raise Refused(
            "statement_status",
            f"the statement is {state.status}; it must be {' or '.join(allowed)}",
            place="statement",
        )
    return state


def _check_undisputed(life: Life) -> None:
    for dispute in life.disputes:
        if dispute.freezes:
            raise Refused("dispute_open", f"dispute {dispute.id} is {dispute.status}", place="statement")


_Which = tuple[str, str, str, str | None, int]


def _told_apart(run: Run, party: str) -> list[tuple[_Which, int, Money]]:
    """The party's lines of a run: which each one is, in whichever run; its number; what it adds."""
    seen: dict[tuple[str, str, str, str | None], int] = defaultdict(int)
    found: list[tuple[_Which, int, Money]] = []
    for line in run.result.lines:
        if line.party == party:
            alike = line.kind, line.code, line.clause, line.site
            found.append(((*alike, seen[alike]), line.number, _payable(line)))
            seen[alike] += 1
    return found


def _payable(line: Line) -> Money:
    """What a line adds to what its party is paid: a stream's cash is with the party already, and is not paid
    at all where the contract does not share it."""
    if line.kind == "clause":
        return line.amount
    return -line.amount if line.pooled else Money.zero(line.amount.currency)


def _run(runs: Runs, key: StatementKey) -> Run:
    for run in runs.runs:
        if run.number == key.run:
            return run
    raise Refused("unknown_run", f"{key.contract} has no run {key.run} of {key.month}", place="run")

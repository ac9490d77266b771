"""A book of one contract whose statements are reviewed, issued, invoiced and paid, with its journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.book import Book
from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.interval import Month
from ledger.month_close import Closed, MonthClosed
from ledger.netting import Netting, NettingAgreement, Nettings, RecordNetting, positions
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.run import RecordSettlement
from ledger.statement.credit import Credit
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.issue import ApproveStatement, IssueStatement, ReviewStatement
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.money import RecordInvoice, RecordPayment, WriteOff
from ledger.statement.spread import recording, spread
from ledger.statement.terms import Terms
from tests.ledger.accounting.runs import OWNER, result_of
from tests.ledger.contract_samples import APRIL

TERMS = Terms(
    calendar="CN",
    query_working_days=15,
    answer_working_days=5,
    due_working_days=10,
    late_interest_per_day="0.0005",
)
ISSUED = date(2026, 5, 6)
"""A Wednesday; ten working days later is Tuesday 19 May 2026 (9 May is worked for Labour Day)."""


class PaperBook:
    """The aggregates by name, and the journal that their events make."""

    def __init__(self, terms: Contract, owner: str = OWNER) -> None:
        self.terms = terms
        history = History[Contract]().with_version(Period(terms.effective.start), terms)
        self.states: dict[str, Any] = {
            f"contract.{terms.id}": history,
            "book.book": Book("a book", owner, "CNY", "Asia/Shanghai", "one_person"),
        }
        self.journal = BookJournal(owner)

    def do(self, command: Any, on: date = ISSUED) -> None:
        state = self.states.get(command.aggregate)
        others = {name: self.states.get(name) for name in command.reads}
        for event in command.decide(state, others):
            self.states[command.aggregate] = event.apply(self.states.get(command.aggregate))
            self.journal.post(Recorded(command.aggregate, on, event, self.terms))

    def settle(
        self, amounts: Mapping[str, str], month: Month = APRIL, *, through: date | None = None
    ) -> None:
        result = result_of(self.terms, amounts, month)
        self.do(RecordSettlement(msgspec.structs.replace(result, through=through)))

    def key(self, party: str = "host", run: int = 1, month: Month = APRIL) -> StatementKey:
        return StatementKey(self.terms.id, str(month), party, run)

    def issue(self, party: str = "host", run: int = 1, month: Month = APRIL, on: date = ISSUED) -> None:
        key = self.key(party, run, month)
        self.do(ReviewStatement(key, "ada"))
        self.do(ApproveStatement(key, "bob"))
        self.do(IssueStatement(key, on, TERMS), on)

    def invoice(
        self, direction: Direction, number: str, net: str, tax: str, *, run: int = 1, **changes: Any
    ) -> None:
        parts = Money.parse(net, "CNY"), Money.parse(tax, "CNY")
        one = Invoice(
            number=number,
            direction=direction,
            on=ISSUED,
            net=parts[0],
            tax=parts[1],
            gross=parts[0] + parts[1],
            **changes,
        )
        for command in RecordInvoice(self.key(run=run), one).commands:
            self.do(command)

    def pay(self, name: str, amount: str, kind: Any = "payment", *, run: int = 1, on: date = ISSUED) -> None:
        """Above zero to the party."""
        money = Money.parse(amount, "CNY")
        if kind == "write_off":
            self.do(WriteOff(self.key(run=run), name, on, money, "insolvent"), on)
        else:
            self.do(RecordPayment(self.key(run=run), Payment(id=name, on=on, amount=money, kind=kind)), on)

    def spread(self, name: str, amount: str, on: date = ISSUED) -> None:
        """One payment over whatever the host's statements ask for."""
        found = positions(OWNER, self.lives, {self.terms.id})
        asked = [one for each in found if each.party == "host" for one in each.statements]
        money = Money.parse(amount, "CNY")
        for command in recording(spread(asked, id=name, party="host", on=on, amount=money)):
            self.do(command, on)

    def net(self, name: str, on: date = ISSUED) -> None:
        """Set off all that is open with the host; the agreement is as old as the book."""
        agreed = NettingAgreement(effective_from=date(2026, 1, 1), evidence="framework agreement 7")
        self.states.setdefault("netting.host", Nettings((agreed,)))
        found = positions(OWNER, self.lives, {self.terms.id})
        parts = [part for one in found if one.party == "host" for part in one.set_off()]
        if parts:
            amount = sum((one.amount for one in parts if one.amount.minor > 0), Money.zero("CNY"))
            netted = Netting(id=name, party="host", on=on, amount=amount, parts=tuple(parts))
            for command in RecordNetting(netted).commands:
                self.do(command, on)

    def close(self, month: Month) -> None:
        closed = MonthClosed(Closed(month, {}, (), "ada"))
        self.journal.post(Recorded("closing.book", ISSUED, closed))

    def credit(self, name: str, of: int, to: int, amount: str) -> None:
        money = Money.parse(amount, "CNY")
        moved = Credit(id=name, of=self.key(run=of), to=self.key(run=to), on=ISSUED, amount=money)
        before, journal = dict(self.states), self.journal.journal
        try:
            for command in moved.commands:
                self.do(command)
        except Refused:
            self.states, self.journal.journal = before, journal  # both or none, as the front door has it
            raise

    @property
    def lives(self) -> list[Life]:
        return [state for state in self.states.values() if isinstance(state, Life)]

    def life(self, party: str = "host", run: int = 1) -> Life:
        found = self.states[self.key(party, run).aggregate]
        assert isinstance(found, Life)
        return found

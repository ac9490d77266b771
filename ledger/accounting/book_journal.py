"""The book's journal, folded from its events in their one order: the same events give the same journal.

Runs are recognised on the last day of their month; what concerns a closed month is posted in the first
open one, under its origin month (DOMAIN.md 3.10). Posted from the side of the book's owner.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.invoice import invoice_entry, pending_vat_entry
from ledger.accounting.journal import Journal, JournalEntry
from ledger.accounting.netting import netting_entry
from ledger.accounting.run_effect import Settled
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.accounting.statement_payment import payment_entries
from ledger.contract import Contract
from ledger.events import Event
from ledger.interval import Month
from ledger.month_close import Closing, MonthClosed
from ledger.netting import NettingRecorded
from ledger.quantity import Money
from ledger.settlement.run import PROVISIONAL, SettlementRecorded
from ledger.statement.invoice import Billing, Invoice
from ledger.statement.issue import StatementIssued, StatementReviewed
from ledger.statement.life import StatementKey
from ledger.statement.money import InvoiceRecorded, PaymentRecorded


class Recorded(NamedTuple):
    """An event of a settlement, a statement or a close; `contract` is the version a run was settled with."""

    aggregate: str
    recorded_on: date
    event: Event
    contract: Contract | None = None


class BookJournal:
    """Feed events with `post` in the order of the book; `journal` grows."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.journal = Journal()
        self.without_owner: set[str] = set()
        """Contracts in which the book's owner has no part: nothing of them is its business."""
        self._closing: Closing | None = None
        self._runs: dict[tuple[str, str], list[Settled]] = defaultdict(list)
        self._keys: dict[str, StatementKey] = {}
        self._billings: dict[str, Billing] = {}
        self._amounts: dict[str, Money] = {}
        self._balances: dict[tuple[Account, str], int] = defaultdict(int)

    def post(self, recorded: Recorded) -> tuple[JournalEntry, ...]:
        """What an event posts; most post nothing.

        Raises:
            Refused: what the posting rules refuse; the journal is as it was.
        """
        match recorded.event:
            case SettlementRecorded(run=run):
                assert recorded.contract is not None
                entries = self._run(Settled(recorded.contract, run), recorded.recorded_on)
            case StatementReviewed(key=key, billing=billing, amount=amount):
                self._keys[recorded.aggregate] = key
                self._amounts[recorded.aggregate] = amount
                self._billings[recorded.aggregate] = billing
                entries = ()
            case StatementIssued(issued_on=on):
                entries = self._issued(recorded.aggregate, on)
            case InvoiceRecorded(invoice=invoice):
                entries = self._invoiced(recorded.aggregate, invoice)
            case PaymentRecorded():
                entries = self._paid(recorded.aggregate, recorded.event)
            case NettingRecorded(netting=netting):
                entry = netting_entry(
                    netting.party, netting.amount, netting.amount, self._open_day(netting.on), netting.id
                )
                entries = () if entry is None else (entry,)
            case MonthClosed(closed=closed):
                self._closing = recorded.event.apply(self._closing)
                self.journal = self.journal.closed_through(closed.month)
                entries = ()
            case _:
                entries = ()
        self.journal = self.journal.posted(entries)
        for entry in entries:
            for posting in entry.postings:
                self._balances[posting.account, entry.currency] += posting.amount.minor
        return entries

    def _run(self, settled: Settled, recorded_on: date) -> tuple[JournalEntry, ...]:
        result = settled.run.result
        if self.owner not in settled.contract.party_ids:
            self.without_owner.add(result.contract)
            return ()
        before = self._runs[result.contract, str(result.month)]
        paid = [one for one in before if one.run.kind != PROVISIONAL]
        accrued = before[-1] if before and before[-1].run.kind == PROVISIONAL else None
        before.append(settled)
        return run_entries(
            self.owner,
            settled,
            self._posting_day(result.month, recorded_on),
            accrued=accrued,
            recognised=paid[-1] if paid else None,
        )

    def _issued(self, aggregate: str, on: date) -> tuple[JournalEntry, ...]:
        key = self._keys[aggregate]
        runs = self._runs.get((key.contract, key.month), [])
        settled = next((one for one in runs if one.run.number == key.run), None)
        if settled is None or key.party == self.owner:
            return ()
        earlier = [one for one in runs if one.run.number < key.run and one.run.kind != PROVISIONAL]
        entry = statement_entry(
            self.owner, settled, key.party, self._open_day(on), before=earlier[-1] if earlier else None
        )
        pending = pending_vat_entry(key, self._billings[aggregate], self._open_day(on))
        return tuple(one for one in (entry, pending) if one is not None)

    def _invoiced(self, aggregate: str, invoice: Invoice) -> tuple[JournalEntry, ...]:
        key = self._keys[aggregate]
        entry = invoice_entry(
            key,
            self._billings[aggregate],
            invoice,
            self._open_day(invoice.on),
            stated=self._amounts[aggregate],
        )
        return () if entry is None else (entry,)

    def _paid(self, aggregate: str, event: PaymentRecorded) -> tuple[JournalEntry, ...]:
        key = self._keys[aggregate]
        if key.party == self.owner or (key.contract, key.month) not in self._runs:
            return ()
        currency = event.payment.amount.currency
        payment = msgspec.structs.replace(event.payment, on=self._open_day(event.payment.on))

        def held(role: Role) -> Money:
            return Money(self._balances[Account(role, (key.party,)), currency], currency)

        return payment_entries(
            key,
            payment,
            receivable=held("receivable"),
            payable=-held("payable"),
            advance_received=-held("advance_received"),
            advance_paid=held("advance_paid"),
            owed_to_us=self._amounts[aggregate].minor <= 0,
        )

    def _posting_day(self, origin: Month, recorded_on: date) -> date:
        month = origin if self._closing is None else self._closing.posting_month(origin)
        last = month.next().first_day - timedelta(days=1)
        return last if month == origin else min(max(recorded_on, month.first_day), last)

    def _open_day(self, day: date) -> date:
        """The day, or the first open one where its month is closed."""
        return max(day, self.journal.closed_to or day)

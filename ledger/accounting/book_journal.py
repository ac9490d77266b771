"""The book's journal, folded from its events in their one order: the same events give the same journal.

Runs are recognised on the last day of their month; what concerns a closed month is posted in the first
open one, under its origin month (DOMAIN.md 3.10). So is a document or booking of a closed month, which keeps
its own day as value date. Posted from the side of the book's owner.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import NamedTuple

from ledger.accounting import cash
from ledger.accounting.account import Account, Role
from ledger.accounting.handover import HandoverRecorded
from ledger.accounting.invoice import invoice_entry, pending_vat_entry
from ledger.accounting.journal import Journal, JournalEntry
from ledger.accounting.market_receipt import MarketReceiptRecorded
from ledger.accounting.netting import netting_entry
from ledger.accounting.run_effect import Settled
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.accounting.statement_payment import payment_entries
from ledger.accounting.supplier_payment import SupplierPaymentRecorded
from ledger.accounting.unit_operator import STREAMS, operator_entry
from ledger.allocation.record import AllocationRecorded
from ledger.allocation.unit_allocation import UnitAllocation
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
from ledger.stream import Stream


class Recorded(NamedTuple):
    """An event that may be posted. `contract` is the version that a run was settled with, `month` the one
    that an allocated statement is of."""

    aggregate: str
    recorded_on: date
    event: Event
    contract: Contract | None = None
    month: Month | None = None


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
        self._allocations: dict[str, tuple[Month, UnitAllocation]] = {}

    def post(self, recorded: Recorded) -> tuple[JournalEntry, ...]:
        """What an event posts; most post nothing.

        Raises:
            Refused: what the posting rules refuse; the journal is as it was.
        """
        match recorded.event:
            case SettlementRecorded(run=run):
                assert recorded.contract is not None
                settled = Settled(recorded.contract, run, self._traded(run.result.month))
                entries = self._run(settled, recorded.recorded_on)
            case AllocationRecorded(allocation=allocation):
                assert recorded.month is not None
                entries = self._allocated(allocation, recorded.month, recorded.recorded_on)
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
                entry = netting_entry(netting.party, netting.amount, netting.amount, netting.on, netting.id)
                entries = () if entry is None else (entry,)
            case MarketReceiptRecorded(receipt=one):
                entries = (
                    cash.market_receipt(one.stream, one.amount, one.on, one.document, rounding=one.rounding),
                )
            case SupplierPaymentRecorded(payment=paid):
                entries = (cash.supplier_payment(paid.cost, paid.amount, paid.on, paid.document),)
            case HandoverRecorded(handover=given):
                entries = (cash.handed_over(given.party, given.amount, given.on, given.document),)
            case MonthClosed(closed=closed):
                self._closing = recorded.event.apply(self._closing)
                self.journal = self.journal.closed_through(closed.month)
                entries = ()
            case _:
                entries = ()
        entries = tuple(self._in_open_month(entry) for entry in entries)
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
        before = earlier[-1] if earlier else None
        entry = statement_entry(self.owner, settled, key.party, on, before=before)
        pending = pending_vat_entry(key, self._billings[aggregate], on)
        return tuple(one for one in (entry, pending) if one is not None)

    def _invoiced(self, aggregate: str, invoice: Invoice) -> tuple[JournalEntry, ...]:
        key = self._keys[aggregate]
        billing, stated = self._billings[aggregate], self._amounts[aggregate]
        entry = invoice_entry(key, billing, invoice, invoice.on, stated=stated)
        return () if entry is None else (entry,)

    def _paid(self, aggregate: str, event: PaymentRecorded) -> tuple[JournalEntry, ...]:
        key = self._keys[aggregate]
        if key.party == self.owner or (key.contract, key.month) not in self._runs:
            return ()
        currency = event.payment.amount.currency

        def held(role: Role) -> Money:
            return Money(self._balances[Account(role, (key.party,)), currency], currency)

        return payment_entries(
            key,
            event.payment,
            receivable=held("receivable"),
            payable=-held("payable"),
            advance_received=-held("advance_received"),
            advance_paid=held("advance_paid"),
            owed_to_us=self._amounts[aggregate].minor <= 0,
        )

    def _allocated(
        self, allocation: UnitAllocation, month: Month, recorded_on: date
    ) -> tuple[JournalEntry, ...]:
        _, before = self._allocations.get(allocation.fact, (month, None))
        self._allocations[allocation.fact] = month, allocation
        entry = operator_entry(allocation, before, month, self._posting_day(month, recorded_on))
        return () if entry is None else (entry,)

    def _traded(self, month: Month) -> frozenset[tuple[str, Stream]]:
        """The sites and streams of which the market pays a trading unit of this book for the month."""
        return frozenset(
            (site, STREAMS[allocation.stream])
            for of, allocation in self._allocations.values()
            if of == month
            for site in allocation.sites
        )

    def _posting_day(self, origin: Month, recorded_on: date) -> date:
        month = origin if self._closing is None else self._closing.posting_month(origin)
        last = month.next().first_day - timedelta(days=1)
        return last if month == origin else min(max(recorded_on, month.first_day), last)

    def _in_open_month(self, entry: JournalEntry) -> JournalEntry:
        first_open = self.journal.closed_to
        if first_open is None or entry.posted_on >= first_open:
            return entry
        return entry.posted_late(first_open)

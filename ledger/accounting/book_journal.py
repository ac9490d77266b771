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
from ledger.accounting.handover import HandoverRecorded
from ledger.accounting.invoice import invoice_entry, invoiced, pending_vat_entry, taxed
from ledger.accounting.journal import Journal, JournalEntry
from ledger.accounting.market_receipt import MarketReceiptRecorded
from ledger.accounting.netting import netting_entry
from ledger.accounting.run_effect import Settled
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.accounting.statement_payment import advance_entries, credit_entry, paid, payment_entries
from ledger.accounting.supplier_payment import SupplierPaymentRecorded
from ledger.accounting.unit_operator import STREAMS, operator_entry
from ledger.allocation.record import AllocationRecorded
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.contract import Contract
from ledger.events import Event
from ledger.interval import Month
from ledger.month_close import Closing, MonthClosed
from ledger.netting import Netting, NettingRecorded
from ledger.quantity import Money
from ledger.settlement.run import PROVISIONAL, SettlementRecorded
from ledger.statement.as_posted import ISSUE, invoice_name, payment_name
from ledger.statement.invoice import Billing, Invoice
from ledger.statement.issue import StatementIssued, StatementReviewed
from ledger.statement.life import SETTLING, Payment, StatementKey
from ledger.statement.money import InvoiceRecorded, PaymentRecorded
from ledger.statement.open_item import OpenItem
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
        self.posting_days: dict[tuple[str, str], date] = {}
        """When what happened to a statement is posted, as `ledger.statement.as_posted` names it."""
        self._closing: Closing | None = None
        self._runs: dict[tuple[str, str], list[Settled]] = defaultdict(list)
        self._keys: dict[str, StatementKey] = {}
        self._billings: dict[str, Billing] = {}
        self._items: dict[str, OpenItem] = {}
        """By statement, of those of which something is posted."""
        self._early: dict[str, OpenItem] = {}
        """By statement, what was paid on days before its issue."""
        self._invoices: dict[str, tuple[Invoice, ...]] = defaultdict(tuple)
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
            case StatementReviewed(key=key, billing=billing):
                self._keys[recorded.aggregate] = key
                self._billings[recorded.aggregate] = billing
                entries = ()
            case StatementIssued(issued_on=on):
                self._dated(recorded.aggregate, ISSUE, on)
                entries = self._issued(recorded.aggregate, on)
            case InvoiceRecorded(invoice=invoice):
                name = invoice_name(invoice.direction, invoice.number)
                self._dated(recorded.aggregate, name, invoice.on)
                entries = self._invoiced(recorded.aggregate, invoice)
            case PaymentRecorded(payment=payment):
                self._dated(recorded.aggregate, payment_name(payment.id), payment.on)
                entries = self._paid(recorded.aggregate, payment)
            case NettingRecorded(netting=netting):
                entries = self._netted(netting)
            case MarketReceiptRecorded(receipt=one):
                entries = (
                    cash.market_receipt(one.stream, one.amount, one.on, one.document, rounding=one.rounding),
                )
            case SupplierPaymentRecorded(payment=cost):
                entries = (cash.supplier_payment(cost.cost, cost.amount, cost.on, cost.document),)
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
        asked = settled.run.delta[key.party]
        item, billing = OpenItem(asked, asked - asked), self._billings[aggregate]
        pending = pending_vat_entry(key, billing, on, item=item)
        self._items[aggregate] = taxed(item, billing)
        return tuple(one for one in (entry, pending) if one is not None)

    def _invoiced(self, aggregate: str, invoice: Invoice) -> tuple[JournalEntry, ...]:
        key, billing = self._keys[aggregate], self._billings[aggregate]
        before = self._items.get(aggregate)
        if before is None:
            return ()
        earlier = self._invoices[aggregate]
        entry = invoice_entry(key, billing, invoice, invoice.on, item=before, earlier=earlier)
        self._items[aggregate] = invoiced(before, billing, invoice, earlier)
        self._invoices[aggregate] = (*earlier, invoice)
        return () if entry is None else (entry,)

    def _paid(self, aggregate: str, payment: Payment) -> tuple[JournalEntry, ...]:
        party = self._keys[aggregate].party
        before = self._items.get(aggregate)
        if before is None or payment.kind == "credit_given":
            return ()  # a credit moves both statements where it is used
        entries: tuple[JournalEntry, ...]
        after = paid(before, payment.amount) if payment.kind in SETTLING else before
        if payment.kind == "credit_used":
            giver = self._items[payment.reference]
            given = paid(giver, -payment.amount)
            entry = credit_entry(party, payment, (giver, given), (before, after))
            entries = () if entry is None else (entry,)
            self._items[payment.reference] = given
        elif payment.kind == "payment" and self._is_early(aggregate, payment):
            nothing = OpenItem(Money.zero(payment.amount.currency), Money.zero(payment.amount.currency))
            early = self._early.get(aggregate, nothing)
            issued_on = self.posting_days[aggregate, ISSUE]
            entries = advance_entries(party, payment, early, (before, after), issued_on)
            self._early[aggregate] = paid(early, payment.amount)
        else:
            entries = payment_entries(party, payment, before)
        self._items[aggregate] = after
        return entries

    def _is_early(self, aggregate: str, payment: Payment) -> bool:
        days = self.posting_days
        return days[aggregate, payment_name(payment.id)] < days[aggregate, ISSUE]

    def _netted(self, netting: Netting) -> tuple[JournalEntry, ...]:
        """The netting's payments follow it in the same save, and move the items themselves."""
        zero = Money.zero(netting.amount.currency)
        parts = (
            (self._items.get(part.key.aggregate, OpenItem(part.amount, zero)), part.amount)
            for part in netting.parts
        )
        entry = netting_entry(netting.party, parts, netting.on, netting.id)
        return () if entry is None else (entry,)

    def _allocated(
        self, allocation: UnitAllocation, month: Month, recorded_on: date
    ) -> tuple[JournalEntry, ...]:
        _, before = self._allocations.get(allocation.fact, (month, None))
        self._allocations[allocation.fact] = month, allocation
        day = self._posting_day(month, recorded_on)
        entry = operator_entry(allocation, before, month, day, self.owner)
        return () if entry is None else (entry,)

    def _traded(self, month: Month) -> frozenset[tuple[str, Stream]]:
        """The sites and streams of which the market pays a trading unit of the owner's for the month."""
        return frozenset(
            (site, STREAMS[allocation.stream])
            for of, allocation in self._allocations.values()
            if of == month and allocation.operated_by == self.owner
            for site in allocation.sites
        )

    def _posting_day(self, origin: Month, recorded_on: date) -> date:
        month = origin if self._closing is None else self._closing.posting_month(origin)
        last = month.next().first_day - timedelta(days=1)
        return last if month == origin else min(max(recorded_on, month.first_day), last)

    def _dated(self, aggregate: str, what: str, on: date) -> None:
        self.posting_days[aggregate, what] = max(on, self.journal.closed_to or on)

    def _in_open_month(self, entry: JournalEntry) -> JournalEntry:
        first_open = self.journal.closed_to
        if first_open is None or entry.posted_on >= first_open:
            return entry
        return entry.posted_late(first_open)

"""Invoices and the tax that they post (DOMAIN.md 3.8).

What is due was posted on the contract's split basis when it was settled. A tax-inclusive amount holds the
tax already, so the invoice takes it out of the income or cost; on a tax-exclusive one it is due on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from ledger.accounting.account import Account
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.accounting.run_effect import Effects
from ledger.accounting.vat import VatLine, lines_from_gross, lines_from_net
from ledger.clauses.flow import one_of
from ledger.contract import SplitBasis
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

Direction = Literal["issued", "received"]


class InvoiceLine(msgspec.Struct, frozen=True):
    """`account` is the income (issued) or cost (received) that the line is for."""

    account: Account
    vat: VatLine
    lines: tuple[int, ...]
    """The settlement lines that it rests on."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """Of one counterparty, contract and origin month. A credit note has lines below zero."""

    number: str
    direction: Direction
    party: str
    issued_on: date
    contract: str
    month: Month
    run: int
    basis: SplitBasis
    lines: tuple[InvoiceLine, ...]

    def __post_init__(self) -> None:
        one_of(self.direction, Direction, "direction")
        one_of(self.basis, SplitBasis, "basis")
        checked_id(self.party, "party")
        if not self.number.strip():
            raise Refused("empty", "an invoice needs its number", place="number")
        if not self.lines:
            raise Refused("empty", "an invoice needs lines", place="lines")
        wanted = "income" if self.direction == "issued" else "expense"
        for index, line in enumerate(self.lines):
            if line.account.type != wanted:
                text = f"{line.account} is no {wanted} account"
                raise Refused("invoice_account", text, place=f"lines[{index}].account")
            if line.vat.gross.currency != self.currency:
                text = f"{line.vat.gross.currency} in an invoice in {self.currency}"
                raise Refused("currency", text, place=f"lines[{index}]")

    @property
    def currency(self) -> str:
        return self.lines[0].vat.gross.currency

    @property
    def net(self) -> Money:
        return Money(sum(line.vat.net.minor for line in self.lines), self.currency)

    @property
    def tax(self) -> Money:
        return Money(sum(line.vat.tax.minor for line in self.lines), self.currency)

    @property
    def gross(self) -> Money:
        return Money(sum(line.vat.gross.minor for line in self.lines), self.currency)


def invoice_lines(
    billed: Effects, direction: Direction, basis: SplitBasis, rates: Mapping[Account, Fraction], currency: str
) -> tuple[InvoiceLine, ...]:
    """The lines that `billable` amounts make: income is invoiced, cost is what the party invoices.

    Lines of one rate are rounded together, so that they add up to the invoice. An amount against its
    direction, such as a share of a loss, is a line below zero.

    Raises:
        Refused: `vat_rate_missing` for an account without a rate.
    """
    wanted = "income" if direction == "issued" else "expense"
    sign = -1 if direction == "issued" else 1
    by_rate: dict[Fraction, dict[str, Money]] = {}
    accounts: dict[str, Account] = {}
    for account, effect in billed.items():
        if account.type != wanted:
            continue
        if account not in rates:
            raise Refused("vat_rate_missing", f"no rate is stated for {account}", place="rates")
        accounts[str(account)] = account
        by_rate.setdefault(rates[account], {})[str(account)] = Money(sign * effect.minor, currency)
    divide = lines_from_gross if basis == "tax_inclusive" else lines_from_net
    return tuple(
        InvoiceLine(accounts[line.item], line, billed[accounts[line.item]].lines)
        for rate, amounts in by_rate.items()
        for line in divide(amounts, rate)
    )


def pending_vat_entry(invoice: Invoice, on: date) -> JournalEntry | None:
    """Take the tax out of tax-inclusive income when it is recognised, before the invoice is issued.

    So a month's income is net even where its invoices follow later. None where no tax is due.

    Raises:
        Refused: `pending_vat` for a received or a tax-exclusive invoice.
    """
    if invoice.direction != "issued" or invoice.basis != "tax_inclusive":
        raise Refused("pending_vat", "only tax-inclusive income holds tax that waits", place="basis")
    return _entry(invoice, "pending_vat", on, _taken_out(invoice, Account("vat_output_pending")))


def invoice_entry(invoice: Invoice, *, pending: bool = False) -> JournalEntry | None:
    """The tax of an invoice, on its date; `pending` where its tax was posted as pending before.

    None where no tax is due.

    Raises:
        Refused: `pending_vat` for `pending` with a received or a tax-exclusive invoice.
    """
    if pending:
        if invoice.direction != "issued" or invoice.basis != "tax_inclusive":
            raise Refused("pending_vat", "only tax-inclusive income holds tax that waits", place="basis")
        postings = _both(Account("vat_output_pending"), Account("vat_output"), invoice)
        return _entry(invoice, "invoice", invoice.issued_on, postings)
    if invoice.direction == "issued":
        if invoice.basis == "tax_inclusive":
            postings = _taken_out(invoice, Account("vat_output"))
        else:
            postings = _both(Account("receivable", (invoice.party,)), Account("vat_output"), invoice)
        return _entry(invoice, "invoice", invoice.issued_on, postings)
    if invoice.basis == "tax_inclusive":
        postings = [posting.reversed() for posting in _taken_out(invoice, Account("vat_input"))]
    else:
        postings = _both(Account("vat_input"), Account("payable", (invoice.party,)), invoice)
    return _entry(invoice, "supplier_invoice", invoice.issued_on, postings)


def _taken_out(invoice: Invoice, tax_account: Account) -> list[Posting]:
    """The tax of each line out of its account, into the tax account."""
    postings = [
        Posting(line.account, line.vat.tax, line.lines) for line in invoice.lines if line.vat.tax.minor
    ]
    return [*postings, *_posted(tax_account, -invoice.tax, _numbers(invoice))]


def _both(debit: Account, credit: Account, invoice: Invoice) -> list[Posting]:
    numbers = _numbers(invoice)
    return [*_posted(debit, invoice.tax, numbers), *_posted(credit, -invoice.tax, numbers)]


def _posted(account: Account, amount: Money, lines: tuple[int, ...]) -> list[Posting]:
    return [Posting(account, amount, lines)] if amount.minor else []


def _numbers(invoice: Invoice) -> tuple[int, ...]:
    return tuple(sorted({number for line in invoice.lines for number in line.lines}))


def _entry(invoice: Invoice, kind: EntryKind, on: date, postings: list[Posting]) -> JournalEntry | None:
    if not postings:
        return None
    verb = "Pending tax of" if kind == "pending_vat" else "Tax of"
    text = (
        f"{verb} invoice {invoice.number}, {invoice.party}:"
        f" net {invoice.net}, tax {invoice.tax}, gross {invoice.gross} {invoice.currency}"
    )
    reference = Reference(
        invoice.contract, invoice.month, invoice.run, party=invoice.party, document=invoice.number
    )
    return JournalEntry(on, kind, text, reference, tuple(postings))

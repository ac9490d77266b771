"""What an invoice posts: its tax (DOMAIN.md 3.8).

What is due was posted on the contract's split basis when it was settled. A tax-inclusive amount holds the
tax already, so the invoice takes it out of the income or cost; on a tax-exclusive one it is due on top, from
the statement's issue on, and pending until it is invoiced.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.accounting.statement_payment import moved
from ledger.accounting.vat import parts_of_rounded_sum
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import Billed, Billing, Direction, Invoice
from ledger.statement.life import StatementKey
from ledger.statement.open_item import OpenItem


def pending_vat_entry(
    key: StatementKey, billing: Billing, on: date, *, item: OpenItem | None = None
) -> JournalEntry | None:
    """The tax of a statement when it is issued, before the invoices are.

    It is taken out of tax-inclusive income, so that income is net even where the invoices follow later. What
    is asked on top is due with the statement, and moves the party's accounts with `item`, as
    `invoice_entry` has it. None where no tax is due or no rate is stated.
    """
    if billing.asks_tax:
        return _asked_entry(key, billing, on, item)
    tax = billing.issued.tax
    if not holds_pending(billing) or tax is None or not tax.minor:
        return None
    postings = [
        Posting(one.account, one.tax, one.lines)
        for one in billing.issued.accounts
        if one.tax is not None and one.tax.minor
    ]
    postings.append(Posting(Account("vat_output_pending"), -tax))
    text = f"Pending tax of the statement to {key.party}, {key.contract}, {key.month}, run {key.run}"
    return JournalEntry(on, "pending_vat", text, _reference(key, None), tuple(postings))


def _asked_entry(key: StatementKey, billing: Billing, on: date, item: OpenItem | None) -> JournalEntry | None:
    output, input_tax = (billing.tax_due(direction, ()) for direction in ("issued", "received"))
    before = item or _nothing(output.currency)
    postings = [
        *moved(key.party, (before, taxed(before, billing))),
        *_posted("vat_output_pending", -output),
        *_posted("vat_input_pending", input_tax),
    ]
    if not postings:
        return None
    postings.sort(key=lambda posting: posting.amount.minor < 0)
    text = f"Tax asked with the statement to {key.party}, {key.contract}, {key.month}, run {key.run}"
    return JournalEntry(on, "pending_vat", text, _reference(key, None), tuple(postings))


def holds_pending(billing: Billing) -> bool:
    """Whether the tax of what the owner invoices waits in `vat_output_pending`."""
    return billing.basis == "tax_inclusive" and billing.issued.tax is not None


def invoice_entry(
    key: StatementKey,
    billing: Billing,
    invoice: Invoice,
    on: date,
    *,
    item: OpenItem | None = None,
    earlier: Sequence[Invoice] = (),
) -> JournalEntry | None:
    """The tax of an invoice, posted on a day; None where it moves none. `earlier` are the statement's others.

    Issued, it becomes output tax: out of what was pending, out of tax-inclusive income, or due on top.
    Received, it becomes input tax the same way. It is taken out account by account, in proportion to the tax
    that each holds, or to its amount where the contract states no rates. What is due on top is paid with the
    statement: where the statement asked for it, out of what was pending. What it makes due beyond that moves
    the party's accounts with `item`, what the statement had open; None for nothing.

    Raises:
        Refused: `invoice_account` where nothing is billed in the invoice's direction.
    """
    tax = invoice.tax
    before = item or _nothing(tax.currency)
    on_top = moved(key.party, (before, invoiced(before, billing, invoice, earlier)))
    released = _pending(billing, invoice.direction, earlier)
    released -= _pending(billing, invoice.direction, (*earlier, invoice))
    if not tax.minor and not released.minor:
        return None
    issued, inclusive = invoice.direction == "issued", billing.basis == "tax_inclusive"
    postings: list[Posting]
    if issued and holds_pending(billing):
        postings = [
            Posting(Account("vat_output_pending"), tax),
            Posting(Account("vat_output"), -tax),
        ]
    elif issued and inclusive:
        postings = [*_taken_out(billing, "issued", tax), Posting(Account("vat_output"), -tax)]
    elif issued:
        postings = [*on_top, *_posted("vat_output_pending", released), *_posted("vat_output", -tax)]
    elif inclusive:
        taken = (posting.reversed() for posting in _taken_out(billing, "received", tax))
        postings = [*taken, Posting(Account("vat_input"), tax)]
    else:
        postings = [*_posted("vat_input", tax), *_posted("vat_input_pending", -released), *on_top]
    kind: EntryKind = "invoice" if issued else "supplier_invoice"
    what = "Tax of" if invoice.reverses is None else f"Tax of red-letter (of {invoice.reverses})"
    text = (
        f"{what} invoice {invoice.number}, {key.party}:"
        f" net {invoice.net}, tax {tax}, gross {invoice.gross} {tax.currency}"
    )
    return JournalEntry(on, kind, text, _reference(key, invoice.number), tuple(postings))


def taxed(item: OpenItem, billing: Billing) -> OpenItem:
    """The item of a statement that is issued, with the tax that it asks on top."""
    return msgspec.structs.replace(item, due=item.due + billing.tax_on_top(()))


def invoiced(item: OpenItem, billing: Billing, invoice: Invoice, earlier: Sequence[Invoice] = ()) -> OpenItem:
    """The item with what the invoice makes due on top, beyond what was due before it."""
    more = billing.tax_on_top((*earlier, invoice)) - billing.tax_on_top(earlier)
    return msgspec.structs.replace(item, due=item.due + more)


def _pending(billing: Billing, direction: Direction, invoices: Sequence[Invoice]) -> Money:
    """What is due on top of a side and not invoiced."""
    own = (one.tax for one in invoices if one.direction == direction)
    due = billing.tax_due(direction, invoices)
    return due - sum(own, Money.zero(due.currency))


def _posted(role: Role, amount: Money) -> tuple[Posting, ...]:
    return (Posting(Account(role), amount),) if amount.minor else ()


def _nothing(currency: str) -> OpenItem:
    return OpenItem(Money.zero(currency), Money.zero(currency))


def _taken_out(billing: Billing, direction: Direction, tax: Money) -> list[Posting]:
    side = billing.side(direction)
    parts = _divided(side, tax)
    return [
        Posting(one.account, parts[str(one.account)], one.lines)
        for one in side.accounts
        if parts[str(one.account)].minor
    ]


def _divided(side: Billed, tax: Money) -> dict[str, Money]:
    """The tax over the accounts, to the unit; an account against its side's direction gets it back."""
    whole = side.tax
    if whole is not None and whole.minor:
        weights = {str(one.account): one.tax.minor for one in side.accounts if one.tax is not None}
    else:
        whole, weights = side.amount, {str(one.account): one.amount.minor for one in side.accounts}
    if not whole.minor:
        raise Refused("invoice_account", "nothing is billed that the tax could be of", place="direction")
    exact = {name: tax.exact * Fraction(minor, whole.minor) for name, minor in weights.items()}
    return parts_of_rounded_sum(exact, tax.currency)


def _reference(key: StatementKey, document: str | None) -> Reference:
    return Reference(key.contract, Month.parse(key.month), key.run, party=key.party, document=document)

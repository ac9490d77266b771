"""What is recorded in a statement's life as paid, charged or written off, as journal entries.

A party's accounts move from what the statement had open to what it has open now (`OpenItem`): what it asks
for is receivable or payable, what was paid beyond is an advance. So a party's accounts are the sums of its
statements' open items, account by account.
"""

from __future__ import annotations

from datetime import date
from typing import Final, assert_never

import msgspec

from ledger.accounting import cash
from ledger.accounting.account import ROLES, Account, Role
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.quantity import Money
from ledger.statement.life import Payment
from ledger.statement.open_item import OpenItem


def moved(party: str, *changes: tuple[OpenItem, OpenItem]) -> tuple[Posting, ...]:
    """The postings on a party's accounts that take its items from what they were (first) to what they are."""
    found: dict[Account, Money] = {}
    for before, after in changes:
        for item, sign in ((before, -1), (after, 1)):
            if item.role is not None:
                account = Account(item.role, (party,))
                zero = Money.zero(item.due.currency)
                found[account] = found.get(account, zero) + Money(sign * item.debit.minor, zero.currency)
    ranked = sorted(found, key=lambda account: _RANKED.index(account.role))
    return tuple(Posting(account, found[account]) for account in ranked if found[account].minor)


def paid(item: OpenItem, amount: Money) -> OpenItem:
    """The item with `amount` settled: above zero the party received it."""
    return msgspec.structs.replace(item, settled=item.settled + amount)


def payment_entries(party: str, payment: Payment, before: OpenItem) -> tuple[JournalEntry, ...]:
    """What a recorded payment posts; above zero the party received it, as on the statement.

    `before` is what the statement had open. Interest is charged and paid at once. A bank charge is the
    owner's, whatever its sign. A netting posts both sides itself, and of a credit `credit_entry` does.

    Raises:
        Refused: `currency`.
    """
    on, document, to_party = payment.on, payment.id, payment.amount.minor > 0
    size = Money(abs(payment.amount.minor), payment.amount.currency)
    match payment.kind:
        case "payment":
            kind, text = _words(before, payment)
            return (_entry(kind, text, party, payment, before, Account("bank")),)
        case "write_off":
            what = "Write-back" if to_party else "Write-off"
            against = Account("write_back_income" if to_party else "bad_debt")
            return (_entry("write_off", f"{what}, {party}, {document}", party, payment, before, against),)
        case "bank_charge":
            return (cash.bank_charge(size, on, document),)
        case "late_interest" if to_party:
            return (
                cash.late_interest_owed(party, size, on, document),
                cash.payment(party, size, on, document),
            )
        case "late_interest":
            return (
                cash.late_interest_charged(party, size, on, document),
                cash.receipt(party, size, on, document),
            )
        case "netting" | "credit_given" | "credit_used":
            return ()
        case never:
            assert_never(never)


def advance_entries(
    party: str, payment: Payment, early: OpenItem, change: tuple[OpenItem, OpenItem], issued_on: date
) -> tuple[JournalEntry, ...]:
    """A payment of before its statement's issue: an advance on its own day, which the statement uses when it
    is issued.

    `early` is what stood before it of what asks for nothing yet, `change` the statement's item before and
    after it.
    """
    kind, text = _words(change[0], payment)
    advance = _entry(kind, text, party, payment, early, Account("bank"))
    postings = moved(party, (paid(early, payment.amount), early), change)
    if not postings:
        return (advance,)
    text = f"Credit on account, {payment.id}, {party}"
    reference = Reference(party=party, document=payment.id)
    return advance, JournalEntry(issued_on, "netting", text, reference, postings)


def credit_entry(
    party: str, used: Payment, of: tuple[OpenItem, OpenItem], to: tuple[OpenItem, OpenItem]
) -> JournalEntry | None:
    """A credit, posted where it is used: `of` and `to` are each statement's item before and after it.

    None where nothing moves between the party's accounts.
    """
    postings = moved(party, of, to)
    if not postings:
        return None
    text = f"Credit on account, {used.id}, {party}"
    reference = Reference(party=party, document=used.id)
    return JournalEntry(used.on, "netting", text, reference, postings)


def _words(before: OpenItem, payment: Payment) -> tuple[EntryKind, str]:
    """A payment against what the statement asks for pays back."""
    to_party = payment.amount.minor > 0
    side = before.due.minor or before.settled.minor or payment.amount.minor
    paying = (side > 0) == to_party
    if to_party:
        return "payment", f"{'Payment' if paying else 'Refund'} to"
    return "receipt", f"{'Receipt' if paying else 'Refund'} from"


def _entry(
    kind: EntryKind, text: str, party: str, payment: Payment, before: OpenItem, against: Account
) -> JournalEntry:
    document = payment.id
    if against.role == "bank":
        text = f"{text} {party}, {document}"
    postings = [
        Posting(against, -payment.amount),
        *moved(party, (before, paid(before, payment.amount))),
    ]
    postings.sort(key=lambda posting: posting.amount.minor < 0)
    return JournalEntry(payment.on, kind, text, Reference(party=party, document=document), tuple(postings))


_RANKED: Final[tuple[Role, ...]] = tuple(ROLES)

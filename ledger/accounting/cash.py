"""Money that moves beside statements: from markets, to suppliers, handed over, charges, and late interest.

Amounts are above zero, but those of markets and suppliers, who give and take back. What is paid on a
statement is posted by `ledger.accounting.statement_payment`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.accounting.account import Account
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.quantity import Money
from ledger.refusal import Refused


def receipt(party: str, received: Money, on: date, document: str) -> JournalEntry:
    """A party pays what it was charged.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(received, "amount")
    return _entry(
        "receipt",
        f"Receipt from {party}, {document}",
        Reference(party=party, document=document),
        on,
        [(Account("bank"), received), (Account("receivable", (party,)), -received)],
    )


def payment(party: str, paid: Money, on: date, document: str) -> JournalEntry:
    """The owner pays a party what it was charged.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(paid, "amount")
    return _entry(
        "payment",
        f"Payment to {party}, {document}",
        Reference(party=party, document=document),
        on,
        [(Account("payable", (party,)), paid), (Account("bank"), -paid)],
    )


def market_receipt(
    stream: str, received: Money, on: date, document: str, *, rounding: Money | None = None
) -> JournalEntry:
    """A market pays a stream, or below zero takes back. `rounding` is what of it its statement is above (or
    below) the sum of the sites'.

    Raises:
        Refused: `payment_amount` for nothing, `currency`.
    """
    _something(received, "received")
    off = rounding or Money.zero(received.currency)
    return _entry(
        "market_receipt",
        f"{'Market receipt' if received.minor > 0 else 'Paid back to the market'} for {stream}, {document}",
        Reference(document=document),
        on,
        [
            (Account("bank"), received),
            (Account("market_receivable", (stream,)), off - received),
            (Account("allocation_rounding", (stream,)), -off),
        ],
    )


def supplier_payment(cost: str, paid: Money, on: date, document: str) -> JournalEntry:
    """The owner pays a pass-through cost, or below zero gets it back.

    Raises:
        Refused: `payment_amount` for nothing.
    """
    _something(paid, "paid")
    return _entry(
        "supplier_payment",
        f"{'Payment' if paid.minor > 0 else 'Refund'} of {cost}, {document}",
        Reference(document=document),
        on,
        [(Account("supplier_payable", (cost,)), paid), (Account("bank"), -paid)],
    )


def handed_over(party: str, paid: Money, on: date, document: str) -> JournalEntry:
    """The owner hands over what it collected for a party outside every pool, or below zero gets it back.

    Raises:
        Refused: `payment_amount` for nothing.
    """
    _something(paid, "paid")
    return _entry(
        "handed_over",
        f"Handed over to {party}, {document}",
        Reference(party=party, document=document),
        on,
        [(Account("collected_for", (party,)), paid), (Account("bank"), -paid)],
    )


def bank_charge(charged: Money, on: date, document: str) -> JournalEntry:
    """The bank charges the account itself.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(charged, "charged")
    return _entry(
        "bank_charge",
        f"Bank charges, {document}",
        Reference(document=document),
        on,
        [(Account("bank_charges"), charged), (Account("bank"), -charged)],
    )


def late_interest_charged(party: str, interest: Money, on: date, document: str) -> JournalEntry:
    """A party paid late and owes interest.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(interest, "interest")
    return _entry(
        "late_interest",
        f"Late interest charged to {party}, {document}",
        Reference(party=party, document=document),
        on,
        [(Account("receivable", (party,)), interest), (Account("late_interest_income"), -interest)],
    )


def late_interest_owed(party: str, interest: Money, on: date, document: str) -> JournalEntry:
    """The owner paid late and owes interest.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(interest, "interest")
    return _entry(
        "late_interest",
        f"Late interest owed to {party}, {document}",
        Reference(party=party, document=document),
        on,
        [(Account("late_interest_cost"), interest), (Account("payable", (party,)), -interest)],
    )


def _entry(
    kind: EntryKind, text: str, reference: Reference, on: date, amounts: Iterable[tuple[Account, Money]]
) -> JournalEntry:
    postings = tuple(Posting(account, amount) for account, amount in amounts if amount.minor)
    return JournalEntry(on, kind, text, reference, postings)


def _something(amount: Money, place: str) -> None:
    if not amount.minor:
        raise Refused("payment_amount", "nothing moved", place=place)


def _positive(amount: Money, place: str) -> None:
    if amount.minor <= 0:
        raise Refused("payment_amount", f"{amount:,} is not above zero", place=place)

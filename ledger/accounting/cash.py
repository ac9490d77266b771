"""Money that moves: receipts, payments, charges, interest for late payment, write-offs.

Amounts are above zero, but those of markets and suppliers, who give and take back. What exceeds the amount
outstanding becomes an advance. An amount `outstanding` is what the party's account shows before the entry: a
debit balance for receivable, a credit one for payable.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.accounting.account import Account
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.quantity import Money
from ledger.refusal import Refused


def receipt(
    party: str, received: Money, on: date, document: str, *, outstanding: Money, charges: Money | None = None
) -> JournalEntry:
    """A party pays. `received` reached the bank; `charges` were withheld on the way and are the owner's.

    Raises:
        Refused: `payment_amount`, `currency`.
    """
    fee = _charges(received, charges)
    applied, advance = _applied(received + fee, outstanding)
    return _entry(
        "receipt",
        f"Receipt from {party}, {document}",
        Reference(party=party, document=document),
        on,
        [
            (Account("bank"), received),
            (Account("bank_charges"), fee),
            (Account("receivable", (party,)), -applied),
            (Account("advance_received", (party,)), -advance),
        ],
    )


def payment(
    party: str, paid: Money, on: date, document: str, *, outstanding: Money, charges: Money | None = None
) -> JournalEntry:
    """The owner pays a party. `paid` reached it; the bank's `charges` come on top.

    Raises:
        Refused: `payment_amount`, `currency`.
    """
    fee = _charges(paid, charges)
    applied, advance = _applied(paid, outstanding)
    return _entry(
        "payment",
        f"Payment to {party}, {document}",
        Reference(party=party, document=document),
        on,
        [
            (Account("payable", (party,)), applied),
            (Account("advance_paid", (party,)), advance),
            (Account("bank_charges"), fee),
            (Account("bank"), -(paid + fee)),
        ],
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


def write_off(party: str, amount: Money, on: date, document: str, *, outstanding: Money) -> JournalEntry:
    """What a party will not pay becomes bad debt.

    What exceeds the amount outstanding was paid already, beyond another statement: it is an advance again.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(amount, "amount")
    applied, advance = _applied(amount, outstanding)
    return _entry(
        "write_off",
        f"Write-off, {party}, {document}",
        Reference(party=party, document=document),
        on,
        [
            (Account("bad_debt"), amount),
            (Account("receivable", (party,)), -applied),
            (Account("advance_received", (party,)), -advance),
        ],
    )


def write_back(party: str, amount: Money, on: date, document: str, *, outstanding: Money) -> JournalEntry:
    """What the owner need not pay any more becomes income; what exceeds the outstanding is an advance again.

    Raises:
        Refused: `payment_amount`.
    """
    _positive(amount, "amount")
    applied, advance = _applied(amount, outstanding)
    return _entry(
        "write_off",
        f"Write-back, {party}, {document}",
        Reference(party=party, document=document),
        on,
        [
            (Account("payable", (party,)), applied),
            (Account("advance_paid", (party,)), advance),
            (Account("write_back_income"), -amount),
        ],
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
        raise Refused("payment_amount", f"{amount} is not above zero", place=place)


def _charges(moved: Money, charges: Money | None) -> Money:
    _positive(moved, "amount")
    if charges is None:
        return Money.zero(moved.currency)
    if charges.minor < 0:
        raise Refused("payment_amount", f"charges of {charges} are below zero", place="charges")
    return charges


def _applied(amount: Money, outstanding: Money) -> tuple[Money, Money]:
    """What settles the outstanding amount, and the advance beyond it."""
    beyond = (amount - outstanding).minor
    applied = amount.minor if beyond <= 0 else max(outstanding.minor, 0)
    return Money(applied, amount.currency), Money(amount.minor - applied, amount.currency)

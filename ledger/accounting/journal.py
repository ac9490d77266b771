"""Journal entries that balance, and the journal that only grows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, Literal, get_args

import msgspec

from ledger.accounting.account import Account
from ledger.accounting.posting import Posting
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

EntryKind = Literal[
    "accrual",
    "reversal",
    "recognition",
    "correction",
    "memo",
    "statement",
    "pending_vat",
    "invoice",
    "supplier_invoice",
    "receipt",
    "payment",
    "market_receipt",
    "supplier_payment",
    "bank_charge",
    "late_interest",
    "write_off",
    "netting",
    "opening",
]

DESCRIPTION_MAX: Final = 200
DOCUMENT_MAX: Final = 64
"""Characters of a description, and of the number of a document."""


class Reference(msgspec.Struct, frozen=True):
    """What an entry comes from: a contract's month and run, a counterparty, a document number.

    `month` is the origin month, whatever month the entry is posted in. `replaces` is the run whose result
    was posted before.

    Raises:
        Refused: `empty`, `text_length` or `control_character` for the document.
    """

    contract: str | None = None
    month: Month | None = None
    run: int | None = None
    replaces: int | None = None
    party: str | None = None
    document: str | None = None

    def __post_init__(self) -> None:
        if self.document is not None:
            _check_text(self.document, DOCUMENT_MAX, "reference.document")


class JournalEntry(msgspec.Struct, frozen=True):
    """Postings of one date and one currency that sum to zero.

    Raises:
        Refused: `entry_kind`; `empty` without a description or postings; `control_character`,
            `text_length`; `currency` for two currencies; `unbalanced`; `memo_mixed` when memo
            accounts balance with others.
    """

    posted_on: date
    kind: EntryKind
    description: str
    reference: Reference
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(EntryKind):
            allowed = ", ".join(get_args(EntryKind))
            raise Refused("entry_kind", f"{self.kind!r} is not one of {allowed}", place="kind")
        _check_text(self.description, DESCRIPTION_MAX, "description")
        if not self.postings:
            raise Refused("empty", "an entry needs postings", place="postings")
        currencies = {posting.amount.currency for posting in self.postings}
        if len(currencies) > 1:
            together = " and ".join(sorted(currencies))
            raise Refused("currency", f"one entry has one currency, not {together}", place="postings")
        difference = sum(posting.amount.minor for posting in self.postings)
        if difference:
            off = Money(difference, currencies.pop())
            raise Refused("unbalanced", f"debits less credits are {off}, not 0", place="postings")
        if len({posting.account.is_memo for posting in self.postings}) > 1:
            raise Refused("memo_mixed", "memo accounts only balance each other", place="postings")

    @property
    def currency(self) -> str:
        return self.postings[0].amount.currency

    @property
    def is_memo(self) -> bool:
        return self.postings[0].account.is_memo

    def amount_of(self, account: Account) -> Money:
        """What the entry posts to one account, debits above zero."""
        own = (posting.amount.minor for posting in self.postings if posting.account == account)
        return Money(sum(own), self.currency)

    def reversal(self, on: date) -> JournalEntry:
        """The entry that undoes this one, posted on a day not before it.

        Raises:
            Refused: `reversal_date`.
        """
        if on < self.posted_on:
            raise Refused("reversal_date", f"{on} is before the entry's {self.posted_on}", place="date")
        return JournalEntry(
            on,
            "reversal",
            f"Reversal of {self.posted_on}: {self.description}"[:DESCRIPTION_MAX],
            self.reference,
            tuple(posting.reversed() for posting in self.postings),
        )


class Journal(msgspec.Struct, frozen=True):
    """Entries in the order in which they were posted; months up to `closed_to` (a day) take no more."""

    entries: tuple[JournalEntry, ...] = ()
    closed_to: date | None = None
    """The first day that is still open; None while nothing is closed."""

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self.entries)

    def posted(self, entries: Iterable[JournalEntry]) -> Journal:
        """With the entries added.

        Raises:
            Refused: `closed_month` for a date in a closed month: post it in the current one.
        """
        added = tuple(entries)
        for entry in added:
            if self.closed_to is not None and entry.posted_on < self.closed_to:
                text = f"{entry.posted_on} is closed: the first open day is {self.closed_to}"
                raise Refused("closed_month", text, place="date")
        return Journal((*self.entries, *added), self.closed_to)

    def closed_through(self, month: Month) -> Journal:
        """With that month and all before it closed; closing again changes nothing."""
        first_open = month.next().first_day
        return Journal(self.entries, max(first_open, self.closed_to or first_open))

    @property
    def balanced(self) -> bool:
        """Whether debits are credits in every currency, over all entries."""
        sums: dict[str, int] = {}
        for entry in self.entries:
            for posting in entry.postings:
                sums[entry.currency] = sums.get(entry.currency, 0) + posting.amount.minor
        return not any(sums.values())

    def balance(self, account: Account, currency: str) -> Money:
        """Debits less credits of one account over all dates."""
        total = sum(
            posting.amount.minor
            for entry in self.entries
            if entry.currency == currency
            for posting in entry.postings
            if posting.account == account
        )
        return Money(total, currency)


def _check_text(text: str, most: int, place: str) -> None:
    if not text.strip():
        raise Refused("empty", "a text is needed", place=place)
    if len(text) > most:
        raise Refused("text_length", f"more than {most} characters", place=place)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Refused("control_character", "line breaks and control characters are not allowed", place=place)

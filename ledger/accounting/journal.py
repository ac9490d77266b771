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
    "handed_over",
    "unit_operator",
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
            checked_document(self.document, "reference.document")


class JournalEntry(msgspec.Struct, frozen=True):
    """Postings of one date and one currency that sum to zero.

    `late_of` is the day of its document or bank booking where that day's month is closed, so that the entry
    stands in the first open one; None where it stands on its own day.

    Raises:
        Refused: `entry_kind`; `empty` without a description or postings; `control_character`,
            `text_length`; `currency` for two currencies; `unbalanced`; `memo_mixed` when memo
            accounts balance with others; `value_date` for a late entry that is not after its own day.
    """

    posted_on: date
    kind: EntryKind
    description: str
    reference: Reference
    postings: tuple[Posting, ...]
    late_of: date | None = None

    def __post_init__(self) -> None:
        if self.late_of is not None and self.late_of >= self.posted_on:
            text = f"{self.posted_on} is not after {self.late_of}, so that nothing is late"
            raise Refused("value_date", text, place="value_date")
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
            raise Refused("unbalanced", f"debits less credits are {off:,}, not 0", place="postings")
        if len({posting.account.is_memo for posting in self.postings}) > 1:
            raise Refused("memo_mixed", "memo accounts only balance each other", place="postings")

    @property
    def currency(self) -> str:
        return self.postings[0].amount.currency

    @property
    def is_memo(self) -> bool:
        return self.postings[0].account.is_memo

    @property
    def value_date(self) -> date:
        """The day that its document or the bank states, whatever day it is posted on."""
        return self.late_of or self.posted_on

    def posted_late(self, on: date) -> JournalEntry:
        """The same entry on the first open day, since the month of its own day is closed.

        What the bank did cannot be refused and a closed month does not change (DOMAIN.md 3.10): it keeps its
        own day as value date, and its text says so.
        """
        late = f"; value date {self.posted_on}, a closed month"
        return msgspec.structs.replace(
            self,
            posted_on=on,
            description=self.description[: DESCRIPTION_MAX - len(late)] + late,
            late_of=self.posted_on,
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


def checked_document(text: str, place: str) -> str:
    """The number of a document, when it has 1 to 64 characters on one line.

    Raises:
        Refused: `empty`, `text_length`, `control_character`.
    """
    _check_text(text, DOCUMENT_MAX, place)
    return text


def _check_text(text: str, most: int, place: str) -> None:
    if not text.strip():
        raise Refused("empty", "a text is needed", place=place)
    if len(text) > most:
        raise Refused("text_length", f"more than {most} characters", place=place)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Refused("control_character", "line breaks and control characters are not allowed", place=place)

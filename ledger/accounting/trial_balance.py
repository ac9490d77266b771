"""The trial balance: what every account held, what moved, and that debits are credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

import msgspec

from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry
from ledger.quantity import Money
from ledger.refusal import Refused


class TrialBalanceRow(msgspec.Struct, frozen=True):
    """`opening` and `closing` are debits less credits; `debit` and `credit` are of the period, from 0."""

    account: Account
    opening: Money
    debit: Money
    credit: Money
    closing: Money

    def __post_init__(self) -> None:
        assert self.opening + self.debit - self.credit == self.closing


class TrialBalance(msgspec.Struct, frozen=True):
    """Of the period [first, end) in one currency, by account. It exists only when it is in balance."""

    currency: str
    first: date
    end: date
    rows: tuple[TrialBalanceRow, ...]

    def __post_init__(self) -> None:
        assert sum(row.opening.minor for row in self.rows) == 0
        assert sum(row.closing.minor for row in self.rows) == 0
        assert self.debit == self.credit

    @property
    def debit(self) -> Money:
        """All debits of the period."""
        return Money(sum(row.debit.minor for row in self.rows), self.currency)

    @property
    def credit(self) -> Money:
        return Money(sum(row.credit.minor for row in self.rows), self.currency)

    def closing(self, account: Account) -> Money:
        """An account's closing balance, debits above zero; zero where it was never used."""
        for row in self.rows:
            if row.account == account:
                return row.closing
        return Money.zero(self.currency)


def trial_balance(entries: Iterable[JournalEntry], currency: str, first: date, end: date) -> TrialBalance:
    """Balances of the entries in one currency; those of other currencies have a trial balance of their own.

    Accounts that were never used before `end` have no row.

    Raises:
        Refused: `period` when `end` is not after `first`.
    """
    if end <= first:
        raise Refused("period", f"{end} is not after {first}", place="end")
    opening: dict[Account, int] = defaultdict(int)
    debits: dict[Account, int] = defaultdict(int)
    credits_: dict[Account, int] = defaultdict(int)
    for entry in entries:
        if entry.currency != currency or entry.posted_on >= end:
            continue
        for posting in entry.postings:
            if entry.posted_on < first:
                opening[posting.account] += posting.amount.minor
            else:
                debits[posting.account] += posting.debit.minor
                credits_[posting.account] += posting.credit.minor
    return TrialBalance(
        currency,
        first,
        end,
        tuple(
            TrialBalanceRow(
                account,
                Money(opening[account], currency),
                Money(debits[account], currency),
                Money(credits_[account], currency),
                Money(opening[account] + debits[account] - credits_[account], currency),
            )
            for account in sorted({*opening, *debits})
        ),
    )

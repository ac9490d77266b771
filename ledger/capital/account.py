"""The capital accounts of one contract: balances, shares and cash flows at any date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction

import msgspec

from ledger.capital.entry import CapitalEntry, StruckEntry
from ledger.clauses.flow import exact_text
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused


class CashFlow(msgspec.Struct, frozen=True):
    """Above zero the party received it, below zero it paid."""

    on: date
    amount: Money


class CapitalAccounts(msgspec.Struct, frozen=True):
    """Entries in the order of recording; an entry counts from its own day on, whenever it was recorded.

    No party's balance is below zero on any day.
    """

    currency: str
    entries: tuple[CapitalEntry, ...] = ()

    def __post_init__(self) -> None:
        for number, entry in enumerate(self.entries, 1):
            for currency in entry.currencies:
                if currency != self.currency:
                    text = f"{currency} in accounts in {self.currency}"
                    raise Refused("currency", text, place=f"entries[{number - 1}]")
        self._check_struck()
        self._check_balances()

    def with_entry(self, entry: CapitalEntry) -> CapitalAccounts:
        """The accounts with one entry more.

        Raises:
            Refused: `currency`, `capital_overdrawn`, `unknown_entry`, `already_struck`.
        """
        return CapitalAccounts(self.currency, (*self.entries, entry))

    @property
    def struck(self) -> frozenset[int]:
        """The numbers of the entries that were struck."""
        return frozenset(entry.entry for entry in self.entries if isinstance(entry, StruckEntry))

    def counted(self) -> Iterator[CapitalEntry]:
        """The entries that were not struck, by date, then by order of recording."""
        struck = self.struck
        kept = (
            entry
            for number, entry in enumerate(self.entries, 1)
            if number not in struck and not isinstance(entry, StruckEntry)
        )
        yield from sorted(kept, key=lambda entry: entry.on)

    def balances(self, at: date) -> dict[str, Money]:
        """Each party's paid-in capital at the end of the local day `at`, by party id."""
        minors: dict[str, int] = {}
        for entry in self.counted():
            if entry.on <= at:
                for party, minor in entry.balances().items():
                    minors[party] = minors.get(party, 0) + minor
        return {party: Money(minor, self.currency) for party, minor in sorted(minors.items())}

    def balance(self, party: str, at: date) -> Money:
        """A party's paid-in capital at the end of the day; zero for one that never paid in."""
        return self.balances(at).get(party, Money.zero(self.currency))

    def shares(self, at: date) -> dict[str, Fraction]:
        """Each party's part of the capital at the end of the day; they total 1.

        Raises:
            Refused: `capital_missing` when nothing is paid in.
        """
        balances = self.balances(at)
        total = sum(money.minor for money in balances.values())
        if not total:
            raise Refused("capital_missing", f"no capital is paid in on {at}", place="at")
        return {party: Fraction(money.minor, total) for party, money in balances.items() if money.minor}

    def average(self, first: date, end: date) -> dict[str, str]:
        """Each party's balance in major units, averaged over the days of [first, end), as exact text.

        It is the `capital` of a month's facts. A contribution counts from its own day on.

        Raises:
            Refused: `effective` when there is no day.
        """
        if end <= first:
            raise Refused("effective", f"{end} is not after {first}", place="end")
        unit = 10 ** MINOR_DIGITS[self.currency] * (end - first).days
        sums: dict[str, int] = {}
        for entry in self.counted():
            days = (end - max(entry.on, first)).days
            if days > 0:
                for party, minor in entry.balances().items():
                    sums[party] = sums.get(party, 0) + minor * days
        return {party: exact_text(Fraction(minor, unit)) for party, minor in sorted(sums.items())}

    def cash_flows(self, party: str) -> tuple[CashFlow, ...]:
        """What the party paid in, bought, sold and got back, by date; distributions are not among them."""
        return tuple(
            CashFlow(entry.on, Money(entry.flows()[party], self.currency))
            for entry in self.counted()
            if party in entry.flows()
        )

    def _total(self, at: date) -> int:
        return sum(money.minor for money in self.balances(at).values())

    def _check_struck(self) -> None:
        struck: set[int] = set()
        for number, entry in enumerate(self.entries, 1):
            if isinstance(entry, StruckEntry):
                target = self.entries[entry.entry - 1] if 1 <= entry.entry < number else None
                if target is None or isinstance(target, StruckEntry):
                    text = f"no entry {entry.entry} was recorded that could be struck"
                    raise Refused("unknown_entry", text, place="entry")
                if entry.entry in struck:
                    raise Refused("already_struck", f"entry {entry.entry} is struck already", place="entry")
                struck.add(entry.entry)

    def _check_balances(self) -> None:
        """Entries of one day count together."""
        running: dict[str, int] = {}
        counted = list(self.counted())
        for index, entry in enumerate(counted):
            for party, minor in entry.balances().items():
                running[party] = running.get(party, 0) + minor
            if index + 1 < len(counted) and counted[index + 1].on == entry.on:
                continue
            for party, minor in running.items():
                if minor < 0:
                    lacking = Money(-minor, self.currency)
                    text = f"{party} would have {lacking:,} {self.currency} less than nothing on {entry.on}"
                    raise Refused("capital_overdrawn", text, place="amount")

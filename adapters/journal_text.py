"""The journal in the formats that accountants and their programs read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from ledger.accounting.beancount_text import beancount_text
from ledger.accounting.hledger_text import hledger_text
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.accounting.trial_balance import TrialBalance

JournalFormat = Literal["text", "beancount", "hledger"]

_WIDTH: Final = 52


def rendered(entries: Iterable[JournalEntry], format: JournalFormat, title: str) -> str:
    """The entries as text of that format, oldest first."""
    match format:
        case "beancount":
            return beancount_text(entries, title)
        case "hledger":
            return hledger_text(entries)
        case "text":
            return "\n\n".join(_entry(entry) for entry in entries)


def _entry(entry: JournalEntry) -> str:
    lines = [f"{entry.posted_on}  {entry.kind:<12} {entry.description}"]
    for posting in entry.postings:
        side = f"{posting.debit!s:>16}{'':>16}" if posting.debit.minor else f"{'':>16}{posting.credit!s:>16}"
        lines.append(f"    {plain_name(posting.account):<{_WIDTH}}{side} {entry.currency}")
    return "\n".join(lines)


def trial_balance_text(balance: TrialBalance) -> str:
    """Opening, debits, credits and closing of every account; closing is debits less credits."""
    head = f"trial balance of {balance.first} up to {balance.end}, in {balance.currency}"
    columns = f"{'account':<{_WIDTH}}{'opening':>16}{'debit':>16}{'credit':>16}{'closing':>16}"
    rows = [
        f"{plain_name(row.account):<{_WIDTH}}{row.opening!s:>16}{row.debit!s:>16}{row.credit!s:>16}{row.closing!s:>16}"
        for row in balance.rows
    ]
    total = f"{'total':<{_WIDTH}}{'':>16}{balance.debit!s:>16}{balance.credit!s:>16}{'':>16}"
    return "\n".join([head, columns, *rows, total])

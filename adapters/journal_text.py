"""The journal in the formats that accountants and their programs read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from adapters.documents.readable import readable_money
from ledger.accounting.beancount_text import beancount_text
from ledger.accounting.hledger_text import hledger_text
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.accounting.trial_balance import TrialBalance
from ledger.quantity import Money

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
        side = (
            f"{readable_money(posting.debit):>16}{'':>16}"
            if posting.debit.minor
            else f"{'':>16}{readable_money(posting.credit):>16}"
        )
        lines.append(f"    {plain_name(posting.account):<{_WIDTH}}{side} {entry.currency}")
    return "\n".join(lines)


def trial_balance_text(balance: TrialBalance) -> str:
    """Opening, debits, credits and closing of every account; closing is debits less credits."""
    head = f"trial balance of {balance.first} up to {balance.end}, in {balance.currency}"
    columns = f"{'account':<{_WIDTH}}{'opening':>18}{'debit':>18}{'credit':>18}{'closing':>18}"
    rows = [
        f"{plain_name(row.account):<{_WIDTH}}{_amounts(row.opening, row.debit, row.credit, row.closing)}"
        for row in balance.rows
    ]
    total = f"{'total':<{_WIDTH}}{'':>18}{_amounts(balance.debit, balance.credit)}"
    return "\n".join([head, columns, *rows, total])


def _amounts(*each: Money) -> str:
    return "".join(f"{readable_money(one):>18}" for one in each)

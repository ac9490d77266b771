"""The journal as a beancount file, which `bean-check` verifies independently of this ledger.

Syntax: https://beancount.github.io/docs/beancount_language_syntax.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.accounting.posting import Posting


def beancount_text(entries: Iterable[JournalEntry], title: str) -> str:
    """Accounts opened on their first day, then the entries by date, in the order given within a day.

    The same entries always give the same text. What an entry and its postings rest on is metadata.
    """
    ordered = sorted(entries, key=lambda entry: entry.posted_on)
    lines = [f'option "title" {_quoted(title)}']
    lines += [
        f'option "operating_currency" "{currency}"'
        for currency in sorted({entry.currency for entry in ordered})
    ]
    lines.append("")
    lines += [f"{day} open {plain_name(account)}" for account, day in sorted(_first_days(ordered).items())]
    for entry in ordered:
        lines += ["", *_entry(entry)]
    return "\n".join(lines) + "\n"


def _first_days(ordered: Iterable[JournalEntry]) -> dict[Account, date]:
    first: dict[Account, date] = {}
    for entry in ordered:
        for posting in entry.postings:
            first.setdefault(posting.account, entry.posted_on)
    return first


def _entry(entry: JournalEntry) -> list[str]:
    lines = [f"{entry.posted_on} * {_quoted(entry.description)}", f'  kind: "{entry.kind}"']
    lines += [f"  {key}: {_quoted(value)}" for key, value in reference_texts(entry).items()]
    for posting in entry.postings:
        amount = f"{posting.amount} {posting.amount.currency}"
        lines.append(f"  {plain_name(posting.account)}  {amount}")
        lines += [f"    {key}: {_quoted(value)}" for key, value in line_texts(posting).items()]
    return lines


def reference_texts(entry: JournalEntry) -> dict[str, str]:
    """What an entry comes from, as text; nothing for what it does not name."""
    reference = entry.reference
    values = {
        "value-date": entry.late_of,
        "contract": reference.contract,
        "origin-month": reference.month,
        "run": reference.run,
        "replaces": reference.replaces,
        "party": reference.party,
        "document-number": reference.document,
    }
    return {key: str(value) for key, value in values.items() if value is not None}


def line_texts(posting: Posting) -> dict[str, str]:
    """The settlement lines that a posting rests on, as text."""
    values = {"lines": posting.lines, "replaced-lines": posting.replaced_lines}
    return {key: ", ".join(map(str, numbers)) for key, numbers in values.items() if numbers}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

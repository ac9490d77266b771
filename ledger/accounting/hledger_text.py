"""The journal as an hledger file, for `hledger check` and its reports.

Format: https://hledger.org/hledger.html#journal
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.accounting.beancount_text import line_texts, reference_texts
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.quantity import MINOR_DIGITS


def hledger_text(entries: Iterable[JournalEntry]) -> str:
    """Commodities and accounts declared, then the entries by date, in the order given within a day.

    hledger cannot quote: a `;` or `|` in a description becomes `,` or `/`, and a comma in a tag a blank.
    """
    ordered = sorted(entries, key=lambda entry: entry.posted_on)
    lines = [_commodity(currency) for currency in sorted({entry.currency for entry in ordered})]
    lines.append("")
    accounts = {posting.account for entry in ordered for posting in entry.postings}
    lines += [f"account {plain_name(account)}" for account in sorted(accounts)]
    for entry in ordered:
        lines += ["", *_entry(entry)]
    return "\n".join(lines) + "\n"


def _commodity(currency: str) -> str:
    """Its decimal mark and places, as hledger wants them declared: `1000.00 CNY`, `1000. JPY`."""
    return f"commodity 1000.{'0' * MINOR_DIGITS[currency]} {currency}"


def _entry(entry: JournalEntry) -> list[str]:
    description = entry.description.replace(";", ",").replace("|", "/")
    lines = [f"{entry.posted_on} * ({entry.kind}) {description}"]
    lines += [f"    ; {key}:{_tag(value)}" for key, value in reference_texts(entry).items()]
    for posting in entry.postings:
        lines.append(f"    {plain_name(posting.account)}  {posting.amount} {posting.amount.currency}")
        lines += [f"    ; {key}:{_tag(value)}" for key, value in line_texts(posting).items()]
    return lines


def _tag(value: str) -> str:
    return " ".join(value.replace(",", " ").split())

"""Netting per counterparty: after it a party either owes or is owed (DOMAIN.md 2.3, step 6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.statement_payment import moved, paid
from ledger.quantity import Money
from ledger.statement.open_item import OpenItem


def netting_entry(
    party: str, parts: Iterable[tuple[OpenItem, Money]], on: date, document: str
) -> JournalEntry | None:
    """Set what is owed each way off between the party's accounts, advances among them.

    Each part is what its statement had open, and what is set off of it, above zero to the party; together the
    parts are zero. None where nothing moves between accounts.

    Raises:
        Refused: `currency`.
    """
    postings = moved(party, *((before, paid(before, amount)) for before, amount in parts))
    if not postings:
        return None
    text = f"Netting, {document}, {party}"
    return JournalEntry(on, "netting", text, Reference(party=party, document=document), postings)

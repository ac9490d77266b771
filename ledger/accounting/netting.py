"""Netting per counterparty: after it a party either owes or is owed (DOMAIN.md 2.3, step 6)."""

from __future__ import annotations

from datetime import date

from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.quantity import Money


def netting_entry(
    party: str, receivable: Money, payable: Money, on: date, document: str
) -> JournalEntry | None:
    """Set a party's receivable (debit balance) against its payable (credit balance).

    Either may be below zero after corrections; afterwards one is zero and the other is not. None when
    there is nothing to set off.

    Raises:
        Refused: `currency`.
    """
    net = (receivable - payable).minor
    moved = payable if net >= 0 else receivable
    return _moved(
        party,
        moved,
        Account("payable", (party,)),
        Account("receivable", (party,)),
        on,
        "Netting",
        document,
    )


def _moved(
    party: str, amount: Money, debit: Account, credit: Account, on: date, what: str, document: str
) -> JournalEntry | None:
    if not amount.minor:
        return None
    postings = (Posting(debit, amount), Posting(credit, -amount))
    text = f"{what}, {document}, {party}"
    return JournalEntry(on, "netting", text, Reference(party=party, document=document), postings)

"""What a trading unit's operator has of the market's statement beside the sites' shares (DOMAIN.md 3.9).

The market pays a unit's operator the whole statement. Where that is the book's owner, the sites' shares are
posted by the runs that settle them; what the unit's terms leave to the operator, and the rounding line, here.
Together they are the market's statement, to the fen. What another operator has is none of the owner's money.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.run_effect import Effect, Effects, change_postings
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.interval import Month
from ledger.stream import Stream
from ledger.trading_unit import UnitStream

STREAMS: Final[dict[UnitStream, Stream]] = {
    "demand_response": "demand_response",
    "spot": "spot",
    "regulation": "ancillary",
    "capacity": "capacity",
}
"""The stream that each of a unit's is settled as."""


def operator_effect(allocation: UnitAllocation, owner: str) -> Effects:
    """Receivable from the market: what is kept, which is income, and the operator's rounding; nothing where
    the book's owner does not operate the unit."""
    if allocation.operated_by != owner:
        return {}
    stream = STREAMS[allocation.stream]
    kept, rounding = allocation.kept.minor, allocation.operators_rounding.minor
    minor = {
        Account("market_receivable", (stream,)): kept + rounding,
        Account("stream_income", (stream,)): -kept,
        Account("allocation_rounding", (stream,)): -rounding,
    }
    return {account: Effect(amount, ()) for account, amount in minor.items() if amount}


def operator_entry(
    allocation: UnitAllocation, before: UnitAllocation | None, month: Month, on: date, owner: str
) -> JournalEntry | None:
    """What an allocation changes against the one `before` it, under its origin month; None for nothing."""
    old = operator_effect(before, owner) if before is not None else {}
    postings = change_postings(operator_effect(allocation, owner), old, allocation.statement.currency)
    if not postings:
        return None
    what = "Operator's line" if before is None else "Correction of the operator's line"
    text = f"{what} of unit {allocation.unit}, {month}, statement {allocation.fact}"
    reference = Reference(month=month, document=allocation.fact)
    return JournalEntry(on, "unit_operator", text, reference, postings)

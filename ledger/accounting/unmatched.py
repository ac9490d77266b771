"""Money of markets, suppliers and handovers that matches nothing receivable or payable in the ledger.

A market's receipt pays what runs and units made receivable of its stream; what is received beyond stays
unmatched until a run makes it receivable, or it is paid back. So do payments of a cost, and handovers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.journal import EntryKind, JournalEntry
from ledger.clauses.flow import grouped
from ledger.quantity import Money

_MATCHED_ON: Final[dict[EntryKind, Role]] = {
    "market_receipt": "market_receivable",
    "supplier_payment": "supplier_payable",
    "handed_over": "collected_for",
}
"""The account on which each kind of payment is matched."""


class Unmatched(msgspec.Struct, frozen=True):
    """`open` of `amount` matches nothing; both have the sign of the bank's booking. `item` is the stream, the
    cost or the party."""

    kind: EntryKind
    item: str
    document: str
    on: date
    amount: Money
    open: Money

    @property
    def text(self) -> str:
        """In one line, for a person."""
        what = {"market_receipt": "market receipt", "supplier_payment": "supplier payment"}
        name = f"{what.get(self.kind, 'handover')} {self.document} of {self.on} for {self.item}"
        of = f"{grouped(str(self.open))} of {grouped(str(self.amount))} {self.amount.currency}"
        return f"{name}: {of} match nothing"

    def concerns(self, party: str | None) -> bool:
        """Whether it is about the party; about none (None) everything is."""
        return party is None or (self.kind == "handed_over" and self.item == party)


class _Paid(NamedTuple):
    entry: JournalEntry
    minor: int
    """On the account, as it is debited."""


def unmatched(entries: Iterable[JournalEntry], end: date | None = None) -> tuple[Unmatched, ...]:
    """What is unmatched of all that was posted before the day `end`; the newest payments are, not the oldest.

    An account's payments are set against all else that was posted on it: what they are beyond it, in their
    own direction, matches nothing.
    """
    paid: dict[tuple[Account, str], list[_Paid]] = defaultdict(list)
    other: dict[tuple[Account, str], int] = defaultdict(int)
    for entry in entries:
        if end is not None and entry.posted_on >= end:
            continue
        for posting in entry.postings:
            key = posting.account, entry.currency
            if _MATCHED_ON.get(entry.kind) == posting.account.role:
                paid[key].append(_Paid(entry, posting.amount.minor))
            elif posting.account.role in _MATCHED_ON.values():
                other[key] += posting.amount.minor
    found = [one for key in sorted(paid) for one in _beyond(key, paid[key], -other[key])]
    return tuple(sorted(found, key=lambda one: (one.on, one.kind, one.document)))


def _beyond(key: tuple[Account, str], paid: list[_Paid], expected: int) -> list[Unmatched]:
    """`expected` is what the payments may add up to, signed as they are."""
    account, currency = key
    total = sum(one.minor for one in paid)
    sign = 1 if total > 0 else -1
    left = sign * total - max(sign * expected, 0)
    found: list[Unmatched] = []
    for entry, minor in sorted(paid, key=lambda one: one.entry.posted_on, reverse=True):
        taken = min(left, sign * minor)
        if taken > 0:
            left -= taken
            # The account is credited with what the bank receives.
            amount, open_now = Money(-minor, currency), Money(-sign * taken, currency)
            name = account.item or account.party or ""
            document = entry.reference.document or ""
            found.append(Unmatched(entry.kind, name, document, entry.value_date, amount, open_now))
    return found

"""What the book's owner and one counterparty owe each other over all contracts (DOMAIN.md 2.3, step 6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from ledger.identity import checked_id
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.statement import Statement


class PayableItem(msgspec.Struct, frozen=True):
    """What one run of a contract's month changes for a party; above zero it is owed to the party."""

    contract: str
    month: Month
    run: int
    party: str
    amount: Money

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        checked_id(self.party, "party")
        if self.run < 1:
            raise Refused("run", f"runs count from 1, not {self.run}", place="run")


class CounterpartyNet(msgspec.Struct, frozen=True):
    """`to_pay` is the sum of the items: above zero the owner pays it, below zero the party pays the owner."""

    owner: str
    party: str
    currency: str
    to_pay: Money
    items: tuple[PayableItem, ...]

    def __post_init__(self) -> None:
        assert sum(item.amount.minor for item in self.items) == self.to_pay.minor


def payable_item(statement: Statement) -> PayableItem:
    """What a statement changes: the whole of an initial run, the difference of a correction."""
    return PayableItem(
        statement.contract, Month.parse(statement.month), statement.run, statement.party, statement.delta
    )


def net_payables(owner: str, items: Iterable[PayableItem]) -> tuple[CounterpartyNet, ...]:
    """One amount for each counterparty and currency, itemised by contract, month and run.

    The owner's own items are the other side of everybody's, and are left out. A pair that owes each other
    the same comes out at zero and is shown. Give every party of a run: what the owner pays over all
    counterparties is then the opposite of its own payables.

    Raises:
        Refused: `duplicate` when a party's run is given twice.
    """
    checked_id(owner, "owner")
    by_pair: dict[tuple[str, str], list[PayableItem]] = defaultdict(list)
    seen: set[tuple[str, Month, int, str]] = set()
    for item in items:
        key = (item.contract, item.month, item.run, item.party)
        if key in seen:
            text = f"run {item.run} of {item.contract} {item.month} is given twice for {item.party}"
            raise Refused("duplicate", text, place="items")
        seen.add(key)
        if item.party != owner:
            by_pair[item.party, item.amount.currency].append(item)
    return tuple(
        CounterpartyNet(
            owner,
            party,
            currency,
            Money(sum(item.amount.minor for item in own), currency),
            tuple(sorted(own, key=lambda item: (item.contract, item.month, item.run))),
        )
        for (party, currency), own in sorted(by_pair.items())
    )

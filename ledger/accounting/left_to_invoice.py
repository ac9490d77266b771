"""What is still to be invoiced for a month's statements, run by run.

A later run that takes back more than a month's invoices have left to reverse takes the rest off what earlier
runs still have to invoice: neither is invoiced. A red letter that reverses all that is left has the invoices'
own tax, whatever the lines say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, get_args

import msgspec

from ledger.quantity import Money
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.life import Life, StatementKey

DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)


class Left(msgspec.Struct, frozen=True):
    """`amount` on the contract's split basis, below zero to take back; `tax` None where it is not known."""

    amount: Money
    tax: Money | None
    reversible: tuple[str, ...] = ()
    """The numbers of the month's invoices that a red letter can still reverse."""


def left_to_invoice(lives: Iterable[Life]) -> dict[tuple[StatementKey, Direction], Left]:
    """What each of these issued statements has left to invoice; of a month all its runs are given."""
    months: dict[tuple[str, str, str], list[Life]] = defaultdict(list)
    for life in lives:
        months[life.key.contract, life.key.month, life.key.party].append(life)
    found: dict[tuple[StatementKey, Direction], Left] = {}
    for runs in months.values():
        runs.sort(key=lambda life: life.key.run)
        for direction in DIRECTIONS:
            for life, left in zip(runs, _of_month(runs, direction), strict=True):
                found[life.key, direction] = left
    return found


def reversed_by(lives: Iterable[Life], direction: Direction, number: str) -> list[Invoice]:
    """The red letters of a month's runs that reverse an invoice."""
    own = (one for life in lives for one in life.invoices if one.direction == direction)
    return [one for one in own if one.reverses == number]


def _of_month(runs: Sequence[Life], direction: Direction) -> list[Left]:
    basis, zero = runs[0].billing.basis, Money.zero(runs[0].amount.currency)
    lefts = [Left(life.to_invoice(direction), life.tax_to_invoice(direction)) for life in runs]
    recorded = [one for life in runs for one in life.invoices if one.direction == direction]
    if not recorded:
        return lefts
    groups = [
        (one, *reversed_by(runs, direction, one.number))
        for one in recorded
        if one.reverses is None and not one.in_next_invoice
    ]
    groups = [group for group in groups if sum(one.gross.minor for one in group) > 0]
    numbers = tuple(group[0].number for group in groups)
    amount = sum((one.on_basis(basis) for group in groups for one in group), zero)
    tax: Money | None = sum((one.tax for group in groups for one in group), zero)
    for at in range(len(lefts)):
        if lefts[at].amount.minor >= 0:
            continue
        lefts = _set_off(lefts, at, -lefts[at].amount.minor - amount.minor)
        if amount.minor and -lefts[at].amount == amount and tax is not None:
            lefts[at] = Left(-amount, -tax)
        left = lefts[at]
        amount = max(amount + left.amount, zero, key=lambda money: money.minor)
        tax = None if tax is None or left.tax is None else tax + left.tax
    return [msgspec.structs.replace(left, reversible=numbers) for left in lefts]


def _set_off(lefts: Sequence[Left], at: int, beyond: int) -> list[Left]:
    """With `beyond` of what the run `at` takes back set off against what the others have to invoice; its tax
    goes with it in proportion."""
    found = list(lefts)
    for other, left in enumerate(lefts):
        minor = min(max(beyond, 0), max(left.amount.minor, 0))
        if minor:
            beyond -= minor
            moved = Money(minor, left.amount.currency)
            tax = left.tax and Money.round(left.tax.exact * moved.exact / left.amount.exact, moved.currency)
            found[other] = Left(left.amount - moved, _sum(left.tax, tax and -tax))
            found[at] = Left(found[at].amount + moved, _sum(found[at].tax, tax))
    return found


def _sum(one: Money | None, other: Money | None) -> Money | None:
    return None if one is None or other is None else one + other

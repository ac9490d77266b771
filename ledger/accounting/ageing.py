"""How old what is open is: the buckets of a counterparty's statement of account."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Final, Literal

import msgspec

from ledger.quantity import Money
from ledger.statement.life import Life

Bucket = Literal["not_due", "1_30", "31_60", "61_90", "over_90"]
BUCKETS: Final[tuple[Bucket, ...]] = ("not_due", "1_30", "31_60", "61_90", "over_90")
"""Calendar days after the due day."""


class Ageing(msgspec.Struct, frozen=True):
    """What is open of issued statements on a day, in one currency; every amount is from zero up.

    `owed_to_us` and `owed_by_us` are by days overdue. `on_account` is what parties paid beyond their
    statements, `overpaid_by_us` what they got beyond them. `disputed` is held back and not paid,
    `paid_disputed` paid and held with its dispute until that ends. `interest` has accrued on
    what is overdue, above zero to us.
    """

    currency: str
    on: date
    owed_to_us: dict[Bucket, Money]
    owed_by_us: dict[Bucket, Money]
    on_account: Money
    overpaid_by_us: Money
    disputed: Money
    paid_disputed: Money
    interest: Money

    @property
    def total(self) -> Money:
        """What is owed to us less what we owe, overpayments counted; disputed amounts are not in it."""
        zero = Money.zero(self.currency)
        to_us = sum(self.owed_to_us.values(), zero) + self.overpaid_by_us
        return to_us - sum(self.owed_by_us.values(), zero) - self.on_account


def bucket(days_overdue: int) -> Bucket:
    """The bucket of what is so many calendar days overdue; zero or less is not due.

    >>> [bucket(days) for days in (0, 1, 30, 31, 90, 91)]
    ['not_due', '1_30', '1_30', '31_60', '61_90', 'over_90']
    """
    if days_overdue <= 0:
        return "not_due"
    return BUCKETS[min((days_overdue - 1) // 30 + 1, len(BUCKETS) - 1)]


def ageing(lives: Iterable[Life], currency: str, on: date, owner: str, contracts: Collection[str]) -> Ageing:
    """The ageing of issued statements in one currency as they stand, with their age on the day `on`.

    `contracts` are those in which the book's owner is a party: of others nothing is owed to it or by it, nor
    by itself.
    """
    to_us, by_us = dict.fromkeys(BUCKETS, 0), dict.fromkeys(BUCKETS, 0)
    on_account = overpaid = disputed = paid_disputed = 0
    interest = Money.zero(currency)
    for life in lives:
        if life.issued_on is None or life.due_on is None or life.amount.currency != currency:
            continue
        if life.key.party == owner or life.key.contract not in contracts:
            continue
        left = life.open_amount.minor
        disputed += abs((life.disputed - life.paid_disputed).minor)
        paid_disputed += abs(life.paid_disputed.minor)
        if life.standing(on) == "overpaid":
            overpaid, on_account = overpaid + max(-left, 0), on_account + max(left, 0)
            continue
        side = by_us if left > 0 else to_us
        side[bucket((on - life.due_on).days)] += abs(left)
        interest -= life.interest(on)
    return Ageing(
        currency,
        on,
        {name: Money(minor, currency) for name, minor in to_us.items()},
        {name: Money(minor, currency) for name, minor in by_us.items()},
        Money(on_account, currency),
        Money(overpaid, currency),
        Money(disputed, currency),
        Money(paid_disputed, currency),
        interest,
    )

"""What a clause hands on to the next month."""

from __future__ import annotations

import msgspec

from ledger.interval import Month
from ledger.quantity import Money


class _Amount(msgspec.Struct, frozen=True):
    amount: Money

    @property
    def money(self) -> Money:
        return self.amount

    @property
    def counts(self) -> bool:
        """Whether something is lost when no clause takes it up."""
        return self.amount.minor != 0


class HurdleUnpaid(_Amount, frozen=True, tag_field="type", tag="hurdle_unpaid"):
    """A hurdle's return that earlier months could not pay; never negative."""


class LossUnrecovered(_Amount, frozen=True, tag_field="type", tag="loss_unrecovered"):
    """Losses that parties bore in earlier months and may recover first; never negative."""


class MinimumUnpaid(_Amount, frozen=True, tag_field="type", tag="minimum_unpaid"):
    """What a party's minimum still lacks from earlier months; never negative."""


class PoolToDate(msgspec.Struct, frozen=True, tag_field="type", tag="pool_to_date"):
    """What was divided in the year so far, up to `month`; never negative."""

    month: Month
    amount: Money

    @property
    def money(self) -> Money:
        return self.amount

    @property
    def counts(self) -> bool:
        return True


class GuaranteeToDate(msgspec.Struct, frozen=True, tag_field="type", tag="guarantee_to_date"):
    """The guarantee's measure so far: `pool` over `months` months (exact text such as `7/2`), to `month`."""

    month: Month
    months: str
    pool: Money

    @property
    def money(self) -> Money:
        return self.pool

    @property
    def counts(self) -> bool:
        return True


class TakeToDate(msgspec.Struct, frozen=True, tag_field="type", tag="take_to_date"):
    """A minimum take's measure: `taken_wh` over `months` months of the period so far, to `month`.

    `make_up_wh` was paid for and not taken in earlier periods. Months and make-up are exact text.
    """

    month: Month
    months: str
    taken_wh: int
    make_up_wh: str

    @property
    def money(self) -> None:
        """Energy is carried, no money."""

    @property
    def counts(self) -> bool:
        return True


Carry = HurdleUnpaid | LossUnrecovered | MinimumUnpaid | PoolToDate | GuaranteeToDate | TakeToDate

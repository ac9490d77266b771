"""How much of a limit is used: one aggregate a limit, what it is for, and delivery day or open book."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction

import msgspec

from ledger.interval import Instant
from trading.exposure import check_limit
from trading.product import Id
from trading.risk import Limit

_DIGITS = 16


class Used(msgspec.Struct, frozen=True):
    """A bid's part of a limit, exact (`numerator/denominator`), which ends by itself at `until`."""

    bid: Id
    amount: str
    until: Instant

    @property
    def exact(self) -> Fraction:
        return Fraction(self.amount)


class Usage(msgspec.Struct, frozen=True):
    parts: tuple[Used, ...] = ()

    def sum_at(self, now: datetime, but: str) -> Fraction:
        """What others than `but` use at that time."""
        found = (one.exact for one in self.parts if one.bid != but and one.until > now)
        return sum(found, Fraction(0))


def aggregate_of(limit: Limit, value: str, day: date) -> str:
    """The aggregate that holds what `value` (a user, unit, ...) uses of a limit.

    >>> aggregate_of(Limit(id="a", measure="volume_wh", each="unit", span="day", most="1"), "u",
    ...     date(2026, 8, 3))
    'usage.a_2026-08-03_0bfe935e70c321c7'
    """
    of = hashlib.sha256(value.encode()).hexdigest()[:_DIGITS]
    when = day.isoformat() if limit.span == "day" else "open"
    return f"usage.{limit.id}_{when}_{of}"


class LimitUsed(msgspec.Struct, frozen=True, tag_field="kind", tag="limit.used.v1"):
    """In place of the same bid's part before; parts that ended are dropped."""

    used: Used
    at: Instant
    overridden: bool

    def apply(self, state: Usage | None) -> Usage:
        kept = (one for one in (state or Usage()).parts if one.bid != self.used.bid and one.until > self.at)
        return Usage((*kept, self.used))


class LimitFreed(msgspec.Struct, frozen=True, tag_field="kind", tag="limit.freed.v1"):
    bid: Id

    def apply(self, state: Usage | None) -> Usage:
        return Usage(tuple(one for one in (state or Usage()).parts if one.bid != self.bid))


class UseLimit(msgspec.Struct, frozen=True):
    """Use a part of a limit for a bid, if it is there or overridden."""

    limit: Limit
    value: str
    day: date
    used: Used
    overridden: bool
    asked: str
    """What this revision asks for; `used` is more while one that asked for more may still be awarded."""

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.limit, self.value, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide_at(self, now: datetime, state: Usage | None, _: Mapping[str, object]) -> tuple[LimitUsed]:
        """Raises:
        Refused: `limit_volume`, `limit_exposure`, `limit_imbalance`, `limit_margin`."""
        if not self.overridden:
            before = (state or Usage()).sum_at(now, self.used.bid)
            name = f"{self.limit.id} of {self.limit.each} {self.value}"
            check_limit(name, before, Fraction(self.asked), self.limit.most_exact, self.limit.measure)
        return (LimitUsed(self.used, now, self.overridden),)


class KeepUse(msgspec.Struct, frozen=True):
    """Put what stands in place of what was used: a fact, whatever else uses the limit."""

    limit: Limit
    value: str
    day: date
    used: Used

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.limit, self.value, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide_at(self, now: datetime, _: Usage | None, __: Mapping[str, object]) -> tuple[LimitUsed]:
        return (LimitUsed(self.used, now, overridden=False),)


class KeepUses(msgspec.Struct, frozen=True):
    """As `KeepUse`, of several bids at once: facts, which may be more than the limit."""

    limit: Limit
    value: str
    day: date
    used: tuple[Used, ...]

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.limit, self.value, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide_at(self, now: datetime, _: Usage | None, __: Mapping[str, object]) -> tuple[LimitUsed, ...]:
        return tuple(LimitUsed(one, now, overridden=False) for one in self.used)


class FreeLimit(msgspec.Struct, frozen=True):
    """Give back what a bid used of a limit."""

    limit: Limit
    value: str
    day: date
    bid: Id

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.limit, self.value, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: Usage | None, __: Mapping[str, object]) -> tuple[LimitFreed]:
        return (LimitFreed(self.bid),)

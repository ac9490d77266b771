"""A unit's profit and loss on delivery days, exact, and where money was lost against the best possible.

Two settlements (DOMAIN.md 3.5): Q_da P_da + (Q_rt - Q_da) P_rt. From the best down to what was earned:
foresight - schedule = lost by price (the plan was not the best for the prices that came), schedule - award =
lost by volume (the market took something else), award - earned = lost by deviation (something else was
delivered). The three add up to foresight - earned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import exact_text

Basis = Literal["settled", "metered", "cleared", "last_price"]
"""settled: the ledger's lines; metered: awards and meters at recorded prices. Open: cleared: awards at their
clearing's prices; last_price: the bid's schedule at the prices of the last clearing."""

REALISED: Final[frozenset[Basis]] = frozenset({"settled", "metered"})
_WH_PER_KWH: Final = 1000
_NONE: Final = Fraction(0)

Column = Sequence[Fraction]
"""A number an interval: Wh, above zero toward the grid, or money per kWh."""


class Dealt(msgspec.Struct, frozen=True, kw_only=True):
    """A day's energy in equal intervals. What is not known yet is None.

    `best` are the day-ahead and real-time energies of perfect foresight. `settled` is what the ledger's
    settlement says the day earned.
    """

    day: date
    day_ahead_price: Column
    priced_by: Literal["clearing", "last_price"]
    schedule_wh: Column | None = None
    awarded_wh: Column | None = None
    metered_wh: Column | None = None
    real_time_price: Column | None = None
    best: tuple[Column, Column] | None = None
    settled: Fraction | None = None


class DayProfit(msgspec.Struct, frozen=True, kw_only=True):
    """A day's money in the market's currency, exact text; None where it cannot be known.

    `earned` is realised or, by `basis`, open. `schedule`: the bid's own schedule, delivered as planned.
    `foresight`: the best that the unit's storage could have earned. `idle`: doing nothing.
    """

    day: date
    basis: Basis
    earned: str
    schedule: str | None
    foresight: str | None
    idle: str
    lost_by_price: str | None
    lost_by_volume: str | None
    lost_by_deviation: str | None

    @property
    def realised(self) -> bool:
        return self.basis in REALISED


class Profit(msgspec.Struct, frozen=True, kw_only=True):
    """Days in order, and their sums; a sum of what is lost has only the days in which all three are known."""

    unit: str
    currency: str
    days: tuple[DayProfit, ...]
    realised: str
    open: str
    foresight: str
    lost_by_price: str
    lost_by_volume: str
    lost_by_deviation: str
    days_explained: int


def two_settlement(
    day_ahead_wh: Column, real_time_wh: Column, day_ahead_price: Column, real_time_price: Column
) -> Fraction:
    """Q_da P_da + (Q_rt - Q_da) P_rt, summed (DOMAIN.md 3.5).

    >>> one = [Fraction(1000)], [Fraction(3000)], [Fraction("0.4")], [Fraction("0.5")]
    >>> two_settlement(*one)
    Fraction(7, 5)
    """
    return (
        sum(
            (
                planned * ahead + (actual - planned) * after
                for planned, actual, ahead, after in zip(
                    day_ahead_wh, real_time_wh, day_ahead_price, real_time_price, strict=True
                )
            ),
            _NONE,
        )
        / _WH_PER_KWH
    )


def day_profit(dealt: Dealt) -> DayProfit:
    """What a day earned or stands to earn, and what was lost on the way from the best."""
    price = dealt.day_ahead_price
    planned = None if dealt.schedule_wh is None else _worth(dealt.schedule_wh, price)
    award = None if dealt.awarded_wh is None else _worth(dealt.awarded_wh, price)
    earned, basis = _earned(dealt, planned, award)
    best: Fraction | None = None
    if dealt.best is not None and dealt.real_time_price is not None:
        best = two_settlement(*dealt.best, price, dealt.real_time_price)
    lost: tuple[Fraction | None, ...] = (None, None, None)
    if award is not None and basis in REALISED:
        plan = award if planned is None else planned
        lost = (None if best is None else best - plan, plan - award, award - earned)
        if best is not None:
            assert sum(one for one in lost if one is not None) == best - earned, "the losses add up"
    return DayProfit(
        day=dealt.day,
        basis=basis,
        earned=exact_text(earned),
        schedule=_text(planned),
        foresight=_text(best),
        idle="0",
        lost_by_price=_text(lost[0]),
        lost_by_volume=_text(lost[1]),
        lost_by_deviation=_text(lost[2]),
    )


def summed(unit: str, currency: str, days: Iterable[DayProfit]) -> Profit:
    """The days and their sums."""
    ordered = tuple(sorted(days, key=lambda one: one.day))
    explained = [one for one in ordered if one.lost_by_price is not None]

    def total(texts: Iterable[str | None]) -> str:
        return exact_text(sum((Fraction(text) for text in texts if text is not None), _NONE))

    return Profit(
        unit=unit,
        currency=currency,
        days=ordered,
        realised=total(one.earned for one in ordered if one.realised),
        open=total(one.earned for one in ordered if not one.realised),
        foresight=total(one.foresight for one in explained),
        lost_by_price=total(one.lost_by_price for one in explained),
        lost_by_volume=total(one.lost_by_volume for one in explained),
        lost_by_deviation=total(one.lost_by_deviation for one in explained),
        days_explained=len(explained),
    )


def _earned(dealt: Dealt, planned: Fraction | None, award: Fraction | None) -> tuple[Fraction, Basis]:
    if dealt.settled is not None:
        return dealt.settled, "settled"
    if award is None:
        return (_NONE if planned is None else planned), "last_price"
    if dealt.metered_wh is None or dealt.real_time_price is None:
        return award, "cleared"
    assert dealt.awarded_wh is not None, "what is awarded has energies"
    paid = two_settlement(dealt.awarded_wh, dealt.metered_wh, dealt.day_ahead_price, dealt.real_time_price)
    return paid, "metered"


def _worth(wh: Column, price: Column) -> Fraction:
    return two_settlement(wh, wh, price, price)


def _text(value: Fraction | None) -> str | None:
    return None if value is None else exact_text(value)

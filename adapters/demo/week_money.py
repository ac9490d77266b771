"""What the trading week earned, read from the book's projections, and that everything in it agrees.

A kWh that is lost between charging and discharging bears the grid company's charge, settled by the month. So
every kWh is worth its price and that charge: charged in, discharged out, the difference is what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.demo.trading_book import (
    CONTRACT,
    MARKET,
    PRODUCT,
    UNIT,
    TradingBook,
    charge_on_losses_u,
    envelope,
)
from adapters.demo.week_plan import best_schedule_w
from adapters.desk.unit_results import unit_profit
from adapters.documents.readable import readable_money
from adapters.postgres.database import Connection
from adapters.queries import statements
from adapters.queries.unit_days import UnitDay, UnitDays
from ledger.interval import Month
from ledger.quantity import Money, exact
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.result import Result
from ledger.streams.spot import SpotClearing
from trading.clearing import ClearingState, clearing_id
from trading.envelope import SLOT_S
from trading.position import Stand, by_slot, positions
from trading.product import MICRO
from trading.profit import DayProfit, Dealt, Profit, day_profit, summed

CURRENCY: Final = "CNY"
_NONE: Final = Fraction(0)
_WH_PER_KWH: Final = 1000
_SLOTS_PER_HOUR: Final = 3600 // SLOT_S
_HALF_FEN: Final = Fraction(1, 200)

Column = tuple[Fraction, ...]
"""Wh of each quarter-hour, above zero sold; or money per kWh."""


class DayFigures(NamedTuple):
    """One delivery day of the unit; money in CNY, exact."""

    day: date
    planned_wh: Column
    awarded_wh: Column
    day_ahead: Fraction
    """What the awards earn at the clearing's prices."""
    deviation: Fraction
    """What metered less awarded energy earns in real time."""
    charge: Fraction
    """For what was lost between charging and discharging; at most 0."""
    settled: Fraction
    """What the settlement's lines say of the day, and its part of the month's charge."""
    net: DayProfit
    """After the charge; its foresight is the best schedule for the day-ahead prices, delivered as planned."""
    run: str
    """The clearing's run in force."""


class Week(NamedTuple):
    """The days in order, and the runs that settled them."""

    days: tuple[DayFigures, ...]
    results: tuple[Result, ...]
    profit: Profit
    """The unit's, before the charge; its foresight trades against the real-time prices, known too."""
    net: Profit

    @property
    def lines(self) -> list[Line]:
        return [line for result in self.results for line in result.lines if line.kind == "stream"]


def read_week(book: TradingBook, days: Sequence[date]) -> Week:
    """The week's figures as the book has them now.

    Raises:
        Refused: `demo_agreement` for a day that is not cleared, metered, priced and settled.
    """
    with book.reading() as (connection, position):
        of = connection, book.stack.settings.book, position, UNIT
        found = UnitDays(*of).days(days[0], days[-1])
        profit = unit_profit(*of, days[0], days[-1])
        months = sorted({Month.of(day) for day in days})
        results = tuple(_result(connection, position, month) for month in months)
    figures = tuple(_figures(book, one) for one in found)
    return Week(figures, results, profit, summed(UNIT, CURRENCY, (one.net for one in figures)))


def check_agreement(book: TradingBook, week: Week) -> Fraction:
    """That positions, what was handed over, settlement and profit are the same money, below the fen too.

    Answers by how much the pools differ from the days, because each line is rounded once.

    Raises:
        Refused: `demo_agreement`, naming the day or line that differs.
    """
    for one, profit in zip(week.days, week.profit.days, strict=True):
        place = str(one.day)
        told = _handed_over_wh(book, one.day)
        _agree(told == one.awarded_wh, "the sites' parts are not the award", place)
        paid = one.day_ahead + one.deviation
        _agree(paid + one.charge == one.settled, "two settlements and the charge are not the lines", place)
        _agree(
            (profit.day, profit.basis) == (one.day, "settled"), "the profit is not of settled lines", place
        )
        _agree(Fraction(profit.earned) == paid, "the profit is not what was paid", place)
    days = {str(one.day) for one in week.days}
    terms = [term for line in week.lines for term in line.basis if term.label not in days]
    charges = sum((exact(term.exact) for term in terms), _NONE)
    _agree(charges == sum(one.charge for one in week.days), "the charges are not the months'", CONTRACT)
    rounding = _NONE
    for line in week.lines:
        moved = line.amount.exact - exact(line.exact)
        _agree(abs(moved) <= _HALF_FEN, "a line is not its exact amount rounded once", f"line {line.number}")
        rounding += moved
    pools = sum((result.pool.exact for result in week.results), _NONE)
    settled = sum((one.settled for one in week.days), _NONE)
    earned = Fraction(week.profit.realised) + charges
    _agree(settled == earned == Fraction(week.net.realised), "the profit is not what was settled", UNIT)
    _agree(settled + rounding == pools, "the days are not the pools", CONTRACT)
    payable = [money.minor for result in week.results for money in result.payable.values()]
    _agree(sum(payable) == 0, "what is payable does not add up to nothing", CONTRACT)
    return rounding


def of_each(wh: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
    """The energy that is sold, and that which is bought, in Wh at least 0."""
    return sum((max(one, _NONE) for one in wh), _NONE), sum((max(-one, _NONE) for one in wh), _NONE)


def yuan(value: Fraction) -> str:
    """An exact amount rounded to the fen."""
    return readable_money(Money.round(value, CURRENCY))


def _agree(holds: bool, otherwise: str, place: str) -> None:  # noqa: FBT001
    if not holds:
        raise Refused("demo_agreement", otherwise, place=place)


def _result(connection: Connection, position: int, month: Month) -> Result:
    runs = statements.runs(connection, position, month=str(month), contract=CONTRACT)
    found = statements.result(connection, CONTRACT, str(month), runs[-1].run) if runs else None
    if found is None:
        raise Refused("demo_agreement", f"{month} is not settled", place=CONTRACT)
    return found


def _figures(book: TradingBook, one: UnitDay) -> DayFigures:
    stand = _cleared(one)
    rows = positions(UNIT, one.day, one.start, one.stands, one.metered).positions
    slots = len(rows)
    awarded = tuple(_known(row.awarded_wh, one.day) for row in rows)
    metered = tuple(_known(row.metered_wh, one.day) for row in rows)
    per_kwh = Fraction(charge_on_losses_u(one.day), MICRO)
    ahead = [price / MICRO for price in by_slot(stand.price_u or (), slots)]
    charge = per_kwh * sum(metered) / _WH_PER_KWH
    planned = _quarters_wh(stand.bid.schedule_w or (), slots)
    best = _quarters_wh(_best_w(stand, one.day), slots)
    if one.settled is None:
        raise Refused("demo_agreement", "the day is not settled", place=str(one.day))
    settled = one.settled + charge
    net = day_profit(
        Dealt(
            day=one.day,
            day_ahead_price=[price + per_kwh for price in ahead],
            priced_by="clearing",
            schedule_wh=planned,
            awarded_wh=awarded,
            metered_wh=metered,
            real_time_price=[_known(row.real_time_price, one.day) + per_kwh for row in rows],
            best=(best, best),
            settled=settled,
        )
    )
    return DayFigures(
        day=one.day,
        planned_wh=planned,
        awarded_wh=awarded,
        day_ahead=sum((wh * price for wh, price in zip(awarded, ahead, strict=True)), _NONE) / _WH_PER_KWH,
        deviation=sum((_known(row.deviation_value, one.day) for row in rows), _NONE),
        charge=charge,
        settled=settled,
        net=net,
        run=_run(book, one.day),
    )


def _cleared(one: UnitDay) -> Stand:
    """The day's one bid."""
    if len(one.stands) != 1 or one.stands[0].price_u is None:
        raise Refused("demo_agreement", "the day has not one cleared bid", place=str(one.day))
    return one.stands[0]


def _known(figure: str | int | None, day: date) -> Fraction:
    """A position's figure, which is not missing."""
    if figure is None:
        raise Refused("demo_agreement", "a quarter-hour is not metered or not priced", place=str(day))
    return Fraction(figure)


def _best_w(stand: Stand, day: date) -> tuple[int, ...]:
    """The schedule that the optimiser would have made of the prices that were cleared."""
    charge_u = charge_on_losses_u(day)
    worth_u = [price + charge_u for price in stand.price_u or ()]
    return best_schedule_w(envelope(), worth_u, stand.product.interval_s, stand.product.lot_w)


def _quarters_wh(power_w: Sequence[int], slots: int) -> Column:
    return tuple(power / _SLOTS_PER_HOUR for power in by_slot(power_w, slots))


def _run(book: TradingBook, day: date) -> str:
    state = book.door.state(f"clearing.{clearing_id(MARKET, PRODUCT, day)}")
    assert isinstance(state, ClearingState), "a cleared bid has its clearing"
    return state.latest.run


def _handed_over_wh(book: TradingBook, day: date) -> Column:
    """What the facts of all sites say was cleared for the day."""
    start = book.desk.product_on(MARKET, PRODUCT, day)[0].start_of(day)
    with book.reading() as (connection, position):
        rows = connection.execute(
            "SELECT document::text FROM ledger.registered WHERE kind = 'market_fact' AND from_seq <= %(at)s"
            " AND (to_seq IS NULL OR to_seq > %(at)s) AND document->>'type' = 'spot_clearing' ORDER BY id",
            {"at": position},
        ).fetchall()
    facts = [msgspec.json.decode(text, type=SpotClearing) for (text,) in rows]
    each = [
        [up - down for up, down in zip(fact.injected_wh, fact.withdrawn_wh, strict=True)]
        for fact in facts
        if fact.interval.start == start
    ]
    hours = [sum(column) for column in zip(*each, strict=True)]
    return tuple(Fraction(wh, _SLOTS_PER_HOUR) for wh in hours for _ in range(_SLOTS_PER_HOUR))

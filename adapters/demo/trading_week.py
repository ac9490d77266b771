"""Chapter 11: a week of the Shandong spot market is traded, delivered and settled, day by day.

Each step is a command with an id of its own, so that a second telling changes nothing. The market is another
process, spoken to as any market is; what goes wrong on the way is asked of it beforehand.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import date, timedelta
from typing import Final

from adapters.demo import week_money
from adapters.demo.market_process import MarketProcess, market_process
from adapters.demo.portfolio_book import PREPARES
from adapters.demo.trading_book import (
    DAYS,
    FIRST,
    MARKET,
    PRICE_FILE,
    UNIT_CODE,
    TradingBook,
    envelope,
    found,
    local,
)
from adapters.demo.week_bids import LATE, bid_for, bid_late, send
from adapters.demo.week_delivery import record_readings
from adapters.demo.week_money import yuan
from adapters.demo.week_prices import record_published
from adapters.demo.week_results import CORRECTED, clearing_of, correct, take_result
from adapters.demo.week_table import show
from adapters.documents.readable import readable_sum
from adapters.settling import Settled, settle_month
from adapters.verify import verify
from ledger.interval import Month
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)


def tell(book: TradingBook) -> None:
    """Raises:
    Refused: what a step is refused for; `demo_agreement` when positions, settlement and profit differ;
        `verify` when the ledger does not hold."""
    book.console.rule("11. a week on the Shandong spot market")
    found(book)
    book.console.print(
        "  real       the market's hourly day-ahead and real-time prices, 26 January to 1 February 2026\n"
        "  simulated  the operator, a process of its own that clears bids around these prices; the\n"
        "             storages, which do 2 % less to 1 % more than they are to; their owner and tariff"
    )
    record_published(book, "day_ahead", FIRST - _DAY)
    before = book.position()
    with _market(book) as operator:
        for day in (FIRST - _DAY + number * _DAY for number in range(len(DAYS) + 2)):
            _live_through(book, operator, day)
    if book.position() == before:
        book.console.print("  traded and delivered before: nothing of it is repeated")
    _settle(book)
    week = week_money.read_week(book, DAYS)
    show(book, week)
    rounding = week_money.check_agreement(book, week)
    book.console.print(
        "  positions, settlement and profit agree to the fen:"
        f" the pools are the days, and {yuan(rounding)} of {len(week.lines)} lines each rounded once"
    )
    _verify(book)


def _market(book: TradingBook) -> AbstractContextManager[MarketProcess | None]:
    """The market, unless all that it has to tell is in the book."""
    told = [clearing_of(book, day) for day in DAYS]
    if all(
        state is not None and (day != CORRECTED or len(state.runs) > 1)
        for day, state in zip(DAYS, told, strict=True)
    ):
        return nullcontext()
    return market_process(
        book.folder / "reference-market",
        PRICE_FILE,
        market=MARKET,
        unit_code=UNIT_CODE,
        power_w=envelope().discharge_w,
        clock=local(FIRST - _DAY, "08:00"),
    )


def _live_through(book: TradingBook, operator: MarketProcess | None, day: date) -> None:
    """A calendar day: yesterday's readings, tomorrow's bid, real-time prices, tomorrow's clearing."""
    yesterday, tomorrow = day - _DAY, day + _DAY
    if yesterday in DAYS:
        record_readings(book, yesterday)
    if tomorrow in DAYS:
        bid_for(book, tomorrow)
        if operator is not None:
            send(book, operator, tomorrow)
    if yesterday in DAYS:
        book.at(day, "10:30")
        record_published(book, "real_time", yesterday)
    if tomorrow == LATE:
        bid_late(book, tomorrow)
    if yesterday == CORRECTED:
        book.at(day, "12:00")
        if operator is not None:
            correct(book, operator, yesterday)
        take_result(book, operator, yesterday)
    if tomorrow in DAYS:
        book.at(day, "17:31")
        take_result(book, operator, tomorrow)


def _settle(book: TradingBook) -> None:
    """January is over; of February the one day that is, provisionally."""
    last = DAYS[-1]
    book.at(last + _DAY, "12:00")
    database = book.stack.database
    january, february = Month.of(FIRST), Month.of(last)
    today = last + _DAY
    done = settle_month(book.door, database, january, actor=PREPARES, today=today).runs
    done += settle_month(book.door, database, february, actor=PREPARES, through=last, today=today).runs
    for one in done:
        book.console.print(f"  {_settled(one)}")


def _settled(one: Settled) -> str:
    result = one.result
    days = f" through {result.through}" if result.through is not None else ""
    return (
        f"{result.contract} {result.month}{days}: run {one.run}, {one.kind},"
        f" {'recorded' if one.recorded else 'unchanged'}, pool {readable_sum(result.pool)}"
    )


def _verify(book: TradingBook) -> None:
    stack = book.stack
    verdict = verify(stack.log, stack.database, stack.addresses.nats_monitor_url)
    for fault in verdict.faults:
        book.console.print(f"  FAULT {fault}")
    if verdict.faults:
        raise Refused("verify", "the ledger does not verify")
    book.console.print(
        f"  {verdict.envelopes} envelopes: equal to the archive, chains whole; {verdict.runs} runs settled"
        " again: the same digest"
    )

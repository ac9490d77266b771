"""The trading week's bids: planned, written, approved, submitted, and carried to the market and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from adapters.demo.market_process import MarketProcess
from adapters.demo.portfolio_book import APPROVES, PREPARES
from adapters.demo.trading_book import (
    MARKET,
    PRODUCT,
    UNIT,
    TradingBook,
    bid_id,
    charge_on_losses_u,
    envelope,
    market,
)
from adapters.demo.week_plan import best_schedule_w, curves
from adapters.demo.week_prices import known_prices
from adapters.desk.sender import Done, Sender
from ledger.market_price import Product as PriceProduct
from ledger.refusal import Refused
from trading.bid import Bid
from trading.bid_life import BidState

LOST_ANSWER: Final = date(2026, 1, 28)
LATE: Final = date(2026, 1, 30)
_LIMIT: Final = "market-exposure"
_DAY: Final = timedelta(days=1)


def bid_for(book: TradingBook, day: date) -> None:
    """Planned with yesterday's prices, which are all that is known; written by one, approved by another."""
    before, state = day - _DAY, _state(book, day)
    if state is not None and state.standing is not None:
        return
    book.at(before, "09:30")
    one = _planned(book, day, "day_ahead", before) if state is None else state.draft.bid
    desk, name = book.desk, one.id
    desk.draft(one, revision=0, command_id=f"demo:draft:{name}", actor=PREPARES)
    book.at(before, "09:40")
    desk.approve(name, 1, one.digest, command_id=f"demo:approve:{name}", actor=APPROVES)
    book.at(before, "09:45")
    submission = f"demo:submit:{name}"
    try:
        desk.submit(name, 1, command_id=submission, actor=PREPARES)
    except Refused as refused:
        if refused.code != "limit_exposure":
            raise
        book.say(f"{name} refused ({refused.code}): {refused.reason}")
        reason = "counted at yesterday's dearest hour; the plan charges in the cheapest ones"
        desk.override(name, 1, _LIMIT, reason, command_id=f"demo:override:{name}", actor=APPROVES)
        desk.submit(name, 1, command_id=submission, actor=PREPARES)
        book.say(f"{name} {APPROVES} lets it exceed {_LIMIT}: {reason}")


def _planned(book: TradingBook, day: date, product: PriceProduct, of: date) -> Bid:
    """The day's bid, had it the prices of another day."""
    expected_u, charge_u = known_prices(book, product, of), charge_on_losses_u(day)
    its_product, unit = market().product(PRODUCT), envelope()
    worth_u = [price + charge_u for price in expected_u]
    schedule = best_schedule_w(unit, worth_u, its_product.interval_s, its_product.lot_w)
    return Bid(
        id=bid_id(day),
        unit=UNIT,
        market=MARKET,
        product=PRODUCT,
        day=day,
        curves=curves(unit, its_product, schedule, expected_u),
        schedule_w=schedule,
        origin="optimiser",
        note=f"planned with the {product.replace('_', '-')} prices of {of}",
    )


def _state(book: TradingBook, day: date) -> BidState | None:
    found = book.door.state(f"bid.{bid_id(day)}")
    return found if isinstance(found, BidState) else None


def send(book: TradingBook, operator: MarketProcess, day: date) -> None:
    """Carried to the market; on one day its answer is lost on the way, and it is asked what it has."""
    state = book.desk.state(bid_id(day))
    assert state.standing is not None, "it was submitted"
    operator.move_to(book.at(day - _DAY, "09:50"))
    if day == LOST_ANSWER and state.standing.status == "submitted":
        operator.lose_next_answer()
    _print(book, _step(book, operator))
    book.at(day - _DAY, "09:52")
    _print(book, _step(book, operator))


def _step(book: TradingBook, operator: MarketProcess) -> list[Done]:
    book.position()
    return sender(book, operator).step()


def sender(book: TradingBook, operator: MarketProcess) -> Sender:
    return Sender(book.desk, book.stack.database, MARKET, {market().gateway: operator.gateway}, book.clock)


def _print(book: TradingBook, done: Iterable[Done]) -> None:
    for one in done:
        book.say(f"{one.name} {one.outcome}" + (f": {one.note}" if one.note else ""))


def bid_late(book: TradingBook, day: date) -> None:
    """A revision with newer prices comes a second before the gate: within the clocks' error."""
    before, state = day - _DAY, book.desk.state(bid_id(day))
    if state.standing is not None and state.standing.status == "cleared":
        return
    book.at(before, "10:50")
    one = state.draft.bid
    if state.draft.revision == 1:
        one = _planned(book, day, "real_time", before - _DAY)
    desk, name = book.desk, one.id
    desk.draft(one, revision=1, command_id=f"demo:draft:{name}:2", actor=PREPARES)
    desk.approve(name, 2, one.digest, command_id=f"demo:approve:{name}:2", actor=APPROVES)
    book.at(before, "10:59:59")
    try:
        desk.submit(name, 2, command_id=f"demo:submit:{name}:2", actor=PREPARES)
    except Refused as refused:
        if refused.code != "gate_closed":
            raise
        book.say(f"{name} revision 2 refused (gate_closed): a second before the gate; revision 1 stands")
    else:
        raise Refused("demo_agreement", f"{name} was taken after the gate", place=name)

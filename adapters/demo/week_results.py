"""What the market answers in the trading week: clearings, their prices and awards, and one correction."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import numpy as np

from adapters.demo.market_process import MarketProcess
from adapters.demo.trading_book import MARKET, POINT, PRODUCT, UNIT_CODE, TradingBook, bid_id, market
from adapters.demo.week_bids import sender
from adapters.demo.week_prices import INTERVAL_S, PRICE_SCALE, hours_of, record
from adapters.desk.handing_over import HandingOver
from adapters.desk.sender import ACTOR as GATEWAY
from adapters.desk.sharing_out import SharingOut
from ledger.market_price import PriceBlock, PriceSeries
from trading.clearing import ClearingState, clearing_id

CORRECTED: Final = date(2026, 1, 29)
_EVENING: Final = 17
_MORNING: Final = 8
_LESS_W: Final = 1_000_000
_CHEAPER_U: Final = 20_000
"""The correction: 1 MW less at 17:00, and 20 CNY per MWh less at 08:00."""


def take_result(book: TradingBook, operator: MarketProcess | None, day: date) -> None:
    """The clearing, its prices, each site's part, and what that means for settlement."""
    done = None
    if operator is not None:
        operator.move_to(book.clock())
        book.position()
        done = sender(book, operator).fetch(PRODUCT, day)
    state = clearing_of(book, day)
    assert state is not None, "what is fetched is recorded"
    clearing, hours = state.latest, hours_of(day)
    block = PriceBlock(hours.start, np.array(clearing.price_u, dtype=np.int64), PRICE_SCALE)
    series = PriceSeries(POINT.market, POINT.node, "day_ahead", INTERVAL_S, "CNY", (block,))
    record(book, series, block, f"{clearing.source}, run {clearing.run}")
    shared = SharingOut(book.desk).share(MARKET, PRODUCT, day, actor=GATEWAY)
    told = HandingOver(book.desk).hand_over(MARKET, PRODUCT, day, actor=GATEWAY)
    if done is not None:
        gap = sum(one.gap_wh for one in shared)
        facts = sum(one.recorded for one in told)
        book.say(
            f"{bid_id(day)} cleared, {done.note}: shared out with {gap} Wh left over,"
            f" {facts} facts handed over"
        )


def clearing_of(book: TradingBook, day: date) -> ClearingState | None:
    state = book.door.state(f"clearing.{clearing_id(MARKET, PRODUCT, day)}")
    return state if isinstance(state, ClearingState) else None


def correct(book: TradingBook, operator: MarketProcess, day: date) -> None:
    """The market publishes a second run with another price and another award."""
    operator.move_to(book.clock())
    told = operator.result("day_ahead", str(day))
    if told["run"] == 1:
        start = market().start_of(day)
        morning, evening = (start + timedelta(hours=hour) for hour in (_MORNING, _EVENING))
        price = told["prices_micro_per_kwh"][_MORNING] - _CHEAPER_U
        award = told["awards_w"][UNIT_CODE][_EVENING] - _LESS_W
        operator.correct(
            {
                "product": "day_ahead",
                "day": str(day),
                "prices": [{"start": morning.isoformat(), "price_micro_per_kwh": price}],
                "awards": [
                    {"participant": UNIT_CODE, "start": evening.isoformat(), "award_w": award},
                ],
            }
        )

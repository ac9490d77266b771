"""When a bid may come in: the gate of a product and a delivery day, as evidence with each bid."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from ledger.interval import Instant
from ledger.refusal import Refused
from trading.product import Market, Product


class Gate(msgspec.Struct, frozen=True):
    """[opens, closes) for one delivery day; `margin_s` is how far our clock and the market's may differ."""

    opens: Instant
    closes: Instant
    margin_s: int

    def check(self, now: datetime) -> None:
        """That a bid decided `now` is in time, whatever the clock's error within the margin.

        Raises:
            Refused: `gate_not_open`, `gate_closed`.
        """
        if now - timedelta(seconds=self.margin_s) < self.opens:
            raise Refused(
                "gate_not_open",
                f"the gate opens at {self.opens.isoformat()}; {now.isoformat()} is too early"
                f" ({self.margin_s} s are kept for the clocks' error)",
                place="day",
            )
        if self.closed(now):
            raise Refused(
                "gate_closed",
                f"the gate closes at {self.closes.isoformat()}; {now.isoformat()} is too late"
                f" ({self.margin_s} s are kept for the clocks' error)",
                place="day",
            )

    def closed(self, now: datetime) -> bool:
        """Whether nothing can be sent any more."""
        return now + timedelta(seconds=self.margin_s) >= self.closes


def gate_of(market: Market, product: Product, day: date, first: int = 0) -> Gate:
    """The gate for a delivery day; `first` is the first interval bid for, where the gate follows it.

    Raises:
        Refused: `calendar_year`; `gate` for one that closes before it opens.
    """
    opens = market.moment(product.gate_opens, product, day, first)
    closes = market.moment(product.gate_closes, product, day, first)
    if closes <= opens:
        wrong = (
            f"for interval {first} of {day} the gate of {product.id} would close at {closes.isoformat()},"
            f" before it opens at {opens.isoformat()}"
        )
        raise Refused("gate", wrong, place="day")
    return Gate(opens, closes, product.clock_margin_s)


def first_of(market: Market, product: Product, day: date, first: int = 0) -> int:
    """The first interval from `first` on that can be bid for: its gate opens before it closes.

    Raises:
        Refused: as `gate_of`, of `first`, where there is none.
    """
    for number in range(first, market.intervals(product, day)):
        opens = market.moment(product.gate_opens, product, day, number)
        if opens < market.moment(product.gate_closes, product, day, number):
            return number
    gate_of(market, product, day, first)
    raise AssertionError("an interval without a gate is refused")

"""Market prices: a block of consecutive intervals at a time, as exact decimals."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from adapters.front_door import Wish
from adapters.http.instant import FIRST, LAST, in_range, instant_of
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.paging import Cursor, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.view import View
from adapters.queries import prices_page
from adapters.queries.prices_page import Key, PricePiece
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.market_price import PriceBlock, PriceSeries, Product, check_plausible, check_told, price_per_kwh
from ledger.quantity import Price
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused

_PRICES_MAX: Final = 50_000
_BLOCKS: Final = 10
_BLOCKS_MAX: Final = 100

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
FilterId = Annotated[str | None, QueryParameter(pattern=ID_PATTERN)]
From = Annotated[
    str | None, QueryParameter(name="from", max_length=64, description="Only from this instant on")
]
Until = Annotated[
    str | None, QueryParameter(name="to", max_length=64, description="Only before this instant")
]


class PricesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive prices from `start` on, as decimal text in `currency` per `unit`; `source` says whence."""

    market: Id
    node: Id
    product: Product
    start: Instant
    interval_s: int
    currency: str
    unit: Literal["kWh", "MWh"]
    prices: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=_PRICES_MAX)]
    source: str

    def series(self) -> PriceSeries:
        """Raises:
        Refused: `number`, `price_scale` or `price_range` with the price's place, `price_time`, and what a
            `PriceSeries` refuses."""
        checked_id(self.market, "market")
        checked_id(self.node, "node")
        start = in_range(self.start, "start")
        parsed = [self._price(text, number) for number, text in enumerate(self.prices)]
        scale = max(price.scale for price in parsed)
        mantissas = [price.mantissa * 10 ** (scale - price.scale) for price in parsed]
        for number, mantissa in enumerate(mantissas):
            if abs(mantissa) >= 1 << 62:
                raise Refused("price_range", f"{parsed[number]} is too large", place=f"prices[{number}]")
        series = PriceSeries(self.market, self.node, self.product, self.interval_s, self.currency, ())
        seconds = start.hour * 3600 + start.minute * 60 + start.second
        if start.microsecond or seconds % self.interval_s:
            raise Refused(
                "price_time", f"{start} does not start an interval of {self.interval_s} s", place="start"
            )
        block = PriceBlock(start, np.array(mantissas, dtype=np.int64), scale)
        in_range(block.end(self.interval_s), "prices")
        return msgspec.structs.replace(series, blocks=(block,))

    def _price(self, text: str, number: int) -> Price:
        try:
            price = (
                Price.parse(text, self.currency, "kWh")
                if self.unit == "kWh"
                else price_per_kwh(text, self.currency)
            )
            check_plausible(price)
        except Refused as refused:
            place = "currency" if refused.code == "currency" else f"prices[{number}]"
            raise Refused(refused.code, refused.reason, place=place) from None
        return price


class PricesStored(msgspec.Struct, frozen=True):
    """One receipt for each UTC month that the block touches."""

    stored: tuple[Stored, ...]


class PricePage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[PricePiece, ...]
    next_cursor: str | None


@post(
    "/prices",
    summary="Record a block of market prices",
    responses=WRITE_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def record_prices(intake: NamedDependency[Intake], data: JSONBody[PricesBody]) -> Response[PricesStored]:
    series = data.series()
    check_told(series, intake.service.clock())
    blocks = blocks_of(series, data.source)
    receipts = intake.execute_all([Wish(RecordPrices(block), intake.command_id) for block in blocks])
    answer = PricesStored(tuple(stored(receipt) for receipt in receipts))
    return replayable(answer, repeated=all(receipt.repeated for receipt in receipts))


@get(
    "/prices",
    summary="Market prices as received; the highest sequence holds where blocks overlap",
    responses=READ_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def list_prices(
    view: NamedDependency[View],
    market: FilterId = None,
    node: FilterId = None,
    product: Annotated[Product | None, QueryParameter()] = None,
    start: From = None,
    end: Until = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=_BLOCKS_MAX, description="How many blocks at most")
    ] = _BLOCKS,
    cursor: Cursor = None,
) -> PricePage:
    with view.page(cursor, Key, ("", "", "", FIRST, 0)) as (connection, position, after):  # type: ignore[arg-type]
        found = prices_page.page(
            connection,
            position,
            market=market,
            node=node,
            product=product,
            start=FIRST if start is None else instant_of(start, "from"),
            end=LAST if end is None else instant_of(end, "to"),
            after=after,
            limit=limit + 1,
        )
    last = found[limit - 1] if len(found) > limit else None
    more = (
        None
        if last is None
        else cursor_of(position, (last.market, last.node, last.product, last.start, last.sequence))
    )
    return PricePage(position, tuple(found[:limit]), more)


ROUTES = (list_prices, record_prices)

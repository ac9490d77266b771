"""The prices that the real market published, in the market's price tick for each interval of a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Final

from adapters.reference_market.parameters import Parameters, Product
from adapters.reference_market.trading_day import delivery
from ledger.interval import Interval
from ledger.market_price import PriceBlock, PriceSeries
from ledger.quantity import round_half_away
from ledger.refusal import Refused

TICK_SCALE: Final = 6
"""A price is a whole number of 10^-6 of the currency per kWh: thousandths per MWh."""


class PublishedPrices:
    """Both products' series; a series of hours serves quarters, each at its hour's price.

    Raises:
        Refused: `currency` of another currency than the market's, `market_interval` for a series whose
            interval is not a multiple of the market's, `market_price_limits` for a price beyond the limits.
    """

    def __init__(self, parameters: Parameters, series: Mapping[Product, PriceSeries]) -> None:
        self._parameters = parameters
        self._series = series
        for one in series.values():
            if one.currency != parameters.currency:
                raise Refused("currency", f"prices in {one.currency}, a market in {parameters.currency}")
            if one.interval_s % parameters.interval_s:
                reason = f"prices of {one.interval_s} s cannot serve intervals of {parameters.interval_s} s"
                raise Refused("market_interval", reason)
            for block in one.blocks:
                self._check_limits(block)

    def _check_limits(self, block: PriceBlock) -> None:
        low, high = self._parameters.price_min_micro_per_kwh, self._parameters.price_max_micro_per_kwh
        for price in (_ticks(int(block.mantissas.min()), block), _ticks(int(block.mantissas.max()), block)):
            if not low <= price <= high:
                reason = f"a price of {price} is not within the market's {low}..{high}"
                raise Refused("market_price_limits", reason)

    def of(self, product: Product, day: date) -> tuple[int, ...]:
        """The day's prices in millionths of the currency per kWh, finer ones rounded half away from zero.

        Raises:
            Refused: `unknown_day` where a price is missing.
        """
        series = self._series[product]
        block = _between(series, delivery(self._parameters, day), day)
        each = series.interval_s // self._parameters.interval_s
        return tuple(_ticks(mantissa, block) for mantissa in block.mantissas.tolist() for _ in range(each))


def _ticks(mantissa: int, block: PriceBlock) -> int:
    return round_half_away(Fraction(mantissa * 10**TICK_SCALE, 10**block.scale))


def _between(series: PriceSeries, interval: Interval, day: date) -> PriceBlock:
    try:
        return series.between(interval)
    except Refused as refused:
        raise Refused("unknown_day", f"no trade on {day}: {refused.reason}", place="day") from None

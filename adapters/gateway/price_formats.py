"""The formats of price files, by name: our own layout, and public files of markets as they publish them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from adapters import price_file
from adapters.gateway import aemo_prices, caiso_prices
from ledger.market_price import PriceSeries, Product, check_told
from ledger.refusal import Refused
from ledger.streams.regulation import RegulationPrices

Format = Literal["ledger", "aemo", "caiso"]

_CURRENCY: Final = "CNY"
_HOUR_S: Final = 3600


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a file beside its bytes. None: what the format itself says, or its usual."""

    market: str
    node: str
    run: str
    """The market's own name for what is told, such as the file's."""
    currency: str | None = None
    interval_s: int | None = None
    zone: str | None = None
    extract: bool = False
    """The file is a part of an original: rows were left out, or its last line's end."""
    regulation_rule: str | None = None
    """The market rule under which the file's regulation prices are facts; None leaves them aside."""
    now: datetime | None = None
    """Real-time prices of intervals that are not over by then are refused; None: whatever is told."""


class Told(msgspec.Struct, frozen=True, eq=False):
    series: tuple[PriceSeries, ...]
    regulation: tuple[RegulationPrices, ...] = ()
    notices: tuple[str, ...] = ()


def told_by(data: bytes, file_format: Format, asked: Asked) -> Told:
    """The prices of a file.

    Raises:
        Refused: `price_format` for what is asked of a format that does not have it, `currency`, `interval`,
            `price_zone`, `price_future`, and what `price_file.told`, `aemo_prices` and `caiso_prices` refuse.
    """
    told = FORMATS[file_format](data, asked)
    if asked.now is not None:
        for series in told.series:
            check_told(series, asked.now)
    return told


def _ledger(data: bytes, asked: Asked) -> Told:
    if asked.extract or asked.regulation_rule is not None:
        place = "extract" if asked.extract else "regulation_rule"
        raise Refused("price_format", "only files of format aemo and caiso have that", place=place)
    series = price_file.told(
        data,
        market=asked.market,
        node=asked.node,
        currency=asked.currency or _CURRENCY,
        interval_s=_HOUR_S if asked.interval_s is None else asked.interval_s,
        zone=asked.zone,
        now=asked.now,
    )
    return Told(series, notices=tuple(_not_told(series)))


def _not_told(series: Sequence[PriceSeries]) -> Iterator[str]:
    """What a file leaves open of day-ahead and real-time prices."""
    ends = {one.product: one.blocks[-1].end(one.interval_s) for one in series}
    for product in get_args(Product):
        if product not in ends:
            yield f"no {product} prices are told: none is recorded, and what needs them is refused till then"
        elif ends[product] < max(ends.values()):
            yield f"{product} prices are told up to {ends[product]:%Y-%m-%dT%H:%MZ}: none is recorded after"


def _aemo(data: bytes, asked: Asked) -> Told:
    """The node is the region: NSW1, QLD1, SA1, TAS1 or VIC1."""
    _check_fixed(asked, aemo_prices.CURRENCY)
    if asked.zone is not None:
        raise Refused("price_zone", "the file's stamps are in AEST (UTC+10): state no zone", place="zone")
    prices = aemo_prices.decode(data, extract=asked.extract)
    series = prices.energy(asked.market, asked.node)
    if asked.regulation_rule is None:
        return Told(series, (), prices.notices)
    return Told(series, prices.regulation(asked.regulation_rule, asked.run, asked.node), prices.notices)


def _caiso(data: bytes, asked: Asked) -> Told:
    """The file does not name its node: the caller does."""
    _check_fixed(asked, caiso_prices.CURRENCY)
    prices = caiso_prices.decode(data, zone=asked.zone or caiso_prices.STANDARD_TIME, extract=asked.extract)
    series = (prices.day_ahead(asked.market, asked.node),)
    if asked.regulation_rule is None:
        return Told(series, (), prices.notices)
    return Told(series, prices.regulation(asked.regulation_rule, asked.run), prices.notices)


def _check_fixed(asked: Asked, currency: str) -> None:
    """That nothing else is asked than the format has."""
    if asked.currency not in {None, currency}:
        raise Refused("currency", f"the file's prices are in {currency}", place="currency")
    if asked.interval_s is not None:
        raise Refused("interval", "the file itself tells its intervals: state none", place="interval_s")


FORMATS: Final[Mapping[Format, Callable[[bytes, Asked], Told]]] = {
    "ledger": _ledger,
    "aemo": _aemo,
    "caiso": _caiso,
}

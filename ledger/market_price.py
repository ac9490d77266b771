"""A market's price per kWh for each interval: day-ahead and real-time series as blocks of integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.interval import Instant, Interval, utc_of_local, zone_of
from ledger.quantity import MINOR_DIGITS, PRICE_SCALE_MAX, PRICE_SCALE_MIN, Price, exact
from ledger.refusal import Refused

Product = Literal["day_ahead", "real_time"]
_HOUR_S: Final = 3600
_HOURS: Final = 24

PLAUSIBLE_MAX_PER_KWH: Final = 100
"""No market's price per kWh is beyond this, up or down, in major units: 100,000 per MWh.

Five times the highest cap of any market (Australia, about 20,300 AUD/MWh; Europe's balancing energy 15,000
EUR/MWh, Texas 9,000 USD/MWh at most), and below what a price per MWh, or one that lost its decimal point,
looks like in a column per kWh. A currency without a minor unit is worth a hundredth: Japan's cap is 999
JPY/kWh, and 10,000 is beyond.
"""


class PriceBlock(msgspec.Struct, frozen=True, eq=False):
    """Consecutive prices: `mantissas` x 10^-scale per kWh, the first from `start` (UTC); read-only."""

    start: Instant
    mantissas: npt.NDArray[np.int64]
    scale: int

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="start")
        if not PRICE_SCALE_MIN <= self.scale <= PRICE_SCALE_MAX:
            raise Refused("price_scale", f"{self.scale} is not {PRICE_SCALE_MIN}..{PRICE_SCALE_MAX}")
        if self.mantissas.dtype != np.int64 or self.mantissas.ndim != 1 or not self.mantissas.size:
            raise Refused("price_block", "a block is one or more whole mantissas as int64")
        self.mantissas.setflags(write=False)

    def end(self, interval_s: int) -> datetime:
        """The instant at which the last interval ends."""
        return self.start + timedelta(seconds=interval_s * len(self.mantissas))


class PriceSeries(msgspec.Struct, frozen=True, eq=False):
    """One product's prices at one node of a market; blocks in order, without overlap."""

    market: str
    node: str
    product: Product
    interval_s: int
    currency: str
    blocks: tuple[PriceBlock, ...]

    def __post_init__(self) -> None:
        if self.product not in {"day_ahead", "real_time"}:
            raise Refused("product", f"{self.product!r} is not day_ahead or real_time", place="product")
        if self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}")
        _check_interval(self.interval_s)
        for number, (block, following) in enumerate(pairwise(self.blocks), 1):
            if block.end(self.interval_s) > following.start:
                raise Refused(
                    "price_overlap", f"begins before {block.end(self.interval_s)}", place=f"blocks[{number}]"
                )

    def between(self, interval: Interval) -> PriceBlock:
        """The prices of every interval of `interval`, at one common scale.

        Raises:
            Refused: `price_missing` where the series has none, `interval` when the bounds are not the
                series' own.
        """
        step = timedelta(seconds=self.interval_s)
        scale = max((block.scale for block in self.blocks), default=PRICE_SCALE_MIN)
        parts: list[npt.NDArray[np.int64]] = []
        at = interval.start
        for block in self.blocks:
            if not block.start <= at < min(block.end(self.interval_s), interval.end):
                continue
            first, off = divmod(at - block.start, step)
            count, over = divmod(min(block.end(self.interval_s), interval.end) - at, step)
            if off or over:
                raise Refused("interval", f"{interval.start} to {interval.end} cuts a price's interval")
            parts.append(_rescaled(block.mantissas[first : first + count], scale - block.scale, at))
            at += count * step
        if at < interval.end:
            raise Refused(
                "price_missing",
                f"{self.market} {self.product} has no price from {at}",
                place=f"{self.market} {self.node}",
            )
        return PriceBlock(interval.start, np.concatenate(parts), scale)


def price_per_kwh(text: str, currency: str) -> Price:
    """A price per MWh as an exact price per kWh.

    >>> str(price_per_kwh("301.561", "CNY")), price_per_kwh("67.58327", "AUD").scale
    ('0.301561', 8)

    Raises:
        Refused: `number`, or `price_scale` for more than six decimals per MWh.
    """
    value = exact(text)
    decimals = len(text.partition(".")[2].rstrip("0"))
    scale = max(PRICE_SCALE_MIN, decimals + 3)
    if scale > PRICE_SCALE_MAX:
        raise Refused("price_scale", f"{text} per MWh has more than {PRICE_SCALE_MAX - 3} decimals")
    return Price((value * 10**scale / 1000).numerator, scale, currency, "kWh")


def exact_dot(energy_wh: npt.NDArray[np.int64], mantissas: npt.NDArray[np.int64]) -> int:
    """The sum of energy x mantissa, exact: Wh x 10^-scale per kWh, so divide by 1000 x 10^scale.

    In 64 bits where max|e| x max|p| x intervals fits, else in Python's unbounded integers.

    Raises:
        Refused: `profile` when the two do not have the same intervals.
    """
    if energy_wh.shape != mantissas.shape or energy_wh.dtype != np.int64 or mantissas.dtype != np.int64:
        raise Refused("profile", "energy and prices are whole int64 numbers for the same intervals")
    if not energy_wh.size:
        return 0
    bounds = [max(int(values.max()), -int(values.min())) for values in (energy_wh, mantissas)]
    if bounds[0] * bounds[1] * energy_wh.size < 2**63:
        return int(energy_wh @ mantissas)
    return sum(e * p for e, p in zip(energy_wh.tolist(), mantissas.tolist(), strict=True))


def value(energy_wh: npt.NDArray[np.int64], prices: PriceBlock) -> Fraction:
    """What the energies are worth in major units, exact; energy below zero is the other direction."""
    return Fraction(exact_dot(energy_wh, prices.mantissas), 1000 * 10**prices.scale)


class _Row(msgspec.Struct, frozen=True):
    """One interval read from a file, and where it stood; None where a price is not told."""

    start: datetime
    day_ahead: Price | None
    real_time: Price | None
    place: str


HOURLY_COLUMNS: Final = ("business_day", "hour_business", "interval_end_local")
HOURLY_PRICES: Final = ("da_price", "rt_price")
"""Of a platform's hours, day-ahead and real-time."""


def hourly_ledger(
    rows: Iterable[Mapping[str, str]],
    *,
    market: str,
    node: str,
    zone: str,
    currency: str,
    now: datetime | None = None,
) -> tuple[PriceSeries, ...]:
    """Day-ahead and real-time series from a trading platform's hours, as far as they are told.

    Each row has `business_day`, `hour_business` 1..24, `interval_end_local` (hour 24 is stamped 00:00 of
    the next day), `da_price` and `rt_price` per MWh. Rows may come in any order. A file may have one of the
    two columns alone; and where real-time prices come later than day-ahead ones, theirs may be empty from
    some interval on: they make no series, or end there.

    With `now` a real-time price of an interval that is not over by then is refused (`price_future`).

    Raises:
        Refused: `hour_stamp` when day, hour and stamp disagree, `price_duplicate`, `price_gap`,
            `price_missing` for an empty price before one that is told, `number`, `price_scale`,
            `price_range` beyond `PLAUSIBLE_MAX_PER_KWH`, `column_count` for more or fewer cells than the
            header has, as `csv.DictReader` tells it; the place is the row, counted as the file's line: the
            header is row 1.
    """
    tz = zone_of(zone)

    def read(row: Mapping[str, str]) -> tuple[datetime, Price | None, Price | None]:
        end = _local(row, "interval_end_local", "%Y-%m-%d %H:%M:%S")
        day = _local(row, "business_day", "%Y-%m-%d")
        hour = _cell(row, "hour_business")
        if not hour.isascii() or not hour.isdigit() or not 1 <= int(hour) <= _HOURS:
            raise Refused("hour_stamp", f"hour {hour!r} is not 1..24")
        if day + timedelta(hours=int(hour)) != end:
            raise Refused("hour_stamp", f"hour {hour} of {day.date()} does not end at {end}")
        start = utc_of_local(end - timedelta(hours=1), tz)
        return start, *_both(row, HOURLY_PRICES, lambda text: price_per_kwh(text, currency))

    found = _read(rows, read)
    _check_over(found, _HOUR_S, now)
    return _series(found, market, node, currency, _HOUR_S)


def price_ledger(
    rows: Iterable[Mapping[str, str]],
    *,
    market: str,
    node: str,
    currency: str,
    interval_s: int,
    now: datetime | None = None,
) -> tuple[PriceSeries, ...]:
    """Day-ahead and real-time series, as `hourly_ledger`, from our own layout (examples/prices/README.md).

    Columns `start_utc` (such as `2026-01-24T16:00:00Z`), `day_ahead_cny_per_kwh` and
    `real_time_cny_per_kwh`, with the currency in the name.

    Raises:
        Refused: as `hourly_ledger`; `price_time` for a start that is no multiple of the interval, `interval`.
    """
    _check_interval(interval_s)
    keys = price_columns(currency)

    def read(row: Mapping[str, str]) -> tuple[datetime, Price | None, Price | None]:
        start = _local(row, "start_utc", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if (start.minute * 60 + start.second) % interval_s:
            reason = f"{start:%Y-%m-%dT%H:%M:%SZ} does not start an interval of {interval_s} s"
            raise Refused("price_time", reason, place="start_utc")
        return start, *_both(row, keys, lambda text: Price.parse(text, currency, "kWh"))

    found = _read(rows, read)
    _check_over(found, interval_s, now)
    return _series(found, market, node, currency, interval_s)


def price_columns(currency: str) -> tuple[str, str]:
    """The columns of `price_ledger`'s two prices.

    >>> price_columns("CNY")
    ('day_ahead_cny_per_kwh', 'real_time_cny_per_kwh')
    """
    unit = f"{currency.lower()}_per_kwh"
    return f"day_ahead_{unit}", f"real_time_{unit}"


def check_told(series: PriceSeries, now: datetime) -> None:
    """That real-time prices are of intervals that are over: until then nobody has told them.

    Raises:
        Refused: `price_future`; the place counts a block's prices from 0.
    """
    if series.product != "real_time":
        return
    step = timedelta(seconds=series.interval_s)
    for block in series.blocks:
        over = max((now - block.start) // step, 0)
        if over < len(block.mantissas):
            raise _not_over(block.start + over * step, step, now, f"prices[{over}]")


def _check_over(rows: Sequence[_Row], interval_s: int, now: datetime | None) -> None:
    step = timedelta(seconds=interval_s)
    for row in rows:
        if now is not None and row.real_time is not None and row.start + step > now:
            raise _not_over(row.start, step, now, row.place)


def _not_over(start: datetime, step: timedelta, now: datetime, place: str) -> Refused:
    end, by = f"{start + step:%Y-%m-%dT%H:%M:%SZ}", f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    wrong = f"its interval ends at {end}, and it is {by}: real-time prices are of intervals that are over"
    return Refused("price_future", wrong, place=place)


def check_plausible(price: Price) -> None:
    """That a market can have told this price per kWh.

    Raises:
        Refused: `price_range`.
    """
    most = PLAUSIBLE_MAX_PER_KWH if MINOR_DIGITS[price.currency] else 100 * PLAUSIBLE_MAX_PER_KWH
    if abs(price.exact) > most:
        reason = (
            f"{price} {price.currency} per kWh is beyond {most:,}, which no market reaches; is it per MWh, or"
            " did its decimal point get lost?"
        )
        raise Refused("price_range", reason)


def _check_interval(interval_s: int) -> None:
    if interval_s <= 0 or _HOUR_S % interval_s:
        raise Refused("interval", f"{interval_s} s does not divide an hour", place="interval_s")


def _rescaled(mantissas: npt.NDArray[np.int64], digits: int, at: datetime) -> npt.NDArray[np.int64]:
    factor = 10**digits
    if int(np.abs(mantissas).max(initial=0)) * factor >= 2**63:
        raise Refused("price_range", "a price is too large for 64 bits at the series' scale", place=str(at))
    rescaled: npt.NDArray[np.int64] = mantissas * factor
    return rescaled


def _read(
    rows: Iterable[Mapping[str, str]],
    read: Callable[[Mapping[str, str]], tuple[datetime, Price | None, Price | None]],
) -> list[_Row]:
    found: list[_Row] = []
    for number, row in enumerate(rows, 2):
        place = f"row {number}"
        try:
            _check_width(row)
            start, day_ahead, real_time = read(row)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"{place} {refused.place}".rstrip()) from None
        found.append(_Row(start, day_ahead, real_time, place))
    if not found:
        raise Refused("price_missing", "there is no row")
    return sorted(found, key=lambda row: row.start)


def _check_width(row: Mapping[str, str]) -> None:
    """`csv.DictReader` keeps what a row has beyond its header under None, and None for what it lacks."""
    if None in row:
        raise Refused("column_count", "more columns than the header has; decimals have a point, not a comma")
    if None in row.values():
        raise Refused("column_count", "fewer columns than the header has")


def _cell(row: Mapping[str, str], key: str) -> str:
    text = row.get(key, "")
    if not text:
        raise Refused("price_missing", f"{key} is empty or absent", place=key)
    return text


def _both(
    row: Mapping[str, str], keys: tuple[str, str], parse: Callable[[str], Price]
) -> tuple[Price | None, Price | None]:
    """Day-ahead and real-time price of a row; None in a column that the file does not have, and where the
    real-time price is not told yet."""
    first, second = keys
    day_ahead = _price(row, first, parse) if first in row else None
    later = first in row and not row.get(second)
    return day_ahead, None if later else _price(row, second, parse)


def _price(row: Mapping[str, str], key: str, parse: Callable[[str], Price]) -> Price:
    text = _cell(row, key)
    try:
        price = parse(text)
        check_plausible(price)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=key) from None
    return price


def _local(row: Mapping[str, str], key: str, layout: str) -> datetime:
    text = _cell(row, key)
    try:
        return datetime.strptime(text, layout)  # noqa: DTZ007 the zone is the file's
    except ValueError:
        raise Refused("hour_stamp", f"{text!r} is not written as {layout}", place=key) from None


def _series(
    rows: list[_Row], market: str, node: str, currency: str, interval_s: int
) -> tuple[PriceSeries, ...]:
    step = timedelta(seconds=interval_s)
    for row, following in pairwise(rows):
        if following.start == row.start:
            raise Refused("price_duplicate", f"{row.start} is also in {row.place}", place=following.place)
        if following.start != row.start + step:
            raise Refused(
                "price_gap", f"no price from {row.start + step} to {following.start}", place=following.place
            )
        if row.real_time is None and following.real_time is not None:
            wrong = f"no real-time price, though there is one from {following.start} on: missing is not zero"
            raise Refused("price_missing", wrong, place=row.place)
    told: tuple[tuple[Product, list[Price]], ...] = (
        ("day_ahead", [row.day_ahead for row in rows if row.day_ahead is not None]),
        ("real_time", [row.real_time for row in rows if row.real_time is not None]),
    )
    return tuple(
        PriceSeries(market, node, product, interval_s, currency, (_block(rows[0].start, prices),))
        for product, prices in told
        if prices
    )


def _block(start: datetime, prices: list[Price]) -> PriceBlock:
    scale = max(price.scale for price in prices)
    mantissas = [price.mantissa * 10 ** (scale - price.scale) for price in prices]
    if max(map(abs, mantissas)) >= 2**63:
        raise Refused("price_range", "a price is too large for 64 bits")
    return PriceBlock(start, np.array(mantissas, dtype=np.int64), scale)

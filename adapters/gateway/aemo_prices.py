"""AEMO's regional prices: energy as market prices, frequency control (FCAS) as regulation prices.

Facts of the format: AEMO MMS data model, tables DISPATCHPRICE and TRADINGPRICE. A stamp is the interval's END
in Australian Eastern Standard Time (UTC+10, no daylight saving). Dispatch prices are of five minutes; trading
prices of thirty until the interval that ends on 2021-10-01 00:00, and of five from then on. Rows with
INTERVENTION = 1 are of the intervention run and never settle. Energy is in AUD per MWh, FCAS in AUD per MW.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.gateway import aemo_file
from adapters.gateway.aemo_file import PriceRow, Table
from adapters.gateway.price_blocks import coverage, runs, series_of
from ledger.interval import Interval, checked_year
from ledger.market_price import PriceSeries, check_plausible, price_per_kwh
from ledger.quantity import Price, exact
from ledger.refusal import Refused
from ledger.streams.regulation import RegulationPrices

CURRENCY: Final = "AUD"
AEST: Final = timezone(timedelta(hours=10), "AEST")
FIVE_MINUTE_SETTLEMENT: Final = datetime(2021, 10, 1, tzinfo=AEST)
"""Trading intervals that end after this are of five minutes."""

FCAS_PRODUCTS: Final = (
    "RAISEREG", "LOWERREG", "RAISE1SEC", "LOWER1SEC", "RAISE6SEC", "LOWER6SEC",
    "RAISE60SEC", "LOWER60SEC", "RAISE5MIN", "LOWER5MIN",
)  # fmt: skip
"""A price column is the product and RRP: RAISE1SECRRP; the one-second ones are absent in files
up to July 2024."""

_FIVE_MIN_S: Final = 300
_HALF_HOUR_S: Final = 1800
_DAY_S: Final = 86_400
_TRADING_DAY_BEGINS_S: Final = 4 * 3600
"""DISPATCHINTERVAL counts the five minutes of a trading day, which begins at 04:00."""
_SCALE_MAX: Final = 9
_STAMP: Final = re.compile(r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)


class AemoQuote(NamedTuple):
    """One region's prices of one interval, of the run that settles."""

    energy: Price
    fcas: Mapping[str, str]
    """By product, AUD per MW and hour as written; a product that the file has no column for is absent."""
    line: int


Quotes = Mapping[tuple[str, int], Mapping[datetime, AemoQuote]]
"""By region and interval length in seconds, then by the interval's start in UTC."""


class AemoPrices(msgspec.Struct, frozen=True, eq=False):
    """A file's prices and what there is to know about them."""

    table: Table
    quotes: Quotes
    notices: tuple[str, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(sorted({region for region, _ in self.quotes}))

    def energy(self, market: str, region: str) -> tuple[PriceSeries, ...]:
        """The region's real-time series: one, or two for a file that holds both lengths of interval.

        Raises:
            Refused: `region` when the file has no price of it.
        """
        return tuple(
            series_of(
                {start: quote.energy for start, quote in quotes.items()},
                market=market,
                node=region,
                product="real_time",
                interval_s=interval_s,
            )
            for interval_s, quotes in self._of(region)
        )

    def regulation(self, rule: str, run: str, region: str) -> tuple[RegulationPrices, ...]:
        """The region's FCAS prices under `rule`: a fact a product and run of intervals of one AEST day.

        `run` is the market's own name for what is told, such as the file's. The rule is one of its region:
        regions have prices of their own. Prices of half hours are none that FCAS settles by.

        Raises:
            Refused: `region`, `interval` for half hours, `number`, `price_scale`.
        """
        facts: list[RegulationPrices] = []
        for interval_s, quotes in self._of(region):
            if interval_s != _FIVE_MIN_S:
                wrong = "FCAS settles by five-minute prices: take the dispatch prices"
                raise Refused("interval", wrong, place=region)
            for day in _days(sorted(quotes)):
                for begun in runs(day, interval_s):
                    facts += _facts(rule, run, [quotes[start] for start in begun], begun[0])
        return tuple(facts)

    def _of(self, region: str) -> list[tuple[int, Mapping[datetime, AemoQuote]]]:
        found = [(length, quotes) for (name, length), quotes in sorted(self.quotes.items()) if name == region]
        if not found:
            held = ", ".join(self.regions)
            raise Refused("region", f"the file has no price of {region!r}; it has {held}", place="region")
        return found


def decode(data: bytes, *, extract: bool = False) -> AemoPrices:
    """The prices of a DISPATCHPRICE or TRADINGPRICE file; rows may come in any order.

    A row repeated with the same figures counts once. `notices` tell the rows of intervention runs, repeated
    rows, prices that are not firm, and for each region what is there and where gaps are: a gap is no zero.

    Raises:
        Refused: as `aemo_file.read`; with the row, `interval_stamp` for a stamp that is not one of its
            table's intervals or disagrees with PERIODID or DISPATCHINTERVAL, `intervention` for a flag other
            than 0 and 1, `price_missing`, `number`, `price_scale`, `price_range`, and `price_duplicate` for
            two rows of one interval and region with other figures.
    """
    file = aemo_file.read(data, extract=extract)
    quotes: dict[tuple[str, int], dict[datetime, AemoQuote]] = {}
    counts = {"of an intervention run": 0, "repeated": 0, "not firm": 0}
    for row in file.rows:
        try:
            if _intervention(row):
                counts["of an intervention run"] += 1
                continue
            region, interval_s, start = _key(file.table, row)
            quote = _quote(row)
            counts["not firm"] += not _firm(row)
            known = quotes.setdefault((region, interval_s), {}).setdefault(start, quote)
            if known is not quote:
                counts["repeated"] += 1
                _check_same(known, quote, region)
        except Refused as refused:
            raise Refused(
                refused.code, refused.reason, place=f"row {row.line} {refused.place}".rstrip()
            ) from None
    if not quotes:
        raise Refused("price_missing", "every row is of an intervention run")
    told = AemoPrices(file.table, quotes, ())
    notices = [*file.notices, *(f"{count} rows are {what}" for what, count in counts.items() if count)]
    notices += [coverage(one) for region in told.regions for one in told.energy("aemo", region)]
    return msgspec.structs.replace(told, notices=tuple(notices))


def _intervention(row: PriceRow) -> bool:
    flag = row.cells.get("INTERVENTION", "0")
    if flag not in {"0", "1"}:
        raise Refused("intervention", f"{flag!r} is not 0 or 1", place="INTERVENTION")
    return flag == "1"


def _firm(row: PriceRow) -> bool:
    return row.cells.get("PRICE_STATUS", "FIRM") == "FIRM" and row.cells.get("INVALIDFLAG", "0") == "0"


def _key(table: Table, row: PriceRow) -> tuple[str, int, datetime]:
    """Region, interval length and start (UTC) of a row, from its stamp."""
    stamp, region = row.cells["SETTLEMENTDATE"], row.cells["REGIONID"]
    if not region:
        raise Refused("price_missing", "the row names no region", place="REGIONID")
    try:
        if not _STAMP.fullmatch(stamp):
            raise ValueError(stamp)
        end = datetime.strptime(stamp, "%Y/%m/%d %H:%M:%S").replace(tzinfo=AEST)
    except ValueError:
        wrong = f"{stamp!r} is not written like 2025/01/01 00:05:00"
        raise Refused("interval_stamp", wrong, place="SETTLEMENTDATE") from None
    checked_year(end, "SETTLEMENTDATE")
    half_hours = table == "trading" and end <= FIVE_MINUTE_SETTLEMENT
    interval_s = _HALF_HOUR_S if half_hours else _FIVE_MIN_S
    second = end.hour * 3600 + end.minute * 60 + end.second
    if second % interval_s:
        raise Refused("interval_stamp", f"{stamp} ends no interval of {interval_s} s", place="SETTLEMENTDATE")
    _check_count(row, end, second, interval_s)
    return region, interval_s, (end - timedelta(seconds=interval_s)).astimezone(UTC)


def _check_count(row: PriceRow, end: datetime, second: int, interval_s: int) -> None:
    """That the row's own count of the interval, where it has one, is its stamp's."""
    period = row.cells.get("PERIODID")
    if period is not None and period != (counted := str((second or _DAY_S) // interval_s)):
        raise Refused("interval_stamp", f"period {period} is stamped as period {counted}", place="PERIODID")
    told = row.cells.get("DISPATCHINTERVAL")
    if told is None:
        return
    day = (end - timedelta(seconds=_TRADING_DAY_BEGINS_S + interval_s)).date()
    number = (second - _TRADING_DAY_BEGINS_S) % _DAY_S // interval_s or _DAY_S // interval_s
    if told != (counted := f"{day:%Y%m%d}{number:03}"):
        wrong = f"interval {told} is stamped as interval {counted}"
        raise Refused("interval_stamp", wrong, place="DISPATCHINTERVAL")


def _quote(row: PriceRow) -> AemoQuote:
    if not row.cells["RRP"]:
        raise Refused("price_missing", "the row has no energy price", place="RRP")
    try:
        energy = price_per_kwh(row.cells["RRP"], CURRENCY)
        check_plausible(energy)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="RRP") from None
    fcas: dict[str, str] = {}
    for product in FCAS_PRODUCTS:
        told = row.cells.get(f"{product}RRP")
        if told is not None:
            fcas[product] = told
    return AemoQuote(energy, fcas, row.line)


def _check_same(known: AemoQuote, quote: AemoQuote, region: str) -> None:
    if (known.energy.exact, known.fcas) != (quote.energy.exact, quote.fcas):
        wrong = f"row {known.line} tells other prices for the same interval of {region}"
        raise Refused("price_duplicate", wrong)


def _days(starts: list[datetime]) -> list[list[datetime]]:
    """Ascending starts by AEST day."""
    days: dict[str, list[datetime]] = {}
    for start in starts:
        days.setdefault(f"{start.astimezone(AEST):%Y%m%d}", []).append(start)
    return list(days.values())


def _facts(rule: str, run: str, quotes: list[AemoQuote], start: datetime) -> list[RegulationPrices]:
    """A run of intervals as a fact a product; a product without a column in the file has none."""
    interval = Interval(start, start + timedelta(seconds=_FIVE_MIN_S * len(quotes)))
    products = [product for product in FCAS_PRODUCTS if all(product in quote.fcas for quote in quotes)]
    facts: list[RegulationPrices] = []
    for product in products:
        texts = [quote.fcas[product] for quote in quotes]
        values = [_capacity(text, quote.line, product) for text, quote in zip(texts, quotes, strict=True)]
        scale = max(len(text.partition(".")[2].rstrip("0")) for text in texts)
        facts.append(
            RegulationPrices(
                id=f"{rule}-{product}-{start.astimezone(AEST):%Y%m%dT%H%M}",
                rule=rule,
                run=run,
                interval=interval,
                product=product,
                kind="capacity",
                currency=CURRENCY,
                scale=scale,
                mantissas=tuple((value * 10**scale).numerator for value in values),
            )
        )
    return facts


def _capacity(text: str, line: int, product: str) -> Fraction:
    place = f"row {line} {product}RRP"
    if not text:
        raise Refused("price_missing", "the row has no price of the product", place=place)
    try:
        value = exact(text)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
    if len(text.partition(".")[2].rstrip("0")) > _SCALE_MAX:
        raise Refused("price_scale", f"{text} has more than {_SCALE_MAX} decimals", place=place)
    return value

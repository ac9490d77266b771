"""California ISO prices of an hourly file in USD per kWh: day-ahead energy, and regulation up and down.

The layout is of EPRI's DER-VET: columns `Datetime (he)`, `DA Price ($/kWh)`, `Reg Up Price ($/kW)`,
`Reg Down Price ($/kW)`. A stamp is the hour's END, written `1/31/2020 1:00`. Its clock knows no daylight
saving: a year has every hour once (8784 in 2020), so that it is read as Pacific Standard Time (UTC-8) all
year, unless another zone is stated. Regulation is in USD per kW and hour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.gateway.price_blocks import coverage, runs, series_of
from adapters.meters import text
from ledger.interval import Interval, checked_year, utc_of_local, zone_of
from ledger.market_price import PriceSeries, check_plausible
from ledger.quantity import Price, exact
from ledger.refusal import Refused
from ledger.streams.regulation import RegulationPrices

CURRENCY: Final = "USD"
STANDARD_TIME: Final = "Etc/GMT+8"
COLUMNS: Final = ("Datetime (he)", "DA Price ($/kWh)", "Reg Up Price ($/kW)", "Reg Down Price ($/kW)")
REGULATION_PRODUCTS: Final = ("regulation_up", "regulation_down")
"""As examples/market_rules/regulation_caiso.toml names them."""

_HOUR_S: Final = 3600
_PER_MW: Final = 1000
_SCALE_MAX: Final = 9
_STAMP: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):00", re.ASCII)


class CaisoHour(NamedTuple):
    energy: Price
    regulation: tuple[str, ...]
    """Up and down, USD per kW and hour as written."""
    line: int


class CaisoPrices(msgspec.Struct, frozen=True, eq=False):
    """A file's hours by their start in UTC; `notices` tell what is there and where gaps are."""

    hours: Mapping[datetime, CaisoHour]
    notices: tuple[str, ...]

    def day_ahead(self, market: str, node: str) -> PriceSeries:
        """The day-ahead series. The file does not name its node: the caller does."""
        prices = {start: hour.energy for start, hour in self.hours.items()}
        return series_of(prices, market=market, node=node, product="day_ahead", interval_s=_HOUR_S)

    def regulation(self, rule: str, run: str) -> tuple[RegulationPrices, ...]:
        """Capacity prices per MW.h under `rule`: a fact a product and UTC month, cut at gaps.

        `run` is the market's own name for what is told, such as the file's.

        Raises:
            Refused: `price_missing`, `number`, `price_scale`.
        """
        months: dict[tuple[int, int], list[datetime]] = {}
        for start in sorted(self.hours):
            months.setdefault((start.year, start.month), []).append(start)
        return tuple(
            _fact(rule, run, product, column, [(at, self.hours[at]) for at in begun])
            for starts in months.values()
            for begun in runs(starts, _HOUR_S)
            for column, product in enumerate(REGULATION_PRODUCTS)
        )


def decode(data: bytes, *, zone: str = STANDARD_TIME, extract: bool = False) -> CaisoPrices:
    """The hours of a whole file, plain or gzip; rows may come in any order.

    `extract` accepts a last line without its line end, and notes it.

    Raises:
        Refused: `empty_file`, `file_too_large`, `encoding`, `line_end`, `csv_syntax`, `missing_column`,
            `truncated_file` for a last line without its line end; with the row, `column_count`, `hour_stamp`,
            `ambiguous_time` and `skipped_time` in a zone with daylight saving, `price_duplicate`,
            `price_missing`, `number`, `price_scale`, `price_range`.
    """
    tz = zone_of(zone)
    plain = text.body(text.load(data), "utf-8")
    lines = list(text.lines(plain, "utf-8"))
    notices: list[str] = []
    if not plain.endswith(b"\n"):
        reason = "the last line has no line end, so it may have been cut; if the file is whole, add one"
        if not extract:
            raise Refused("truncated_file", reason, place=f"row {len(lines)}")
        notices.append("an extract: the last line has no line end; check its last price")
    header = tuple(text.fields_of(lines[0][1], ","))
    if header != COLUMNS:
        wrong = f"the columns are {', '.join(COLUMNS)}; the header has {', '.join(header)}"
        raise Refused("missing_column", wrong, place="row 1")
    hours: dict[datetime, CaisoHour] = {}
    for row, line in lines[1:]:
        try:
            cells = text.fields_of(line, ",")
            if len(cells) != len(COLUMNS):
                raise Refused("column_count", f"{len(cells)} columns instead of {len(COLUMNS)}")
            end = _local(cells[0])
            start = utc_of_local(end - timedelta(hours=1), tz)
            hour = CaisoHour(_energy(cells[1]), tuple(cells[2:]), row)
            known = hours.setdefault(start, hour)
            if known is not hour:
                raise Refused("price_duplicate", f"{cells[0]} is also in row {known.line}")
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"row {row} {refused.place}".rstrip()) from None
    if not hours:
        raise Refused("price_missing", "there is a header but no row", place="row 1")
    told = CaisoPrices(hours, ())
    return CaisoPrices(hours, (*notices, coverage(told.day_ahead("caiso", "day-ahead"))))


def _local(stamp: str) -> datetime:
    found = _STAMP.fullmatch(stamp)
    try:
        if found is None:
            raise ValueError(stamp)
        month, day, year, hour = (int(part) for part in found.groups())
        end = datetime(year, month, day, hour)  # noqa: DTZ001 the zone is the file's
    except ValueError:
        raise Refused(
            "hour_stamp", f"{stamp!r} is not written like 1/31/2020 1:00", place=COLUMNS[0]
        ) from None
    checked_year(end, COLUMNS[0])
    return end


def _energy(cell: str) -> Price:
    if not cell:
        raise Refused("price_missing", "the hour has no price", place=COLUMNS[1])
    try:
        price = Price.parse(cell, CURRENCY, "kWh")
        check_plausible(price)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=COLUMNS[1]) from None
    return price


def _fact(
    rule: str, run: str, product: str, column: int, hours: list[tuple[datetime, CaisoHour]]
) -> RegulationPrices:
    start = hours[0][0]
    texts = [hour.regulation[column] for _, hour in hours]
    values = [
        _capacity(cell, f"row {hour.line} {COLUMNS[column + 2]}")
        for cell, (_, hour) in zip(texts, hours, strict=True)
    ]
    scale = max(len(cell.partition(".")[2]) for cell in texts)
    return RegulationPrices(
        id=f"{rule}-{product}-{start:%Y%m%dT%H%M}",
        rule=rule,
        run=run,
        interval=Interval(start, start + timedelta(hours=len(hours))),
        product=product,
        kind="capacity",
        currency=CURRENCY,
        scale=scale,
        mantissas=tuple((value * 10**scale).numerator for value in values),
    )


def _capacity(cell: str, place: str) -> Fraction:
    """USD per kW and hour as USD per MW.h."""
    if not cell:
        raise Refused("price_missing", "the hour has no price", place=place)
    try:
        value = exact(cell)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
    if len(cell.partition(".")[2]) > _SCALE_MAX:
        raise Refused("price_scale", f"{cell} has more than {_SCALE_MAX} decimals", place=place)
    return value * _PER_MW

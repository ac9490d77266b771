"""A tariff as a readable TOML text; the layout is shown in examples/tariffs/README.md.

Every refusal names the file, the line and the path of the field, counted from 0: `sh.toml:31 prices[0].peak`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from ledger.calendars import calendar
from ledger.interval import Month
from ledger.period_schedule import ALL_MONTHS, PERIODS, Hours, PeriodRule, PeriodSchedule, TouPeriod
from ledger.price_table import (
    COMPONENTS,
    Component,
    Components,
    FloatRule,
    FloatStep,
    Formula,
    PeriodPrices,
    PriceTable,
)
from ledger.quantity import Money, Price
from ledger.refusal import Refused
from ledger.tariff import Parts, Schedule, Tariff
from ledger.toml_file import TomlFile

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
_KEY: Final = re.compile(r"\s*([\w-]+)\s*=")
_HOURS: Final = re.compile(r"(\d{2}):([0-5]\d)-(\d{2}):([0-5]\d)", re.ASCII)


def parse_tariff(text: str | bytes, *, name: str) -> Tariff:
    """The tariff in a TOML text; `name` is what refusals call the file.

    Numbers are taken as they are written, never through a float.

    Raises:
        Refused: `byte_order_mark`, `encoding`, `empty_file`, `file_size` or `toml` for a text that cannot
            be read; `field_missing`, `field_unknown` or `field_type`; and everything that a `Tariff` refuses.
    """
    try:
        data = TomlFile(text).root
    except Refused as refused:
        place = f"{name}:{refused.place.removeprefix('line ')}"
        raise Refused(refused.code, refused.reason, place=place) from None
    lines = field_lines(text if isinstance(text, str) else text.decode("utf-8"))
    try:
        return _tariff(_Fields(data, ""))
    except Refused as refused:
        line = _line_of(refused.place, lines)
        raise Refused(refused.code, refused.reason, place=f"{name}:{line} {refused.place}".rstrip()) from None


def field_lines(text: str) -> dict[str, int]:
    """The line of every table header and key, by path.

    >>> field_lines("id = 'x'\\n[[prices]]\\npeak = 1\\n")
    {'id': 1, 'prices[0]': 2, 'prices[0].peak': 3}
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _path_of_header(header[2].split("."), header[1], counts)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(f"{table}.{key[1]}" if table else key[1], number)
    return lines


def _path_of_header(names: list[str], bracket: str, counts: dict[str, int]) -> str:
    path = ""
    for depth, part in enumerate(names, 1):
        path = f"{path}.{part}" if path else part
        if bracket == "[[" and depth == len(names):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path


def _line_of(place: str, lines: dict[str, int]) -> int:
    """The line of the longest known beginning of the path; 1 when the file does not have it at all."""
    while place and place not in lines:
        place = place.rpartition(".")[0]
    return lines.get(place, 1)


class _Fields:
    """One table of the file: each key is taken once, and `close` refuses what was not taken."""

    def __init__(self, data: dict[str, object], path: str) -> None:
        self._data = dict(data)
        self._path = path

    def place(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _take(self, key: str) -> object:
        if key not in self._data:
            raise Refused("field_missing", f"{key} is required", place=self.place(key))
        return self._data.pop(key)

    def has(self, key: str) -> bool:
        return key in self._data

    def text(self, key: str) -> str:
        value = self._take(key)
        if not isinstance(value, str):
            raise Refused("field_type", f"{value!r} is not a text in quotes", place=self.place(key))
        return value

    def number(self, key: str) -> str:
        """A number's own text; a bare number and one in quotes are both taken."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Refused("field_type", f"{value!r} is not a number", place=self.place(key))
        return str(value)

    def items(self, key: str) -> list[object]:
        value = self._take(key)
        if not isinstance(value, list):
            raise Refused("field_type", f"{value!r} is not a list", place=self.place(key))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise Refused("field_type", f"{values!r} is not a list of texts", place=self.place(key))
        return tuple(str(value) for value in values)

    def months(self, key: str) -> tuple[int, ...]:
        """A list of months 1..12; every month when the key is left out."""
        if not self.has(key):
            return ALL_MONTHS
        values = self.items(key)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise Refused("field_type", f"{values!r} is not a list of months 1..12", place=self.place(key))
        return tuple(cast("list[int]", values))

    def table(self, key: str) -> _Fields:
        value = self._take(key)
        if not isinstance(value, dict):
            raise Refused("field_type", f"{key} is not a table", place=self.place(key))
        return _Fields(value, self.place(key))

    def tables(self, key: str) -> list[_Fields]:
        found: list[_Fields] = []
        for number, value in enumerate(self.items(key)):
            place = f"{self.place(key)}[{number}]"
            if not isinstance(value, dict):
                raise Refused("field_type", f"{key} is not a list of tables", place=place)
            found.append(_Fields(value, place))
        return found

    def close(self) -> None:
        for key in self._data:
            raise Refused("field_unknown", f"{key} is not a field here", place=self.place(key))

    @contextmanager
    def at(self, key: str = "") -> Iterator[None]:
        """Give refusals of a value made inside the path of `key`, or of this table."""
        try:
            yield
        except Refused as refused:
            inner = key or refused.place
            place = self.place(inner) if inner else self._path
            raise Refused(refused.code, refused.reason, place=place) from None

    def price(self, key: str, currency: str, unit: str) -> Price:
        text = self.number(key)
        with self.at(key):
            return Price.parse(text, currency, unit)

    def optional_price(self, key: str, currency: str, unit: str) -> Price | None:
        return self.price(key, currency, unit) if self.has(key) else None

    def month(self, key: str) -> Month:
        text = self.text(key)
        with self.at(key):
            return Month.parse(text)


def _tariff(fields: _Fields) -> Tariff:
    plain = {key: fields.text(key) for key in ("id", "province", "category", "voltage", "currency")}
    with fields.at("currency"):
        Money.zero(plain["currency"])
    parts = fields.text("parts")
    name, zone = fields.text("calendar"), fields.text("zone")
    with fields.at("calendar"):
        days = calendar(name, zone)
    schedules = tuple(_schedule(table) for table in fields.tables("schedule"))
    tables = tuple(_price_table(table, plain["currency"]) for table in fields.tables("prices"))
    fields.close()
    return Tariff(parts=cast("Parts", parts), calendar=days, schedules=schedules, tables=tables, **plain)


def _schedule(fields: _Fields) -> Schedule:
    start = fields.month("from")
    until = fields.month("until") if fields.has("until") else None
    document = fields.text("document")
    months = fields.months("months")
    otherwise = cast("TouPeriod", fields.text("otherwise")) if fields.has("otherwise") else None
    rules = tuple(_period_rule(table, months) for table in fields.tables("period"))
    float_rule = _float_rule(fields.table("float")) if fields.has("float") else None
    fields.close()
    with fields.at():
        return Schedule(start, until, document, PeriodSchedule(rules, otherwise), months, float_rule)


def _period_rule(fields: _Fields, all_months: tuple[int, ...]) -> PeriodRule:
    period = cast("TouPeriod", fields.text("period"))
    months = fields.months("months") if fields.has("months") else all_months
    days = fields.texts("days") if fields.has("days") else ("all",)
    stretches = fields.texts("hours")
    with fields.at("hours"):
        hours = tuple(_hours(text) for text in stretches)
    fields.close()
    with fields.at():
        return PeriodRule(period, months, days, hours)


def _hours(text: str) -> Hours:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise Refused("hours", f"{text!r} is not hours such as 08:00-11:00 or 22:00-24:00")
    start_h, start_min, end_h, end_min = (int(part) for part in found.groups())
    return Hours(start_h * 60 + start_min, end_h * 60 + end_min)


def _float_rule(fields: _Fields) -> FloatRule:
    formula = cast("Formula", fields.text("formula"))
    base = cast("tuple[Component, ...]", fields.texts("base"))
    steps = tuple(_float_step(table) for table in fields.tables("step"))
    fields.close()
    with fields.at():
        return FloatRule(formula, base, steps)


def _float_step(fields: _Fields) -> FloatStep:
    months = fields.months("months")
    factors = {p: fields.number(p) for p in PERIODS if p != "flat" and fields.has(p)}
    fields.close()
    with fields.at():
        return FloatStep(months, **factors)


def _price_table(fields: _Fields, currency: str) -> PriceTable:
    if fields.has("month"):
        start = fields.month("month")
        until = start.next()
    else:
        start, until = fields.month("from"), fields.month("until")
    source = fields.text("source")
    printed = {period: fields.optional_price(period, currency, "kWh") for period in PERIODS}
    components = None
    if any(fields.has(name) for name in COMPONENTS):
        components = Components(**{name: fields.price(name, currency, "kWh") for name in COMPONENTS})
    demand = fields.optional_price("demand_per_kw_month", currency, "kW.month")
    capacity = fields.optional_price("capacity_per_kva_month", currency, "kVA.month")
    fields.close()
    with fields.at():
        return PriceTable(start, until, PeriodPrices(**printed), source, components, demand, capacity)

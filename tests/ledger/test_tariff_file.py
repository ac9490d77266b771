"""A tariff file is read as written; every refusal names the line and the field."""

from __future__ import annotations

import csv
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from ledger.calendars import calendar
from ledger.interval import Month
from ledger.period_schedule import ALL_MONTHS, PERIODS, Hours, PeriodRule, PeriodSchedule
from ledger.price_table import COMPONENTS, Component, FloatRule, FloatStep
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.tariff import Tariff, prices_of_month
from ledger.tariff_file import field_lines, parse_tariff

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "tariffs"
NOTICES = ROOT.parent / "shared" / "data" / "cn_tariffs"
needs_notices = pytest.mark.skipif(not NOTICES.exists(), reason=f"needs the transcribed notices at {NOTICES}")

TWO_PART = (EXAMPLES / "shanghai_two_part_1-10kv.toml").read_text(encoding="utf-8")
FILES = sorted(path.name for path in EXAMPLES.glob("*.toml"))


def example(name: str) -> Tariff:
    return parse_tariff((EXAMPLES / name).read_text(encoding="utf-8"), name=name)


def test_the_examples_are_all_here() -> None:
    assert len(FILES) == 6
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in FILES if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", FILES)
def test_every_month_of_an_example_has_prices(name: str) -> None:
    tariff = example(name)
    for table in tariff.tables:
        for month in table.months:
            prices = prices_of_month(tariff, month, 900)
            assert len(prices.period) == month.days * 96


@pytest.mark.parametrize("name", FILES)
def test_a_tariff_survives_being_encoded(name: str) -> None:
    tariff = example(name)
    assert msgspec.json.decode(msgspec.json.encode(tariff), type=Tariff) == tariff


def test_numbers_are_read_as_written() -> None:
    table = parse_tariff(TWO_PART, name="sh").table_for(Month(2026, 8))
    assert table.prices.sharp == Price(1_410_412, 6, "CNY", "kWh")
    assert table.demand == Price(44_800_000, 6, "CNY", "kW.month")
    assert table.components is not None
    assert table.components.transmission.mantissa == 162_300


def test_shanghai_in_august_by_the_clock() -> None:
    prices = prices_of_month(parse_tariff(TWO_PART, name="sh"), Month(2026, 8), 3600)
    day = [PERIODS[index] for index in prices.period[:24].tolist()]
    expected = ["valley"] * 6 + ["flat"] * 2 + ["peak"] * 4 + ["sharp"] * 2 + ["peak"] + ["flat"] * 3
    assert day == [*expected, *["peak"] * 3, "flat", *["valley"] * 2]


def test_shanghais_deep_valley_is_on_rest_days_and_holidays() -> None:
    prices = prices_of_month(example("shanghai_large_industry_below_1kv.toml"), Month(2026, 6), 3600)
    deep = {
        number // 24 + 1 for number, index in enumerate(prices.period.tolist()) if PERIODS[index] == "deep"
    }
    assert deep == {6, 7, 13, 14, 19, 20, 21, 27, 28}
    first_saturday = [PERIODS[index] for index in prices.period[5 * 24 : 6 * 24].tolist()]
    assert first_saturday.count("deep") == 8
    assert "valley" not in first_saturday
    ordinary = prices_of_month(example("shanghai_two_part_below_1kv.toml"), Month(2026, 6), 3600)
    assert "deep" not in {PERIODS[index] for index in ordinary.period.tolist()}


def test_zhejiang_changed_periods_and_formula_between_2025_and_2026() -> None:
    tariff = example("zhejiang_large_industry_1-10kv.toml")
    old, new = (prices_of_month(tariff, month, 3600) for month in (Month(2025, 12), Month(2026, 8)))
    assert [PERIODS[index] for index in old.period[8:12].tolist()] == ["peak", "sharp", "sharp", "valley"]
    assert [PERIODS[index] for index in new.period[8:12].tolist()] == ["flat", "flat", "flat", "valley"]
    rules = [tariff.schedule_for(month).float_rule for month in (Month(2025, 12), Month(2026, 8))]
    assert [len(rule.base) for rule in rules if rule is not None] == [5, 3]
    for month in (Month(2026, 1), Month(2026, 9)):
        with pytest.raises(Refused) as caught:
            tariff.schedule_for(month)
        assert caught.value.code == "tariff_month"


# A change to the file and the refusal that it must bring: code, how the refused line begins, path.
FAULTS = [
    ("peak = 1.144372", "peak = 1.144375", "float_rule", "peak = 1.144375", "prices[0].peak"),
    ("peak = 1.144372", "peak = 1.2e0", "number", "peak = 1.2e0", "prices[0].peak"),
    ("flat = 0.671413", "flat = 0.671420", "flat_sum", "flat = 0.671420", "prices[0].flat"),
    ("peak = 0.80", "", "float_rule", "peak = 1.144372", "prices[0].peak"),
    ("sharp = 1.25", 'sharp = "a"', "number", 'sharp = "a"', "schedule[0].float.step[0].sharp"),
    ('"12:00-14:00"', '"12:00-25:00"', "hours", 'hours = ["12:00-25:00"]', "schedule[0].period[0].hours"),
    ('"12:00-14:00"', '"14:00-12:00"', "hours", 'hours = ["14:00-12:00"]', "schedule[0].period[0].hours"),
    ('"12:00-14:00"', '"12-14"', "hours", 'hours = ["12-14"]', "schedule[0].period[0].hours"),
    ('"12:00-14:00"', '"12:00-13:00"', "period_gap", "[[schedule]]", "schedule[0].period"),
    (
        'period = "sharp"',
        'period = "sharpest"',
        "period",
        'period = "sharpest"',
        "schedule[0].period[0].period",
    ),
    ("months = [9]", "months = [13]", "months", "months = [13]", "schedule[0].period[2].months"),
    ('currency = "CNY"', "", "field_missing", "# Periods", "currency"),
    ('currency = "CNY"', 'currency = "cny"', "currency", 'currency = "cny"', "currency"),
    ('zone = "Asia/Shanghai"', 'zone = "UTC"', "zone", 'calendar = "CN"', "calendar"),
    ('parts = "two_part"', 'parts = "single_part"', "parts", "[[prices]]", "prices[0]"),
    ('month = "2026-08"', 'month = "2022-08"', "effective", "[[prices]]", "prices[0]"),
    ('month = "2026-08"', 'month = "August"', "month", 'month = "August"', "prices[0].month"),
    ("line_loss = 0.013266", "", "field_missing", "[[prices]]", "prices[0].line_loss"),
    ("line_loss = 0.013266", "loss = 1", "field_missing", "[[prices]]", "prices[0].line_loss"),
    (
        "demand_per_kw_month",
        "demand_per_kwh",
        "field_unknown",
        "demand_per_kwh = 44.8",
        "prices[0].demand_per_kwh",
    ),
    ("calendar = ", "calender = ", "field_missing", "# Periods", "calendar"),
    ("months = [9]", 'days = ["holiday:圣诞节"]', "holiday_name", "days = ", "schedule[0].period[2].days"),
    ("months = [9]", 'days = ["weekend"]', "days", "days = ", "schedule[0].period[2].days"),
    ("months = [9]", 'months = ["9"]', "field_type", 'months = ["9"]', "schedule[0].period[2].months"),
]


@pytest.mark.parametrize(("old", "new", "code", "line", "path"), FAULTS)
def test_a_fault_is_refused_with_its_line_and_field(
    old: str, new: str, code: str, line: str, path: str
) -> None:
    assert old in TWO_PART
    text = TWO_PART.replace(old, new, 1)
    with pytest.raises(Refused) as caught:
        parse_tariff(text, name="sh.toml")
    found, _, place = caught.value.place.partition(" ")
    assert (caught.value.code, place) == (code, path)
    number = int(found.removeprefix("sh.toml:"))
    assert text.splitlines()[number - 1].startswith(line)


def test_hours_may_begin_and_end_within_an_hour() -> None:
    text = TWO_PART.replace('"12:00-14:00"', '"12:00-13:30"', 1).replace('"14:00-15:00"', '"13:30-15:00"', 1)
    prices = prices_of_month(parse_tariff(text, name="sh"), Month(2026, 8), 1800)
    assert [PERIODS[index] for index in prices.period[26:29].tolist()] == ["sharp", "peak", "peak"]


def test_a_text_that_is_not_toml_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        parse_tariff("id = \n", name="sh.toml")
    assert (caught.value.code, caught.value.place) == ("toml", "sh.toml:1")


def test_lines_are_found_in_nested_lists_of_tables() -> None:
    text = "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a]]\n[[a.b]]\nx = 3\n[a.c]\ny = 4\n"
    lines = field_lines(text)
    assert [lines[path] for path in ("a[0].b[0].x", "a[0].b[1].x", "a[1].b[0].x", "a[1].c.y")] == [
        3,
        5,
        8,
        10,
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (NOTICES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


SUMMER_WINTER, OTHER = (1, 7, 8, 9, 12), (2, 3, 4, 5, 6, 10, 11)
TO_TRANSMISSION: tuple[Component, ...] = ("purchase", "transmission")
ENERGY: tuple[Component, ...] = ("purchase", "line_loss", "system_operation")
RULES = {
    ("SH-2022-50", "two_part"): FloatRule(
        "flat_plus",
        TO_TRANSMISSION,
        (
            FloatStep(SUMMER_WINTER, sharp="1.25", peak="0.80", valley="-0.60"),
            FloatStep(OTHER, peak="0.60", valley="-0.50"),
        ),
    ),
    ("SH-2022-50", "single_part"): FloatRule(
        "flat_plus",
        TO_TRANSMISSION,
        (
            FloatStep(SUMMER_WINTER, peak="0.20", valley="-0.45"),
            FloatStep(OTHER, peak="0.17", valley="-0.45"),
        ),
    ),
    ("ZJ-2024-21-大工业", "two_part"): FloatRule(
        "scaled", COMPONENTS, (FloatStep(sharp="1.98", peak="1.65", valley="0.38"),)
    ),
    ("ZJ-2024-21-工商业", "two_part"): FloatRule(
        "scaled", COMPONENTS, (FloatStep(sharp="1.65", peak="1.50", valley="0.38"),)
    ),
    ("ZJ-2026-112", "two_part"): FloatRule(
        "scaled", ENERGY, (FloatStep(sharp="2.05", peak="1.85", valley="0.40", deep="0.20"),)
    ),
}
RULES["ZJ-2026-112", "single_part"] = RULES["ZJ-2026-112", "two_part"]


@needs_notices
def test_every_transcribed_price_satisfies_its_own_rule() -> None:
    rows = _rows("cn_tariff_prices.csv")
    texts = [_as_file(row) for row in rows]
    assert len(rows) == 25
    for row, text in zip(rows, texts, strict=True):
        tariff = parse_tariff(text, name=f"{row['province']} {row['month']} {row['voltage']}")
        table = tariff.table_for(Month.parse(row["month"]))
        rule = RULES[row["float_rule"], tariff.parts]
        assert table.components is not None
        printed = {period: row[period] for period in ("sharp", "peak", "flat", "valley") if row[period]}
        assert {period: price.exact for period, price in table.prices.printed.items()} == {
            period: Fraction(text) for period, text in printed.items()
        }
        for period, price in table.prices.printed.items():
            error = price.exact - rule.expected(table.components, period, int(row["month"][5:]))
            assert abs(error) <= Fraction(2, 10**6), (row, period)


def _as_file(row: dict[str, str]) -> str:
    """The row as a tariff file with its own rule, so that loading it checks the rule too."""
    parts = "single_part" if row["category"].startswith("单一制") else "two_part"
    rule = RULES[row["float_rule"], parts]
    keys = {"system_op": "system_operation", "gov_fund": "government_fund"}
    prices = [
        "sharp",
        "peak",
        "flat",
        "valley",
        "purchase",
        "line_loss",
        "system_op",
        "transmission",
        "gov_fund",
    ]
    lines = [f"{keys.get(key, key)} = {row[key]}" for key in prices if row[key]]
    charges = {"demand": "demand_charge_cny_kw_month", "capacity": "capacity_charge_cny_kva_month"}
    units = {"demand": "kw", "capacity": "kva"}
    lines += [f"{name}_per_{units[name]}_month = {row[key]}" for name, key in charges.items() if row[key]]
    steps = [
        f"[[schedule.float.step]]\nmonths = {list(step.months)}\n"
        + "".join(
            f"{p} = {getattr(step, p)}\n" for p in ("sharp", "peak", "valley", "deep") if getattr(step, p)
        )
        for step in rule.steps
    ]
    return (
        f'id = "x"\nprovince = "{row["province"]}"\n'
        f'category = "{row["category"]}"\nvoltage = "{row["voltage"]}"\n'
        f'parts = "{parts}"\ncurrency = "CNY"\nzone = "Asia/Shanghai"\ncalendar = "CN"\n'
        '[[schedule]]\nfrom = "2025-01"\ndocument = "d"\notherwise = "flat"\n'
        '[[schedule.period]]\nperiod = "peak"\nhours = ["08:00-11:00"]\n'
        f'[schedule.float]\nformula = "{rule.formula}"\nbase = {list(rule.base)}\n'
        + "".join(steps)
        + f'[[prices]]\nmonth = "{row["month"]}"\nsource = "s"\n'
        + "\n".join(lines)
    )


@needs_notices
def test_a_transcribed_row_a_fen_off_is_refused() -> None:
    row = dict(_rows("cn_tariff_prices.csv")[5])
    assert row["valley"] == "0.323014"
    row["valley"] = "0.333014"
    with pytest.raises(Refused) as caught:
        parse_tariff(_as_file(row), name="row")
    assert caught.value.code == "float_rule"


@needs_notices
def test_every_transcribed_set_of_periods_fills_its_days_once() -> None:
    schedules: dict[tuple[str, str], list[PeriodRule]] = defaultdict(list)
    otherwise: set[tuple[str, str]] = set()
    for row in _rows("cn_tou_periods.csv"):
        if row["document"] == "沪发改价管〔2024〕28号":
            continue  # an addition to the two-part periods; the example file has both
        key = (row["document"], row["category"])
        if row["period"] == "flat_rest":
            otherwise.add(key)
            continue
        months = (
            ALL_MONTHS if row["months"] == "all" else tuple(int(month) for month in row["months"].split())
        )
        days: tuple[str, ...] = ("all",)
        if row["day_type"].startswith("holiday:"):
            days = tuple(f"holiday:{name}" for name in row["day_type"].removeprefix("holiday:").split())
        start, end = (int(row[at][:2]) * 60 + int(row[at][3:]) for at in ("start", "end"))
        schedules[key].append(PeriodRule(row["period"], months, days, (Hours(start, end),)))  # type: ignore[arg-type]
    assert len(schedules) == 8
    for key, rules in schedules.items():
        months_covered = sorted({month for rule in rules for month in rule.months})
        PeriodSchedule(tuple(rules), "flat" if key in otherwise else None).check(
            months_covered, calendar("CN")
        )


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"", "empty_file", "sh.toml:1"),
        (b"id = 'x'\nname = '\xff'\n", "encoding", "sh.toml:2"),
        (b"\xef\xbb\xbfid = 'x'\n", "byte_order_mark", "sh.toml:1"),
        (b"x = " + b"[" * 5000, "toml", "sh.toml:1"),
        (b"x" * 1_000_001, "file_size", "sh.toml:1"),
    ],
)
def test_bytes_that_are_no_tariff_at_all(data: bytes, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_tariff(data, name="sh.toml")
    assert (caught.value.code, caught.value.place) == (code, place)


def test_a_tariff_may_be_given_as_bytes() -> None:
    assert parse_tariff(TWO_PART.encode(), name="sh.toml") == parse_tariff(TWO_PART, name="sh.toml")

"""Markets as files: each example's gates on one day, and every refusal with its line and field."""

from __future__ import annotations

from datetime import date, datetime
from typing import get_args

import pytest

from ledger.refusal import Refused
from tests.trading.market_samples import DAY, EXAMPLES, example
from trading.gate import gate_of
from trading.market_file import parse
from trading.product import Kind, Stage

SHANDONG = (EXAMPLES / "shandong_spot.toml").read_text(encoding="utf-8")

GATES = """
aemo_nem                  energy            288  08-24 14:00  09-01 01:55  09-01 02:00
aemo_nem                  raise_regulation  288  08-24 14:00  09-01 01:55  09-01 02:00
aemo_nem                  lower_regulation  288  08-24 14:00  09-01 01:55  09-01 02:00
caiso_day_ahead           energy             24  08-25 07:00  08-31 17:00  08-31 20:00
caiso_day_ahead           regulation_up      24  08-25 07:00  08-31 17:00  08-31 20:00
caiso_day_ahead           regulation_down    24  08-25 07:00  08-31 17:00  08-31 20:00
germany_day_ahead         da                 96  07-17 22:00  08-31 10:00  08-31 10:55
guangdong_regulation      mileage            24  08-31 00:00  08-31 04:00  08-31 09:30
guangdong_regulation      capacity           24  08-31 00:00  08-31 04:00  08-31 09:30
guangdong_spot            da                 96  08-31 00:00  08-31 03:30  08-31 09:30
guangdong_spot            rt                 96  08-31 09:30  09-01 03:00  09-01 04:15
hunan_regulation          mileage            24  08-31 00:00  08-31 03:00  08-31 09:30
jiangsu_demand_response   cut_day_ahead      96  08-27 01:00  08-31 04:00  08-31 09:00
jiangsu_demand_response   cut_intraday       96  08-31 16:00  09-01 00:00  09-01 01:00
jiangsu_demand_response   cut_real_time      96  08-31 09:00  09-01 03:30  09-01 03:45
jiangsu_demand_response   fill_valley        96  08-29 01:00  08-31 04:00  08-31 09:00
jiangsu_demand_response   fill_flat          96  08-29 01:00  08-31 04:00  08-31 09:00
nyiso_day_ahead           energy             24  08-18 04:00  08-31 09:00  08-31 15:00
nyiso_day_ahead           regulation         24  08-18 04:00  08-31 09:00  08-31 15:00
qinghai_capacity          capacity           24  08-03 16:00  08-25 09:00  08-31 16:00
shandong_spot             da                 96  08-31 00:00  08-31 03:00  08-31 09:30
shandong_spot             rt                 96  08-31 09:30  09-01 03:00  09-01 04:15
shandong_spot_hourly      da_hourly          24  08-31 00:00  08-31 03:00  08-31 09:30
shandong_spot_hourly      rt_hourly          24  08-31 09:30  09-01 03:00  09-01 05:00
zhejiang_demand_response  cut_day_ahead      96  08-31 01:00  08-31 07:00  08-31 10:00
zhejiang_demand_response  cut_intraday       96  08-31 16:00  09-01 00:00  09-01 01:00
zhejiang_demand_response  cut_real_time      96  08-31 10:00  09-01 03:30  09-01 03:45
zhejiang_demand_response  fill_day_ahead     96  08-31 01:00  08-31 07:00  08-31 10:00
"""
"""UTC, for 1 September 2026 and a bid from the day's middle on: intervals, opening, closing, publication."""


def test_the_gates_of_every_example() -> None:
    """China UTC+8, Brisbane UTC+10, California UTC-7, New York UTC-4, Berlin UTC+2 on that day."""
    found = []
    for file in sorted(EXAMPLES.glob("*.toml")):
        market = example(file.stem)
        assert market.id == file.stem
        for product in market.products:
            assert market.delivers(product, DAY)
            count = market.intervals(product, DAY)
            gate = gate_of(market, product, DAY, count // 2)
            published = market.moment(product.published, product, DAY, count // 2)
            times = (f"{at:%m-%d %H:%M}" for at in (gate.opens, gate.closes, published))
            found.append("  ".join((f"{market.id:24}", f"{product.id:16}", f"{count:>3}", *times)))
    assert found == GATES.strip().split("\n")


def test_the_examples_cover_every_kind_and_stage() -> None:
    products = [product for file in EXAMPLES.glob("*.toml") for product in example(file.stem).products]
    assert {product.kind for product in products} == set(get_args(Kind))
    assert {product.stage for product in products} == set(get_args(Stage))
    assert {product.interval_s for product in products} == {300, 900, 3600}


def test_prices_of_the_examples_are_their_sources() -> None:
    """DOMAIN.md 3.4, 3.6, 3.7 and the texts that the files name."""
    prices = {
        ("hunan_regulation", "mileage"): ("4", "15"),
        ("guangdong_regulation", "mileage"): ("6", "15"),
        ("guangdong_regulation", "capacity"): ("12", "12"),
        ("jiangsu_demand_response", "cut_real_time"): ("15", "15"),
        ("jiangsu_demand_response", "fill_valley"): ("5", "5"),
        ("jiangsu_demand_response", "fill_flat"): ("8", "8"),
        ("zhejiang_demand_response", "cut_day_ahead"): ("0", "4"),
        ("zhejiang_demand_response", "cut_real_time"): ("4", "4"),
        ("zhejiang_demand_response", "fill_day_ahead"): ("1.2", "1.2"),
        ("qinghai_capacity", "capacity"): ("13.75", "13.75"),
        ("aemo_nem", "energy"): ("-1000", "23200"),
        ("caiso_day_ahead", "energy"): ("-150", "1000"),
        ("nyiso_day_ahead", "energy"): ("-1000", "1000"),
        ("germany_day_ahead", "da"): ("-500", "4000"),
    }
    for (name, product), limits in prices.items():
        found = example(name).product(product)
        assert (found.price_floor, found.price_cap) == limits, name
    assert example("hunan_regulation").product("mileage").quantity_min_w == 10_000_000


def test_the_readme_lists_every_example() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {file.name for file in EXAMPLES.glob("*.toml")}
    assert {name for name in files if f"`{name}`" in text} == files


def test_every_number_has_its_origin() -> None:
    """A price, time, lot or count without a mark beside it would be a number that nobody answers for."""
    marks = ("[R]", "[R,", "[S]", "[M]", "[D]", "[C]", "of the published figures")
    stated = (
        "interval_s",
        "price_floor",
        "price_cap",
        "price_tick",
        "lot_w",
        "quantity_min_w",
        "gate_",
        "published",
    )
    for file in sorted(EXAMPLES.glob("*.toml")):
        unmarked: set[str] = set()
        told: set[str] = set()
        for line in file.read_text(encoding="utf-8").splitlines():
            field = line.split(" = ")[0]
            if field.startswith(stated):
                (told if any(mark in line for mark in marks) else unmarked).add(field)
        assert unmarked <= told, f"{file.name}: the first of its kind in a file has its mark"


def test_the_spring_festival_moves_the_gates_of_jiangsu() -> None:
    """Working days: from Saturday 14 February, worked, back to Wednesday the 11th and Friday the 13th."""
    jiangsu = example("jiangsu_demand_response")
    cut = jiangsu.product("cut_day_ahead")
    assert not jiangsu.delivers(cut, date(2026, 2, 18))
    assert jiangsu.delivers(cut, date(2026, 2, 14))
    gate = gate_of(jiangsu, cut, date(2026, 2, 24))
    assert gate.opens == datetime.fromisoformat("2026-02-12T01:00Z")
    assert gate.closes == datetime.fromisoformat("2026-02-14T04:00Z")


def test_a_month_of_capacity_is_declared_before_its_holidays() -> None:
    """February 2026: five working days before Sunday 1 February are counted from Friday 30 January back."""
    qinghai = example("qinghai_capacity")
    capacity = qinghai.product("capacity")
    assert not qinghai.delivers(capacity, date(2026, 2, 2))
    gate = gate_of(qinghai, capacity, date(2026, 2, 1))
    assert gate.closes == datetime.fromisoformat("2026-01-26T09:00Z")


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Beijing"', "zone", "zone"),
        ('calendar = "CN"', 'calendar = "DE"', "calendar", "calendar"),
        ('currency = "CNY"', 'currency = "RMB"', "currency", "currency"),
        ('id = "shandong_spot"', 'id = "shandong spot"', "id", "id"),
        ('kind = "energy"', 'kind = "enregy"', "not_allowed", "products[0].kind"),
        ("interval_s = 900 ", "interval_s = 1000 ", "interval", "products[0].interval_s"),
        ("interval_s = 900 ", "interval_s = true ", "field_type", "products[0].interval_s"),
        ("price_cap = 1300 ", "price_cap = 1300.00001 ", "price_scale", "products[0].price_cap"),
        ("price_cap = 1300 ", "price_cap = 1e3 ", "number", "products[0].price_cap"),
        ("price_tick = 0.1 ", "price_tick = 0 ", "price_tick", "products[0].price_tick"),
        ("lot_w = 1000 ", "lot_w = 0.5 ", "field_type", "products[0].lot_w"),
        ("segments_max = 10 ", "segments_max = 11 ", "not_allowed", "products[0].segments_max"),
        ('at = "11:00"', 'at = "11.00"', "gate", "products[0].gate_closes.at"),
        ('at = "11:00"', 'at = "07:00"', "gate", "products[0].gate_closes"),
        ("minutes_before = 60 ", "minutes_before = 9999 ", "gate", "products[1].gate_closes.minutes_before"),
        (
            'from = "interval", minutes_before = 60',
            "minutes_before = 60",
            "field_missing",
            "products[1].gate_closes.from",
        ),
        (
            'from = "interval", minutes_before = 60',
            'from = "hour"',
            "not_allowed",
            "products[1].gate_closes.from",
        ),
        ('title = "Day-ahead energy, 96 quarter-hours"', 'ttile = "x"', "field_unknown", "products[0].ttile"),
        ('energy_check = "schedule"', "", "field_missing", "products[0].energy_check"),
    ],
)
def test_a_file_is_refused_with_its_line_and_field(old: str, new: str, code: str, field: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(SHANDONG.replace(old, new, 1).encode())
    assert caught.value.code == code
    line, _, place = caught.value.place.partition(", ")
    assert place == field
    if code != "field_missing":
        assert line == f"line {line_of(SHANDONG, old)}"


def test_one_product_twice() -> None:
    with pytest.raises(Refused) as caught:
        parse(SHANDONG.replace('id = "rt"', 'id = "da"'))
    assert caught.value.code == "product_duplicate"
    assert caught.value.place.endswith(", products")

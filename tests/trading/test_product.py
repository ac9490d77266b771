"""What a product and a market may be, and what their numbers mean."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any, get_args

import pytest

from ledger.refusal import Refused
from tests.trading.market_samples import PRODUCT, market, product
from trading.moment import DayMoment, IntervalMoment
from trading.product import STREAM_OF, WHOLE_MAX, Kind, PriceUnit

REGULATION: dict[str, Any] = {"kind": "regulation_capacity", "price_unit": "MW.h", "energy_check": "none"}


def test_prices_are_whole_millionths_per_kw() -> None:
    """0.1 yuan/MWh is 0.0001 yuan/kWh: 100 millionths; -80 is -80,000; and back exactly."""
    assert (PRODUCT.tick_u, PRODUCT.floor_u, PRODUCT.cap_u) == (100, -80_000, 1_300_000)
    assert PRODUCT.price_of(1_300_000) == 1300
    assert PRODUCT.price_of(-85_300) == Fraction("-85.3")
    retail = product(price_unit="kWh", price_floor="0", price_cap="4", price_tick="0.01")
    assert (retail.tick_u, retail.cap_u) == (10_000, 4_000_000)
    assert retail.price_of(1_200_000) == Fraction("1.2")


def test_each_price_unit_is_scaled_and_timed() -> None:
    found = {
        unit: (one.cap_u, one.timed)
        for unit in get_args(PriceUnit)
        for one in [
            product(kind="demand_response", price_unit=unit, price_floor="0", price_cap="1", price_tick="1")
        ]
    }
    assert found == {
        "MWh": (1000, True),
        "kWh": (1_000_000, True),
        "MW.h": (1000, True),
        "kW.h": (1_000_000, True),
        "MW": (1000, False),
        "kW": (1_000_000, False),
    }


def test_every_kind_is_a_stream_of_the_matrix() -> None:
    assert set(STREAM_OF) == set(get_args(Kind))
    assert (PRODUCT.stream, product(**REGULATION).stream) == ("spot", "ancillary")


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"id": "a b"}, "id", "id"),
        ({"title": " "}, "empty", "title"),
        ({"kind": "power"}, "not_allowed", "kind"),
        ({"stage": "weekly"}, "not_allowed", "stage"),
        ({"direction": "up"}, "not_allowed", "direction"),
        ({"delivery_days": "weekends"}, "not_allowed", "delivery_days"),
        ({"energy_check": "maybe"}, "not_allowed", "energy_check"),
        ({"energy_check": "none"}, "not_allowed", "energy_check"),
        ({"interval_s": 1000}, "interval", "interval_s"),
        ({"price_unit": "MW"}, "price_unit", "price_unit"),
        (REGULATION | {"price_unit": "MWh"}, "price_unit", "price_unit"),
        ({"price_cap": "1e3"}, "number", "price_cap"),
        ({"price_cap": "+1"}, "number", "price_cap"),
        ({"price_floor": "-0.0001"}, "price_scale", "price_floor"),
        ({"price_tick": "0"}, "price_tick", "price_tick"),
        ({"price_tick": "-0.1"}, "price_tick", "price_tick"),
        ({"price_floor": "1400"}, "price_limit", "price_cap"),
        ({"price_cap": "999999999999999"}, "price_limit", "price_cap"),
        ({"price_tick": "0.7"}, "price_tick", "price_tick"),
        ({"lot_w": 0}, "lot", "lot_w"),
        ({"lot_w": WHOLE_MAX + 1}, "lot", "lot_w"),
        ({"quantity_min_w": -1000}, "lot", "quantity_min_w"),
        ({"quantity_min_w": 1500}, "lot", "quantity_min_w"),
        ({"quantity_max_w": 20_000_500}, "lot", "quantity_max_w"),
        ({"quantity_max_w": 9000}, "lot", "quantity_max_w"),
        ({"quantity_max_w": 2 * WHOLE_MAX * 1000}, "lot", "quantity_max_w"),
        ({"segments_max": 0}, "not_allowed", "segments_max"),
        ({"segments_max": 11}, "not_allowed", "segments_max"),
        ({"query_working_days": 251}, "not_allowed", "query_working_days"),
        ({"clock_margin_s": -1}, "not_allowed", "clock_margin_s"),
        ({"blocks_max": 101}, "not_allowed", "blocks_max"),
        ({"blocks_max": 0}, "not_allowed", "blocks_max"),
        ({"sustain_min": 15}, "not_allowed", "sustain_min"),
        (REGULATION | {"sustain_min": 1441}, "not_allowed", "sustain_min"),
        ({"gate_closes": DayMoment(days_before=1, at="08:00")}, "gate", "gate_closes"),
        ({"gate_closes": DayMoment(days_before=2, at="11:00")}, "gate", "gate_closes"),
        ({"published": DayMoment(days_before=1, at="10:59")}, "gate", "published"),
        (
            {
                "gate_opens": IntervalMoment(minutes_before=30),
                "gate_closes": IntervalMoment(minutes_before=30),
            },
            "gate",
            "gate_closes",
        ),
    ],
)
def test_a_product_that_cannot_be_meant_is_refused(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        product(**changes)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_a_result_may_come_as_the_gate_closes() -> None:
    at_once = DayMoment(days_before=1, at="11:00")
    assert product(published=at_once).published == at_once


@pytest.mark.parametrize(
    "text", ["9:00", "24:01", "25:00", "12:60", "12-30", "T1030", "noon", "12:30:00", "１２:３０", ""]
)
def test_only_clock_times_are_gates(text: str) -> None:
    with pytest.raises(Refused) as caught:
        DayMoment(days_before=1, at=text)
    assert (caught.value.code, caught.value.place) == ("gate", "at")


@pytest.mark.parametrize("days", [-401, 401])
def test_gates_lie_within_a_year_or_so(days: int) -> None:
    with pytest.raises(Refused) as caught:
        DayMoment(days_before=days, at="12:00")
    assert (caught.value.code, caught.value.place) == ("gate", "days_before")
    with pytest.raises(Refused) as caught:
        IntervalMoment(minutes_before=days * 10)
    assert (caught.value.code, caught.value.place) == ("gate", "minutes_before")


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"id": ""}, "id", "id"),
        ({"operator": "a.b"}, "id", "operator"),
        ({"gateway": "-x"}, "id", "gateway"),
        ({"title": ""}, "empty", "title"),
        ({"source": " "}, "empty", "source"),
        ({"zone": "Asia/Beijing"}, "zone", "zone"),
        ({"calendar": "DE"}, "calendar", "calendar"),
        ({"zone": "Europe/Berlin"}, "zone", "calendar"),
        ({"currency": "XAU"}, "currency", "currency"),
        ({"products": ()}, "product_duplicate", "products"),
        ({"products": (PRODUCT, PRODUCT)}, "product_duplicate", "products"),
    ],
)
def test_a_market_that_cannot_be_meant_is_refused(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        market(**changes)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_an_unknown_product_names_those_there_are() -> None:
    held = market(PRODUCT, product(id="rt"))
    assert held.product("rt").id == "rt"
    with pytest.raises(Refused) as caught:
        held.product("x")
    assert (caught.value.code, caught.value.place) == ("unknown_product", "product")
    assert "da, rt" in caught.value.reason


@pytest.mark.parametrize(
    ("day", "working", "month_start"),
    [
        (date(2026, 2, 14), True, False),  # a Saturday that is worked
        (date(2026, 2, 18), False, False),  # a Wednesday of the Spring Festival
        (date(2026, 9, 5), False, False),
        (date(2026, 9, 1), True, True),
        (date(2026, 10, 1), False, True),
    ],
)
def test_on_which_days_a_product_is_delivered(day: date, working: bool, month_start: bool) -> None:
    held = market()
    assert held.delivers(product(delivery_days="all"), day)
    assert held.delivers(product(delivery_days="working"), day) == working
    assert held.delivers(product(delivery_days="non_working"), day) != working
    assert held.delivers(product(delivery_days="month_start"), day) == month_start

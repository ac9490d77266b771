"""The real prices of each interval: Shandong's, and those of other zones with their traps."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import msgspec
import numpy as np
import pytest

from adapters.reference_market.auction import auction
from adapters.reference_market.parameters import Parameters
from adapters.reference_market.published_prices import PublishedPrices
from adapters.reference_market.trading_day import gate, starts
from ledger.interval import utc_of_local, zone_of
from ledger.market_price import PriceBlock, PriceSeries
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import DAY, PARAMETERS, ROOT, SHANDONG, shandong

DATA = ROOT.parent / "shared/data/prices"
US = {"currency": "USD", "price_min_micro_per_kwh": -2_000_000, "price_max_micro_per_kwh": 2_000_000}


def given(name: str) -> str:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}: real prices that are not shipped")
    return path.read_text(encoding="utf-8-sig")


def series(
    currency: str, zone: str, start: datetime, micro: list[Fraction], scale: int = 6
) -> PublishedPrices:
    """One series, as both products; `micro` are prices in units of 10^-scale per kWh."""
    assert all(price.denominator == 1 for price in micro)
    block = PriceBlock(start, np.array([int(price) for price in micro], dtype=np.int64), scale)
    rules = Parameters(zone=zone, **{**US, "currency": currency})  # type: ignore[arg-type]
    one = PriceSeries("m", "n", "day_ahead", 3600, currency, (block,))
    return PublishedPrices(rules, {"day_ahead": one, "real_time": one})


def check_alone(prices: PublishedPrices, rules: Parameters, day: date) -> None:
    """Without participants the market clears at exactly what was published."""
    cleared = auction(
        rules, "day_ahead", day, datetime(2026, 1, 1, tzinfo=UTC), prices.of("day_ahead", day), {}, {}
    )
    assert cleared.prices_micro_per_kwh == prices.of("day_ahead", day)


def test_every_day_of_shandong_clears_at_its_real_prices() -> None:
    prices = shandong()
    rows = list(csv.DictReader(io.StringIO(SHANDONG.read_text())))
    for number in range(21):
        day = date(2026, 1, 25) + timedelta(days=number)
        check_alone(prices, PARAMETERS, day)
        of_day = rows[24 * number : 24 * number + 24]
        assert [Fraction(row["day_ahead_cny_per_kwh"]) * 10**6 for row in of_day] == list(
            prices.of("day_ahead", day)
        )
        assert [Fraction(row["real_time_cny_per_kwh"]) * 10**6 for row in of_day] == list(
            prices.of("real_time", day)
        )
    for outside in (date(2026, 1, 24), date(2026, 2, 15), date(1969, 1, 1)):
        with pytest.raises(Refused) as refused:
            prices.of("day_ahead", outside)
        assert refused.value.code in {"unknown_day", "year"}


def test_quarters_have_their_hours_price() -> None:
    rules = msgspec.structs.replace(PARAMETERS, interval_s=900)
    hours, quarters = shandong().of("real_time", DAY), shandong(rules).of("real_time", DAY)
    assert len(quarters) == 96
    assert quarters == tuple(price for price in hours for _ in range(4))


def test_prices_of_quarters_cannot_serve_hours() -> None:
    block = PriceBlock(datetime(2026, 1, 1, tzinfo=UTC), np.array([1] * 96, dtype=np.int64), 6)
    one = PriceSeries("m", "n", "day_ahead", 900, "CNY", (block,))
    with pytest.raises(Refused) as refused:
        PublishedPrices(PARAMETERS, {"day_ahead": one, "real_time": one})
    assert refused.value.code == "market_interval"


@pytest.mark.parametrize(
    ("mantissa", "code"), [(1_500_001, "market_price_limits"), (-100_001, "market_price_limits")]
)
def test_prices_beyond_the_limits_make_no_market(mantissa: int, code: str) -> None:
    block = PriceBlock(datetime(2026, 1, 1, tzinfo=UTC), np.array([0, mantissa, 0], dtype=np.int64), 6)
    one = PriceSeries("m", "n", "day_ahead", 3600, "CNY", (block,))
    with pytest.raises(Refused) as refused:
        PublishedPrices(PARAMETERS, {"day_ahead": one, "real_time": one})
    assert refused.value.code == code


def test_another_currency_makes_no_market() -> None:
    block = PriceBlock(datetime(2026, 1, 1, tzinfo=UTC), np.array([0], dtype=np.int64), 6)
    one = PriceSeries("m", "n", "day_ahead", 3600, "EUR", (block,))
    with pytest.raises(Refused) as refused:
        PublishedPrices(PARAMETERS, {"day_ahead": one, "real_time": one})
    assert refused.value.code == "currency"


def test_days_of_23_and_25_hours_of_smard() -> None:
    """France 2018: 25 March lacks 02:00, 28 October has 02:00 twice without a marker."""
    rows = list(csv.DictReader(io.StringIO(given("smard_day_ahead_2018.csv")), delimiter=";"))
    zone = zone_of("Europe/Paris")
    first = utc_of_local(datetime(2018, 1, 1), zone)
    micro = [Fraction(row["France[€/MWh]"].replace(",", "")) * 1000 for row in rows]
    prices = series("EUR", "Europe/Paris", first, micro)
    rules = Parameters(zone="Europe/Paris", **{**US, "currency": "EUR"})  # type: ignore[arg-type]
    for day, hours in ((date(2018, 3, 25), 23), (date(2018, 10, 28), 25), (date(2018, 6, 1), 24)):
        stamp = f"{day:%b} {day.day}, {day.year}"
        real = [Fraction(row["France[€/MWh]"]) * 1000 for row in rows if row["Date"] == stamp]
        assert len(starts(rules, day)) == len(real) == hours
        assert list(prices.of("day_ahead", day)) == real
        check_alone(prices, rules, day)


def test_finer_prices_of_caiso_are_rounded_to_the_tick() -> None:
    """0.03331091 USD per kWh, hour ending 1:00 of 1 January 2020, is 33311 millionths."""
    rows = list(csv.DictReader(io.StringIO(given("caiso_da_reg_prices_hourly_2020.csv"))))
    real = [Fraction(row["DA Price ($/kWh)"]) * 10**8 for row in rows]
    first = datetime(2020, 1, 1, tzinfo=UTC)
    prices = series("USD", "UTC", first, real, 8)
    rules = Parameters(zone="UTC", **US)  # type: ignore[arg-type]
    assert prices.of("day_ahead", date(2020, 1, 1))[:2] == (33_311, 30_916)
    for day in (date(2020, 2, 29), date(2020, 12, 31)):
        at = (day - first.date()).days * 24
        assert list(prices.of("day_ahead", day)) == [round_half_away(one / 100) for one in real[at : at + 24]]
        check_alone(prices, rules, day)


def test_a_new_york_week_clears_at_its_real_prices() -> None:
    rows = list(csv.DictReader(io.StringIO(given("value_study/nyc_da_rt_2019_on.csv"))))[: 24 * 9]
    prices = series(
        "USD",
        "America/New_York",
        datetime(2019, 1, 1, tzinfo=UTC),
        [Fraction(r["da_usd_mwh"]) * 1000 for r in rows],
    )
    rules = Parameters(zone="America/New_York", **US)  # type: ignore[arg-type]
    for number in range(7):
        check_alone(prices, rules, date(2019, 1, 1) + timedelta(days=number))
    with pytest.raises(Refused, match="no trade on 2018-12-31"):
        prices.of("day_ahead", date(2018, 12, 31))


def test_gates_are_on_the_markets_clocks() -> None:
    """New York's clocks change on 8 March 2026: 10:30 is 15:30 UTC the day before, 14:30 UTC after."""
    rules = Parameters(zone="America/New_York", **US)  # type: ignore[arg-type]
    times = gate(rules, "day_ahead", date(2026, 3, 9))
    assert times.closes == datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
    assert gate(rules, "day_ahead", date(2026, 3, 8)).closes == datetime(2026, 3, 7, 15, 30, tzinfo=UTC)
    real_time = gate(rules, "real_time", date(2026, 3, 8))
    assert real_time.published == datetime(2026, 3, 9, 14, 0, tzinfo=UTC)

"""Billing cycles that do not begin on the first: which days, at which month's prices, on which bill."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.bill import bill, bills
from ledger.billing_cycle import cycle_days, cycle_interval, prices_of_cycle
from ledger.demand import ActualDemand
from ledger.effective import History, Period
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.period_schedule import PERIODS
from ledger.power_factor import Reactive
from ledger.price_table import PriceTable
from ledger.quantity import Price, round_half_away
from ledger.refusal import Refused
from ledger.settlement.behind_the_meter import earnings
from ledger.settlement.inputs import SiteInputs
from ledger.site import RegisterSite, Site
from ledger.tariff import Tariff, prices_of_month
from ledger.tariff_file import parse_tariff

FILE = Path(__file__).resolve().parents[2] / "examples/tariffs/shanghai_two_part_1-10kv.toml"
PRINTED = parse_tariff(FILE.read_text(encoding="utf-8"), name=FILE.name)
ZONE = "Asia/Shanghai"
JULY, AUGUST = Month(2026, 7), Month(2026, 8)
DAYS = 31
"""From 25 July to 24 August."""


def plus(price: Price, more: Fraction) -> Price:
    mantissa = (price.exact + more) * 10**price.scale
    assert mantissa.denominator == 1
    return msgspec.structs.replace(price, mantissa=mantissa.numerator)


def with_july(fund: Fraction = Fraction(0)) -> Tariff:
    """The printed August table, and a July table whose every energy price is 0.1 higher and demand 40.

    `fund` of July's price is government fund instead of purchase.
    """
    august = msgspec.structs.replace(PRINTED.table_for(AUGUST), start=AUGUST, until=Month(2026, 9))
    more = Fraction(1, 10)
    dearer = {name: plus(price, more) for name, price in august.prices.printed.items()}
    parts = august.components
    assert parts is not None
    components = msgspec.structs.replace(
        parts,
        purchase=plus(parts.purchase, more - fund),
        government_fund=plus(parts.government_fund, fund),
    )
    july: PriceTable = msgspec.structs.replace(
        august,
        start=JULY,
        until=AUGUST,
        prices=msgspec.structs.replace(august.prices, **dearer),
        components=components,
        demand=Price.parse("40", "CNY", "kW.month"),
    )
    schedules = tuple(msgspec.structs.replace(one, float_rule=None) for one in PRINTED.schedules)
    return msgspec.structs.replace(PRINTED, tables=(july, august), schedules=schedules)


TARIFF = with_july()


def account(anchor_day: int, power_factor: PowerFactorTerms | None = None) -> Account:
    return Account(
        id="a",
        zone=ZONE,
        parts="two_part",
        demand=ActualDemand(),
        anchor_day=anchor_day,
        power_factor=power_factor,
    )


def test_a_cycle_belongs_to_the_month_of_its_last_day() -> None:
    span = cycle_interval(AUGUST, 25, ZoneInfo(ZONE))
    assert span.start == datetime(2026, 7, 24, 16, tzinfo=UTC)
    assert span.end == datetime(2026, 8, 24, 16, tzinfo=UTC)
    first = cycle_interval(AUGUST, 1, ZoneInfo(ZONE))
    assert first == AUGUST.interval(ZoneInfo(ZONE))


@settings(max_examples=60)
@given(st.integers(1971, 2100), st.integers(1, 12), st.integers(1, 28))
def test_cycles_follow_each_other_without_gap_and_end_in_their_month(year: int, month: int, day: int) -> None:
    one = Month(year, month)
    first, end = cycle_days(one, day)
    assert cycle_days(one.next(), day)[0] == end
    assert Month.of(end.fromordinal(end.toordinal() - 1)) == one
    assert first.day == end.day == day


@pytest.mark.parametrize("day", [0, 29, 31, -1, True])
def test_a_day_that_some_month_lacks_is_refused(day: int) -> None:
    with pytest.raises(Refused) as caught:
        account(day)
    assert (caught.value.code, caught.value.place) == ("billing_anchor", "anchor_day")


def test_a_cycle_is_priced_by_the_days_of_each_month() -> None:
    """25 kWh a quarter-hour: seven days of July at its prices, 24 of August at theirs, demand of August."""
    profile = np.full(DAYS * 96, 25_000, dtype=np.int64)
    found = bill(account(25), TARIFF, AUGUST, profile, interval_s=900)
    parts = {part.month: part for part in prices_of_cycle(TARIFF, AUGUST, 25, 900)}
    assert {month: len(part.period) for month, part in parts.items()} == {JULY: 7 * 96, AUGUST: 24 * 96}
    july = prices_of_month(TARIFF, JULY, 900)
    assert parts[JULY].period.tolist() == july.period[24 * 96 :].tolist(), "the last seven days"
    expected = {
        (str(month), period): 25 * int(count) * part.price_of(period).exact
        for month, part in parts.items()
        for period, count in zip(PERIODS, np.bincount(part.period, minlength=len(PERIODS)), strict=True)
        if count
    }
    lines = {(line.part, line.period): line for line in found.lines if line.item == "energy"}
    assert {key: line.exact for key, line in lines.items()} == expected
    assert all(line.amount.minor == round_half_away(line.exact * 100) for line in found.lines)
    assert found.exact("demand") == 100 * Fraction("44.8"), "the demand price of the month it belongs to"


def test_the_fund_is_each_months_own() -> None:
    terms = PowerFactorTerms(standard="0.90", fund_in_base=False)
    profile = np.full(DAYS * 96, 25_000, dtype=np.int64)
    used = 25 * DAYS * 96
    parts = TARIFF.table_for(AUGUST).components
    assert parts is not None
    tariff = with_july(fund=parts.government_fund.exact)
    found = bill(
        account(25, terms), tariff, AUGUST, profile, interval_s=900, reactive=Reactive(used * 500, 0)
    )
    (line,) = (one for one in found.lines if one.item == "power_factor")
    fund = parts.government_fund.exact * 25 * 96 * (2 * 7 + 24)
    assert line.quantity == found.exact("energy") + found.exact("demand") - fund


def test_profiles_of_another_cycle_are_refused() -> None:
    for count in (DAYS * 96 - 1, DAYS * 96 + 1, 6 * 96):
        with pytest.raises(Refused) as caught:
            bill(account(25), TARIFF, AUGUST, np.zeros(count, dtype=np.int64), interval_s=900)
        assert caught.value.code == "profile"
    with pytest.raises(Refused) as mixed:
        bills([account(25), account(1)], TARIFF, AUGUST, np.zeros((2, 2976), dtype=np.int64), interval_s=900)
    assert mixed.value.code == "billing_anchor"
    with pytest.raises(Refused) as unpriced:
        bill(account(25), TARIFF, JULY, np.zeros(30 * 96, dtype=np.int64), interval_s=900)
    assert unpriced.value.code == "tariff_month", "June has no prices, and July's are not carried back"


ENERGY = st.integers(0, 250_000)


@settings(max_examples=15)
@given(st.integers(0, DAYS * 96 - 1), st.integers(0, DAYS * 96 - 1), ENERGY, ENERGY, st.integers(2, 28))
def test_what_storage_earned_is_summed_interval_by_interval(
    at: int, later: int, charge_wh: int, discharge_wh: int, anchor_day: int
) -> None:
    """Each Wh at the price of its own interval's month; the terms and the bill effect add up."""
    charge, discharge = np.zeros(DAYS * 96, dtype=np.int64), np.zeros(DAYS * 96, dtype=np.int64)
    charge[at] += charge_wh
    discharge[later] += discharge_wh
    site = Site("S1", "Plant", ZONE, 500_000, 250_000, TARIFF.id, account(anchor_day))
    load = np.full(DAYS * 96, 300_000, dtype=np.int64)
    (found,) = earnings([SiteInputs(site, TARIFF, 900, load, charge, discharge, None, ())], AUGUST)
    mantissas = [
        int(one)
        for month, days in (
            (JULY, slice((anchor_day - 1) * 96, None)),
            (AUGUST, slice((anchor_day - 1) * 96)),
        )
        for one in prices_of_month(TARIFF, month, 900).mantissa[days]
    ]
    scale = prices_of_month(TARIFF, AUGUST, 900).scale
    expected = sum(
        Fraction(int(wh) * mantissa, 1000 * 10**scale)
        for wh, mantissa in zip(discharge - charge, mantissas, strict=True)
    )
    arbitrage = found.earned[0]
    assert arbitrage.exact == expected == sum(Fraction(term.exact) for term in arbitrage.basis)
    assert found.bill is not None
    assert found.bill.cycle == cycle_interval(AUGUST, anchor_day, ZoneInfo(ZONE))
    total = sum(one.amount.minor for one in found.earned)
    assert total == found.bill.without_storage.minor - found.bill.with_storage.minor
    first, end = cycle_days(AUGUST, anchor_day)
    last = end.fromordinal(end.toordinal() - 1)
    assert all(one.note.startswith(f"billing cycle {first} to {last}") for one in found.earned)


def test_an_account_keeps_its_anchor_day() -> None:
    """Two cycles that overlap or leave a gap would bill days twice, or never."""
    start = datetime(2025, 12, 31, 16, tzinfo=UTC)
    later = datetime(2026, 6, 30, 16, tzinfo=UTC)
    site = Site("S1", "Plant", ZONE, 500_000, 250_000, TARIFF.id, account(25))
    moved = msgspec.structs.replace(site, account=account(10))
    held = History[Site]().with_version(Period(start), site)
    for period in (Period(later), Period(start, later)):
        with pytest.raises(Refused) as caught:
            RegisterSite(period, moved).decide(held, {})
        assert (caught.value.code, caught.value.place) == ("billing_anchor", "site.account.anchor_day")
    assert RegisterSite(Period(later), site).decide(held, {})
    assert RegisterSite(Period(start), moved).decide(held, {}), "a version that replaces the first whole"
    corrected = held.with_version(Period(start), moved)
    assert RegisterSite(Period(later), moved).decide(corrected, {})

"""What a plan is made from: known things from the book, unknown ones refused by the site's name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from adapters.planning.cases import Cases
from adapters.planning.portfolio import Horizon, horizon_of_days, portfolio_of
from adapters.planning.site_cases import Asked, site_cases
from adapters.planning.taken import Taken
from adapters.planning.tariff_prices import prices_of
from adapters.queries import registered
from adapters.settling import lowest_position
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from ledger.calendars import calendar
from ledger.demand import ContractDemand
from ledger.effective import Period
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.site import RegisterSite, Site
from ledger.tariff import prices_of_month
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, TERMS, flat, forecast, furnished, stated
from tests.adapters.test_settling import CONTRACT, TARIFF, founded
from tests.dispatch.planning.test_following import limits
from tests.ledger.test_unit_allocation import RESPONSE
from trading.commitment import Narrow
from trading.feasibility import Commitment

SLOTS = 96


def cases(bench: Bench, name: str = "S1", day: date = DAY, days: int = 1, **told: int) -> Cases:
    bench.project()
    with bench.database.reading(bench.book) as connection:
        position = lowest_position(connection)
        horizon = horizon_of_days("Asia/Shanghai", day, days, 900)
        portfolio = portfolio_of(connection, position, name, horizon.start)
        return site_cases(connection, bench.book, Asked(portfolio, horizon, position, told))


def unit(*sites: str) -> TradingUnit:
    members = tuple(Member(site=site, capability_w=100_000 * n) for n, site in enumerate(sites, 1))
    return TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=members, terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip


def commitment(**given: Any) -> Commitment:
    none = (0,) * SLOTS
    fields: dict[str, Any] = {
        "bid": "b1", "product": "day_ahead", "stream": "spot", "up_w": none, "down_w": none,
    }  # fmt: skip
    return Commitment(**(fields | given))


def test_a_case_holds_what_the_book_knows(bench: Bench) -> None:
    """Tariff prices, the forecast before the readings, the month's peak so far, and the terms."""
    furnished(bench)
    forecast(bench, flat(48))
    found = cases(bench)
    (case,) = found.cases
    prices = case.buy_micro
    assert set(prices.tolist()) <= {316_694, 671_413, 1_144_372, 1_410_412}
    assert prices[0] == 316_694, "midnight is in the valley"
    assert case.limits.load_w[:48].tolist() == flat(48)
    rng = np.random.default_rng(7)
    load = rng.integers(80_000, 300_000, 2976)
    week_before = load[12 * 96 :][:96] * 4
    assert case.limits.load_w[48:].tolist() == week_before[48:].tolist(), "13 August, 7 days before"
    assert "readings of S1: load of the same days 1 week before, no forecast" in found.rests_on
    assert case.peak_price_micro == 44_800_000
    price = prices_of_month(TARIFF, Month(2026, 8), 900).mantissa
    charge = np.where(price == price.min(), 20_000, 0)
    discharge = np.where(price == price.max(), 50_000, 0)
    net = (load + charge - discharge)[: 19 * 96] * 4
    assert case.peak_w == net.max()
    assert (case.limits.start_wh, case.end_wh) == (50_000, 50_000)
    assert case.limits.ceiling_wh == TERMS.ceiling_wh


def test_what_a_forecast_says_of_itself_is_said_of_the_case(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat(96), notes=("no whole day after 2026-08-10 is known",))
    assert "forecast load_S1: no whole day after 2026-08-10 is known" in cases(bench).notes


@pytest.mark.parametrize(
    ("code", "place"), [("storage_unstated", "site S1"), ("unknown_portfolio", "portfolio")]
)
def test_what_is_not_known_is_refused_by_name(bench: Bench, code: str, place: str) -> None:
    furnished(bench, None)
    with pytest.raises(Refused) as refused:
        cases(bench, "S1" if code == "storage_unstated" else "S9")
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_load_that_nobody_knows_is_refused(bench: Bench) -> None:
    """Readings begin on 1 August: no week before 3 August was read."""
    furnished(bench)
    with pytest.raises(Refused) as refused:
        cases(bench, day=date(2026, 8, 3))
    assert (refused.value.code, refused.value.place) == ("load_unknown", "site S1")
    assert "wattledger forecast load:S1 2026-08-03" in str(refused.value)


def test_prices_that_are_missing_shorten_the_horizon_and_say_so(bench: Bench) -> None:
    """September has no price table: of two days the first is planned; a day in it is refused."""
    furnished(bench)
    found = cases(bench, day=date(2026, 8, 31), days=2)
    assert found.horizon.count == 96
    assert found.notes[0].startswith("96 of 192 intervals: ")
    assert "2026-09" in found.notes[0]
    with pytest.raises(Refused) as refused:
        cases(bench, day=date(2026, 9, 1))
    assert (refused.value.code, refused.value.place) == ("tariff_month", "site S1")


def test_seven_days_have_seven_times_the_intervals(bench: Bench) -> None:
    furnished(bench)
    found = cases(bench, day=date(2026, 8, 22), days=7)
    assert found.horizon.count == 7 * 96
    assert found.cases[0].limits.load_w[6 * 96] > 0


def test_telemetry_goes_before_terms_and_must_be_possible(bench: Bench) -> None:
    furnished(bench)
    found = cases(bench, S1=20_000)
    assert found.cases[0].limits.start_wh == 20_000, "below its floor: the plan leads it back"
    assert "start of S1: telemetry, 20000 Wh" in found.rests_on
    with pytest.raises(Refused) as refused:
        cases(bench, S1=600_000)
    assert (refused.value.code, refused.value.place) == ("stored_energy", "site S1")


def test_a_site_that_cannot_be_planned_is_left_out_and_named(bench: Bench) -> None:
    """S2 has no terms; after they are stated it has no load, and S1 is planned all the same."""
    furnished(bench)
    bench.door.execute(sample.register_site("S2"), command_id="s2", actor="ada")
    bench.door.execute(
        RegisterTradingUnit(sample.FROM_2026, unit("S1", "S2")), command_id="unit", actor="ada"
    )
    found = cases(bench, "vpp")
    assert [case.id for case in found.cases] == ["S1"]
    assert [(one.code, one.place) for one in found.refused] == [("storage_unstated", "site S2")]
    stated(bench, TERMS, "S2")
    assert [one.code for one in cases(bench, "vpp").refused] == ["unknown_tariff"]


def test_an_imposed_limit_holds_for_its_time(bench: Bench) -> None:
    furnished(bench)
    period = Period(MIDNIGHT + timedelta(hours=6), MIDNIGHT + timedelta(hours=12))
    limit = ImposedLimit(reason="half of it is out", discharge_w=100_000, charge_w=0)
    bench.door.execute(ImposeLimit("S1", period, limit), command_id="limit", actor="ada")
    assert (
        cases(bench).cases[0].limits.discharge_w_max.tolist()
        == [250_000] * 24 + [100_000] * 24 + [250_000] * 48
    )
    (note,) = (one for one in cases(bench).notes if "limited" in one)
    assert note == (
        "S1: limited in charging to 0 W and discharging to 100000 W by ada until 2026-08-20T04:00Z:"
        " half of it is out"
    )


def test_what_a_driver_imposed_is_noted_until_it_is_lifted(bench: Bench) -> None:
    furnished(bench)
    lost = ImposedLimit(reason="driver: B1 is not commissioned", charge_w=0, discharge_w=0)
    bench.door.execute(ImposeLimit("S1", Period(MIDNIGHT), lost), command_id="lost", actor="driver")
    (note,) = (one for one in cases(bench).notes if "limited" in one)
    assert note == (
        "S1: limited in charging to 0 W and discharging to 0 W by driver until it is lifted:"
        " driver: B1 is not commissioned"
    )
    back = ImposedLimit(reason="driver: all of its devices are back")
    bench.door.execute(ImposeLimit("S1", Period(MIDNIGHT), back), command_id="back", actor="driver")
    assert not [one for one in cases(bench).notes if "limited" in one]
    above = ImposedLimit(reason="as much as it has", charge_w=250_000, import_w=2**39)
    bench.door.execute(ImposeLimit("S1", Period(MIDNIGHT), above), command_id="above", actor="ada")
    assert not [one for one in cases(bench).notes if "limited" in one], "no less than its terms"


def test_what_the_desk_bound_is_taken_by_site(bench: Bench) -> None:
    """300 kW discharged from 18:00 to 19:00 by two sites of 100 and 200 kW: S1 has a third."""
    furnished(bench)
    bench.door.execute(sample.register_site("S2"), command_id="s2", actor="ada")
    bench.door.execute(
        RegisterTradingUnit(sample.FROM_2026, unit("S1", "S2")), command_id="unit", actor="ada"
    )
    path = [0] * SLOTS
    path[72:76] = [150_000] * 4
    bound = commitment(path_w=tuple(path), up_w=tuple(path))
    bench.door.execute(Narrow("vpp", DAY, (bound,)), command_id="bind", actor="desk")
    for name in ("vpp", "S1"):
        found = cases(bench, name)
        taken, limits = found.taken["S1"], found.cases[0].limits
        assert taken.path_w[70:78].tolist() == [0, 0, 50_000, 50_000, 50_000, 50_000, 0, 0]
        assert limits.discharge_w_max[71:77].tolist() == [250_000, 0, 0, 0, 0, 250_000]
        assert limits.load_w[72] == found.whole[0].load_w[72] - 50_000
        # 50 kWh at the meter are 52.6 kWh of the cells: the plan keeps as much more.
        assert limits.floor_wh[[71, 72, 95]].tolist() == [50_000, 63_157, 102_628]
        assert "commitment.vpp_2026-08-20: b1" in found.rests_on


def test_regulation_is_power_and_energy_held_ready() -> None:
    taken = Taken.nothing(4)
    taken.up_w[1:3] = 60_000
    taken.down_w[1:3] = 60_000
    taken.up_ws[1:3] = 60_000 * 900
    taken.down_ws[1:3] = 60_000 * 900
    left = taken.left_of(limits(4))
    assert left.discharge_w_max.tolist() == [100_000, 40_000, 40_000, 100_000]
    assert left.charge_w_max.tolist() == [100_000, 40_000, 40_000, 100_000]
    assert left.floor_wh.tolist() == [20_000, 20_000 + 15_957, 20_000 + 15_957, 20_000]
    assert left.ceiling_wh == 200_000 - 14_250


def test_what_may_be_called_is_there_when_it_begins() -> None:
    """100 kW for two quarter-hours, uncalled so far: 50 kWh at the meter wait from the interval before on."""
    taken = Taken.nothing(6)
    taken.asked_up_w[3:5] = 94_000
    left = taken.left_of(limits(6))
    assert left.floor_wh.tolist() == [20_000, 20_000, 70_000, 45_000, 20_000, 20_000]
    assert left.discharge_w_max.tolist() == [100_000] * 3 + [0, 0, 100_000]


def test_a_declared_demand_costs_double_above_its_band(bench: Bench) -> None:
    furnished(bench)
    with bench.database.reading(bench.book) as connection:
        sites = registered.load(connection, "site", Site, lowest_position(connection))
    site = sites.versions["S1"][-1].document
    demand = ContractDemand(contract_w=2_000_000, floor_percent=0)
    account = structs.replace(site.account, demand=demand)
    bench.door.execute(
        RegisterSite(sample.FROM_2026, structs.replace(site, account=account)), command_id="new", actor="ada"
    )
    (case,) = cases(bench).cases
    assert (case.peak_w, case.peak_price_micro) == (2_100_000, 89_600_000)


def test_forbidden_streams_are_barred(bench: Bench) -> None:
    founded(bench, structs.replace(CONTRACT, forbidden_streams=("spot", "ancillary")))
    stated(bench, TERMS)
    forecast(bench, flat())
    assert cases(bench).cases[0].barred == {"spot", "ancillary"}


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_days_on_which_clocks_change_have_their_own_intervals(day: date, count: int) -> None:
    horizon = horizon_of_days("Europe/Berlin", day, 1, 900)
    assert horizon.count == count
    month = Month(day.year, day.month)
    table = structs.replace(TARIFF.tables[0], start=month, until=month.next())
    schedules = tuple(structs.replace(one, float_rule=None) for one in TARIFF.schedules)
    tariff = structs.replace(
        TARIFF, id="de", calendar=calendar("none", "Europe/Berlin"), schedules=schedules, tables=(table,)
    )
    assert len(prices_of(tariff, horizon).buy_micro) == count


def test_a_price_at_the_optimisers_bound_is_taken_and_one_above_it_refused() -> None:
    horizon = Horizon(datetime(2026, 8, 19, 16, tzinfo=UTC), 900, 96)
    printed = TARIFF.tables[0].prices
    for mantissa, scale in ((10**15, 6), (10**15 + 1, 6)):
        sharp = structs.replace(printed.peak, mantissa=mantissa, scale=scale)
        schedules = tuple(structs.replace(one, float_rule=None) for one in TARIFF.schedules)
        table = structs.replace(TARIFF.tables[0], prices=structs.replace(printed, peak=sharp))
        tariff = structs.replace(TARIFF, schedules=schedules, tables=(table,))
        if mantissa == 10**15:
            assert int(prices_of(tariff, horizon).buy_micro.max()) == 10**15
        else:
            with pytest.raises(Refused) as refused:
                prices_of(tariff, horizon)
            assert refused.value.code == "price_range"

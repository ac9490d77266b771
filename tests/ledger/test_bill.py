"""Bills by period, demand and power factor, exact and rounded once per line; storage savings that add up."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ledger.bill import Bill, bill, bills
from ledger.calendars import calendar
from ledger.demand import ActualDemand, CapacityCharge, ContractDemand, DemandTerms
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.period_energy import energy_by_period, peak_wh
from ledger.period_schedule import PERIODS, Hours, PeriodRule, PeriodSchedule, TouPeriod
from ledger.power_factor import Reactive
from ledger.price_table import PeriodPrices, PriceTable
from ledger.quantity import Money, Price, exact, round_half_away
from ledger.refusal import Refused
from ledger.storage_saving import storage_savings
from ledger.tariff import Schedule, Tariff, prices_of_month
from ledger.tariff_file import parse_tariff
from tests.ledger.single_saving import storage_saving

ROOT = Path(__file__).resolve().parents[2]
DERVET = ROOT.parent / "shared" / "data" / "bills" / "dervet_bill"
needs_dervet = pytest.mark.skipif(not DERVET.exists(), reason=f"needs the published bill at {DERVET}")

Wh = npt.NDArray[np.int64]


def example(name: str) -> Tariff:
    return parse_tariff((ROOT / "examples" / "tariffs" / name).read_text(encoding="utf-8"), name=name)


SHANGHAI = example("shanghai_two_part_1-10kv.toml")
SINGLE = example("shanghai_single_part_1-10kv.toml")
AUGUST = Month(2026, 8)
QUARTERS = 31 * 96
EXPORT = Price.parse("0.4155", "CNY", "kWh")


def account(
    demand: DemandTerms | None = None,
    power_factor: PowerFactorTerms | None = None,
    export: Price | None = None,
) -> Account:
    return Account(
        id="site-1",
        zone="Asia/Shanghai",
        parts="two_part",
        demand=demand if demand is not None else ActualDemand(),
        power_factor=power_factor,
        export_price=export,
    )


def flat_profile(wh: int, intervals: int = QUARTERS) -> Wh:
    return np.full(intervals, wh, dtype=np.int64)


def line_of(found: Bill, period: TouPeriod) -> tuple[int, str]:
    (line,) = (line for line in found.lines if line.period == period)
    assert line.quantity.denominator == 1
    return line.quantity.numerator, str(line.amount)


def test_a_constant_load_in_shanghai_by_hand() -> None:
    found = bill(account(), SHANGHAI, AUGUST, flat_profile(25_001), interval_s=900)
    # 31 days x 8, 32, 24 and 32 quarter-hours of 25.001 kWh.
    assert line_of(found, "sharp") == (6_200_248, "8744.90")  # 6200.248 kWh x 1.410412
    assert line_of(found, "peak") == (24_800_992, "28381.56")  # x 1.144372
    assert line_of(found, "flat") == (18_600_744, "12488.78")  # x 0.671413
    assert line_of(found, "valley") == (24_800_992, "7854.33")  # x 0.316694
    assert str(found.amount("demand")) == "4480.18"  # 100.004 kW x 44.8 = 4480.1792
    assert str(found.total) == "61949.75"
    assert found.measured_w == 100_004
    assert found.cos_phi_hundredths is None


@pytest.mark.parametrize(("fund_in_base", "expected"), [(True, "309.75"), (False, "298.92")])
def test_the_power_factor_adjusts_demand_and_energy_with_or_without_the_fund(
    fund_in_base: bool,
    expected: str,
) -> None:
    terms = PowerFactorTerms(standard="0.90", fund_in_base=fund_in_base)
    energy = 25_001 * QUARTERS
    reactive = Reactive(energy * 3 // 10, energy * 2 // 10)
    found = bill(
        account(None, terms), SHANGHAI, AUGUST, flat_profile(25_001), interval_s=900, reactive=reactive
    )
    # cos phi 0.89: +0.5 % of 61949.7459..., less 0.029115 x 74402.976 kWh where the fund is left out.
    assert found.cos_phi_hundredths == 89
    assert str(found.amount("power_factor")) == expected
    assert found.total == sum((line.amount for line in found.lines), Money.zero("CNY"))


def test_export_is_worth_its_own_price_and_never_nets_another_interval() -> None:
    profile = flat_profile(0)
    profile[:4] = [1_000_000, -400_000, -600_000, 0]
    paid = bill(account(export=EXPORT), SHANGHAI, AUGUST, profile, interval_s=900)
    assert (paid.imported_wh, paid.exported_wh) == (1_000_000, 1_000_000)
    assert str(paid.amount("energy")) == "316.69"
    assert str(paid.amount("export")) == "-415.50"
    unpaid = bill(account(), SHANGHAI, AUGUST, profile, interval_s=900)
    assert unpaid.amount("export") == Money.zero("CNY")
    assert unpaid.amount("energy") == paid.amount("energy")
    assert unpaid.measured_w == 4_000_000


def test_a_month_of_export_only_has_no_demand() -> None:
    found = bill(account(), SHANGHAI, AUGUST, flat_profile(-10), interval_s=900)
    assert found.measured_w == 0
    assert (found.imported_wh, str(found.total)) == (0, "0.00")


def test_demand_is_averaged_over_the_accounts_own_length() -> None:
    profiles = np.array([[100, 300, -50, 50, 700, 0, 0, 0]], dtype=np.int64)
    assert peak_wh(profiles, 900, 900).tolist() == [700]
    assert peak_wh(profiles, 900, 1800).tolist() == [700]
    assert peak_wh(profiles, 300, 1200).tolist() == [700]
    assert peak_wh(profiles[:, :4], 900, 1800).tolist() == [400]
    with pytest.raises(Refused) as caught:
        bill(account(), SHANGHAI, AUGUST, flat_profile(1, 744), interval_s=3600)
    assert caught.value.code == "demand_interval"


BAD_PROFILES = [
    (np.zeros(QUARTERS - 1, dtype=np.int64), "profile"),
    (np.zeros(QUARTERS, dtype=np.float64), "profile"),
    (np.zeros(QUARTERS, dtype=np.int32), "profile"),
    (np.full(QUARTERS, 2**52, dtype=np.int64), "energy_range"),
    (np.full(QUARTERS, -(2**63), dtype=np.int64), "energy_range"),
]


@pytest.mark.parametrize(("profile", "code"), BAD_PROFILES)
def test_profiles_that_are_short_inexact_or_too_large_are_refused(profile: Wh, code: str) -> None:
    with pytest.raises(Refused) as caught:
        bill(account(), SHANGHAI, AUGUST, profile, interval_s=900)
    assert caught.value.code == code


def test_accounts_that_do_not_fit_are_refused() -> None:
    plain = {"id": "a", "zone": "Asia/Shanghai", "power_factor": None, "export_price": None}
    cases: list[tuple[dict[str, object], str]] = [
        ({"parts": "single_part", "demand": ActualDemand()}, "single_part_demand"),
        ({"parts": "two_part", "demand": None}, "demand_mode"),
        ({"parts": "three_part", "demand": None}, "parts"),
        ({"parts": "single_part", "demand": None, "anchor_day": 29}, "billing_anchor"),
        ({"parts": "single_part", "demand": None, "zone": "Shanghai"}, "zone"),
        (
            {"parts": "single_part", "demand": None, "export_price": Price.parse("1", "CNY", "kW.month")},
            "unit",
        ),
    ]
    for fields, code in cases:
        with pytest.raises(Refused) as caught:
            Account(**{**plain, **fields})  # type: ignore[arg-type]
        assert caught.value.code == code
    single = Account(**plain, parts="single_part", demand=None)  # type: ignore[arg-type]
    abroad = Account(**{**plain, "zone": "UTC"}, parts="single_part", demand=None)  # type: ignore[arg-type]
    dollars = Account(
        **{**plain, "export_price": Price.parse("1", "USD", "kWh")},  # type: ignore[arg-type]
        parts="single_part",
        demand=None,
    )
    for who, tariff, code in [
        (single, SHANGHAI, "parts"),
        (abroad, SINGLE, "zone"),
        (dollars, SINGLE, "currency"),
    ]:
        with pytest.raises(Refused) as caught:
            bill(who, tariff, AUGUST, flat_profile(1), interval_s=900)
        assert caught.value.code == code
    terms = PowerFactorTerms(standard="0.90", fund_in_base=True)
    with pytest.raises(Refused) as missing:
        bill(account(None, terms), SHANGHAI, AUGUST, flat_profile(1), interval_s=900)
    assert missing.value.code == "reactive_missing"


@pytest.mark.parametrize(
    "terms",
    [
        ActualDemand(),
        ContractDemand(contract_w=1, capacity_va=2, over_band_rule="A"),
        CapacityCharge(capacity_va=3),
        None,
    ],
)
def test_an_account_survives_being_encoded(terms: DemandTerms | None) -> None:
    who = Account(
        id="a",
        zone="Asia/Shanghai",
        parts="single_part" if terms is None else "two_part",
        demand=terms,
        power_factor=PowerFactorTerms(standard="0.85", fund_in_base=False, reactive_sum="net"),
        export_price=EXPORT,
    )
    assert msgspec.json.decode(msgspec.json.encode(who), type=Account) == who


ENERGIES = st.integers(-400_000, 2_000_000)
PROFILES = hnp.arrays(np.int64, QUARTERS, elements=ENERGIES, fill=ENERGIES)


@settings(max_examples=15)
@given(PROFILES)
def test_a_bill_is_the_plain_sum_over_intervals(profile: Wh) -> None:
    found = bill(account(export=EXPORT), SHANGHAI, AUGUST, profile, interval_s=900)
    prices = prices_of_month(SHANGHAI, AUGUST, 900)
    energy: dict[str, Fraction] = defaultdict(Fraction)
    exported = Fraction(0)
    for wh, index, mantissa in zip(
        profile.tolist(), prices.period.tolist(), prices.mantissa.tolist(), strict=True
    ):
        energy[PERIODS[index]] += Fraction(max(wh, 0), 1000) * Fraction(mantissa, 10**prices.scale)
        exported += Fraction(max(-wh, 0), 1000)
    for line in found.lines:
        if line.item == "energy":
            assert line.exact == energy[str(line.period)]
            assert line.amount.minor == round_half_away(energy[str(line.period)] * 100)
    assert found.exact("export") == -exported * EXPORT.exact
    assert found.exact("demand") == Fraction(max(0, *profile.tolist()) * 4, 1000) * Fraction("44.8")


@settings(max_examples=15)
@given(hnp.arrays(np.int64, 744, elements=st.integers(0, 9 * 10**6), fill=st.integers(0, 9 * 10**6)))
def test_one_hour_equals_four_quarters(hours: Wh) -> None:
    hourly = account(ActualDemand(interval_s=3600))
    quarters = np.repeat(hours // 4, 4)
    quarters[::4] += hours % 4
    assert bill(hourly, SHANGHAI, AUGUST, hours, interval_s=3600).lines == (
        bill(hourly, SHANGHAI, AUGUST, quarters, interval_s=900).lines
    )
    even = hours - hours % 4
    assert bill(hourly, SHANGHAI, AUGUST, even, interval_s=3600).lines == (
        bill(account(), SHANGHAI, AUGUST, np.repeat(even // 4, 4), interval_s=900).lines
    )


@settings(max_examples=15)
@given(PROFILES, st.permutations(range(31)))
def test_the_order_of_days_of_one_kind_does_not_matter(profile: Wh, order: list[int]) -> None:
    shuffled = profile.reshape(31, 96)[order].reshape(-1)
    for tariff in (SHANGHAI,):
        one = bill(account(export=EXPORT), tariff, AUGUST, profile, interval_s=900)
        other = bill(account(export=EXPORT), tariff, AUGUST, shuffled, interval_s=900)
        assert one == other


TERMS: list[DemandTerms] = [
    ActualDemand(),
    ActualDemand(capacity_va=5_000_000, load_rate_kwh_per_kva=260),
    ContractDemand(contract_w=2_000_000, floor_percent=0),
    ContractDemand(contract_w=2_000_000, capacity_va=9_000_000, over_band_rule="A"),
    CapacityCharge(capacity_va=3_000_000),
]
POWERS = hnp.arrays(np.int64, QUARTERS, elements=st.integers(0, 500_000), fill=st.integers(0, 500_000))


@settings(max_examples=30)
@given(PROFILES, POWERS, POWERS, st.sampled_from(TERMS), st.sampled_from([None, EXPORT]), st.booleans())
def test_the_lines_of_a_saving_are_the_difference_of_the_bills(
    load: Wh,
    charge: Wh,
    discharge: Wh,
    terms: DemandTerms,
    export: Price | None,
    fund: bool,
) -> None:
    load[0] = max(int(load[0]), 1)
    who = account(terms, PowerFactorTerms(standard="0.85", fund_in_base=fund), export)
    reactive = Reactive(lag_varh=300_000_000, lead_varh=1)
    found = storage_saving(who, SHANGHAI, AUGUST, load, charge, discharge, interval_s=900, reactive=reactive)
    without = bill(who, SHANGHAI, AUGUST, load, interval_s=900, reactive=reactive)
    with_storage = bill(who, SHANGHAI, AUGUST, load + charge - discharge, interval_s=900, reactive=reactive)
    lines = [found.arbitrage, found.demand_charge, found.power_factor, found.interaction]
    assert sum(line.minor for line in lines) == without.total.minor - with_storage.total.minor
    prices = prices_of_month(SHANGHAI, AUGUST, 900)
    direct = sum(
        (int(d) - int(c)) * int(p) for c, d, p in zip(charge, discharge, prices.mantissa, strict=True)
    )
    assert found.arbitrage_exact == Fraction(direct, 1000 * 10**prices.scale)
    # The export part of the interaction: export lost its import price and earned the export price.
    exports = energy_by_period(np.stack([load, load + charge - discharge]), prices).exported_wh
    earned = Fraction(0) if export is None else export.exact
    lost = sum(
        (
            Fraction(int(more), 1000) * ((prices.table.prices.of(period) or EXPORT).exact - earned)
            for period, more in zip(PERIODS, exports[1] - exports[0], strict=True)
            if more
        ),
        Fraction(0),
    )
    assert found.interaction_export == -lost
    assert abs(found.interaction_rounding) <= Fraction(11, 200)


def day_shift(discharge_kw: int) -> tuple[Wh, Wh, Wh]:
    """A 1 MW load; the storage charges 00:00-02:00 and discharges in the sharp hours 12:00-14:00."""
    load, charge, discharge = (flat_profile(wh).reshape(31, 96) for wh in (250_000, 0, 0))
    charge[:, 0:8] = 110_000
    discharge[:, 48:56] = discharge_kw * 250
    return load.reshape(-1), charge.reshape(-1), discharge.reshape(-1)


def test_charging_raises_the_maximum_and_the_negative_saving_is_booked() -> None:
    load, charge, discharge = day_shift(400)
    found = storage_saving(account(), SHANGHAI, AUGUST, load, charge, discharge, interval_s=900)
    # Per day 0.8 MWh at 1.410412 less 0.88 MWh at 0.316694; 440 kW more demand at 44.8.
    assert str(found.arbitrage) == "26338.81"
    assert str(found.demand_charge) == "-19712.00"
    assert (str(found.power_factor), str(found.interaction)) == ("0.00", "-0.01")
    assert str(found.total) == "6626.80"


def test_in_contract_mode_nothing_is_saved_while_both_peaks_stay_in_the_band() -> None:
    load, charge, discharge = day_shift(400)
    declared = account(ContractDemand(contract_w=1_500_000, floor_percent=0))
    found = storage_saving(declared, SHANGHAI, AUGUST, load, charge, discharge, interval_s=900)
    assert found.demand_charge == Money.zero("CNY")


def test_storage_worsens_the_power_factor_and_the_line_is_a_cost() -> None:
    load, _, discharge = day_shift(800)
    idle = flat_profile(0)
    who = account(None, PowerFactorTerms(standard="0.90", fund_in_base=False))
    reactive = Reactive(lag_varh=int(load.sum()) // 2, lead_varh=0)
    found = storage_saving(who, SHANGHAI, AUGUST, load, idle, discharge, interval_s=900, reactive=reactive)
    assert (found.without.cos_phi_hundredths, found.with_storage.cos_phi_hundredths) == (89, 88)
    assert found.power_factor.minor < 0
    compensated = storage_saving(
        who,
        SHANGHAI,
        AUGUST,
        load,
        idle,
        discharge,
        interval_s=900,
        reactive=reactive,
        reactive_with=Reactive(0, 0),
    )
    assert compensated.power_factor.minor > 0


def test_discharge_beyond_the_load_is_explained_as_interaction() -> None:
    load, charge, discharge = day_shift(1400)
    found = storage_saving(account(export=EXPORT), SHANGHAI, AUGUST, load, charge, discharge, interval_s=900)
    exported_kwh = 400 * 2 * 31
    assert found.with_storage.exported_wh == exported_kwh * 1000
    assert found.interaction_export == -exported_kwh * (Fraction("1.410412") - Fraction("0.4155"))
    assert str(found.interaction) == "-24673.82"
    assert "24800000 Wh more" in found.explanation


def test_many_savings_at_once_are_the_same_as_one_by_one() -> None:
    shifts = [day_shift(power) for power in (100, 400, 1400)]
    whos = [account(), account(ContractDemand(contract_w=10**6, floor_percent=0)), account(export=EXPORT)]
    load, charge, discharge = (np.stack(arrays) for arrays in zip(*shifts, strict=True))
    together = storage_savings(
        whos,
        SHANGHAI,
        AUGUST,
        load,
        charge,
        discharge,
        interval_s=900,
        reactive=[None] * 3,
        reactive_with=[None] * 3,
    )
    alone = [
        storage_saving(who, SHANGHAI, AUGUST, *shift, interval_s=900)
        for who, shift in zip(whos, shifts, strict=True)
    ]
    assert together == alone


def test_a_register_below_zero_is_refused() -> None:
    load, charge, discharge = day_shift(400)
    with pytest.raises(Refused) as caught:
        storage_saving(account(), SHANGHAI, AUGUST, load, charge, -discharge, interval_s=900)
    assert (caught.value.code, caught.value.place) == ("negative_energy", "discharge_wh")
    with pytest.raises(Refused) as shape:
        storage_saving(account(), SHANGHAI, AUGUST, load, charge[:-1], discharge, interval_s=900)
    assert shape.value.code == "profile"
    with pytest.raises(Refused) as large:
        storage_saving(account(), SHANGHAI, AUGUST, load, charge + 2**62, discharge, interval_s=900)
    assert large.value.code == "energy_range"


def test_bills_made_together_are_those_made_one_by_one() -> None:
    rng = np.random.default_rng(20260801)
    profiles = rng.integers(-100_000, 900_000, size=(2000, QUARTERS), dtype=np.int64)
    who = account(None, PowerFactorTerms(standard="0.90", fund_in_base=False), EXPORT)
    reactive = [Reactive(10**9, number) for number in range(2000)]
    found = bills([who] * 2000, SHANGHAI, AUGUST, profiles, interval_s=900, reactive=reactive)
    for number in (0, 63, 64, 1999):
        alone = bill(who, SHANGHAI, AUGUST, profiles[number], interval_s=900, reactive=reactive[number])
        assert alone == found[number]


# DER-VET: hour-ending rows, weekdays and weekends, no holidays, USD. Its billing periods have no names of
# ours, so weekend is `deep` and the rest follow their order of price.
PERIOD_OF_ROW: dict[str, TouPeriod] = {
    "Offpeak": "valley",
    "Mid-peak": "flat",
    "Peak": "peak",
    "Weekend": "deep",
}


def _dervet_rows(name: str) -> list[dict[str, str]]:
    with (DERVET / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _dervet_tariff() -> Tariff:
    rows = [row for row in _dervet_rows("tariff.csv") if int(row["Start Month"]) <= 6]
    (charge,) = (row["Value"] for row in rows if row["Charge"] == "Demand")
    rules: list[PeriodRule] = []
    prices: dict[tuple[int, int], dict[str, Price]] = defaultdict(dict)
    for row in rows:
        if row["Charge"] != "Energy":
            continue
        months = (int(row["Start Month"]), int(row["End Month"]))
        period = PERIOD_OF_ROW[row["Name"].split(" ", 1)[1]]
        hours = Hours(60 * (int(row["Start Time"]) - 1), 60 * int(row["End Time"]))
        days = ("working",) if row["Weekday?"] == "1" else ("rest",)
        rules.append(PeriodRule(period, tuple(range(months[0], months[1] + 1)), days, (hours,)))
        prices[months][period] = Price.parse(row["Value"], "USD", "kWh")
    covered = tuple(sorted({month for rule in rules for month in rule.months}))
    tables = tuple(
        PriceTable(
            Month(2017, first),
            Month(2017, last).next(),
            PeriodPrices(**by_period),
            "DER-VET tariff.csv",
            demand=Price.parse(charge, "USD", "kW.month"),
        )
        for (first, last), by_period in prices.items()
    )
    return Tariff(
        id="dervet",
        province="-",
        category="-",
        voltage="-",
        parts="two_part",
        currency="USD",
        calendar=calendar("none", "Etc/GMT+8"),
        schedules=(
            Schedule(Month(2017, 1), None, "DER-VET tariff.csv", PeriodSchedule(tuple(rules)), covered),
        ),
        tables=tables,
    )


def _dervet_profiles() -> tuple[dict[str, dict[Month, Wh]], dict[str, Fraction]]:
    """Whole Wh per month of the original and the net load, and how far rounding to Wh moved each in all."""
    columns = {"original": "LOAD: Site Load Original Load (kW)", "net": "Net Load (kW)"}
    values: dict[str, dict[Month, list[int]]] = {name: defaultdict(list) for name in columns}
    drift = dict.fromkeys(columns, Fraction(0))
    for row in _dervet_rows("timeseries_2017H1.csv"):
        month = Month.of(datetime.fromisoformat(row["Start Datetime (hb)"]).date())
        for name, column in columns.items():
            wh = exact(row[column]) * 1000
            values[name][month].append(round_half_away(wh))
            drift[name] += values[name][month][-1] - wh
    arrays = {
        name: {month: np.array(whs, dtype=np.int64) for month, whs in months.items()}
        for name, months in values.items()
    }
    return arrays, drift


@needs_dervet
def test_the_published_bills_are_reproduced_to_the_cent() -> None:
    tariff = _dervet_tariff()
    who = Account(
        id="dervet",
        zone="Etc/GMT+8",
        parts="two_part",
        demand=ActualDemand(interval_s=3600),
        power_factor=None,
        export_price=None,
    )
    profiles, drift = _dervet_profiles()
    cent = Fraction(1, 100)
    expected = _dervet_rows("expected_monthly_bill.csv")
    assert [row["Month-Year"] for row in expected] == [f"2017-0{month}" for month in range(1, 7)]
    by_period = _by_period()
    for row in expected:
        month = Month.parse(row["Month-Year"])
        for name, prefix in (("net", ""), ("original", "Original ")):
            found = bill(who, tariff, month, profiles[name][month], interval_s=3600)
            for item in ("energy", "demand"):
                published = exact(row[f"{prefix}{item.capitalize()} Charge ($)"])
                assert abs(found.exact(item) - published) < cent, (month, name, item)
            for line in found.lines:
                if line.period is not None:
                    assert abs(line.amount.exact - by_period[str(month), prefix, line.period]) < cent
    # Half a year moved by this many Wh, out of 27 GWh: one value in ten ends in half a Wh, and halves go up.
    assert {name: round_half_away(wh) for name, wh in drift.items()} == {"original": 189, "net": 178}


def _by_period() -> dict[tuple[str, str, str], Fraction]:
    names = {row["Billing Period"]: row["Name"].split(" ", 1)[1] for row in _dervet_rows("tariff.csv")}
    found: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for row in _dervet_rows("expected_by_period.csv"):
        if row["Energy Charge ($)"]:
            period = PERIOD_OF_ROW[names[row["Billing Period"]]]
            for prefix in ("", "Original "):
                found[row["Month-Year"], prefix, period] += exact(row[f"{prefix}Energy Charge ($)"])
    return found

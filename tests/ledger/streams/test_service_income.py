"""Service income: 0.1 yuan/kWh by a stated throughput (DOMAIN.md 2.1 Q03), availability, fixed fees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval, Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.streams.capacity_compensation import AvailabilityMeasured, NodeAvailability
from ledger.streams.earned import Earned
from ledger.streams.service_income import (
    FixedPayment,
    Metered,
    ServiceOrdered,
    ServiceRule,
    ThroughputPayment,
    service_earned,
)
from ledger.toml_file import TomlFile

RULES = Path(__file__).resolve().parents[3] / "examples" / "market_rules"
ZONE = zone_of("Asia/Shanghai")
APRIL = Month(2025, 4)
WHOLE = APRIL.interval(ZONE)


def rule(name: str, **changed: Any) -> ServiceRule:
    file = TomlFile((RULES / f"service_{name}.toml").read_bytes())
    return msgspec.structs.replace(file.struct(ServiceRule, file.root, ()), **changed)


def order(of: ServiceRule, at: Interval = WHOLE, **changed: Any) -> ServiceOrdered:
    fields: dict[str, Any] = {
        "id": "order-1",
        "site": "S1",
        "rule": of.id,
        "run": "PO-7",
        "interval": at,
        "customer": "C1",
        "ordered_w": 2_000_000,
    }
    return ServiceOrdered(**(fields | changed))


def days(first: int, count: int) -> Interval:
    return Interval(WHOLE.start + timedelta(days=first), WHOLE.start + timedelta(days=first + count))


def metered(charge_wh: int, discharge_wh: int) -> Metered:
    """The same Wh in each quarter-hour of April."""
    count = 30 * 96
    return Metered(WHOLE, 900, np.full(count, charge_wh), np.full(count, discharge_wh))


def available(of: ServiceRule, unavailable_min: int, at: Interval = WHOLE, **changed: Any) -> Any:
    minutes = at.seconds // 60
    one = NodeAvailability(
        node="N1",
        energy_wh=1000,
        available_min=minutes - unavailable_min,
        unavailable_min=unavailable_min,
    )
    fields: dict[str, Any] = {
        "id": "a1",
        "site": "S1",
        "rule": of.id,
        "run": "R",
        "interval": at,
        "nodes": (one,),
    }
    return AvailabilityMeasured(**(fields | changed))


def money(lines: tuple[Earned, ...]) -> list[str]:
    for line in lines:
        assert line.stream == "service"
        assert "C1" in line.note
        (term,) = line.basis
        assert Fraction(term.exact) == line.exact == Fraction(term.quantity) * Fraction(term.price)
    return [str(line.amount) for line in lines]


def code_of(make: Any, /, *arguments: Any, **named: Any) -> str:
    with pytest.raises(Refused) as refused:
        make(*arguments, **named)
    return refused.value.code


def test_q03_two_million_yuan_need_both_directions() -> None:
    """20 MWh x 2 cycles x 250 d: 10 GWh each way; spread over 30 days here, at 0.1 yuan/kWh."""
    each = 10_000_000_000 // (30 * 96)
    both = rule("throughput")
    metered_month = metered(each, each)
    exact_kwh = Fraction(each * 30 * 96 * 2, 1000)
    (line,) = service_earned(both, APRIL, order(both), metered_month, None)
    assert line.exact == exact_kwh / 10
    assert Fraction(2_000_000) - line.exact < 1
    payment = ThroughputPayment(title="fee", rate="0.1", basis="discharge")
    one = rule("throughput", payments=(payment,))
    (half,) = service_earned(one, APRIL, order(one), metered_month, None)
    assert half.exact * 2 == line.exact


@pytest.mark.parametrize(
    ("basis", "paid"), [("discharge", "9936.00"), ("charge", "10800.00"), ("both", "20736.00")]
)
def test_the_throughput_basis_is_a_term(basis: Any, paid: str) -> None:
    """April's 99 360 kWh discharged and 108 000 kWh charged (DOMAIN.md 2.3)."""
    of = rule("throughput", payments=(ThroughputPayment(title="fee", rate="0.1", basis=basis),))
    lines = service_earned(of, APRIL, order(of), metered(37_500, 34_500), None)
    assert money(lines) == [paid]


def test_only_the_orders_days_count() -> None:
    of = rule("throughput")
    ten = order(of, days(20, 40))  # the last ten days of April, and on into May
    assert money(service_earned(of, APRIL, ten, metered(1000, 1000), None)) == ["192.00"]
    fixed = rule("throughput", payments=(FixedPayment(title="f", rate="100", per="month", proration="days"),))
    assert money(service_earned(fixed, APRIL, order(fixed, days(20, 40)), None, None)) == ["33.33"]
    by_months = msgspec.structs.replace(fixed.payments[0], proration="months")
    whole = rule("throughput", payments=(by_months,))
    assert money(service_earned(whole, APRIL, order(whole, days(20, 40)), None, None)) == ["100.00"]


def test_availability_and_fixed_payments_are_lines_of_their_own() -> None:
    # 2000 kW x 12.5 x (1 - 432/43200 = 0.99) = 24 750; 60 000 / 12 = 5 000.
    of = rule("availability")
    lines = service_earned(of, APRIL, order(of), None, available(of, 432))
    assert money(lines) == ["24750.00", "5000.00"]
    half = order(of, days(0, 15))
    lines = service_earned(of, APRIL, half, None, available(of, 216, days(0, 15)))
    assert money(lines) == ["12375.00", "5000.00"]


def test_below_the_minimum_availability_the_month_earns_nothing_and_says_so() -> None:
    of = rule("availability")
    at_minimum = service_earned(of, APRIL, order(of), None, available(of, 2160))
    assert money(at_minimum) == ["23750.00", "5000.00"]
    below = service_earned(of, APRIL, order(of), None, available(of, 2161))
    assert money(below) == ["0.00", "5000.00"]
    assert "below 95%: not paid" in below[0].note
    assert "below 95%: not paid" in below[0].basis[0].label


def test_a_year_in_twelve_parts_is_the_year() -> None:
    of = rule("throughput", payments=(FixedPayment(title="f", rate="100", per="year", proration="days"),))
    year = Interval(midnight(Month(2025, 1).first_day, ZONE), midnight(Month(2026, 1).first_day, ZONE))
    months = [service_earned(of, Month(2025, number), order(of, year), None, None) for number in range(1, 13)]
    assert sum((lines[0].exact for lines in months), Fraction(0)) == 100
    assert [str(lines[0].amount) for lines in months] == ["8.33"] * 12


def test_a_month_with_a_clock_change_is_counted_in_days() -> None:
    of = rule("throughput", zone="Europe/Berlin", currency="EUR")
    berlin = zone_of("Europe/Berlin")
    march = Month(2025, 3)
    count = 31 * 24 - 1
    month = Metered(march.interval(berlin), 3600, np.full(count, 1000), np.zeros(count, dtype=np.int64))
    whole = march.interval(berlin)
    assert service_earned(of, march, order(of, whole), month, None)[0].exact == Fraction(count, 10)
    last = Interval(midnight(march.first_day.replace(day=30), berlin), whole.end)  # 23 + 24 hours
    assert service_earned(of, march, order(of, last), month, None)[0].exact == Fraction(47, 10)
    fixed = rule(
        "throughput",
        zone="Europe/Berlin",
        payments=(FixedPayment(title="f", rate="31", per="month", proration="days"),),
    )
    assert service_earned(fixed, march, order(fixed, last), None, None)[0].exact == 2


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.integers(0, 29),
    length=st.integers(1, 30),
    high=st.sampled_from([10**4, 2**62]),
)
def test_throughput_equals_a_plain_loop(seed: int, first: int, length: int, high: int) -> None:
    source = np.random.default_rng(seed)
    charge, discharge = (source.integers(0, high, 30 * 24) for _ in range(2))
    of = rule("throughput")
    (line,) = service_earned(
        of, APRIL, order(of, days(first, length)), Metered(WHOLE, 3600, charge, discharge), None
    )
    total = 0
    for hour in range(30 * 24):
        if first * 24 <= hour < (first + length) * 24:
            total += int(charge[hour]) + int(discharge[hour])
    assert line.exact == Fraction(total, 10_000)


def test_throughput_is_of_the_metered_days() -> None:
    """A contract that holds ten days of the month is paid for their kWh, the order's others are another's."""
    of, count = rule("throughput"), 10 * 24
    part = Metered(days(5, 10), 3600, np.full(count, 1000), np.zeros(count, dtype=np.int64))
    assert service_earned(of, APRIL, order(of), part, None)[0].exact == 24
    assert service_earned(of, APRIL, order(of, days(0, 7)), part, None)[0].exact == Fraction(48, 10)
    assert service_earned(of, APRIL, order(of, days(20, 3)), part, None)[0].exact == 0


def test_missing_is_never_zero() -> None:
    energy, standby = rule("throughput"), rule("availability")
    assert code_of(service_earned, energy, APRIL, order(energy), None, None) == "throughput_missing"
    assert code_of(service_earned, standby, APRIL, order(standby), None, None) == "availability_missing"


def test_orders_that_do_not_fit_are_refused() -> None:
    of, month = rule("throughput"), metered(1, 1)

    def run(ordered: ServiceOrdered) -> str:
        return code_of(service_earned, of, APRIL, ordered, month, None)

    assert run(order(of, days(30, 3))) == "order_month"
    noon = Interval(WHOLE.start + timedelta(hours=12), WHOLE.end)
    assert run(order(of, noon)) == "order_month"
    assert run(order(of, rule="other")) == "rule"
    utc = Interval(datetime(2025, 4, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC))
    assert run(order(of, utc)) == "order_month"


def test_profiles_that_do_not_fit_are_refused() -> None:
    of = rule("throughput")

    def run(month: Metered) -> str:
        return code_of(service_earned, of, APRIL, order(of), month, None)

    good = np.ones(30 * 96, dtype=np.int64)
    assert run(Metered(WHOLE, 900, good[:-1], good)) == "profile"
    assert run(Metered(WHOLE, 900, good, good.astype(float))) == "profile"
    assert run(Metered(WHOLE, 900, good, -good)) == "profile"
    assert run(Metered(WHOLE, 0, good, good)) == "interval"
    assert run(Metered(WHOLE, 7000, good, good)) == "interval"


def test_another_availability_is_refused() -> None:
    of = rule("availability")

    def run(seen: AvailabilityMeasured) -> str:
        return code_of(service_earned, of, APRIL, order(of), None, seen)

    assert run(available(of, 0, days(0, 29))) == "month"
    assert run(available(of, 0, site="S2")) == "site"
    assert run(available(of, 0, rule="other")) == "rule"


def test_bad_terms_are_refused() -> None:
    of = rule("throughput")
    assert code_of(rule, "throughput", payments=()) == "payments"
    assert code_of(rule, "throughput", payments=of.payments * 2) == "payments"
    assert code_of(rule, "throughput", zone="Asia/Nowhere") == "zone"
    assert code_of(rule, "throughput", title="") == "empty"
    assert code_of(ThroughputPayment, title="f", rate="0.1", basis="net") == "not_allowed"
    assert code_of(ThroughputPayment, title="f", rate="-0.1", basis="both") == "amount"
    assert code_of(ThroughputPayment, title="", rate="0.1", basis="both") == "empty"
    assert code_of(FixedPayment, title="f", rate="1", per="day", proration="days") == "not_allowed"
    assert code_of(order, of, ordered_w=0) == "ordered"
    assert code_of(order, of, customer="") == "id"
    assert code_of(order, of, run="") == "empty"

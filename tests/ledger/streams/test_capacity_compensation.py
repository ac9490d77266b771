"""Capacity: "p_cap/12 x P_eff x availability; P_eff = P_n x min(1, h_full/h_peak) x (1 - aux)" (3.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval, Month, zone_of
from ledger.refusal import Refused
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    CapacityRule,
    NodeAvailability,
    capacity_earned,
    effective_w,
)
from ledger.toml_file import TomlFile

QINGHAI = Path(__file__).resolve().parents[3] / "examples" / "market_rules" / "capacity_qinghai.toml"
APRIL = Month(2025, 4)
WHOLE = APRIL.interval(zone_of("Asia/Shanghai"))
MINUTES = 30 * 24 * 60


def rule(**changed: Any) -> CapacityRule:
    file = TomlFile(QINGHAI.read_bytes())
    return msgspec.structs.replace(file.struct(CapacityRule, file.root, ()), **changed)


def certified(**changed: Any) -> CapacityCertified:
    fields: dict[str, Any] = {
        "id": "cert-1",
        "site": "S1",
        "rule": "qinghai-capacity-draft",
        "run": "2025",
        "interval": WHOLE,
        "nameplate_w": 12_000_000,
        "certified_w": 10_000_000,
        "full_hours": "2",
        "behind_the_meter": False,
    }
    return CapacityCertified(**(fields | changed))


def node(name: str, kwh: int, unavailable_min: int) -> NodeAvailability:
    return NodeAvailability(
        node=name,
        energy_wh=kwh * 1000,
        available_min=MINUTES - unavailable_min,
        unavailable_min=unavailable_min,
    )


def available(*nodes: NodeAvailability, **changed: Any) -> AvailabilityMeasured:
    fields: dict[str, Any] = {
        "id": "avail-1",
        "site": "S1",
        "rule": "qinghai-capacity-draft",
        "run": "2025-04",
        "interval": WHOLE,
        "nodes": nodes or (node("N1", 500, 0),),
    }
    return AvailabilityMeasured(**(fields | changed))


def leased(watts: int, at: Interval = WHOLE, **changed: Any) -> CapacityLeased:
    fields: dict[str, Any] = {
        "id": f"lease-{watts}",
        "site": "S1",
        "rule": "lease",
        "run": "L-1",
        "interval": at,
        "leased_w": watts,
    }
    return CapacityLeased(**(fields | changed))


def code_of(make: Any, /, *arguments: Any, **named: Any) -> str:
    with pytest.raises(Refused) as refused:
        make(*arguments, **named)
    return refused.value.code


def test_qinghai_to_the_fen() -> None:
    # 165/12 = 13.75; 10 MW x 2/4 = 5 MW. N1 500 kWh is away for a tenth of the month, N2 1500 kWh never:
    # availability 1 - 0.1 x 500/2000 = 0.975. 13.75 x 5000 x 0.975 = 67 031.25.
    nodes = (node("N1", 500, MINUTES // 10), node("N2", 1500, 0))
    earned = capacity_earned(rule(), APRIL, certified(), available(*nodes), [])
    assert (earned.stream, str(earned.amount)) == ("capacity", "67031.25")
    (term,) = earned.basis
    assert (term.quantity, term.price, term.exact) == ("4875", "13.75", "67031.25")
    less = rule(auxiliary="1.5%")
    assert str(capacity_earned(less, APRIL, certified(), available(*nodes), []).amount) == "66025.78"


def test_availability_weighs_by_kwh_as_in_q12() -> None:
    """A big node's hour counts more than a small one's."""
    assert available(node("N1", 500, MINUTES), node("N2", 1500, 0)).factor == Fraction(3, 4)
    assert available(node("N1", 500, 0), node("N2", 1500, MINUTES)).factor == Fraction(1, 4)


def test_more_hours_than_the_peak_earn_no_more() -> None:
    assert effective_w(rule(), certified(full_hours="4")) == 10_000_000
    assert effective_w(rule(), certified(full_hours="6")) == 10_000_000
    assert effective_w(rule(), certified(full_hours="0")) == 0


@settings(max_examples=60)
@given(
    watts=st.integers(1, 10**9),
    hours=st.integers(0, 1000),
    aux=st.integers(0, 100),
    price=st.integers(0, 10**6),
    away=st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, MINUTES)), min_size=1, max_size=5),
)
def test_equal_to_a_plain_calculation(
    watts: int, hours: int, aux: int, price: int, away: list[tuple[int, int]]
) -> None:
    of = rule(peak_hours="4", auxiliary=f"{aux}%", price_per_kw_year=f"{price // 100}.{price % 100:02d}")
    nodes = [node(f"N{number}", kwh, minutes) for number, (kwh, minutes) in enumerate(away)]
    fact = certified(nameplate_w=watts, certified_w=watts, full_hours=f"{hours // 100}.{hours % 100:02d}")
    earned = capacity_earned(of, APRIL, fact, available(*nodes), [])
    kw = Fraction(watts, 1000)
    if hours < 400:
        kw = kw * hours / 400
    total = up = 0
    for kwh, minutes in away:
        total += kwh * MINUTES
        up += kwh * (MINUTES - minutes)
    assert earned.exact == Fraction(price, 1200) * kw * Fraction(100 - aux, 100) * Fraction(up, total)
    assert Fraction(earned.basis[0].exact) == earned.exact
    assert abs(earned.amount.exact - earned.exact) <= Fraction(1, 200)


def test_behind_the_meter_is_stated_and_nothing_where_ineligible() -> None:
    """DOMAIN.md 3.7: usually ineligible, flag; whatever was measured, and whoever leased the power."""
    fact = certified(behind_the_meter=True)
    for measured in (available(), None):
        earned = capacity_earned(rule(), APRIL, fact, measured, [leased(5_000_000), leased(9_000_000)])
        assert (earned.exact, str(earned.amount), earned.basis[0].exact) == (0, "0.00", "0")
        assert "behind the meter" in earned.note
    assert code_of(capacity_earned, rule(), APRIL, certified(), None, []) == "availability_missing"
    assert code_of(capacity_earned, rule(id="other"), APRIL, fact, None, []) == "rule"
    eligible = rule(behind_the_meter="eligible")
    assert str(capacity_earned(eligible, APRIL, fact, available(), []).amount) == "68750.00"
    fields = msgspec.to_builtins(certified())
    del fields["behind_the_meter"]
    with pytest.raises(msgspec.ValidationError, match="behind_the_meter"):
        msgspec.convert(fields, CapacityCertified)
    file = TomlFile(QINGHAI.read_bytes())
    root = {key: value for key, value in file.root.items() if key != "behind_the_meter"}
    assert code_of(file.struct, CapacityRule, root, ()) == "field_missing"


def test_the_same_kw_is_not_also_leased() -> None:
    def run(*leases: CapacityLeased) -> str:
        return str(capacity_earned(rule(), APRIL, certified(), available(), leases).amount)

    half = WHOLE.start + timedelta(days=15)
    first, second = Interval(WHOLE.start, half), Interval(half, WHOLE.end)
    assert run(leased(2_000_000)) == "68750.00"
    assert run(leased(2_000_000, first), leased(1_999_999, second)) == "68750.00"
    assert run(leased(9_000_000, site="S2")) == "68750.00"
    before = Interval(WHOLE.start - timedelta(days=9), WHOLE.start)
    assert run(leased(9_000_000, before)) == "68750.00"
    assert code_of(run, leased(2_000_001)) == "leased_capacity"
    last_minute = Interval(WHOLE.end - timedelta(minutes=1), WHOLE.end)
    assert code_of(run, leased(2_000_001, last_minute)) == "leased_capacity"
    later = Interval(half - timedelta(days=1), WHOLE.end)
    assert code_of(run, leased(1_500_000, first), leased(1_499_999, later)) == "leased_capacity"
    assert code_of(run, leased(1), leased(1)) == "lease_duplicate"


def test_facts_of_another_month_site_or_rule_are_refused() -> None:
    def run(of: CapacityRule, fact: CapacityCertified, seen: AvailabilityMeasured) -> str:
        return code_of(capacity_earned, of, APRIL, fact, seen, [])

    utc = Interval(datetime(2025, 4, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC))
    assert run(rule(), certified(), available(interval=utc)) == "month"
    assert run(rule(), certified(interval=utc), available()) == "month"
    assert run(rule(), certified(site="S2"), available()) == "site"
    assert run(rule(), certified(rule="other"), available()) == "rule"
    year = Interval(WHOLE.start - timedelta(days=90), WHOLE.end + timedelta(days=90))
    assert str(capacity_earned(rule(), APRIL, certified(interval=year), available(), []).amount) == "68750.00"


def test_minutes_that_nobody_stated_are_refused() -> None:
    part = NodeAvailability(node="N1", energy_wh=1, available_min=MINUTES - 1, unavailable_min=0)
    with pytest.raises(Refused, match="43199 of 43200") as refused:
        available(part)
    assert (refused.value.code, refused.value.place) == ("availability_missing", "nodes[0]")


def test_bad_facts_and_rules_are_refused() -> None:
    assert code_of(certified, certified_w=12_000_001) == "certified"
    assert code_of(certified, certified_w=0) == "certified"
    assert code_of(certified, full_hours="-1") == "amount"
    assert code_of(certified, run=" ") == "empty"
    assert code_of(certified, site="a b") == "id"
    assert code_of(leased, 0) == "leased"
    assert code_of(available, node("N1", 1, 0), node("N1", 1, 0)) == "nodes"
    assert code_of(available, nodes=()) == "nodes"
    assert code_of(node, "N1", 0, 0) == "weight"
    assert code_of(node, "N1", 1, -1) == "minutes"
    assert code_of(rule, peak_hours="0") == "peak_hours"
    assert code_of(rule, auxiliary="101%") == "portion"
    assert code_of(rule, behind_the_meter="maybe") == "not_allowed"
    assert code_of(rule, currency="XYZ") == "currency"
    assert code_of(rule, source=" ") == "empty"

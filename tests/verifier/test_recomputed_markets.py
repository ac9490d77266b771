"""What the stand-alone verifier makes of markets' facts and rules, against what the ledger does."""

from __future__ import annotations

import random
from array import array
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from ledger import market_rule_file
from ledger.calendars import calendar_in
from ledger.interval import Interval
from ledger.streams.baseline import METHODS, Exclusion, Profile, baseline
from ledger.streams.demand_response import (
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
    Event,
    settle_event,
)
from ledger.streams.demand_response.rule import ShortfallPenalty
from ledger.streams.performance_factor import GivenScore
from ledger.streams.regulation import (
    AgcInstructions,
    Pays,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
    RegulationShare,
)
from ledger.streams.regulation_market import regulation_market
from ledger.streams.regulation_settlement import regulation_earned
from tests.verifier.test_verify_bundle import verifier

RULES = Path(__file__).parents[2] / "examples/market_rules"
SHANGHAI = "Asia/Shanghai"
BEGIN = datetime(2026, 7, 31, 16, tzinfo=UTC)
MONTH = Interval(BEGIN, BEGIN + timedelta(days=31))
FIRST = BEGIN - timedelta(days=60)


def rules(kind: type[Any], pattern: str) -> list[Any]:
    found = [market_rule_file.parse(path.read_bytes()) for path in sorted(RULES.glob(pattern))]
    return [one for one in found if isinstance(one, kind)]


def hours(day: int, first: int, last: int) -> Interval:
    midnight = BEGIN + timedelta(days=day - 1)
    return Interval(midnight + timedelta(hours=first), midnight + timedelta(hours=last))


def market(rule: Any, facts: list[Any], wh: Any = (), interval_s: int = 900) -> Any:
    """What the verifier makes of facts and of a storage that takes `wh` from the site's one meter."""
    known = verifier()
    readings = {
        ("m", "import"): [known.Readings(1, int(FIRST.timestamp()), interval_s, array("i", wh), "A")],
        ("s", "charge"): [known.Readings(1, int(FIRST.timestamp()), interval_s, array("i", wh), "A")],
    }
    meters = [
        {"id": "m", "position": "grid", "registers": ["import"]},
        {"id": "s", "position": "storage", "registers": ["charge"]},
    ]
    span = (int(MONTH.start.timestamp()), int(MONTH.end.timestamp()))
    of = known.Meters(readings, meters, interval_s, int(FIRST.timestamp()), span[1], 9, "line 1")
    versions = [known.Version(1, -1, None, msgspec.to_builtins(one)) for one in facts]
    held = {rule.id: known.Version(1, -1, None, msgspec.to_builtins(rule))}
    return known.Market(of, versions, held, ZoneInfo(SHANGHAI), {"year": 2026, "month": 8}, span)


@pytest.mark.parametrize("rule", rules(DemandResponseRule, "dr_*.toml"), ids=lambda one: one.id)
@pytest.mark.parametrize("seed", range(6))
def test_an_event_comes_to_what_the_ledger_gives(rule: DemandResponseRule, seed: int) -> None:
    """An award of random size after a summer of random readings, one day of which had another event."""
    chosen = random.Random(f"{rule.id} {seed}")
    wh = np.array([chosen.randrange(40_000, 60_000) for _ in range(91 * 96)], dtype=np.int64)
    window, late = hours(12, 10, 14), seed % 2
    if rule.id == "dr_electric_power_2025_bands":
        penalty = ShortfallPenalty(assess="hour", below="50%", multiple="0.5")
        rule = msgspec.structs.replace(rule, penalty=penalty)
    rows = slice(
        (window.start - FIRST) // timedelta(minutes=15), (window.end - FIRST) // timedelta(minutes=15)
    )
    sign = 1 if rule.direction == "increase" else -1
    wh[rows] += sign * chosen.randrange(0, 40_000)
    named: dict[str, Any] = {"site": "S1", "rule": rule.id, "run": "r"}
    fixed = any(getattr(getattr(one, "price", None), "price", None) for one in rule.payments)
    award = DemandResponseInvitation(
        id="e1",
        interval=window,
        announced=window.start - timedelta(days=1),
        awarded_w=tuple(chosen.randrange(0, 120_000) + 1 for _ in range(16)),
        clearing_price=None if fixed else "0.3",
        minimum_w=60_000,
        **named,
    )
    call = DemandResponseInstruction(
        id="e1-go", interval=hours(12, 10 + late, 13 + late), invitation="e1", issued=window.start, **named
    )
    other = DemandResponseInvitation(
        id="e0", interval=hours(10, 10, 11), announced=BEGIN, awarded_w=(1,) * 4, **named
    )
    called = DemandResponseInstruction(
        id="e0-go", interval=hours(10, 10, 11), invitation="e0", issued=BEGIN, **named
    )
    stop = DemandResponseOutage(
        id="o1", interval=hours(12, 11, 12), reason="fault", excused=seed > 3, **named
    )
    told = [award, call, other, called, *([stop] if seed % 3 == 1 else [])]
    profile = Profile(FIRST, 900, SHANGHAI, wh, np.zeros(len(wh), dtype=np.bool_))
    right = settle_event(
        rule,
        Event(award, call),
        profile,
        day_kind=calendar_in(SHANGHAI).day_kind,
        excluded=[Exclusion(other.interval, "event e0")],
        outages=[one for one in told if isinstance(one, DemandResponseOutage)],
    )
    place = market(rule, told, wh)
    _, event = place.events()
    found = verifier().settled(event, place, place.events())
    price = verifier().event_price(event, "line 1")
    assert found.quantity * price == right.payment.exact
    fine = found.short_kwh * price * Fraction("0.5")
    assert fine == (0 if right.penalty is None else -right.penalty.exact)
    assert sum(found.paid_wh.values()) == right.claimed_wh.sum()


@pytest.mark.parametrize("name", METHODS)
def test_a_baseline_is_the_ledger_s_or_is_named(name: str) -> None:
    """Of a summer in which one day was quiet, and one had another event."""
    chosen = random.Random(name)
    wh = np.array([chosen.randrange(40_000, 60_000) for _ in range(91 * 96)], dtype=np.int64)
    event, other = hours(12, 10, 12), hours(11, 10, 11)
    quiet = (hours(6, 0, 1).start - FIRST) // timedelta(minutes=15)
    wh[quiet : quiet + 96] = 1000
    profile = Profile(FIRST, 900, SHANGHAI, wh, np.zeros(len(wh), dtype=np.bool_))
    rule = rules(DemandResponseRule, "dr_zhejiang_2020_real_time.toml")[0]
    rule = msgspec.structs.replace(rule, baseline=METHODS[name])
    place, announced = market(rule, [], wh), event.start - timedelta(hours=30)
    spans = [tuple(int(at.timestamp()) for at in (one.start, one.end)) for one in (event, other)]
    known = place.of_type("demand_response_rule")[0]
    if name in ("pjm_3_day_match", "pjm_high_4_of_5", "caiso_10_in_10"):
        with pytest.raises(verifier().Unknown, match="a baseline by"):
            verifier().baseline(known, place, spans[0], str(announced), spans[1:])
        return
    right = baseline(
        METHODS[name],
        profile,
        event,
        announced=announced,
        day_kind=calendar_in(SHANGHAI).day_kind,
        excluded=[Exclusion(other, "another event")],
    )
    assert verifier().baseline(known, place, spans[0], str(announced), spans[1:]) == list(right.wh)


@pytest.mark.parametrize("rule", rules(RegulationRule, "regulation_*.toml"), ids=lambda one: one.id)
@pytest.mark.parametrize("seed", range(4))
def test_regulation_comes_to_what_the_ledger_gives(rule: RegulationRule, seed: int) -> None:
    """Two days of awards, of which some periods have no instruction, with random prices and factors."""
    chosen = random.Random(f"{rule.id} {seed}")
    changes: dict[str, Any] = {"zone": SHANGHAI, "currency": "CNY"}
    if seed == 1:
        changes["uninstructed"] = "unpaid"
    rule = msgspec.structs.replace(rule, **changes)
    at, count = hours(3, 0, 48), 48 * 3600 // rule.period_s
    facts: list[Any] = []
    for product in rule.products:
        named: dict[str, Any] = {"rule": rule.id, "run": "r", "interval": at, "product": product}
        for kind in ("mileage", "capacity", "mileage_ratio"):
            if kind != "capacity" or rule.capacity is None or rule.capacity.price is None:
                mantissas = tuple(chosen.randrange(1, 3000) for _ in range(count))
                facts.append(
                    RegulationPrices(
                        id=f"{kind}-{product}",
                        kind=kind,
                        currency="CNY",
                        scale=2,
                        mantissas=mantissas,
                        **named,
                    )
                )
        watts = tuple(chosen.randrange(1, 10**6) for _ in range(count))
        pays: Pays = "mileage_and_capacity" if seed < 2 else "mileage"
        facts.append(RegulationAward(id=f"a-{product}", site="S1", capacity_w=watts, pays=pays, **named))
        if seed >= 2:
            facts.append(
                RegulationAward(
                    id=f"b-{product}", site="S1", capacity_w=watts[::-1], pays="capacity", **named
                )
            )
        seconds = tuple(chosen.randrange(rule.period_s + 1) for _ in range(count))
        if seed == 3 and rule.factor is not None and not isinstance(rule.factor, GivenScore):
            starts = tuple(sorted(chosen.randrange(at.seconds) for _ in range(500)))
            measures = {
                one.measure: tuple(chosen.randrange(0, 90) for _ in starts) for one in rule.factor.components
            }
            moved = tuple(chosen.randrange(10**6) for _ in starts)
            facts.append(
                AgcInstructions(
                    id=f"i-{product}",
                    site="S1",
                    started_s=starts,
                    mileage_w=moved,
                    measures=measures,
                    scale=1,
                    available_s=seconds,
                    **named,
                )
            )
            continue
        counts = tuple(chosen.randrange(3) for _ in range(count))
        facts.append(
            RegulationPerformance(
                id=f"p-{product}",
                site="S1",
                instructions=counts,
                mileage_w=tuple(chosen.randrange(10**6) if one else 0 for one in counts),
                score=tuple(chosen.randrange(11) for _ in counts),
                score_scale=1,
                available_s=seconds,
                **named,
            )
        )
    facts += [
        RegulationShare(
            id=f"m-{day}",
            rule=rule.id,
            run="r",
            interval=hours(day + 1, 0, 24),
            shared_wh=chosen.randrange(1, 50),
            total_wh=100,
        )
        for day in range(31)
    ]
    own = [one for one in facts if isinstance(one, RegulationAward)]
    done = [one for one in facts if isinstance(one, RegulationPerformance | AgcInstructions)]
    right = regulation_earned(
        regulation_market(
            rule,
            MONTH,
            [one for one in facts if isinstance(one, RegulationPrices)],
            [one for one in facts if isinstance(one, RegulationShare)],
        ),
        "S1",
        own,
        done,
    )
    place = market(rule, facts)
    (known,) = place.of_type("regulation")
    measured = verifier().measured_of(place, known)
    awards = place.told("regulation_award", known)
    found: list[Fraction] = []
    for product in rule.products:
        of_product = ([one for one in some if one["product"] == product] for some in (awards, measured))
        found += verifier().product_of(place, known, product, *of_product).values()
    assert found == [one.exact for one in right]

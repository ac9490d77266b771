"""What a kW of regulation is expected to earn, by hand (DOMAIN.md 3.6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from dispatch.planning.regulation_pay import Told, regulation_pay
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.streams.performance_factor import ComplementComponent, GivenScore, RatioComponent, WeightedSum
from ledger.streams.regulation import (
    AgcInstructions,
    CapacityPart,
    MileagePart,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
)

MIDNIGHT = datetime(2026, 8, 18, 16, tzinfo=UTC)
"""Of 19 August in Shanghai."""


def rule(capacity: CapacityPart | None = None, mileage: MileagePart | None = None) -> RegulationRule:
    return RegulationRule(
        id="agc", title="AGC", source="made up for the tests", currency="CNY", zone="Asia/Shanghai",
        period_s=3600, products=("regulation",), unawarded="refused", uninstructed="capacity_paid",
        energy="real_time", factor=GivenScore(score_max="1"), settled_max="0.95", capacity=capacity,
        mileage=mileage,
    )  # fmt: skip


def prices(back: int, kind: Any, *values: int) -> RegulationPrices:
    """Hundredths, an hour each from the midnight so many days back."""
    start = MIDNIGHT - timedelta(days=back)
    end = start + timedelta(hours=len(values))
    return RegulationPrices(
        id=f"{kind}-{back}", rule="agc", run="1", interval=Interval(start, end),
        product="regulation", kind=kind, currency="CNY", scale=2, mantissas=values,
    )  # fmt: skip


def own(back: int = 1) -> tuple[RegulationAward, RegulationPerformance]:
    """50 kW in two hours, moved by 10 and 20 kW at K 0.8 and 1.00, of which 0.95 is settled."""
    start = MIDNIGHT - timedelta(days=back)
    told: dict[str, Any] = {
        "rule": "agc", "run": "1", "interval": Interval(start, start + timedelta(hours=2)), "site": "S1",
        "product": "regulation",
    }  # fmt: skip
    done = RegulationPerformance(
        id="done", instructions=(3, 2), mileage_w=(10_000, 20_000), score=(80, 100), score_scale=2, **told
    )
    return RegulationAward(id="award", capacity_w=(50_000, 50_000), **told), done


def pay(of: RegulationRule, *told: Told) -> list[int]:
    starts = [MIDNIGHT + timedelta(hours=one) for one in range(2)]
    found: list[int] = regulation_pay(of, "regulation", told, starts, 3600).price_micro.tolist()
    return found


def test_capacity_is_the_mean_of_each_hour_and_a_weight_takes_of_it() -> None:
    """(3 + 5) / 2 = 4 and 7 per MW.h; K is (0.8 + 0.95) / 2 = 0.875: 3.5 and 6.125 per MW.h."""
    plain = rule(CapacityPart(performance_weight="0", hours="awarded"))
    told = prices(1, "capacity", 300, 600), prices(2, "capacity", 500, 800)
    assert pay(plain, *told) == [4_000, 7_000]
    weighed = rule(CapacityPart(performance_weight="1", hours="awarded"))
    assert pay(weighed, *told, *own()) == [3_500, 6_125]
    twice = rule(CapacityPart(performance_weight="2", hours="awarded"))
    assert pay(twice, *told, *own()) == [3_000, 5_250]


def test_a_posted_price_needs_no_history() -> None:
    assert pay(rule(CapacityPart(performance_weight="0", hours="awarded", price="12.5"))) == [12_500, 12_500]


def test_mileage_is_what_the_sites_moved_for_each_awarded_kw() -> None:
    """30 of 100 awarded kW; 0.3 x 6 per MW x 0.875 = 1.575. An award that was not measured tells nothing."""
    moved = rule(mileage=MileagePart(quantity="measured", shared=False))
    award, done = own()
    later = RegulationAward(
        id="later", rule="agc", run="1", site="S1", product="regulation", capacity_w=(90_000,),
        interval=Interval(MIDNIGHT, MIDNIGHT + timedelta(hours=1)),
    )  # fmt: skip
    told = prices(1, "mileage", 600, 600)
    assert pay(moved, told, award, done, later) == [1_575, 1_575]
    by_ratio = rule(mileage=MileagePart(quantity="award_x_ratio", shared=False))
    assert pay(by_ratio, told, prices(1, "mileage_ratio", 200, 400), award, done) == [10_500, 21_000]
    shared = rule(
        CapacityPart(performance_weight="0", hours="awarded", price="1"),
        MileagePart(quantity="measured", shared=True),
    )
    assert pay(shared, told, award, done) == [1_000, 1_000]


def instructed(hour: int = 0, **given: Any) -> AgcInstructions:
    """Two instructions, each moving 10 kW: K is half of V / 100 and half of 1 - T / 60."""
    start = MIDNIGHT - timedelta(days=1) + timedelta(hours=hour)
    fields: dict[str, Any] = {
        "id": f"agc-{hour}", "rule": "agc", "run": "own-telemetry", "product": "regulation", "site": "S1",
        "interval": Interval(start, start + timedelta(hours=1)), "started_s": (0, 1800), "scale": 0,
        "mileage_w": (10_000, 10_000), "measures": {"speed": (100, 80), "delay": (6, 12)},
    }  # fmt: skip
    return AgcInstructions(**(fields | given))


def weighted(**given: Any) -> RegulationRule:
    factor = WeightedSum(
        components=(
            RatioComponent(measure="speed", reference="100"),
            ComplementComponent(measure="delay", reference="60"),
        ),
        weights=("0.5", "0.5"),
        hour_decimals=3,
    )
    return structs.replace(rule(**given), factor=factor)


def test_k_of_measured_instructions_is_that_of_settlement() -> None:
    """(0.5 + 0.45 + 0.4 + 0.4) / 2 = 0.875 of the hour; a weight of 1 leaves as much of 4 and 7 per MW.h."""
    told = prices(1, "capacity", 400, 700)
    weighed = weighted(capacity=CapacityPart(performance_weight="1", hours="awarded"))
    assert pay(weighed, told, instructed()) == [3_500, 6_125]
    # Their mileage is of the measured hour of the award alone: 20 of 50 kW, 0.4 x 6 x 0.875 = 2.1.
    moved = weighted(mileage=MileagePart(quantity="measured", shared=False))
    award, done = own()
    assert pay(moved, prices(1, "mileage", 600, 600), award, instructed()) == [2_100, 2_100]
    # What the market told of the hour stands in place of our own instructions.
    assert pay(weighed, told, done, instructed()) == pay(weighed, told, done)
    other = instructed(product="other")
    with pytest.raises(Refused) as found:
        pay(weighed, told, other)
    assert found.value.code == "performance_missing"
    with pytest.raises(Refused) as found:
        pay(weighed, told, instructed(measures={"speed": (100, 80)}))
    assert found.value.code == "measure_missing"


def test_nothing_is_guessed() -> None:
    weighed = rule(CapacityPart(performance_weight="1", hours="awarded"))
    with pytest.raises(Refused) as found:
        pay(weighed, prices(1, "capacity", 300, 600))
    assert found.value.code == "performance_missing"
    with pytest.raises(Refused, match="01:00") as found:
        pay(weighed, prices(1, "capacity", 300), *own())
    assert found.value.code == "price_missing"

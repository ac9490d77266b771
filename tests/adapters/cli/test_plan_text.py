"""A plan as a table for people."""

from __future__ import annotations

from datetime import UTC, date, datetime

from msgspec import structs

from adapters.cli.plan import text
from adapters.queries.recorded_plans import RecordedPlan
from dispatch.planning.plan_record import PlanHead, SitePlanned


def plan(*sites: SitePlanned) -> RecordedPlan:
    head = PlanHead(
        portfolio="vpp", day=date(2026, 8, 3), start=datetime(2026, 8, 2, 16, tzinfo=UTC), interval_s=900,
        count=2, trigger="asked", inputs="0", basis="hold", reason="", objective="cost", objective_micro=None,
        bound_micro=None, gap_ppm=None, solver_ms=0,
    )  # fmt: skip
    return RecordedPlan(1, 7, head, sites)


def test_the_regulation_that_a_plan_offers_is_shown_beside_its_setpoint() -> None:
    one = SitePlanned(
        site="S1", setpoint_w=(-50_000, 0), stored_wh=(10_000, 12_500), regulation_w=(30_000, 0)
    )
    two = SitePlanned(site="S2", setpoint_w=(1000, 2000), stored_wh=(10_000, 9_000))
    unit, names, first, second = text(plan(one, two), "Asia/Shanghai")[-4:]
    assert unit == "kW, above 0 discharging, ± the regulation that is offered / kWh stored at the end"
    assert names.split()[-2:] == ["S1", "S2"]
    assert "  -50.0 ±30.0 / 10.0" in first
    assert first.endswith("  1.0 / 10.0")
    assert "  0.0 / 12.5" in second
    assert "±" not in second
    assert len(names) == len(first) == len(second)
    assert "±" not in "".join(text(plan(two), "Asia/Shanghai"))


def test_a_plan_that_nobody_can_carry_out_says_why() -> None:
    one = SitePlanned(site="S1", setpoint_w=(1000,), stored_wh=(10_000,))
    why = "nobody can carry this plan out"
    found = plan(one)
    head = structs.replace(found.head, notes=(why,))
    rows = text(structs.replace(found, head=head, unread=why), "Asia/Shanghai")
    assert f"note: {why}" in rows
    assert not any(row.startswith("2026-08-03") for row in rows)

"""A step test never asks more of a site's connection than it bears: its limits on record, the load now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from adapters.commissioning.connection import Bearing, Bounded, OnRecord, bounded, unmeasured
from adapters.commissioning.step_test import StepTest
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.step_plan import step_plan
from dispatch.planning.storage_terms import StorageTerms
from ledger.refusal import Refused
from tests.adapters.commissioning.storage_port import StoragePort
from tests.adapters.commissioning.test_step_test import METER, REAL, Rig

KW = 1000
NONE: Mapping[str, int | None] = {"discharge_w": None, "charge_w": None}
TERMS = StorageTerms(
    charge_w=250 * KW, discharge_w=250 * KW, floor_wh=0, ceiling_wh=400 * KW, end_wh=100 * KW,
    charge_ppm=950_000, discharge_ppm=950_000, import_w=200 * KW, export_w=0,
)  # fmt: skip


class Behind(Rig):
    """40 kW of load behind a connection that may draw 200 kW and give nothing; the most that left is seen."""

    def __init__(self, *, import_w: int = 200 * KW, export_w: int = 0) -> None:
        super().__init__(metered=False)
        grid = StoragePort(self.storage, METER, self.time)
        self.bearing = Bearing("S1", import_w, export_w, self.port, [grid])
        self.left_w = self.drawn_w = 0
        self.drops_over_w: int | None = None

    def bounds(self, stated: Mapping[str, int | None] = NONE) -> Bounded:
        return asyncio.run(bounded(self.bearing, REAL, stated))

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)
        self.storage.advance(self.time.ms)
        battery = self.storage.battery
        self.left_w, self.drawn_w = max(self.left_w, battery.grid_w), max(self.drawn_w, -battery.grid_w)
        if self.drops_over_w is not None and battery.power_w > self.drops_over_w:
            battery.load_w = 0

    def test(self, bounds: Bounded) -> CommissioningReport:
        plan = step_plan(REAL, discharge_w=bounds.discharge_w, charge_w=bounds.charge_w)
        test = StepTest(
            self.port, self.tested, plan, clock_ms=self.time, sleep=self.sleep, bearing=self.bearing
        )
        return asyncio.run(test.run())


def test_the_full_powers_are_what_the_connection_bears_now_and_it_says_why() -> None:
    rig = Behind()
    bounds = rig.bounds()
    assert (bounds.discharge_w, bounds.charge_w) == (40 * KW * 1000 // 1030, 160 * KW * 1000 // 1030)
    assert bounds.why == (
        "the connection of S1 may give 0 W and draw 200000 W, and without the device 40000 W are drawn"
    )
    report = rig.test(bounds)
    assert report.passed, report
    assert (report.plan.discharge_w, report.plan.charge_w) == (bounds.discharge_w, bounds.charge_w)
    assert rig.left_w == 0
    assert 190 * KW < rig.drawn_w <= 200 * KW
    far = Behind(import_w=900 * KW, export_w=900 * KW).bounds()
    assert far == Bounded(None, None, ""), "a connection that bears the device's own powers limits nothing"


def test_what_a_person_states_beyond_it_is_refused_with_the_limit() -> None:
    rig = Behind()
    assert rig.bounds({"discharge_w": 30 * KW, "charge_w": None}).discharge_w == 30 * KW
    for stated, place in (
        ({"discharge_w": 250 * KW, "charge_w": None}, "--discharge-w"),
        ({"discharge_w": None, "charge_w": 160 * KW}, "--charge-w"),
    ):
        with pytest.raises(Refused, match="may give 0 W and draw 200000 W") as refused:
            rig.bounds(stated)
        assert (refused.value.code, refused.value.place) == ("step_connection", place)
    rig.storage.battery.load_w = 0
    rig.time.ms += 1000
    with pytest.raises(Refused, match="up to 0 W"):
        rig.bounds()
    assert rig.port.commanded == []


def test_a_load_that_drops_ends_the_test_before_more_than_it_is_commanded() -> None:
    rig = Behind()
    bounds = rig.bounds()
    rig.drops_over_w = 7 * KW
    report = rig.test(bounds)
    assert report.failed_step == "latency"
    (failed,) = (one for one in report.results if one.step == "latency")
    assert failed.note.endswith("W leave S1, whose connection may give 0 W")
    assert rig.port.commanded == [7766, 0], "nothing more, and then still"
    assert rig.storage.battery.power_w == 0


def test_a_full_power_that_the_load_does_not_take_any_more_is_not_commanded() -> None:
    rig = Behind()
    bounds = rig.bounds()

    def drop(result: object) -> None:
        if getattr(result, "step", "") == "scale":
            rig.storage.battery.load_w = 10 * KW

    plan = step_plan(REAL, discharge_w=bounds.discharge_w, charge_w=bounds.charge_w)
    test = StepTest(
        rig.port, rig.tested, plan, clock_ms=rig.time, sleep=rig.sleep, bearing=rig.bearing, told=drop
    )
    report = asyncio.run(test.run())
    assert report.failed_step == "ramp"
    assert rig.port.commanded == [7766, -7766, 0, 0]
    assert rig.left_w == 0


def test_a_connection_that_nobody_knows_needs_a_persons_word() -> None:
    said = {"discharge_w": 10 * KW, "charge_w": 10 * KW}
    for record in (OnRecord("S1", None, ()), OnRecord("S1", TERMS, ())):
        unmeasured(record, said)
        for stated in (NONE, {"discharge_w": 10 * KW, "charge_w": None}):
            with pytest.raises(Refused, match="state --discharge-w and --charge-w") as refused:
                unmeasured(record, stated)
            assert refused.value.code == "step_connection"

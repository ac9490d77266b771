"""Each rule of the check finds the plan that breaks it, and the interval."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from dispatch.plan_check import Markets, PlannedSite, SiteLimits, check_portfolio, check_site
from ledger.refusal import Refused

replace = msgspec.structs.replace


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


LIMITS = SiteLimits(
    id="S1",
    interval_s=3600,
    load_w=whole(300_000, 300_000, 300_000, 300_000),
    pv_w=whole(0, 50_000, 0, 0),
    import_w_max=whole(*[450_000] * 4),
    export_w_max=whole(*[10_000] * 4),
    charge_w_max=whole(*[100_000] * 4),
    discharge_w_max=whole(*[100_000] * 4),
    floor_wh=whole(*[20_000] * 4),
    ceiling_wh=200_000,
    start_wh=100_000,
    charge_efficiency_ppm=900_000,
    discharge_efficiency_ppm=900_000,
    discharge_wh_max=(150_000,),
    ramp_w=120_000,
    baseline_w=whole(300_000),
)
MARKETS = Markets(
    block=whole(0, 1, 2, 3), sustain_s=1800, call_wh_per_kw=150, regulation_w_min=5_000,
    slot=whole(3), response_w_min=10_000, response_w_max=60_000, spot_w_max=50_000,
)  # fmt: skip
GOOD = PlannedSite(
    id="S1",
    setpoint_w=whole(-100_000, 0, 10_000, 40_000),
    stored_wh=whole(190_000, 190_000, 178_889, 134_444),
    curtailed_w=whole(0, 0, 0, 0),
    spot_w=whole(0, 0, 0, 0),
    regulation_w=whole(0, 20_000, 40_000, 0),
    response_w=whole(40_000),
)


def rules(limits: SiteLimits = LIMITS, **changed: Any) -> list[tuple[str, int]]:
    found = check_site(limits, MARKETS, replace(GOOD, **changed))
    return [(violation.rule, violation.interval) for violation in found]


def test_a_good_plan_breaks_nothing() -> None:
    assert rules() == []


def test_every_rule_finds_its_breach() -> None:
    no_path = {"stored_path"}
    assert ("power", 0) in rules(setpoint_w=whole(-100_001, 0, 10_000, 40_000))
    assert ("power", 2) in rules(setpoint_w=whole(-100_000, 0, 100_001, 40_000))
    assert rules(stored_wh=GOOD.stored_wh + whole(0, 0, 21, 0)) == [("stored_path", 2)]
    assert rules(stored_wh=GOOD.stored_wh + whole(0, 0, 20, 0)) == []
    assert rules(replace(LIMITS, ceiling_wh=189_000))[0] == ("stored_energy", 0)
    assert ("stored_energy", 3) in rules(replace(LIMITS, floor_wh=whole(0, 0, 0, 140_000)))
    assert rules(replace(LIMITS, ramp_w=99_000)) == [("ramp", 0)]
    assert rules(replace(LIMITS, import_w_max=whole(399_990, 450_000, 450_000, 450_000))) == [
        ("import_limit", 0)
    ]
    assert rules(replace(LIMITS, load_w=whole(300_000, 39_000, 300_000, 300_000))) == [("export_limit", 1)]
    assert rules(curtailed_w=whole(0, 50_003, 0, 0)) == [("curtailment", 1)]
    assert ("curtailment", 2) in rules(curtailed_w=whole(0, 0, -3, 0))
    assert rules(spot_w=whole(-100_000, 0, 10_003, 0)) == [("spot_part", 2)]
    assert ("spot_part", 0) in rules(spot_w=whole(5, 0, 0, 0))
    assert rules(replace(LIMITS, discharge_wh_max=(60_000,))) == [("cycles", 0)]
    two_days = replace(LIMITS, discharge_wh_max=(3_000, 61_556), day=whole(0, 0, 1, 1))
    assert rules(two_days) == [], "3 kWh called on the one, 55.6 and 6 on the other"
    assert rules(replace(two_days, discharge_wh_max=(90_000, 60_000))) == [("cycles", 2)], "each by itself"
    assert no_path.isdisjoint({rule for rule, _ in rules()})


def test_regulation_needs_power_and_energy() -> None:
    assert ("regulation_power", 0) in rules(regulation_w=whole(1_000, 0, 0, 0)), "charging with all its power"
    assert ("regulation_power", 2) in rules(regulation_w=whole(0, 0, 90_003, 0))
    assert ("regulation_power", 1) in rules(regulation_w=whole(0, -1, 0, 0))
    assert rules(regulation_w=whole(0, 40_000, 0, 0)) == [("regulation_energy", 1)], (
        "10 kWh of room are 22 kW"
    )
    assert rules(regulation_w=whole(0, 0, 0, 10_000)) == [("response_regulation", 3)]


def test_a_response_is_what_the_meter_shows_below_the_baseline() -> None:
    assert rules(response_w=whole(40_002)) == []
    assert rules(response_w=whole(40_003)) == [("response", 3)]
    assert rules(replace(LIMITS, baseline_w=None)) == [("response", 3)]
    assert rules(replace(LIMITS, baseline_w=whole(290_000))) == [("response", 3)]


def test_the_portfolio_offers_what_its_sites_give() -> None:
    def offers(regulation: np.ndarray, response: np.ndarray, short: int = 0, **changed: Any) -> int:
        sites = (GOOD, replace(GOOD, **changed))
        return len(check_portfolio(MARKETS, sites, regulation, response, whole(short)))

    assert offers(whole(0, 40_000, 80_000, 0), whole(60_000)) == 0
    assert offers(whole(0, 40_003, 80_000, 0), whole(60_000)) == 1
    assert offers(whole(0, 4_000, 80_000, 0), whole(60_000)) == 1, "below the market's least"
    assert offers(whole(0, 0, 0, 0), whole(60_003)) == 1, "above the market's most"
    assert offers(whole(0, 0, 0, 0), whole(9_000)) == 1, "below its least"
    assert offers(whole(0, 0, 0, 0), whole(50_000), response_w=whole(0)) == 1
    assert offers(whole(0, 0, 0, 0), whole(50_000), short=10_000, response_w=whole(0)) == 0
    assert offers(whole(0, 0, 0, 0), whole(0), spot_w=whole(-50_005, 0, 0, 0)) == 1


def test_a_plan_of_another_site_or_shape_is_refused() -> None:
    for changed in (
        {"id": "S2"},
        {"setpoint_w": whole(0)},
        {"regulation_w": whole(0)},
        {"response_w": np.zeros(1)},
    ):
        with pytest.raises(Refused) as refused:
            rules(**changed)
        assert refused.value.code == "plan_shape"


def test_a_violation_tells_the_worst_and_how_many() -> None:
    """400, 250, 290 and 260 kW behind 450, 230, 260 and 255."""
    limits = replace(LIMITS, import_w_max=whole(450_000, 230_000, 260_000, 255_000))
    found = [one for one in check_site(limits, MARKETS, GOOD) if one.rule == "import_limit"]
    (one,) = found
    assert (one.interval, one.excess) == (1, 20_000)
    assert (one.worst_interval, one.worst, one.intervals) == (2, 30_000, 3)
    assert one.energy_wh == 55_000
    told = "import_limit at S1[1] by 20000 W, in 3 intervals by up to 30000 W ([2]), 55000 Wh in all"
    assert one.said() == told

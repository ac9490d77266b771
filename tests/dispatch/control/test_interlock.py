"""Each interlock forbids for its own reason, in the order of docs/device-refusals.md; none forbids a stop."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.interlock import (
    INTERLOCKS,
    NOT_OURS,
    DeviceLimits,
    DeviceSnapshot,
    Permission,
    check_interlocks,
)
from dispatch.control.setpoint import Setpoint
from dispatch.control.site_load import PowerRange
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import KW, START

DOC = (Path(__file__).parents[3] / "docs/device-refusals.md").read_text(encoding="utf-8")
LIMITS = DeviceLimits(
    charge_w=500 * KW,
    discharge_w=500 * KW,
    soc_floor_millipercent=10_000,
    soc_ceiling_millipercent=90_000,
    import_w=800 * KW,
    export_w=0,
    hottest_mc_max=45_000,
    coldest_mc_min=0,
    step_w_max=400 * KW,
)
WELL = DeviceSnapshot(
    read_at=START - timedelta(seconds=1),
    mode="remote",
    power_w=0,
    setpoint_w=0,
    soc_millipercent=50_000,
    hottest_mc=30_000,
    coldest_mc=20_000,
    load=PowerRange(400 * KW, 400 * KW),
    clock_ms=100,
)
ALLOWED = Permission(
    commissioned=True,
    lease_held=True,
    newest=True,
    stopped=False,
    unknown=False,
    plan_until=START + timedelta(hours=1),
)


def load(low_w: int, high_w: int | None = None) -> PowerRange:
    return PowerRange(low_w, low_w if high_w is None else high_w)


def at(power_w: int, **changes: Any) -> Setpoint:
    fields = {"expires_at": START + timedelta(minutes=15), "origin": "plan", "cause": "p"}
    return Setpoint(setpoint_w=power_w, **(fields | changes))


def verdict(
    one: Setpoint, device: dict[str, Any] | None = None, permission: dict[str, Any] | None = None
) -> tuple[str, ...]:
    seen = msgspec.structs.replace(WELL, **(device or {}))
    allowed = msgspec.structs.replace(ALLOWED, **(permission or {}))
    return check_interlocks(one, seen, LIMITS, allowed, START).interlocks


UP, DOWN = at(300 * KW), at(-300 * KW)
CASES: list[tuple[str, Setpoint, dict[str, Any], dict[str, Any]]] = [
    ("emergency_stop", UP, {}, {"stopped": True}),
    ("lease_lost", UP, {}, {"lease_held": False}),
    ("setpoint_superseded", UP, {}, {"newest": False}),
    ("setpoint_expired", at(300 * KW, expires_at=START), {}, {}),
    ("not_commissioned", UP, {}, {"commissioned": False}),
    ("device_fault", UP, {"mode": "fault"}, {}),
    ("device_mode", UP, {"mode": "local"}, {}),
    ("device_mode", UP, {"mode": None}, {}),
    ("clock_skew", UP, {"clock_ms": -30_001}, {}),
    ("clock_skew", UP, {"clock_ms": None}, {}),
    ("telemetry_missing", UP, {"read_at": None}, {}),
    ("telemetry_stale", UP, {"read_at": START - timedelta(seconds=5, microseconds=1)}, {}),
    ("telemetry_stale", UP, {"read_at": START + timedelta(seconds=6)}, {}),
    ("device_unknown", UP, {}, {"unknown": True}),
    ("device_unknown", UP, {"setpoint_w": None}, {}),
    ("plan_invalid", UP, {}, {"plan_until": START}),
    ("plan_invalid", UP, {}, {"plan_until": None}),
    ("temperature_high", UP, {"hottest_mc": 45_000}, {}),
    ("temperature_high", UP, {"hottest_mc": None}, {}),
    ("temperature_low", UP, {"coldest_mc": 0}, {}),
    ("soc_unknown", UP, {"soc_millipercent": -247_000}, {}),
    ("soc_unknown", UP, {"soc_millipercent": None}, {}),
    ("soc_low", UP, {"soc_millipercent": 10_000}, {}),
    ("soc_high", DOWN, {"soc_millipercent": 90_000}, {}),
    ("power_limit", at(500_001), {"power_w": 300 * KW, "load": load(600 * KW)}, {}),
    ("ramp", at(-400 * KW - 1), {"load": load(300 * KW)}, {}),
    ("grid_unknown", UP, {"load": None}, {}),
    ("grid_import", at(-400 * KW), {"load": load(400 * KW, 400_001)}, {}),
    ("grid_import", at(-400 * KW), {"beside": PowerRange(-1, 0)}, {}),
    ("grid_export", at(400 * KW), {"load": load(399_999, 400 * KW)}, {}),
    ("grid_export", at(400 * KW), {"beside": PowerRange(0, 1)}, {}),
]


@pytest.mark.parametrize(("code", "one", "device", "permission"), CASES)
def test_each_interlock_forbids_alone(
    code: str, one: Setpoint, device: dict[str, Any], permission: dict[str, Any]
) -> None:
    assert verdict(UP) == verdict(DOWN) == verdict(at(400 * KW)) == ()
    assert verdict(one, device, permission) == (code,)


def test_every_interlock_has_its_case() -> None:
    assert {case[0] for case in CASES} | {"device_refused"} == set(INTERLOCKS)


def test_the_page_lists_them_in_their_order() -> None:
    listed = re.findall(r"^\| `([a-z_]+)` \|.*\| (raising|limits too|all) \|$", DOC, re.MULTILINE)
    assert tuple(code for code, _ in listed) == INTERLOCKS
    assert {code for code, forbids in listed if forbids == "limits too"} == NOT_OURS


def test_bounds_are_kept_to_the_millisecond_and_flagged_before() -> None:
    just = {"read_at": START - timedelta(seconds=5), "clock_ms": 30_000}
    assert verdict(UP, just) == ()
    seen = msgspec.structs.replace(WELL, clock_ms=2_001)
    assert check_interlocks(UP, seen, LIMITS, ALLOWED, START).flags == ("clock_skew_flagged",)
    seen = msgspec.structs.replace(WELL, clock_ms=2_000)
    assert check_interlocks(UP, seen, LIMITS, ALLOWED, START).flags == ()


def test_a_band_is_checked_at_both_ends() -> None:
    assert verdict(at(200 * KW, band_w=200 * KW)) == ()
    assert verdict(at(200 * KW, band_w=200_001)) == ("ramp", "grid_export")


def test_a_limit_is_forbidden_by_what_is_not_ours_only() -> None:
    full = {"power_w": 400 * KW, "setpoint_w": 400 * KW, "soc_millipercent": None, "mode": "local"}
    assert verdict(UP, full, {"stopped": True}) == ()
    assert verdict(UP, full, {"lease_held": False, "commissioned": False}) == ("lease_lost",)
    strained = msgspec.structs.replace(WELL, power_w=400 * KW, setpoint_w=400 * KW, load=load(1200 * KW))
    found = check_interlocks(UP, strained, LIMITS, ALLOWED, START)
    assert (found.interlocks, found.flags) == ((), ("lowering_breaks_grid_limit",))


def test_what_makes_an_overload_smaller_is_not_forbidden() -> None:
    assert verdict(UP, {"load": load(2000 * KW)}) == ()
    assert verdict(DOWN, {"load": load(-2000 * KW)}) == ()


def test_limits_out_of_order() -> None:
    with pytest.raises(Refused, match="floor"):
        msgspec.structs.replace(LIMITS, soc_floor_millipercent=90_000)


MAYBE = st.none() | st.integers(-(10**6), 10**6)


@given(
    device=st.builds(
        DeviceSnapshot,
        read_at=st.none() | st.just(START),
        mode=st.sampled_from([None, "remote", "local", "fault", "off"]),
        power_w=MAYBE,
        setpoint_w=MAYBE,
        soc_millipercent=MAYBE,
        hottest_mc=MAYBE,
        coldest_mc=MAYBE,
        load=st.none() | st.integers(-(10**6), 10**6).map(load),
        clock_ms=MAYBE,
    ),
    yes=st.lists(st.booleans(), min_size=5, max_size=5),
    power=st.integers(-(10**6), 10**6),
)
@settings(derandomize=True, max_examples=150, deadline=None, database=None)
def test_a_stop_always_goes_and_all_that_forbids_is_told_in_order(
    device: DeviceSnapshot, yes: list[bool], power: int
) -> None:
    permission = Permission(
        commissioned=yes[0], lease_held=yes[1], newest=yes[2], stopped=yes[3], unknown=yes[4]
    )
    assert check_interlocks(at(0), device, LIMITS, permission, START).interlocks == ()
    found = check_interlocks(at(power), device, LIMITS, permission, START).interlocks
    assert list(found) == sorted(set(found), key=INTERLOCKS.index)
    standing = device.setpoint_w
    if power and not found:
        raising = standing is None or abs(power) > abs(standing) or (power > 0) != (standing > 0)
        assert permission.lease_held
        assert not raising, "nothing is raised without a plan"

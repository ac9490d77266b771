"""A turn of the fleet: plans split, what lost devices leave shared, the peak held, emergencies before all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.emergency import Emergencies, Emergency, EmergencyKind, EmergencyOrder, Scope
from dispatch.control.fleet_turn import Told, Turned, turn
from dispatch.control.reallocation import GroupLimit
from dispatch.control.site_load import PowerRange
from dispatch.control.turn_parts import SiteGuard, TurnDevice, TurnSite
from dispatch.planning.guard import Billed, GuardLimits
from ledger.refusal import Refused

NOW = datetime(2026, 8, 3, 8, tzinfo=UTC)
FAR = 10_000


def site(name: str, planned_w: int | None, *, load_w: int | None = 0, **changes: int) -> TurnSite:
    limits = {"import_w": FAR, "export_w": FAR, **changes}
    load = None if load_w is None else PowerRange(load_w, load_w)
    return TurnSite(site=name, portfolio="VPP", planned_w=planned_w, load=load, **limits)


def device(
    name: str, at: str, power_w: int = 100, *, lost: bool = False, standing_w: int = 0, group: int = -1
) -> TurnDevice:
    return TurnDevice(
        device=name,
        site=at,
        low_w=-power_w,
        high_w=power_w,
        standing_w=standing_w,
        power_w=standing_w,
        lost=lost,
        group=group,
    )


def emergencies(*orders: EmergencyOrder) -> Emergencies:
    stood = tuple(Emergency(n, order, "anna", "why", NOW) for n, order in enumerate(orders, 1))
    return Emergencies(len(stood), stood)


def order(kind: EmergencyKind, scope: Scope | None = None, power_w: int | None = None) -> EmergencyOrder:
    return EmergencyOrder(kind=kind, scope=scope or Scope("book"), power_w=power_w)


def powers(turned: Turned) -> list[int]:
    return [one.setpoint_w for one in turned.told]


def test_a_site_is_split_by_what_its_devices_can_do_to_the_watt() -> None:
    """100 W over 30, 60 and 60: 20, 40, 40; of 101 W the odd one goes to the largest remainder."""
    fleet = [device("a", "S", 30), device("b", "S", 60), device("c", "S", 60)]
    assert powers(turn([site("S", 100)], fleet, Emergencies(), NOW)) == [20, 40, 40]
    assert powers(turn([site("S", 101)], fleet, Emergencies(), NOW)) == [20, 41, 40]
    assert powers(turn([site("S", -101)], fleet[::-1], Emergencies(), NOW)) == [-40, -41, -20]
    over = turn([site("S", 200)], fleet, Emergencies(), NOW)
    assert powers(over) == [30, 60, 60]
    assert over.missing_w == {"VPP": 50}


def test_a_lost_devices_share_goes_to_its_own_site_then_to_the_portfolios_others() -> None:
    sites = [site("S", 100), site("T", 40)]
    fleet = [device("a", "S", lost=True, standing_w=50), device("b", "S"), device("c", "T"), device("d", "T")]
    found = turn(sites, fleet, Emergencies(), NOW)
    assert powers(found) == [0, 100, 20, 20], "its own site's other device can"
    assert [one.why for one in found.told] == ["lost", "plan", "plan", "plan"]
    small = [fleet[0], device("b", "S", 70), *fleet[2:]]
    found = turn(sites, small, Emergencies(), NOW)
    assert powers(found) == [0, 70, 35, 35], "30 W more from the other site"
    assert [one.why for one in found.told] == ["lost", "plan", "others_share", "others_share"]
    assert found.missing_w == {"VPP": 0}
    alone = [sites[0], msgspec.structs.replace(sites[1], portfolio="U")]
    found = turn(alone, small, Emergencies(), NOW)
    assert powers(found) == [0, 70, 20, 20], "another portfolio owes nothing"
    assert found.missing_w == {"VPP": 30, "U": 0}


def test_others_take_a_share_no_further_than_their_connection_and_group_allow() -> None:
    fleet = [device("a", "S", lost=True), device("b", "T", group=0), device("c", "U")]
    sites = [site("S", 90), site("T", 10), site("U", 0, load_w=None)]
    tight = [GroupLimit(-30, 30)]
    found = turn(sites, fleet, Emergencies(), NOW, groups=tight)
    assert powers(found) == [0, 30, 0], "nobody knows what U draws, and T's group has 30 W"
    assert found.missing_w == {"VPP": 70}
    sites = [site("S", 90), site("T", 10, load_w=5, export_w=20), site("U", 0)]
    far = [GroupLimit(-FAR, FAR)]
    found = turn(sites, fleet, Emergencies(), NOW, groups=far)
    assert powers(found) == [0, 25, 75], "T draws 5 W and may give 20 W"
    with pytest.raises(Refused) as refused:
        turn(sites, [device("b", "T", group=1), *fleet[:1], fleet[2]], Emergencies(), NOW)
    assert refused.value.code == "group_unknown"


def test_who_takes_a_share_keeps_the_band_that_its_site_offers() -> None:
    """Of 100 W a device at 20 W with a band of 30 W takes 50 W more, and 90 W the other way."""
    fleet = [device("a", "S", lost=True), device("b", "T")]
    for planned_w, told_w in ((90, 70), (-95, -70)):
        sites = [site("S", planned_w), site("T", 20, band_w=30)]
        found = turn(sites, fleet, Emergencies(), NOW)
        assert powers(found) == [0, told_w]
        assert [one.taken_w for one in found.told] == [0, told_w - 20]
        assert found.missing_w == {"VPP": planned_w + 20 - told_w}
    tight = site("T", 20, load_w=5, export_w=60, band_w=30)
    assert powers(turn([site("S", 90), tight], fleet, Emergencies(), NOW)) == [0, 35], "65 W may be given"
    own = msgspec.structs.replace(tight, planned_w=50)
    assert powers(turn([site("S", 90), own], fleet, Emergencies(), NOW)) == [0, 50], "its own plan is given"
    cut = msgspec.structs.replace(tight, planned_w=80)
    found = turn([site("S", 90), cut], fleet, Emergencies(), NOW)
    assert powers(found) == [0, 65], "the connection's limit comes first"
    assert found.told[1].taken_w == 0, "it gives less than its own"


def test_a_group_is_one_limit_over_portfolios_and_whatever_its_other_devices_do() -> None:
    """100 W of a feeder: 60 W of the first portfolio leave 40 W to the second; a lost device goes on with its
    50 W until they expire, one that holds with its 30 W."""
    other = msgspec.structs.replace(site("T", 60), portfolio="W")
    fleet = [device("a", "S", group=0), device("b", "T", group=0)]
    feeder = [GroupLimit(-100, 100)]
    found = turn([site("S", 60), other], fleet, Emergencies(), NOW, groups=feeder)
    assert powers(found) == [60, 40]
    assert found.missing_w == {"VPP": 0, "W": 20}
    lost = [device("a", "S", lost=True, standing_w=50, group=0), device("b", "S", group=0)]
    assert powers(turn([site("S", 100)], lost, Emergencies(), NOW, groups=feeder)) == [0, 50]
    over = [device("a", "S", lost=True, group=0), device("b", "S", group=0)]
    assert powers(turn([site("S", 100)], over, Emergencies(), NOW, groups=feeder)) == [0, 100]
    holds = [device("a", "S", standing_w=30, group=0), device("b", "T", group=0)]
    held = emergencies(order("hold", Scope("device", ("a",))))
    found = turn([site("S", 60), site("T", 90)], holds, held, NOW, groups=feeder)
    assert powers(found) == [30, 70]
    beyond = [device("a", "S", lost=True, standing_w=150, group=0), device("b", "S", group=0)]
    assert powers(turn([site("S", 100)], beyond, Emergencies(), NOW, groups=feeder)) == [0, 0], "not forced"


def test_a_connection_cuts_a_plan_and_never_reverses_it() -> None:
    fleet = [device("a", "S", standing_w=-20)]
    found = turn([site("S", -80, load_w=70, import_w=100)], fleet, Emergencies(), NOW)
    assert powers(found) == [-30], "70 W are drawn without it"
    assert found.missing_w == {"VPP": -50}
    assert powers(turn([site("S", -80, load_w=170, import_w=100)], fleet, Emergencies(), NOW)) == [0]


def test_a_site_without_a_plan_keeps_falls_back_or_stops_as_the_table_says() -> None:
    kept = TurnDevice(device="a", site="S", low_w=-9, high_w=9, standing_w=5, power_w=5, in_force=True)
    back = TurnDevice(device="b", site="S", low_w=-9, high_w=9, fallback_w=-30)
    stop = TurnDevice(device="c", site="S", low_w=-9, high_w=9, standing_w=5)
    found = turn([site("S", None), site("T", 8)], [kept, back, stop, device("d", "T")], Emergencies(), NOW)
    assert [(one.setpoint_w, one.why) for one in found.told] == [
        (5, "kept"), (-9, "fallback"), (0, "nothing_planned"), (8, "plan"),
    ]  # fmt: skip
    found = turn([site("S", 9)], [kept, back], Emergencies(), NOW, lost=frozenset({"clock"}))
    assert powers(found) == [0, 0], "nothing that depends on the time may be activated"


def test_the_guard_holds_a_peak_with_what_is_free() -> None:
    limits = GuardLimits(
        interval_s=900, target_w=50, charge_w_max=200, discharge_w_max=200, floor_wh=0, ceiling_wh=1000,
        charge_efficiency_ppm=1_000_000, discharge_efficiency_ppm=1_000_000,
    )  # fmt: skip
    guarded = SiteGuard(limits=limits, billed=Billed(), behind_w=110, stored_wh=500)
    peak = msgspec.structs.replace(site("S", 20, load_w=110, export_w=0), guard=guarded)
    found = turn([peak], [device("a", "S"), device("b", "S")], Emergencies(), NOW)
    assert powers(found) == [30, 30], "60 W, so that 50 W are drawn"
    assert {one.why for one in found.told} == {"guard"}
    stopped = emergencies(order("stop_all", Scope("device", ("a",))))
    assert powers(turn([peak], [device("a", "S"), device("b", "S")], stopped, NOW)) == [0, 60]


def test_emergencies_come_before_everything() -> None:
    fleet = [device("a", "S", standing_w=70), device("b", "S", 40, standing_w=10), device("c", "T")]
    sites = [site("S", 100), site("T", 50)]
    assert powers(turn(sites, fleet, emergencies(order("stop_all")), NOW)) == [0, 0, 0]
    stop = turn(sites, fleet, emergencies(order("stop_all", Scope("device", ("a",)))), NOW)
    assert powers(stop) == [0, 40, 100], "the others give what it cannot"
    assert stop.told[0] == Told(device="a", setpoint_w=0, why="emergency", emergencies=(1,))
    assert stop.missing_w == {"VPP": 10}
    hold = turn(sites, fleet, emergencies(order("hold", Scope("site", ("S",)))), NOW)
    assert powers(hold) == [70, 10, 50], "what S holds is no part of the plan, and nobody makes up for it"
    assert hold.missing_w == {"VPP": 0}
    answer = turn(sites, fleet, emergencies(order("respond_now", None, -120)), NOW)
    assert powers(answer) == [-50, -20, -50]
    assert answer.unanswered_w == {1: 0}
    answer = turn(sites, fleet, emergencies(order("respond_now", None, 500)), NOW)
    assert powers(answer) == [100, 40, 100]
    assert answer.unanswered_w == {1: 260}
    both = emergencies(order("respond_now", None, 120), order("stop_all", Scope("device", ("c",))))
    assert sum(powers(turn(sites, fleet, both, NOW))[:2]) == 120


def test_an_export_limit_moves_a_plan_to_other_sites() -> None:
    fleet = [device("a", "S"), device("b", "T")]
    limit = emergencies(order("limit_export", Scope("site", ("S",)), 0))
    found = turn([site("S", 60, load_w=20), site("T", 0)], fleet, limit, NOW)
    assert powers(found) == [20, 40], "S draws 20 W: what it gives stays at home"
    assert found.missing_w == {"VPP": 0}


def test_a_response_leaves_its_site_what_the_least_load_takes_beside_the_others() -> None:
    fleet = [device("a", "S"), device("b", "S", standing_w=30)]
    alone = emergencies(order("respond_now", Scope("device", ("a",)), 90))
    tight = msgspec.structs.replace(site("S", 30, export_w=10), load=PowerRange(40, 60))
    found = turn([tight], fleet, alone, NOW)
    assert powers(found) == [35, 15], "50 W, of which the plan of the other has 15 W"
    assert found.unanswered_w == {1: 55}
    held = emergencies(order("hold", Scope("device", ("b",))), order("respond_now", None, 90))
    found = turn([tight], fleet, held, NOW)
    assert powers(found) == [20, 30], "50 W, of which the other holds 30 W"
    into = emergencies(order("respond_now", None, -90))
    far = msgspec.structs.replace(tight, import_w=100)
    assert sum(powers(turn([far], fleet, into, NOW))) == -40, "60 W may be drawn by others"


def test_a_response_where_nobody_knows_the_load_is_what_stands() -> None:
    fleet = [device("a", "S", standing_w=20), device("b", "S"), device("c", "T")]
    sites = [site("S", None, load_w=None), site("T", None, load_w=15, export_w=0)]
    found = turn(sites, fleet, emergencies(order("respond_now", None, 90)), NOW)
    assert powers(found) == [20, 0, 15]
    assert found.unanswered_w == {1: 55}
    assert powers(turn(sites, fleet, emergencies(order("respond_now", None, -90)), NOW)) == [0, 0, -90]


def test_a_load_that_is_hardly_known_moves_a_site_as_little_as_can_be() -> None:
    wide = msgspec.structs.replace(site("S", 50, import_w=0, export_w=0), load=PowerRange(-20, 30))
    assert powers(turn([wide], [device("a", "S")], Emergencies(), NOW)) == [0]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[TurnSite], list[TurnDevice], Emergencies]:
    names = ["S", "T", "U"][: draw(st.integers(1, 3))]
    powers_w = st.integers(-300, 300)
    sites = [
        TurnSite(
            site=name,
            portfolio=draw(st.sampled_from(["P", "Q"])),
            planned_w=draw(st.none() | st.integers(-400, 400)),
            load=draw(st.none() | st.tuples(powers_w, powers_w).map(lambda w: PowerRange(min(w), max(w)))),
            import_w=draw(st.integers(0, 400)),
            export_w=draw(st.integers(0, 400)),
            band_w=draw(st.integers(0, 150)),
        )
        for name in names
    ]
    devices = [
        TurnDevice(
            device=f"d{n}",
            site=draw(st.sampled_from(names)),
            low_w=draw(st.integers(-200, 0)),
            high_w=draw(st.integers(0, 200)),
            standing_w=draw(st.none() | st.integers(-250, 250)),
            power_w=draw(st.none() | st.integers(-250, 250)),
            lost=draw(st.booleans()),
            in_force=draw(st.booleans()),
            fallback_w=draw(st.none() | st.integers(-250, 250)),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    scopes = st.one_of(
        st.just(Scope("book")),
        st.sampled_from(names).map(lambda name: Scope("site", (name,))),
        st.integers(0, 6).map(lambda n: Scope("device", (f"d{n}",))),
    )
    orders = draw(
        st.lists(
            st.one_of(
                scopes.map(lambda scope: order("stop_all", scope)),
                scopes.map(lambda scope: order("hold", scope)),
                st.builds(lambda s, w: order("limit_export", s, w), scopes, st.integers(0, 300)),
                st.builds(lambda s, w: order("respond_now", s, w), scopes, st.integers(-500, 500)),
            ),
            max_size=3,
        )
    )
    return sites, devices, emergencies(*orders)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(fleets())
def test_no_device_is_told_what_it_cannot_and_nothing_is_lost_unnamed(
    drawn: tuple[list[TurnSite], list[TurnDevice], Emergencies],
) -> None:
    sites, devices, stood = drawn
    found = turn(sites, devices, stood, NOW)
    by_site = {one.site: one for one in sites}
    assert [one.device for one in found.told] == [one.device for one in devices]
    for one, told in zip(devices, found.told, strict=True):
        assert one.low_w <= told.setpoint_w <= one.high_w, "never beyond what it could be told"
        assert told.why == "others_share" or not told.taken_w
        over = stood.standing(one.device, one.site, NOW)
        kinds = {each.order.kind for each in over}
        if one.lost or "stop_all" in kinds:
            assert told.setpoint_w == 0, "a stop is a stop"
        elif "hold" in kinds and "limit_export" not in kinds:
            assert told.setpoint_w == min(max(one.standing_w or 0, one.low_w), one.high_w)
        if "stop_all" in kinds or (kinds & {"hold", "respond_now"}):
            assert told.why == "emergency"
            assert told.emergencies[0] == next(e.number for e in over if e.order.kind != "limit_export")
    if not stood.open and not any(one.lost for one in devices):
        for name, missing in found.missing_w.items():
            here = [
                told.setpoint_w
                for one, told in zip(devices, found.told, strict=True)
                if by_site[one.site].portfolio == name and by_site[one.site].planned_w is not None
            ]
            plans = sum(one.planned_w or 0 for one in sites if one.portfolio == name)
            assert sum(here) + missing == plans, "what is planned is told or named as missing"


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=8), st.integers(-700, 700))
def test_whatever_is_lost_the_sum_is_kept_while_others_can(lost: list[bool], planned_w: int) -> None:
    """Far connections: what is short is exactly what the devices that are left have not got."""
    sites = [site(f"S{n}", planned_w if n == 0 else 0) for n in range(len(lost))]
    fleet = [device(f"d{n}", f"S{n}", lost=gone) for n, gone in enumerate(lost)]
    found = turn(sites, fleet, Emergencies(), NOW)
    room = 100 * lost.count(False)
    expected = max(-room, min(planned_w, room))
    assert sum(powers(found)) == expected
    assert found.missing_w == {"VPP": planned_w - expected}


def test_an_order_that_is_over_holds_nobody() -> None:
    over = EmergencyOrder(kind="hold", scope=Scope("book"), until=NOW)
    found = turn([site("S", 50)], [device("a", "S")], emergencies(over), NOW)
    assert powers(found) == [50]
    found = turn([site("S", 50)], [device("a", "S")], emergencies(over), NOW - timedelta(seconds=1))
    assert powers(found) == [0]

"""What a unit can keep beside what it is bound to: each figure worked out by hand, to the Wh."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, get_args

import msgspec
import pytest

from adapters.desk.binding import award_of, commitment_of, either, scaled
from ledger.exclusivity import policy_file
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import MatrixStream, Policy
from ledger.refusal import Refused
from tests.trading.market_samples import bid, product
from trading.envelope import DayEnvelope, UnitEnvelope
from trading.feasibility import Commitment, Day, check
from trading.product import Direction

EXCLUSIVITY: Final = Path(__file__).parents[2] / "examples/exclusivity"
START: Final = datetime(2026, 9, 2, 16, tzinfo=UTC)
MW: Final = 1_000_000
ENVELOPE: Final = UnitEnvelope(
    discharge_w=2 * MW,
    charge_w=2 * MW,
    stored_wh=1_000_000,
    floor_wh=200_000,
    ceiling_wh=4_000_000,
    charge_ppm=950_000,
    discharge_ppm=950_000,
)
BIDDABLE: Final[tuple[MatrixStream, ...]] = ("spot", "demand_response", "ancillary", "capacity")


def policy(name: str) -> Policy:
    return policy_file.parse((EXCLUSIVITY / f"{name}.toml").read_bytes())


RULES: Final = {name: Conflicts(policy(name)) for name in ("rule_based", "strict")}


def day(slots: int = 96, **changes: object) -> Day:
    limits = msgspec.structs.replace(ENVELOPE, **changes)
    return Day("vpp", date(2026, 9, 3), START, slots, DayEnvelope(limits=limits))


def profile(powers: dict[int, int], count: int = 96) -> tuple[int, ...]:
    return tuple(powers.get(slot, 0) for slot in range(count))


def offer(
    up: dict[int, int] | None = None,
    down: dict[int, int] | None = None,
    *,
    name: str = "b1",
    stream: MatrixStream = "spot",
    path: dict[int, int] | None = None,
    held_s: int | None = None,
) -> Commitment:
    return Commitment(
        bid=name,
        product=f"p-{name}",
        stream=stream,
        up_w=profile(up or {}),
        down_w=profile(down or {}),
        path_w=None if path is None else profile(path),
        held_s=held_s,
    )


def refusal(a_day: Day, newest: Commitment, *before: Commitment, rules: str = "rule_based") -> str:
    """The code of the refusal; nothing when it can be kept."""
    try:
        check(a_day, before, newest, RULES[rules])
    except Refused as refused:
        return refused.code
    return ""


# ------------------------------------------------------------------------------ power


def test_more_than_the_unit_has_is_refused_at_its_quarter_hour() -> None:
    with pytest.raises(Refused, match="2000001 W are offered at 2026-09-02T16:15:00") as refused:
        check(day(), (), offer({1: 2 * MW + 1}), RULES["rule_based"])
    assert (refused.value.code, refused.value.place) == ("power", "up_w")


def test_reduced_availability_holds_for_its_quarter_hours_alone() -> None:
    less = DayEnvelope(limits=ENVELOPE, discharge_w=profile(dict.fromkeys(range(96), 2 * MW) | {40: MW}))
    reduced = msgspec.structs.replace(day(), envelope=less)
    assert refusal(reduced, offer({39: MW + 1}, path={})) == ""
    assert refusal(reduced, offer({40: MW + 1}, path={})) == "power"
    held = offer({40: 600_000}, name="old", stream="ancillary", held_s=0)
    assert refusal(reduced, offer({40: 400_000}, path={}), held) == ""
    assert refusal(reduced, offer({40: 400_001}, path={}), held) == "committed"


def test_what_a_smaller_envelope_does_not_carry_any_more_hinders_only_its_quarter_hours() -> None:
    held = offer({40: 2 * MW, 41: MW}, name="old", path={})
    smaller = day(discharge_w=MW)
    assert refusal(smaller, offer({41: 1}, name="new", path={}), held) == "committed"
    assert refusal(smaller, offer({42: MW}, name="new", path={}), held) == ""


def test_joint_products_bind_their_power_once() -> None:
    """Mileage and capacity of the same 2 MW; a third stream finds the larger of the two."""
    pair = [
        msgspec.structs.replace(offer({8: power}, name=name, stream="ancillary", held_s=900), joint="m")
        for name, power in (("mileage", 2 * MW), ("capacity", MW))
    ]
    assert refusal(day(), pair[1], pair[0]) == ""
    assert refusal(day(), pair[0], pair[1]) == ""
    assert refusal(day(), msgspec.structs.replace(pair[1], joint=None), pair[0]) == "committed"
    assert refusal(day(), msgspec.structs.replace(pair[1], of="drp"), pair[0]) == "committed", "its own power"
    assert refusal(day(), offer({8: 1}, stream="ancillary", held_s=0), *pair) == "committed"
    assert refusal(day(), pair[0], offer({8: 1}, stream="ancillary", held_s=0), pair[1]) == "committed"
    small = [msgspec.structs.replace(one, up_w=profile({8: MW})) for one in pair]
    assert refusal(day(), offer({8: MW}, stream="ancillary", held_s=0), *small) == ""


def test_joint_products_hold_their_energy_once() -> None:
    """0.8 MWh above the floor: 1.52 MW for half an hour, once."""
    pair = [
        msgspec.structs.replace(offer({8: 1_500_000}, name=name, stream="ancillary", held_s=1800), joint="m")
        for name in ("mileage", "capacity")
    ]
    assert refusal(day(), pair[1], pair[0]) == ""
    assert refusal(day(), msgspec.structs.replace(pair[1], joint=None), pair[0]) in (
        "committed",
        "stored_energy",
    )


# ------------------------------------------------------------------------------ exclusivity

PAIRS: Final = [(one, two) for n, one in enumerate(BIDDABLE) for two in BIDDABLE[n + 1 :]]


@pytest.mark.parametrize(("first", "second"), [*PAIRS, *((two, one) for one, two in PAIRS)])
def test_by_the_rules_of_the_trade(first: MatrixStream, second: MatrixStream) -> None:
    """Capacity stacks with each; spot and response exclude each other; what is left divides the power."""
    old, half = offer({8: MW}, name="old", stream=first, held_s=0), {8: MW}
    stacks = "capacity" in (first, second)
    excludes = {first, second} == {"spot", "demand_response"}
    same = refusal(day(), offer(half, stream=second, held_s=0), old)
    more = refusal(day(), offer({8: MW + 1}, stream=second, held_s=0), old)
    other_way = refusal(day(), offer(None, {8: 2 * MW}, stream=second, held_s=0), old)
    elsewhere = refusal(day(), offer({9: 2 * MW}, stream=second, held_s=0), old)
    assert (same, more, other_way, elsewhere) == (
        "exclusive_stream" if excludes else "",
        "exclusive_stream" if excludes else "" if stacks else "committed",
        "exclusive_stream" if excludes else "",
        "",
    )


@pytest.mark.parametrize(("first", "second"), [*PAIRS, *((two, one) for one, two in PAIRS)])
def test_strictly_one_stream_an_interval(first: MatrixStream, second: MatrixStream) -> None:
    old = offer({8: 1}, name="old", stream=first, held_s=0)
    assert refusal(day(), offer({8: 1}, stream=second, held_s=0), old, rules="strict") == "exclusive_stream"
    assert refusal(day(), offer(None, {8: 1}, stream=second, held_s=0), old, rules="strict") == (
        "exclusive_stream"
    )
    assert refusal(day(), offer({9: 1}, stream=second, held_s=0), old, rules="strict") == ""


@pytest.mark.parametrize("stream", BIDDABLE)
def test_two_bids_of_one_stream_divide_the_power(stream: MatrixStream) -> None:
    old = offer({8: MW}, name="old", stream=stream, held_s=0)
    for rules in RULES:
        assert refusal(day(), offer({8: MW}, stream=stream, held_s=0), old, rules=rules) == ""
        assert refusal(day(), offer({8: MW + 1}, stream=stream, held_s=0), old, rules=rules) == "committed"


def test_three_streams_share_what_there_is() -> None:
    spot = offer({8: MW}, {8: MW}, name="s", path={8: 0})
    regulation = offer({8: MW}, {8: MW}, name="r", stream="ancillary", held_s=0)
    assert refusal(day(), regulation, spot) == ""
    assert refusal(day(), offer({8: 1}, name="x", path={}), spot, regulation) == "committed"
    assert refusal(day(), offer({8: 2 * MW}, name="c", stream="capacity", held_s=0), spot, regulation) == ""


# ------------------------------------------------------------------------------ ramp


def test_a_ramp_is_the_watts_of_a_minute() -> None:
    """10 kW a minute are 150 kW from one quarter-hour to the next."""
    slow = day(ramp_w_per_min=10_000)
    rising = {8: 150_000, 9: 300_000, 10: 150_000}
    assert refusal(slow, offer(rising, path=rising)) == ""
    steep = {8: 150_000, 9: 300_001, 10: 150_001}
    assert refusal(slow, offer(steep, path=steep)) == "ramp"


def test_ramps_of_all_paths_add_up() -> None:
    slow, path = day(ramp_w_per_min=10_000), {8: 100_000}
    held = offer(path, name="old", path=path)
    assert refusal(slow, offer({8: 50_000}, path={8: 50_000}), held) == ""
    assert refusal(slow, offer({8: 50_001}, path={8: 50_001}), held) == "ramp"


def test_a_ramp_within_a_quarter_hour_counts() -> None:
    """10 kW a minute are 50 kW in five minutes; the quarter-hours' means stay at 50 kW throughout."""
    five = product(interval_s=300)
    plan = [0] * 288
    plan[24:27] = [50_000, 50_000, 50_000]
    curves = tuple(((-100_000, 100_000, 0),) for _ in range(288))
    fits = commitment_of(bid(curves, schedule_w=tuple(plan)), five)
    plan[24:27] = [0, 100_000, 50_000]
    jumps = commitment_of(bid(curves, schedule_w=tuple(plan)), five)
    slow = day(ramp_w_per_min=10_000)
    assert refusal(slow, fits) == ""
    assert refusal(slow, jumps) == "ramp"


# ------------------------------------------------------------------------------ stored energy


def test_discharging_needs_what_it_loses() -> None:
    """Three quarter-hours of 760 kW: 3 x 190 kWh / 0.95 = 600 kWh, from 800 kWh to exactly 200 kWh."""
    path = {72: 760_000, 73: 760_000, 74: 760_000}
    assert refusal(day(stored_wh=800_000), offer(path, path=path)) == ""
    assert refusal(day(stored_wh=799_999), offer(path, path=path)) == "stored_energy"


def test_charging_stores_what_is_left_of_it() -> None:
    """Four quarter-hours of 1 MW store 4 x 250 kWh x 0.95 = 950 kWh."""
    path = dict.fromkeys((8, 9, 10, 11), -MW)
    bought = offer(None, dict.fromkeys(path, MW), path=path)
    assert refusal(day(ceiling_wh=1_950_000), bought) == ""
    assert refusal(day(ceiling_wh=1_949_999), bought) == "stored_energy"


def test_what_was_charged_before_is_there() -> None:
    """800 kWh above the floor carry 3 quarter-hours of 1 MW (789.5 kWh); 237.5 kWh more, the fourth."""
    sold = dict.fromkeys((72, 73, 74, 75), MW)
    assert refusal(day(), offer(sold, path=sold)) == "stored_energy"
    with_charge = sold | {8: -MW, 9: -MW}
    assert refusal(day(), offer(sold, {8: MW, 9: MW}, path=with_charge)) == ""


def test_power_held_ready_needs_its_energy_beside_the_path() -> None:
    """1 MW for 15 minutes is 250 kWh / 0.95 = 263,157.9 Wh above the floor."""
    held = offer({8: MW}, {8: MW}, stream="ancillary", held_s=900)
    assert refusal(day(floor_wh=736_842), held) == ""
    assert refusal(day(floor_wh=736_843), held) == "stored_energy"
    path = {4: 380_000}  # 95 kWh / 0.95 = 100 kWh, before the reserve is called
    assert refusal(day(floor_wh=636_842), held, offer(path, name="old", path=path)) == ""
    assert refusal(day(floor_wh=636_843), held, offer(path, name="old", path=path)) == "stored_energy"
    assert refusal(day(floor_wh=0, ceiling_wh=1_237_500), held) == ""
    assert refusal(day(floor_wh=0, ceiling_wh=1_237_499), held) == "stored_energy"


def test_power_that_is_not_held_for_a_time_needs_no_energy() -> None:
    ready = commitment_of(
        bid((((0, MW, 1),),) * 96),
        product(kind="capacity", price_unit="MW", energy_check="none", sustain_min=0),
    )
    assert ready.reserves
    assert refusal(day(stored_wh=200_000), ready) == ""


def test_without_a_path_both_extremes_must_fit() -> None:
    """All sold: 250 kWh / 0.95 from 263 kWh; all bought: 237.5 kWh into 237.5 kWh."""
    both = offer({8: MW}, {8: MW})
    assert refusal(day(floor_wh=736_842, ceiling_wh=1_237_500), both) == ""
    assert refusal(day(floor_wh=736_843, ceiling_wh=1_237_500), both) == "stored_energy"
    assert refusal(day(floor_wh=736_842, ceiling_wh=1_237_499), both) == "stored_energy"
    assert refusal(day(floor_wh=1_000_000, ceiling_wh=1_000_000), offer({8: MW}, {8: MW}, path={})) == ""


def test_losses_within_a_quarter_hour_count() -> None:
    """5 minutes of 3 MW each way: + 250 x 0.95 - 250 / 0.95 kWh = -25,657.9 Wh, though the mean is 0 W."""
    five = product(interval_s=300)
    plan = [0] * 288
    plan[24:27] = [-3 * MW, 0, 3 * MW]
    back_and_forth = commitment_of(
        bid(tuple(((-3 * MW, 3 * MW, 0),) for _ in range(288)), schedule_w=tuple(plan)), five
    )
    strong = {"discharge_w": 3 * MW, "charge_w": 3 * MW, "ceiling_wh": 4_000_000}
    assert refusal(day(floor_wh=974_342, **strong), back_and_forth) == ""
    assert refusal(day(floor_wh=974_343, **strong), back_and_forth) == "stored_energy"


def test_products_of_all_intervals_stand_on_one_grid() -> None:
    hourly = commitment_of(
        bid((((-MW, MW, 0),),) * 24, schedule_w=(MW,) + (0,) * 23), product(interval_s=3600)
    )
    quarter = commitment_of(bid((((-MW, 0, 0),),) * 96, schedule_w=(-MW, *(0,) * 95)), product())
    five = commitment_of(
        bid((((0, MW // 2, 0),),) * 288, schedule_w=(MW // 2, *(0,) * 287)), product(interval_s=300)
    )
    assert (hourly.up_w, quarter.down_w) == ((MW,) * 96, (MW,) * 96)
    assert five.up_w == (MW // 2,) * 96
    assert hourly.path_w is not None
    assert hourly.path_w[:5] == (MW, MW, MW, MW, 0)
    # hourly and quarter-hourly together: 3 x 250 kWh / 0.95 = 789,473.7 Wh of 800,000 Wh above the floor;
    assert refusal(day(floor_wh=210_526), quarter, hourly) == ""
    assert refusal(day(floor_wh=210_527), quarter, hourly) == "stored_energy"
    # the first five minutes discharge 0.5 MW as well: 750 + 41.7 kWh, / 0.95 = 833,333.3 Wh
    assert refusal(day(floor_wh=166_666), five, hourly, quarter) == ""
    assert refusal(day(floor_wh=166_667), five, hourly, quarter) == "stored_energy"


@pytest.mark.parametrize(("slots", "hours"), [(92, 23), (100, 25)])
def test_days_of_the_clock_change(slots: int, hours: int) -> None:
    hourly = commitment_of(bid((((0, MW, 0),),) * hours, schedule_w=(0,) * hours), product(interval_s=3600))
    assert len(hourly.up_w) == slots
    five = commitment_of(
        bid((((0, MW, 0),),) * (hours * 12), schedule_w=(0,) * hours * 12), product(interval_s=300)
    )
    assert refusal(day(slots), hourly, five) == ""
    assert refusal(day(slots), msgspec.structs.replace(hourly, up_w=(MW + 1,) * slots), five) == "committed"


# ------------------------------------------------------------------------------ what a bid binds


@pytest.mark.parametrize("direction", get_args(Direction))
def test_regulation_binds_the_directions_it_is_offered_in(direction: Direction) -> None:
    """Raise and lower are products of their own: one of them does not take the other's power."""
    lower, upper = {"discharge": (0, MW), "charge": (-MW, 0), "both": (0, MW)}[direction]
    terms = product(
        kind="regulation_capacity",
        price_unit="MW.h",
        direction=direction,
        energy_check="none",
        sustain_min=5,
    )
    found = commitment_of(bid((((lower, upper, 1),),) * 96), terms)
    wanted = {"discharge": (MW, 0), "charge": (0, MW), "both": (MW, MW)}[direction]
    assert (found.up_w[0], found.down_w[0], found.held_s) == (*wanted, 300)


def test_of_two_revisions_on_their_way_each_path_must_fit() -> None:
    """Selling early or selling late: what another bid needs must be there with both."""
    early, late = {8: MW}, {80: MW}
    old, new = offer(early, path=early), offer(late, path=late)
    both = either([new, old])
    assert (both.up_w[8], both.up_w[80], both.paths_w) == (MW, MW, (profile(late), profile(early)))
    sold = offer(dict.fromkeys((40, 41), MW), name="x", stream="demand_response")
    # 526,315.8 Wh at noon and 263,157.9 Wh for one of the revisions
    assert refusal(day(floor_wh=210_526), sold, both) == ""
    assert refusal(day(floor_wh=210_527), sold, both) == "stored_energy"
    # charged at midnight by the new revision only: the old one would leave nothing for the noon
    charging = offer(None, {0: MW}, path={0: -MW})
    empty = day(stored_wh=200_000)
    noon = offer({40: 500_000}, name="x", stream="demand_response")
    assert refusal(empty, noon, charging) == ""
    assert refusal(empty, noon, either([charging, offer(path={})])) == "stored_energy"


def test_a_revision_without_a_path_makes_extremes_of_both() -> None:
    found = either([offer({8: MW}, path={8: MW}), offer({9: MW}, {9: MW})])
    assert (found.path_w, found.up_w[8], found.up_w[9], found.down_w[9]) == (None, MW, MW, MW)


def test_many_ways_are_looked_at_as_extremes() -> None:
    """Seven bids of two paths have 128 outcomes: all sold must fit then, 7 x 10 kW for 15 minutes."""
    held = [
        either([offer({n: 10_000}, name=f"n{n}", path={n: 10_000}), offer(name=f"n{n}", path={})])
        for n in range(7)
    ]
    newest = offer({40: 1}, name="x", path={})
    # 7 x 2,500 Wh / 0.95 = 18,421.05 Wh
    assert refusal(day(floor_wh=981_578), newest, *held) == ""
    assert refusal(day(floor_wh=981_579), newest, *held) == "stored_energy"


def test_a_part_on_shared_sites_is_rounded_up() -> None:
    both = either([offer({8: 1001}, path={8: 1001}), offer({9: 3}, path={9: 3})])
    part = scaled(both, "vpp", 1, 2)
    assert (part.up_w[8], part.up_w[9], part.of) == (501, 2, "vpp")
    assert [path[8] for path in part.paths_w] == [501, 0]


def test_an_award_is_a_path_whatever_the_product_checks() -> None:
    found = award_of(bid((((-MW, MW, 0),),) * 96), product(energy_check="extremes"), (-5, *(7,) * 95))
    assert (found.up_w[:2], found.down_w[:2], found.awarded) == ((0, 7), (5, 0), True)
    assert found.path_w is not None
    assert found.path_w[:2] == (-5, 7)

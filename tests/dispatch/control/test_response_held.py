"""What a held device goes on giving counts toward a response; nobody is reversed for what is too much."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatch.control.emergency import Emergencies, Scope
from dispatch.control.fleet_turn import Held, turn
from tests.dispatch.control.test_fleet_turn import NOW, device, emergencies, order, powers, site

SITES = [site("S", 50), site("T", 60)]
HOLD_S = order("hold", Scope("site", ("S",)))


@pytest.mark.parametrize(
    ("power_w", "standing_w", "told", "unanswered_w", "surplus_w"),
    [
        (100, 50, [50, 50], 0, 0),
        (200, 50, [50, 100], 50, 0),
        (100, 80, [80, 20], 0, 0),
        (60, 80, [80, 0], 0, 20),
        (0, 80, [80, 0], 0, 80),
        (-60, -80, [-80, 0], 0, -20),
        (50, -30, [-30, 80], 0, 0),
        (-50, 30, [30, -80], 0, 0),
    ],
)
def test_the_others_give_the_rest(
    power_w: int, standing_w: int, told: list[int], unanswered_w: int, surplus_w: int
) -> None:
    fleet = [device("a", "S", standing_w=standing_w), device("b", "T", standing_w=50)]
    found = turn(SITES, fleet, emergencies(order("respond_now", None, power_w), HOLD_S), NOW)
    assert powers(found) == told
    assert found.unanswered_w == {1: unanswered_w}
    gives = ("a",) if standing_w * (power_w or standing_w) > 0 else ()
    assert found.held == {1: Held(gives, surplus_w)}


def test_of_two_responses_what_is_held_counts_toward_the_newest_that_is_for_it() -> None:
    fleet = [device("a", "S", standing_w=50), device("b", "T")]
    both = [order("respond_now", None, 100), order("respond_now", Scope("site", ("S", "T")), 70), HOLD_S]
    found = turn(SITES, fleet, emergencies(*both), NOW)
    assert powers(found) == [50, 20], "the newest holds, as it does for all others"
    assert found.held == {2: Held(("a",))}
    apart = [order("respond_now", None, 100), order("respond_now", Scope("site", ("T",)), 70), HOLD_S]
    found = turn(SITES, fleet, emergencies(*apart), NOW)
    assert powers(found) == [50, 70]
    assert found.unanswered_w == {1: 50, 2: 0}


def test_what_is_stopped_lost_or_no_part_of_a_response_counts_nothing() -> None:
    fleet = [device("a", "S", standing_w=50), device("b", "T")]
    respond = order("respond_now", None, 100)
    stopped = emergencies(respond, HOLD_S, order("stop_all", Scope("site", ("S",))))
    assert powers(turn(SITES, fleet, stopped, NOW)) == [0, 100]
    lost = [msgspec.structs.replace(fleet[0], lost=True), fleet[1]]
    assert powers(turn(SITES, lost, emergencies(respond, HOLD_S), NOW)) == [0, 100]
    alone = emergencies(order("respond_now", Scope("site", ("T",)), 100), HOLD_S)
    found = turn(SITES, fleet, alone, NOW)
    assert (powers(found), found.held) == ([50, 100], {})
    over = msgspec.structs.replace(HOLD_S, until=NOW + timedelta(seconds=1))
    found = turn(SITES, fleet, emergencies(respond, over), NOW + timedelta(seconds=1))
    assert (powers(found), found.held) == ([50, 50], {})


def test_a_held_device_counts_no_more_than_it_can_or_may() -> None:
    fleet = [device("a", "S", 40, standing_w=50), device("b", "T")]
    orders = [order("respond_now", None, 100), HOLD_S]
    assert powers(turn(SITES, fleet, emergencies(*orders), NOW)) == [40, 60]
    limit = order("limit_export", Scope("site", ("S",)), 10)
    fleet = [device("a", "S", standing_w=50), device("b", "T")]
    assert powers(turn(SITES, fleet, emergencies(*orders, limit), NOW)) == [10, 90]
    unknown = [site("S", 50, load_w=None), SITES[1]]
    assert powers(turn(unknown, fleet, emergencies(*orders, limit), NOW)) == [0, 100]


def test_an_export_limit_that_keeps_a_site_from_its_plan_is_named() -> None:
    fleet = [device("a", "S"), device("b", "T", 60)]
    limit = order("limit_export", Scope("site", ("S",)), 29)
    found = turn(SITES, fleet, emergencies(limit), NOW)
    assert (powers(found), found.missing_w) == ([29, 60], {"VPP": 21})
    assert found.limited == {"VPP": (1,)}
    far = msgspec.structs.replace(limit, power_w=50)
    assert turn(SITES, fleet, emergencies(far), NOW).limited == {"VPP": ()}
    assert turn(SITES, fleet, Emergencies(), NOW).limited == {}

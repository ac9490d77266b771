"""A target shared by headroom within ramp and groups: whole, as much as is possible, and quickly."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.reallocation import Capabilities, GroupLimit, Whole, proportional, share_out
from ledger.refusal import Refused

WIDE = 10**6


def fleet(*rows: tuple[int, int, int, int, int, int]) -> Capabilities:
    """Rows of present, low, high, ramp, feeder, industry."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    return Capabilities(
        device=tuple(f"d{n}" for n in range(len(rows))),
        present_w=columns[0],
        low_w=columns[1],
        high_w=columns[2],
        ramp_w=columns[3],
        feeder=columns[4],
        industry=columns[5],
    )


def plain(*highs: int, present: int = 0) -> Capabilities:
    return fleet(*((present, -WIDE, high, WIDE, -1, -1) for high in highs))


def test_what_is_short_is_shared_by_headroom() -> None:
    assert share_out(60, plain(10, 20, 30)).setpoint_w.tolist() == [10, 20, 30]
    assert share_out(30, plain(10, 20, 30)).setpoint_w.tolist() == [5, 10, 15]
    over = share_out(100, plain(10, 20, 30))
    assert (over.setpoint_w.tolist(), over.missing_w) == ([10, 20, 30], 40)


def test_the_others_make_up_for_a_lost_device() -> None:
    lost = fleet((50, 0, 0, 5, -1, -1), (50, -100, 100, 20, -1, -1), (50, -100, 100, 20, -1, -1))
    told = share_out(150, lost)
    assert (told.setpoint_w.tolist(), told.missing_w) == ([0, 70, 70], 10), "ramp holds back, limits do not"


def test_groups_limit_and_are_brought_back() -> None:
    two = fleet((50, 0, 100, 100, 0, -1), (50, 0, 100, 100, 0, -1), (0, 0, 100, 100, 1, -1))
    told = share_out(100, two, [GroupLimit(0, 60), GroupLimit(0, 200)])
    assert (told.setpoint_w.tolist(), told.missing_w, told.feeders_broken) == ([30, 30, 40], 0, ())
    stuck = fleet((50, 0, 100, 10, 0, -1), (50, 0, 100, 10, 0, -1))
    told = share_out(0, stuck, [GroupLimit(0, 60)])
    assert (told.setpoint_w.tolist(), told.missing_w, told.feeders_broken) == ([40, 40], -80, (0,))


def test_where_feeders_and_industries_cross_nothing_is_left_out() -> None:
    """Shared by headroom alone, the first device would use up feeder 0 and industry 0, which others need."""
    cross = fleet((0, 0, 100, 100, 0, 0), (0, 0, 100, 100, 0, 1), (0, 0, 100, 100, 1, 0))
    told = share_out(200, cross, [GroupLimit(0, 100)] * 2, [GroupLimit(0, 100)] * 2)
    assert (told.setpoint_w.tolist(), told.missing_w) == ([0, 100, 100], 0)


def test_what_is_no_fleet() -> None:
    for make, code in (
        (lambda: fleet((0, 5, 4, 0, -1, -1)), "fleet_shape"),
        (lambda: fleet((0, 0, 2**31, 0, -1, -1)), "fleet_power"),
        (lambda: fleet((0, 0, 1, -1, -1, -1)), "negative"),
        (lambda: share_out(2**31, plain(1)), "fleet_power"),
        (lambda: share_out(1, fleet((0, 0, 1, 1, 0, -1))), "group_unknown"),
        (lambda: GroupLimit(1, 0), "group_limit"),
    ):
        with pytest.raises(Refused) as refused:
            make()
        assert refused.value.code == code
    assert share_out(7, fleet()).missing_w == 7


GROUPS = st.lists(
    st.tuples(st.integers(-60, 0), st.integers(0, 60)).map(lambda pair: GroupLimit(*pair)),
    min_size=1,
    max_size=3,
)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[int, Capabilities, list[GroupLimit], list[GroupLimit]]:
    feeders, industries = draw(GROUPS), draw(GROUPS)
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        low = draw(st.integers(-40, 40))
        high = draw(st.integers(low, 60))
        row = (
            draw(st.integers(-40, 40)),
            low,
            high,
            draw(st.integers(0, 60)),
            draw(st.integers(-1, len(feeders) - 1)),
            draw(st.integers(-1, len(industries) - 1)),
        )
        rows.append(row)
    return draw(st.integers(-200, 200)), fleet(*rows), feeders, industries


def sums(of: Whole, count: int, values: Whole) -> list[int]:
    return [int(values[of == group].sum()) for group in range(count)]


@given(fleets())
@settings(derandomize=True, max_examples=150, deadline=None, database=None)
def test_no_limit_is_broken_that_can_be_kept_and_as_much_is_given_as_there_is(
    drawn: tuple[int, Capabilities, list[GroupLimit], list[GroupLimit]],
) -> None:
    """Against the smallest cut: "the largest flow is the smallest cut" (Ford and Fulkerson, 1956)."""
    target, one, feeders, industries = drawn
    told = share_out(target, one, feeders, industries)
    got = told.setpoint_w
    low = np.clip(one.present_w - one.ramp_w, one.low_w, one.high_w)
    high = np.clip(one.present_w + one.ramp_w, one.low_w, one.high_w)
    assert (low <= got).all()
    assert (got <= high).all()
    assert told.missing_w == target - int(got.sum())
    for of, limits, broken in (
        (one.feeder, feeders, told.feeders_broken),
        (one.industry, industries, told.industries_broken),
    ):
        out = [
            not lim.low_w <= s <= lim.high_w
            for s, lim in zip(sums(of, len(limits), got), limits, strict=True)
        ]
        assert tuple(np.flatnonzero(out).tolist()) == broken
    start = np.clip(one.present_w, low, high)
    inside = all(
        lim.low_w <= s <= lim.high_w
        for of, limits in ((one.feeder, feeders), (one.industry, industries))
        for s, lim in zip(sums(of, len(limits), start), limits, strict=True)
    )
    if not inside:
        return
    assert not told.feeders_broken
    assert not told.industries_broken
    sign = 1 if target >= int(start.sum()) else -1
    room = high - start if sign > 0 else start - low
    rooms = [
        [
            lim.high_w - s if sign > 0 else s - lim.low_w
            for s, lim in zip(sums(of, len(lims), start), lims, strict=True)
        ]
        for of, lims in ((one.feeder, feeders), (one.industry, industries))
    ]
    moved = (int(got.sum()) - int(start.sum())) * sign
    assert moved == min(abs(target - int(start.sum())), smallest_cut(room, one, rooms))


def smallest_cut(room: Whole, one: Capabilities, rooms: list[list[int]]) -> int:
    """Cut some feeders, some industries, and each device that neither of them cuts off."""
    found = []
    for feeders in subsets(len(rooms[0])):
        for industries in subsets(len(rooms[1])):
            cut_off = np.isin(one.feeder, feeders) | np.isin(one.industry, industries)
            groups = sum(rooms[0][n] for n in feeders) + sum(rooms[1][n] for n in industries)
            found.append(groups + int(room[~cut_off].sum()))
    return min(found)


def subsets(count: int) -> list[tuple[int, ...]]:
    return [some for size in range(count + 1) for some in itertools.combinations(range(count), size)]


@given(total=st.integers(0, 10**9), heads=st.lists(st.integers(0, 2 * 10**8), min_size=1, max_size=8))
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_shares_are_whole_add_up_and_are_within_one_of_proportion(total: int, heads: list[int]) -> None:
    one = np.zeros(len(heads), dtype=np.int64)
    got = proportional(np.array([total]), np.array(heads, dtype=np.int64), one).tolist()
    whole = sum(heads)
    assert sum(got) == min(total, whole)
    for share, head in zip(got, heads, strict=True):
        assert 0 <= share <= head
        assert total >= whole or abs(share * whole - total * head) < whole


def test_five_hundred_devices_in_less_than_twenty_ms() -> None:
    rng = np.random.default_rng(7)
    count = 500
    big = Capabilities(
        device=tuple(f"d{n}" for n in range(count)),
        present_w=rng.integers(-500_000, 500_000, count),
        low_w=np.full(count, -500_000),
        high_w=np.where(rng.random(count) < 0.1, 0, 500_000),
        ramp_w=np.full(count, 300_000),
        feeder=rng.integers(-1, 40, count),
        industry=rng.integers(-1, 12, count),
    )
    feeders = [GroupLimit(-3_000_000, 2_500_000)] * 40
    industries = [GroupLimit(-20_000_000, 6_000_000)] * 12
    for target in (60_000_000, 200_000_000, -100_000_000):
        took = []
        for _ in range(5):
            begun = time.thread_time()
            share_out(target, big, feeders, industries)
            took.append(time.thread_time() - begun)
        assert min(took) < 0.020, f"{target}: {took}"

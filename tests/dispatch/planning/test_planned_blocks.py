"""Regulation by the market's blocks is told of each of the plan's intervals (DOMAIN.md 3.6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.planning.plan_record import PlanHead, SitePlanned
from dispatch.planning.planned_blocks import by_interval
from ledger.refusal import Refused

MIDNIGHT = datetime(2026, 8, 19, 16, tzinfo=UTC)
"""Of 20 August in Shanghai."""


def head(count: int, start: datetime = MIDNIGHT, **given: Any) -> PlanHead:
    return PlanHead(
        portfolio="vpp", day=date(2026, 8, 20), start=start, interval_s=900, count=count, trigger="asked",
        inputs="", basis="hold", reason="", objective="cost", objective_micro=None, bound_micro=None,
        gap_ppm=None, solver_ms=0, **given,
    )  # fmt: skip


def spread(of: PlanHead, blocks_w: tuple[int, ...]) -> tuple[int, ...]:
    none = (0,) * of.count
    (site,) = by_interval(
        of, [SitePlanned(site="S1", setpoint_w=none, stored_wh=none, regulation_w=blocks_w)]
    )
    return site.regulation_w


@given(st.sampled_from((1, 2, 4, 16)), st.integers(0, 95))
def test_blocks_of_an_event_that_does_not_say_them_are_found(length: int, over: int) -> None:
    """A day's plan from any of its quarter-hours on, of blocks of 15 minutes to 4 hours."""
    begins, count = MIDNIGHT + timedelta(seconds=900 * over), 96 - over
    wanted = tuple(1000 * ((over + at) // length) for at in range(count))
    blocks_w = tuple(1000 * one for one in range(over // length, 96 // length))
    assert spread(head(count, begins), blocks_w) == wanted


def test_a_plan_that_ends_within_a_block_begins_with_the_clock() -> None:
    """From 02:30 until 02:30 the next day: 25 hours have a part in it."""
    found = spread(head(96, MIDNIGHT + timedelta(hours=2, minutes=30)), tuple(range(25)))
    assert found == (0, 0, *(hour for hour in range(1, 24) for _ in range(4)), 24, 24)


def test_blocks_are_those_that_the_plan_says() -> None:
    said = head(6, regulation_w=(7, 8, 9), regulation_from=(0, 1, 5))
    assert spread(said, (1, 2, 3)) == (1, 2, 2, 2, 2, 3)
    assert spread(said, ()) == ()


@pytest.mark.parametrize("begins", [(0, 1), (1, 2, 3), (0, 2, 2), (0, 2, 1), (0, 1, 6)])
def test_blocks_that_cannot_be_are_refused(begins: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="regulation_from") as refused:
        head(6, regulation_w=(1, 2, 3), regulation_from=begins)
    assert refused.value.code == "plan_shape"


def test_what_cannot_be_told_is_not_guessed() -> None:
    for of, blocks_w in ((head(6), (1, 2, 3, 4, 5)), (head(6, MIDNIGHT), (1,) * 7)):
        with pytest.raises(Refused, match="not on record") as refused:
            spread(of, blocks_w)
        assert refused.value.code == "plan_shape"
    with pytest.raises(Refused, match="2 numbers of S1 for 3 blocks"):
        spread(head(6, regulation_w=(7, 8, 9), regulation_from=(0, 1, 5)), (1, 2))
    with pytest.raises(Refused, match="5 setpoints of S1 for 6 intervals"):
        by_interval(head(6), [SitePlanned(site="S1", setpoint_w=(0,) * 5, stored_wh=())])

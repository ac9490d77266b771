"""What a site draws behind its storage, while one reading of its meter after the other comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.site_load import PowerRange, credible, held
from ledger.refusal import Refused

NOISE_W, MARGIN_W = 20, 100


@given(load_w=st.integers(-(10**6), 10**6), noise=st.lists(st.integers(-NOISE_W, NOISE_W), min_size=1))
@settings(derandomize=True, max_examples=60, deadline=None, database=None)
def test_one_constant_load_with_small_errors_is_one_range(load_w: int, noise: list[int]) -> None:
    seen = [PowerRange(load_w + off, load_w + off) for off in noise]
    first = before = held(None, seen[0], MARGIN_W)
    for number in range(len(seen)):
        found = credible(seen[max(number - 2, 0) : number + 1], MARGIN_W)
        assert found is not None
        before = held(before, found, MARGIN_W)
    assert before == first
    assert before.low_w <= load_w <= before.high_w


@given(
    ranges=st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 300)), min_size=1, max_size=8),
)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_what_was_found_always_lies_within_what_is_gone_by(ranges: list[tuple[int, int]]) -> None:
    before: PowerRange | None = None
    for low_w, width in ranges:
        found = PowerRange(low_w, low_w + width)
        before = held(before, found, MARGIN_W)
        assert before.low_w <= found.low_w
        assert before.high_w >= found.high_w
        assert found.low_w - before.low_w <= 2 * MARGIN_W, "and not far within"
        assert before.high_w - found.high_w <= 2 * MARGIN_W


def test_a_wide_range_counts_where_nothing_narrow_agrees_with_it() -> None:
    assert credible([], 0) is None
    wide = PowerRange(-50, 90)
    assert credible([wide, PowerRange(0, 80)], 0) == wide
    assert credible([wide, PowerRange(95, 100)], 5) == PowerRange(95, 100)
    assert credible([wide, PowerRange(96, 100)], 5) == PowerRange(-50, 100)
    with pytest.raises(Refused) as refused:
        PowerRange(1, 0)
    assert (refused.value.code, refused.value.place) == ("power_range", "low_w")

"""A lost site's part is made up for by the others, as far as power, groups and stored energy go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.reallocation import GroupLimit
from dispatch.plan_check import Markets, SiteLimits, check_site
from dispatch.planning.following import follow
from dispatch.redispatch.lost_site import CommittedSite, reallocated
from ledger.refusal import Refused
from tests.dispatch.planning.test_following import limits

COUNT = 8


def site(
    name: str, path: list[int], *, lost: bool = False, feeder: int = -1, **given: object
) -> CommittedSite:
    fields: dict[str, object] = {"export_w_max": np.full(COUNT, 10**6), "id": name}
    found: SiteLimits = limits(COUNT, **(fields | given))
    return CommittedSite(limits=found, path_w=np.array(path), lost=lost, feeder=feeder)


def test_by_headroom_by_hand() -> None:
    """60 kW are lost; of 100 kW the others give 40 and 80 already: 60 and 20 of headroom, three to one."""
    path = [0, 0, 1, 0, 0, 0, 0, 0]
    sites = [
        site("a", [60_000 * one for one in path], lost=True),
        site("b", [40_000 * one for one in path]),
        site("c", [80_000 * one for one in path]),
    ]
    done = reallocated(sites)
    assert [own[2] for own in done.path_w] == [0, 85_000, 95_000]
    assert not done.missing_w.any()
    limited = [sites[0], site("b", [40_000 * one for one in path], feeder=0), sites[2]]
    done = reallocated(limited, feeders=(GroupLimit(-(10**6), 50_000),))
    assert [own[2] for own in done.path_w] == [0, 50_000, 100_000]
    assert done.missing_w.tolist() == [0, 0, 30_000, 0, 0, 0, 0, 0]


def test_what_its_own_part_needs_later_is_kept() -> None:
    """80 kWh above the floor give 75.2 kWh: three quarter-hours of its own 100 kW, and 0.2 kWh for others."""
    own = [0, 0, 0, 0, 0, 100_000, 100_000, 100_000]
    done = reallocated([site("a", [50_000] + [0] * 7, lost=True), site("b", own)])
    assert done.path_w[1][0] <= 800
    assert done.path_w[1][5:].tolist() == own[5:]
    assert done.missing_w[0] == 50_000 - done.path_w[1][0]


POWERS = st.lists(st.integers(-100_000, 100_000), min_size=COUNT, max_size=COUNT)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(paths=st.lists(POWERS, min_size=2, max_size=5), lost=st.integers(0, 4))
def test_nothing_is_lost_from_the_sum_and_every_path_can_be_done(paths: list[list[int]], lost: int) -> None:
    """Paths and what is missing add up to what was committed; a lost site stands still; each path passes the
    plan's check; and no less of the sum is kept than without help."""
    able = [
        follow(limits(COUNT, export_w_max=np.full(COUNT, 10**6)), np.array(path)).setpoint_w for path in paths
    ]
    sites = [site(f"s{n}", path.tolist(), lost=n == lost % len(paths)) for n, path in enumerate(able)]
    done = reallocated(sites)
    assert (sum(done.path_w) + done.missing_w == sum(one.path_w for one in sites)).all()
    for one, path in zip(sites, done.path_w, strict=True):
        assert not (one.lost and path.any())
        planned = follow(one.limits, path)
        assert np.abs(planned.setpoint_w - path).max() <= 100, "the storage can do it"
        assert not check_site(one.limits, Markets(), planned)
    alone = sum(np.abs(one.path_w) for one in sites if one.lost)
    assert (np.abs(done.missing_w) <= alone + 100 * len(sites)).all()


def test_sites_of_other_intervals_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        reallocated([site("a", [0] * COUNT), site("b", [0] * 3)])
    assert refused.value.code == "series_shape"

"""Awards shared out among sites."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.allocation.disaggregation import BidMember, BidTerms, disaggregate
from ledger.clauses.share import portion
from ledger.refusal import Refused
from trading.award import Takers, Whole, share_out

_PORTIONS = ("100%", "87.5%", "1/3", "0.9", "0.123456789012", "0%")
_BIG = 2**38


def takers(
    nameplate: list[list[int]], headroom: list[list[int]], confidence: list[str] | None = None
) -> Takers:
    return Takers(
        sites=tuple(f"S{number:03d}" for number in range(len(nameplate))),
        confidence=tuple(portion(one, "confidence") for one in confidence or ["100%"] * len(nameplate)),
        nameplate_w=np.array(nameplate, dtype=np.int64),
        headroom_w=np.array(headroom, dtype=np.int64),
    )


def whole(*values: int) -> Whole:
    return np.array(values, dtype=np.int64)


def test_a_worked_example() -> None:
    """500/1000/800/1200 kW believed in at 90 %, C down to 100 kW: of 2500 kW C's rest goes to the others.

    By weight of 2500: A 357.14, B 714.28, C 571.43 -> 100, D 857.14. After the first round A 357, B 714,
    C 100, D 857 stand and 472 are left over A, B, D by 5 : 10 : 12: 87.4 174.8 209.8 -> 87, 174, 209; A is
    below 500. Of the last 2 the largest cut-offs, B (.81) and D (.78), get one each.
    """
    kw = [500, 1000, 800, 1200]
    nameplate = [[one * 1000] for one in kw]
    headroom = [[500_000], [1_000_000], [100_000], [1_200_000]]
    shares = share_out(
        BidTerms(discount="100%", step_w=1000), whole(2_500_000), takers(nameplate, headroom, ["90%"] * 4)
    )
    assert shares.sites_w[:, 0].tolist() == [444_000, 889_000, 100_000, 1_067_000]
    assert shares.gap_w.tolist() == [0]


def test_what_is_beyond_the_credible_capacity_is_the_gap() -> None:
    both = [[1_000_000, 1_000_000]]
    shares = share_out(BidTerms(discount="80%", step_w=1000), whole(900_500, -900_500), takers(both, both))
    assert shares.sites_w.tolist() == [[800_000, -800_000]]
    assert shares.gap_w.tolist() == [100_500, -100_500]


def test_a_site_has_at_most_its_nameplate() -> None:
    with pytest.raises(Refused) as refused:
        takers([[1]], [[2]])
    assert (refused.value.code, refused.value.place) == ("headroom", "headroom_w")
    with pytest.raises(Refused) as refused:
        Takers(sites=(), confidence=(), nameplate_w=np.zeros((0, 1), int), headroom_w=np.zeros((0, 1), int))
    assert refused.value.code == "no_members"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.data())
def test_the_columns_are_the_ledgers_own_disaggregation(data: st.DataObject) -> None:
    """DOMAIN.md 3.9, interval by interval; sum of sites + gap = award in every interval."""
    count, intervals = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    most = data.draw(st.sampled_from((9, 4000, _BIG)))
    step = data.draw(st.sampled_from((1, 7, 1000)))
    number = st.integers(0, most)
    nameplate = [[data.draw(number) for _ in range(intervals)] for _ in range(count)]
    headroom = [[data.draw(st.integers(0, one)) for one in row] for row in nameplate]
    confidence = [data.draw(st.sampled_from(_PORTIONS)) for _ in range(count)]
    terms = BidTerms(discount=data.draw(st.sampled_from(_PORTIONS)), step_w=step)
    award = [data.draw(st.integers(-2 * most, 2 * most)) for _ in range(intervals)]
    made = takers(nameplate, headroom, confidence)
    shares = share_out(terms, whole(*award), made)
    for column, power in enumerate(award):
        members = [
            BidMember(
                site=site,
                nameplate_w=nameplate[row][column],
                confidence=confidence[row],
                headroom_w=headroom[row][column],
            )
            for row, site in enumerate(made.sites)
        ]
        sign, size = (-1 if power < 0 else 1), abs(power)
        expected = disaggregate(terms, size // step * step, members)
        found = shares.sites_w[:, column].tolist()
        assert found == [sign * expected.sites[site] for site in made.sites]
        assert sum(found) + int(shares.gap_w[column]) == power


def test_two_thousand_sites_of_unlike_weights() -> None:
    rng = np.random.default_rng(7)
    nameplate = rng.integers(100_000, 2_000_000, (2000, 1)) * np.ones((1, 96), dtype=np.int64)
    headroom = nameplate - rng.integers(0, 100_000, nameplate.shape)
    made = Takers(
        sites=tuple(f"S{number:05d}" for number in range(2000)),
        confidence=tuple(Fraction(90 + number % 10, 100) for number in range(2000)),
        nameplate_w=nameplate,
        headroom_w=headroom,
    )
    award = rng.integers(-1_500, 1_500, 96) * 1_000_000
    shares = share_out(BidTerms(discount="95%", step_w=1000), award, made)
    assert np.array_equal(shares.sites_w.sum(axis=0) + shares.gap_w, award)
    assert (np.abs(shares.sites_w) <= headroom).all()
    assert not shares.gap_w.any()

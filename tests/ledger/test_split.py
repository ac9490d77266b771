"""Parts always add up to the whole, and nobody is cut by more than one unit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from ledger.split import largest_remainder

weights = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4),
    st.fractions(0, 100, max_denominator=50),
    min_size=1,
    max_size=8,
).filter(lambda w: sum(w.values()) > 0)


@settings(max_examples=300)
@given(st.integers(-(10**12), 10**12), weights)
def test_parts_add_up_and_are_fair(total: int, shares: dict[str, Fraction]) -> None:
    parts = largest_remainder(total, shares)
    assert sum(parts.values()) == total
    whole = sum(shares.values())
    for party, part in parts.items():
        assert abs(part - Fraction(total) * shares[party] / whole) < 1


@settings(max_examples=200)
@given(st.integers(0, 10**9), weights)
def test_negative_totals_mirror_and_order_does_not_matter(total: int, shares: dict[str, Fraction]) -> None:
    parts = largest_remainder(total, shares)
    assert largest_remainder(-total, shares) == {party: -part for party, part in parts.items()}
    assert largest_remainder(total, dict(reversed(shares.items()))) == parts


def test_the_left_unit_goes_to_the_largest_fraction_then_to_the_first_id() -> None:
    """DOMAIN.md 2.3: largest remainder, ties by party id ascending."""
    third = Fraction(1, 3)
    assert largest_remainder(100, {"c": third, "a": third, "b": third}) == {"c": 33, "a": 34, "b": 33}
    assert largest_remainder(101, {"c": third, "a": third, "b": third}) == {"c": 33, "a": 34, "b": 34}
    assert largest_remainder(10, {"a": Fraction(1), "b": Fraction(2)}) == {"a": 3, "b": 7}


@pytest.mark.parametrize("shares", [{}, {"a": Fraction(0)}, {"a": Fraction(2), "b": Fraction(-1)}])
def test_weights_must_make_sense(shares: dict[str, Fraction]) -> None:
    with pytest.raises(Refused) as caught:
        largest_remainder(10, shares)
    assert caught.value.code == "weights"

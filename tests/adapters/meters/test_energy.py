"""Decimal text to whole Wh against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.meters.energy import Conversion, Unit, decimal_of
from ledger.quantity import exact, round_half_away
from ledger.readings import WH_MAX
from ledger.refusal import Refused

UNITS: dict[Unit, Fraction] = {
    "Wh": Fraction(1),
    "kWh": Fraction(1000),
    "MWh": Fraction(1_000_000),
    "W": Fraction(900, 3600),
    "kW": Fraction(900_000, 3600),
    "kvarh": Fraction(1000),
    "Mvar": Fraction(250_000),
}
"""Wh of one unit in a quarter of an hour, written out by hand."""


@settings(max_examples=200)
@given(st.from_regex(r"\A[+-]?[0-9]{1,9}(\.[0-9]{1,9})?\Z"))
def test_a_decimal_is_what_the_ledger_reads(number: str) -> None:
    mantissa, places = decimal_of(number)
    assert Fraction(mantissa, 10**places) == exact(number)


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["1", "0.001", "333.3", "1200"]),
    st.integers(0, 6),
    st.lists(st.integers(0, 2_000_000), min_size=1, max_size=20),
)
def test_rounding_and_drift_are_exact(unit: Unit, scale: str, places: int, mantissas: list[int]) -> None:
    """Energy is rounded to Wh per interval, halves away from zero, with the drift reported."""
    wanted = [Fraction(m, 10**places) * UNITS[unit] * Fraction(scale) for m in mantissas]
    one, many = (Conversion(unit, Fraction(scale), 900) for _ in range(2))
    if max(wanted) > WH_MAX:
        assert many.wh_of_many(np.array(mantissas), places) is None
        with pytest.raises(Refused, match="in one interval"):
            one.wh(max(mantissas), places)
        assert many.drift_wh == 0
        return
    stored = [one.wh(m, places) for m in mantissas]
    assert stored == [round_half_away(exact_wh) for exact_wh in wanted]
    assert one.drift_wh == sum(stored) - sum(wanted)
    array = many.wh_of_many(np.array(mantissas, dtype=np.int64), places)
    assert array is not None
    assert array.tolist() == stored
    assert many.drift_wh == one.drift_wh


def test_values_that_64_bits_might_not_hold_are_left_to_exact_integers() -> None:
    assert Conversion("MWh", Fraction(1), 900).wh_of_many(np.array([10**15]), 6) is None
    wraps_to_zero = 2**58  # x 10^6 is a multiple of 2^64
    assert Conversion("MWh", Fraction(1), 900).wh_of_many(np.array([wraps_to_zero]), 0) is None
    assert Conversion("MWh", Fraction(1), 900).wh(10**9, 6) == 1_000_000_000

"""Money and prices are exact, and what cannot be is refused where it is made."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.quantity import Money, Price, decimal_text, exact, round_half_away
from ledger.refusal import Refused

rationals = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.5", 1), ("-0.5", -1), ("1.5", 2), ("2.5", 3), ("-2.5", -3), ("2.4999999", 2), ("0", 0), ("-0.4", 0)],
)
def test_halves_go_away_from_zero(value: str, rounded: int) -> None:
    """Round half away from zero on the minor unit (DOMAIN.md 3.0)."""
    assert round_half_away(Fraction(value)) == rounded


@settings(max_examples=300)
@given(rationals)
@example(Fraction(1, 2))
def test_rounding_is_nearest_and_symmetric(value: Fraction) -> None:
    rounded = round_half_away(value)
    assert abs(rounded - value) <= Fraction(1, 2)
    assert round_half_away(-value) == -rounded


@settings(max_examples=200)
@given(st.integers(-(10**15), 10**15), st.integers(0, 9))
def test_decimal_text_is_exact(mantissa: int, scale: int) -> None:
    assert exact(decimal_text(mantissa, scale)) == Fraction(mantissa, 10**scale)


@pytest.mark.parametrize(
    "text", ["1,234.5", "1e3", " 1", "1 ", "", ".5", "5.", "NaN", "Infinity", "１", "--1"]
)
def test_only_plain_decimals_are_numbers(text: str) -> None:
    with pytest.raises(Refused) as caught:
        exact(text)
    assert caught.value.code == "number"


def test_two_currencies_never_add() -> None:
    for operation in (Money.__add__, Money.__sub__):
        with pytest.raises(Refused, match="CNY and EUR do not add"):
            operation(Money(1, "CNY"), Money(1, "EUR"))
    assert Money(5, "CNY") + Money(-7, "CNY") == Money(-2, "CNY")
    assert Money(5, "CNY") - Money(-7, "CNY") == Money(12, "CNY")
    assert -Money(5, "CNY") == Money(-5, "CNY")
    assert Money.zero("EUR") == Money(0, "EUR")


def test_money_has_its_currency_s_places() -> None:
    assert Money.parse("45678.91", "CNY").minor == 4_567_891
    assert (Money.parse("-7", "JPY").minor, str(Money(-7, "JPY"))) == (-7, "-7")
    assert str(Money(-5, "CNY")) == "-0.05"

    with pytest.raises(Refused, match="more decimals than CNY has"):
        Money.parse("0.005", "CNY")
    for make in (lambda: Money(1, "XXX"), lambda: Money.round(Fraction(1), "XXX")):
        with pytest.raises(Refused) as caught:
            make()
        assert caught.value.code == "currency"


@pytest.mark.parametrize(
    ("money", "told"),
    [
        (Money(-5, "CNY"), "-0.05"),
        (Money(-123456789, "CNY"), "-1,234,567.89"),
        (Money(10**9, "JPY"), "1,000,000,000"),
    ],
)
def test_people_are_told_money_with_a_comma_at_each_thousand(money: Money, told: str) -> None:
    assert f"{money:,}" == told
    assert f"{money}" == str(money) == told.replace(",", "")


def test_a_price_keeps_every_decimal_up_to_nine() -> None:
    """AEMO's 67.58327 per MWh needs eight decimals a kWh."""
    price = Price.parse("0.06758327", "AUD", "kWh")
    assert (price.mantissa, price.scale, price.exact) == (6_758_327, 8, Fraction(6_758_327, 10**8))
    assert str(Price.parse("0.5", "CNY", "kWh")) == "0.500000"
    assert Price.parse("-0.085", "CNY", "kWh").mantissa == -85_000
    assert Price.parse("1.100000000000", "CNY", "kWh").mantissa == 1_100_000
    with pytest.raises(Refused, match="more than 9 decimals"):
        Price.parse("0.1234567891", "CNY", "kWh")
    for scale in (5, 10):
        with pytest.raises(Refused) as caught:
            Price(1, scale, "CNY", "kWh")
        assert caught.value.code == "price_scale"
    with pytest.raises(Refused) as caught:
        Price(1, 6, "CNY", "furlong")
    assert caught.value.code == "unit"

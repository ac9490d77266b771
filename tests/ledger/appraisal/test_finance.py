"""Returns against closed forms, plain Decimal recomputation and figures worked by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.appraisal.finance import (
    IRR_DIGITS,
    annuity,
    debt_service,
    faded,
    internal_rate,
    levelised_cost,
    net_present_value,
    payback,
    rounded,
    simple_return,
)
from ledger.refusal import Refused

STEP = Fraction(1, 10**IRR_DIGITS)
cash = st.fractions(min_value=0, max_value=10_000, max_denominator=100)


def flows(*values: int) -> list[Fraction]:
    return [Fraction(value) for value in values]


def test_simple_return_is_not_an_internal_rate() -> None:
    """DOMAIN.md 2.1 Q12: 1/6.5 = 15.4 %."""
    found = simple_return(Fraction(2), Fraction(13))
    assert (found.shown(3), found.unit, found.formula) == ("0.154", "1/year", "annual net cash / investment")


def test_payback_is_linear_within_the_year() -> None:
    assert payback(flows(-100, 40, 40, 40)).value == Fraction(5, 2)
    assert payback(flows(-100, 100)).value == 1
    assert payback(flows(-100, -20, 200)).value == 1 + Fraction(120, 200)


def test_what_never_comes_back_has_no_payback() -> None:
    with pytest.raises(Refused, match=r"1\.00 is still out after 3 years") as caught:
        payback(flows(-100, 33, 33, 33))
    assert caught.value.code == "not_paid_back"


def test_present_value_to_the_last_digit() -> None:
    found = net_present_value(Fraction(1, 10), flows(-100, 60, 60))
    assert found.value == -100 + Fraction(600, 11) + Fraction(6000, 121)


@settings(max_examples=50)
@given(st.lists(cash, min_size=1, max_size=12), st.fractions(min_value=1, max_value=10_000))
def test_the_internal_rate_brackets_a_present_value_of_zero(years: list[Fraction], paid: Fraction) -> None:
    """By definition: the value is not below zero at the rate, and below it one step higher."""
    if not any(years):
        years = [*years, Fraction(1)]
    project = [-paid, *years]
    try:
        rate = internal_rate(project).value
    except Refused as refused:
        assert refused.code == "irr_range"
        return
    assert net_present_value(rate, project).value >= 0 > net_present_value(rate + STEP, project).value


@settings(max_examples=30)
@given(st.integers(min_value=-9_000, max_value=90_000), st.integers(min_value=1, max_value=20))
def test_the_internal_rate_of_one_repayment_is_known(basis_points: int, years: int) -> None:
    rate = Fraction(basis_points, 10_000)
    project = [Fraction(-1), *[Fraction(0)] * (years - 1), (1 + rate) ** years]
    assert internal_rate(project).value == rate


def test_a_rate_that_need_not_be_unique_is_refused() -> None:
    """-100, 230, -132 has two: 10 % and 20 %."""
    for project in (flows(-100, 230, -132), flows(-100, -5)):
        with pytest.raises(Refused) as caught:
            internal_rate(project)
        assert caught.value.code == "irr_not_unique"
    with pytest.raises(Refused) as caught:
        internal_rate(flows(100, -50))
    assert caught.value.code == "cash_flows"


@settings(max_examples=30)
@given(
    st.fractions(min_value=1, max_value=10**7, max_denominator=100),
    st.fractions(min_value=0, max_value=1, max_denominator=1000),
    st.integers(min_value=1, max_value=25),
)
def test_a_loan_is_worth_what_repays_it(principal: Fraction, rate: Fraction, years: int) -> None:
    """Both ways of repaying have the loan's present value at the loan's rate."""
    for repayment in ("annuity", "equal_principal"):
        service = debt_service(principal, rate, years, repayment)
        assert net_present_value(rate, [-principal, *service]).value == 0
    assert annuity(principal, rate, years).value == debt_service(principal, rate, years, "annuity")[0]


def test_energy_fades_from_the_second_year_on() -> None:
    assert faded(Fraction(100), Fraction(1, 10), 3) == [100, 90, 81]
    cost = levelised_cost(Fraction(271), Fraction(100), Fraction(1, 10), 3, energy_discount=Fraction(0))
    assert cost.value == 1
    later = levelised_cost(Fraction(100), Fraction(110), Fraction(0), 1, energy_discount=Fraction(1, 10))
    assert later.value == 1
    assert "energy_1 x (1 - fade)^(y - 1)" in cost.formula
    assert "271 kWh (100 kWh the first year, fade 10.00 %/y, 3 years" in cost.working


def test_what_no_formula_takes_is_refused() -> None:
    one = Fraction(1)
    wrong = [
        (lambda: simple_return(one, Fraction(0)), "investment"),
        (lambda: net_present_value(Fraction(-1), [one]), "rate"),
        (lambda: net_present_value(Fraction(0), []), "cash_flows"),
        (lambda: payback([]), "cash_flows"),
        (lambda: annuity(one, Fraction(-1), 3), "rate"),
        (lambda: annuity(one, one, 0), "years"),
        (lambda: faded(one, Fraction(1), 3), "fade"),
        (lambda: levelised_cost(one, Fraction(0), Fraction(0), 1, energy_discount=Fraction(0)), "energy"),
        (lambda: levelised_cost(one, one, Fraction(0), 1, energy_discount=Fraction(-1, 2)), "rate"),
        (lambda: internal_rate([-one, Fraction(10**7)]), "irr_range"),
    ]
    for call, code in wrong:
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.code == code


def test_rounding_for_people_is_half_away_from_zero() -> None:
    assert [rounded(Fraction(n, 200), 2) for n in (1, -1, 3)] == ["0.01", "-0.01", "0.02"]

"""What a guarantee leaves out, and the operator's fee before it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import BaseFee, Clause, Guarantee
from ledger.clauses.carry import GuaranteeToDate
from ledger.clauses.facts import Exclusion, MonthFacts
from ledger.interval import Month
from ledger.quantity import Money, round_half_away
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled
from tests.ledger.contract_samples import agency, contract, entitlements, yuan

BOTH = ("force_majeure", "availability")


def excluded(cause: Any, first: date, end: date) -> MonthFacts:
    return MonthFacts(exclusions=(Exclusion(cause=cause, first=first, end=end, evidence="report 7"),))


APRIL = Month(2026, 4)
NINE_DAYS = excluded("force_majeure", date(2026, 3, 20), date(2026, 4, 10))
FROM_APRIL = {"effective_from": date(2026, 4, 1)}


def guaranteed(**changes: Any) -> tuple[Clause, ...]:
    return agency(**changes).clauses


@pytest.mark.parametrize(
    ("carve_outs", "host"),
    [
        ((), "100000.00"),
        (("availability",), "100000.00"),
        (("force_majeure",), "70000.00"),
        (BOTH, "70000.00"),
    ],
)
def test_only_what_the_contract_carves_out_lowers_the_guarantee(carve_outs: tuple[str], host: str) -> None:
    """Nine of April's thirty days: 100,000 x 21/30."""
    terms = contract(guaranteed(carve_outs=carve_outs), **FROM_APRIL)
    (month,) = settled(terms, [Given("0", facts=NINE_DAYS)], APRIL)
    assert entitlements(month)["host"] == host


def test_excluded_days_stay_out_of_the_year_to_date() -> None:
    """April counts 21/30 of a month; what is earned counts whole: U = 170,000 + 60 % of 80,000."""
    terms = contract(guaranteed(carve_outs=BOTH), **FROM_APRIL)
    april, may = settled(terms, [Given("100000", facts=NINE_DAYS), Given("150000")], APRIL)
    assert entitlements(april) == {"host": "88000.00", "operator": "12000.00"}
    assert april.carry.accounts == {"guarantee#1": GuaranteeToDate(APRIL, "0.7", yuan("100000.00"))}
    assert entitlements(may) == {"host": "130000.00", "operator": "20000.00"}


def test_a_month_may_be_excluded_whole() -> None:
    whole = excluded("availability", date(2026, 4, 1), date(2026, 5, 1))
    terms = contract(guaranteed(carve_outs=BOTH), **FROM_APRIL)
    april, may = settled(terms, [Given("100", facts=whole), Given("0")], APRIL)
    assert entitlements(april) == {"host": "60.00", "operator": "40.00"}
    assert entitlements(may)["host"] == "99940.00"


def test_exclusions_that_overlap_count_each_day_once() -> None:
    """To the 9th, and from the 5th to the 11th: eleven days of April, 100,000 x 19/30."""
    later = excluded("force_majeure", date(2026, 4, 5), date(2026, 4, 12))
    facts = MonthFacts(exclusions=(*NINE_DAYS.exclusions, *later.exclusions))
    (month,) = settled(contract(guaranteed(carve_outs=BOTH), **FROM_APRIL), [Given("0", facts=facts)], APRIL)
    assert entitlements(month)["host"] == "63333.33"


def test_a_day_counts_once_and_never_below_nothing() -> None:
    twice = MonthFacts(exclusions=(*NINE_DAYS.exclusions, *NINE_DAYS.exclusions))
    terms = contract(guaranteed(carve_outs=BOTH), effective_from=date(2026, 4, 4))
    (part,) = settled(terms, [Given("0", facts=twice)], APRIL)
    assert entitlements(part)["host"] == "70000.00"


def test_the_operator_s_fee_comes_before_the_guarantee() -> None:
    """A fee of 3,000 off the pool: the guarantee measures what is left."""
    fee = BaseFee(
        rate="3", unit="kWh.month", quantity="1000", quantity_basis="nameplate", proration="days",
        payer="pool", payee="operator", timing="before_split",
    )  # fmt: skip
    (month,) = settled(contract((fee, *guaranteed())), [Given("123000")])
    assert by_party(month, "base_fee") == {"operator": "3000.00"}
    assert entitlements(month) == {"host": "112000.00", "operator": "11000.00"}


def test_a_contract_without_carve_outs_is_written_as_before() -> None:
    """Runs are known by a digest of the contract as written: a field that is not stated is not written."""
    (clause,) = guaranteed()
    assert b"carve_outs" not in msgspec.json.encode(clause)
    (without,) = guaranteed(carry="contract", reset_month=None)
    assert b"reset_month" not in msgspec.json.encode(without)
    for field in (b"vat", b"capital_cost", b"statement_terms"):
        assert b'"' + field + b'"' not in msgspec.json.encode(agency())
    (stated,) = guaranteed(carve_outs=BOTH)
    assert msgspec.json.decode(msgspec.json.encode(stated), type=Guarantee) == stated


@pytest.mark.parametrize(
    ("carve_outs", "code", "place"),
    [
        (("rain",), "not_allowed", "carve_outs[0]"),
        (("availability", "availability"), "duplicate", "carve_outs[1]"),
    ],
)
def test_carve_outs_that_cannot_be_meant_are_refused(carve_outs: Any, code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        guaranteed(carve_outs=carve_outs)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"cause": "rain"}, "not_allowed", "cause"),
        ({"end": date(2026, 4, 1)}, "exclusion", "end"),
        ({"evidence": " "}, "evidence", "evidence"),
    ],
)
def test_an_exclusion_needs_days_and_evidence(fields: dict[str, Any], code: str, place: str) -> None:
    usual: dict[str, Any] = {
        "cause": "availability",
        "first": date(2026, 4, 1),
        "end": date(2026, 4, 2),
        "evidence": "report 7",
    }
    with pytest.raises(Refused) as refused:
        Exclusion(**usual | fields)
    assert (refused.value.code, refused.value.place) == (code, place)


@settings(max_examples=60)
@given(
    months=st.lists(
        st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 27), st.booleans()), min_size=1, max_size=4
    ),
    alpha=st.integers(0, 100),
)
def test_pays_sum_to_what_is_due_at_the_end(months: list[tuple[int, int, bool]], alpha: int) -> None:
    """The pays of a year are U of the months that count and of the pool, whatever came between."""
    terms = contract(guaranteed(carve_outs=("force_majeure",), excess_share=f"{alpha}%"))
    given_months = []
    counted = Fraction(0)
    for number, (pool, days, carved_out) in enumerate(months, 1):
        first = date(2026, number, 1)
        cause = "force_majeure" if carved_out else "availability"
        facts = excluded(cause, first, first.replace(day=1 + days)) if days else MonthFacts()
        given_months.append(Given(str(Money(pool, "CNY")), facts=facts))
        counted += 1 - (Fraction(days, Month(2026, number).days) if carved_out else 0)
    found = settled(terms, given_months)
    pool = sum(pool for pool, _, _ in months)
    least = round_half_away(10_000_000 * counted)
    due = least + round_half_away(Fraction(alpha, 100) * max(pool - least, 0))
    assert sum(month.entitlement["host"].minor for month in found) == due
    assert sum(month.entitlement["operator"].minor for month in found) == pool - due

"""Limits, tiers, guarantees and what earlier months left, told in full from a run's contract and the runs
before it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import (
    CapitalHurdle,
    CappedTier,
    Clause,
    EarlyTermination,
    FlooredSplit,
    Guarantee,
    Hurdle,
    LossSplit,
    TieredShare,
)
from ledger.clauses.early_termination import TerminationStep
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.clauses.tiered_share import Bracket
from ledger.quantity import Money
from ledger.settlement.amount_tree import AmountTrees
from ledger.settlement.clause_background import Background, EarlierRun, told_lines
from ledger.settlement.clause_terms import clause_terms
from ledger.settlement.explanation import AmountExplained, check_explanation, leaves
from ledger.settlement.result import Result
from ledger.waterfall import PriorMonth, StreamItem, distribute
from tests.ledger.settlement import test_explanation as explanation

THIRDS = {"a": "1/3", "b": "2/3"}
LOSS = LossSplit(shares={"a": "50%", "b": "50%"}, carry_forward=False)


def months_of(
    clauses: list[Clause], pools: list[int], facts: MonthFacts = NO_FACTS
) -> list[tuple[Result, Background]]:
    """Months from January on, each with what stands behind it; month n is run 1, event 10 n."""
    found: list[tuple[Result, Background]] = []
    month, prior = explanation.JANUARY, None
    earlier: tuple[EarlierRun, ...] = ()
    terms = explanation.contract_of(clauses)
    for number, minor in enumerate(pools, 1):
        split = distribute(terms, month, [StreamItem("spot", Money(minor, "CNY"))], None, prior, facts)
        line = explanation._stream_line(1, "spot", minor)
        result = explanation._result(terms, split, [line], explanation.PARTIES)
        found.append((result, Background(terms, earlier, facts)))
        prior = split.carry
        earlier = (EarlierRun(month, 1, 10 * number, prior.accounts), *earlier)
        month = month.next()
    return found


def told(result: Result, background: Background, code: str, party: str, which: int = 0) -> AmountExplained:
    lines = [one for one in result.lines if one.kind == "clause" and (one.code, one.party) == (code, party)]
    found = AmountTrees(result, None, background).line(lines[which].number)
    check_explanation(found)
    return found


def rows(found: AmountExplained) -> list[tuple[str, str, str, str, str]]:
    """(kind, reference of an earlier month, label, quantity x price, how much of it counts)."""
    return [
        (
            leaf.kind,
            leaf.reference if leaf.kind == "earlier_month" else "",
            leaf.label,
            f"{leaf.quantity} x {leaf.price}" if leaf.price else leaf.exact,
            str(share),
        )
        for share, leaf in leaves(found.tree)
    ]


def test_a_bracket_is_its_bound_less_each_earlier_month_by_its_run() -> None:
    """60,000.00 in January and February, up to 50,000.00 in the first bracket: January alone fills 45,399.50
    of it."""
    brackets = (Bracket(up_to="50000", shares=THIRDS), Bracket(shares={"a": "100%"}))
    tiers = TieredShare(brackets=brackets, period="year", reset_month=1)
    months = months_of([LOSS, tiers], [3_000_000, 1_539_950, 1_000_000])
    found = told(*months[2], "tiered_share", "a")
    assert str(found.amount) == "1533.50"
    assert sorted(rows(found)) == [
        ("clause", "", "bound of bracket 1", "50000 x 1", "1/3"),
        ("earlier_month", "2026-01 run 1, event 10", "divided in the year before 2026-01", "30000", "-1/3"),
        ("earlier_month", "2026-02 run 1, event 20", "divided in the year before 2026-02", "15399.5", "-1/3"),
    ]
    above = told(*months[2], "tiered_share", "a", 1)
    assert [row[0] for row in sorted(rows(above))] == ["clause", "earlier_month", "earlier_month", "event"]
    assert months[2][1].earlier[0].name == "2026-02 run 1, event 20"


def test_a_guarantee_names_each_earlier_month() -> None:
    """DOMAIN.md 2.3: the agency's second month, 118,000.00 of which 100,000.00 were paid before."""
    terms = Guarantee(
        annual_amount="1200000", guaranteed_party="a", other_party="b", excess_share="60%",
        measure="year_to_date", carry="annual_reset", reset_month=1, proration="days",
    )  # fmt: skip
    _, february, march = months_of([terms], [8_000_000, 15_000_000, 6_543_210])
    found = told(*february, "guarantee", "a")
    assert str(found.amount) == "118000.00"
    assert sorted(rows(found)) == [
        ("clause", "", "guaranteed to date, 2 of 12 months", "1200000 x 1/6", "2/5"),
        ("earlier_month", "2026-01 run 1, event 10", "due for 2026-01", "100000", "-1"),
        ("earlier_month", "2026-01 run 1, event 10", "pool of 2026-01", "80000", "3/5"),
        ("event", "", "spot", "150000", "3/5"),
    ]
    of_march = [row for row in rows(told(*march, "guarantee", "b")) if row[0] == "earlier_month"]
    assert [(row[1], row[3]) for row in of_march] == [
        ("2026-01 run 1, event 10", "100000"),
        ("2026-02 run 1, event 20", "118000"),
    ]


def test_a_hurdle_is_capital_times_rate_and_what_months_left_unpaid() -> None:
    hurdle = Hurdle(capital="4080000", annual_rate="7%", proration="days", carry_forward=True, shares=THIRDS)
    rest = TieredShare(brackets=(Bracket(shares={"b": "100%"}),), period="month", proration="days")
    months = months_of([hurdle, LOSS, rest], [2_000_000, 3_000_000])
    kinds = {row[0] for row in rows(told(*months[0], "hurdle", "a"))}
    assert kinds == {"event", "rounding"}, "the pool is less than what is due"
    assert sorted(rows(told(*months[1], "hurdle", "a"))) == [
        ("clause", "", "return due on capital at 7% a year", "4080000 x 7/1200", "1/3"),
        ("earlier_month", "2026-01 run 1, event 10", "return left unpaid 2026-01", "3800", "1/3"),
    ]


def test_a_hurdle_on_capital_accounts_names_no_partys_balance() -> None:
    hurdle = CapitalHurdle(annual_rate="7%", proration="days", carry_forward=False)
    rest = TieredShare(brackets=(Bracket(shares={"b": "100%"}),), period="month", proration="days")
    facts = MonthFacts(capital={"a": "4080000957/2900", "b": "1000000"})
    (month,) = months_of([hurdle, LOSS, rest], [3_000_000], facts)
    of_a = rows(told(*month, "capital_hurdle", "a"))
    label = "return due on the capital of all parties at 7% a year"
    assert [row[2] for row in of_a if row[0] == "clause"] == [label]
    shown = clause_terms(*month, "a")
    assert [row.label for rows_ in shown.values() for row in rows_ if row.kind == "product"] == [label]
    everything = f"{of_a} {shown}"
    assert "1000000" not in everything
    assert "4080000957/2900" not in everything
    without = Background(month[1].contract, month[1].earlier)
    with pytest.raises(Exception, match="capital"):
        told_lines(month[0], without)


def test_a_minimum_is_told_with_the_share_that_it_is_short_of() -> None:
    floor = FlooredSplit(
        shares={"a": "50%", "b": "50%"}, party="a", minimum="500", proration="days",
        funded_by={"b": "1/2", "host": "1/2"}, shortfall="paid",
    )  # fmt: skip
    (month,) = months_of([LOSS, floor], [50_001])
    assert sorted(rows(told(*month, "floored_split", "a", 1))) == [
        ("clause", "", "minimum of a", "500 x 1", "1"),
        ("event", "", "spot", "500.01", "-1/2"),
        ("rounding", "", "rounding", "0.005", "-1"),
    ]


def test_a_contract_that_did_not_settle_the_run_tells_nothing() -> None:
    """Another version would give other lines: the recorded terms stand, and still sum."""
    cap = CappedTier(cap="100", proration="days", shares=THIRDS)
    rest = TieredShare(brackets=(Bracket(shares={"b": "100%"}),), period="month", proration="days")
    (month,) = months_of([cap, LOSS, rest], [50_000])
    assert sorted(rows(told(*month, "capped_tier", "a"))) == [
        ("clause", "", "cap of the tier", "100 x 1", "1/3"),
        ("rounding", "", "rounding", "-1/300", "1"),
    ]
    other = explanation.contract_of([msgspec.structs.replace(cap, cap="200"), LOSS, rest])
    assert set(told_lines(month[0], Background(other))) <= {
        one.number for one in month[0].lines if one.code == "tiered_share"
    }
    found = told(month[0], Background(other), "capped_tier", "a")
    assert [row[0] for row in rows(found)] == ["clause", "rounding"]


def test_a_termination_says_which_step_is_paid() -> None:
    ending = EarlyTermination(
        on=date(2026, 2, 1), evidence="notice 1", payer="b", unpaid_hurdle="lapses",
        schedule=(TerminationStep(since=date(2026, 1, 1), amount="90000"),),
        payment_shares={"a": "2/3", "host": "1/3"},
    )  # fmt: skip
    rest = TieredShare(brackets=(Bracket(shares={"b": "100%"}),), period="month", proration="days")
    (month,) = months_of([LOSS, rest, ending], [50_000])
    assert rows(told(*month, "early_termination", "a")) == [
        ("clause", "", "termination payment from 2026-01-01", "90000 x 1", "2/3")
    ]
    assert rows(told(*month, "early_termination", "b")) == [
        ("clause", "", "termination payment from 2026-01-01", "90000 x 1", "-1")
    ]


@settings(max_examples=150)
@given(
    clauses=explanation.some_clauses(),
    pools=st.lists(st.integers(-3_000_000, 9_000_000), min_size=1, max_size=4),
    place=st.integers(0, 10_000),
)
def test_every_amount_has_its_leaves_with_its_background(
    clauses: list[Clause], pools: list[int], place: int
) -> None:
    """Every line of a clause that can be told is told, and one leaf of each tree is tried."""
    prior: PriorMonth | None = None
    earlier: tuple[EarlierRun, ...] = ()
    month = explanation.JANUARY
    for number, minor in enumerate(pools, 1):
        result = explanation.run_of(clauses, {"spot": minor}, month=month, prior=prior)
        background = Background(explanation.contract_of(clauses), earlier)
        can = {"hurdle", "capped_tier", "loss_split", "tiered_share", "floored_split", "guarantee"}
        wanted = {one.number for one in result.lines if one.code in can}
        assert set(told_lines(result, background)) == wanted
        for reader in (None, "a"):
            trees = AmountTrees(result, reader, background)
            for line in result.lines:
                if reader in (None, line.party):
                    found = trees.line(line.number)
                    count = found.leaves_in_all
                    explanation.assert_each_leaf_counts(found, iter([place % count] if count else []))
            assert all(run in earlier for run in trees.earlier_runs)
        prior = result.carry
        earlier = (EarlierRun(month, 1, 10 * number, prior.accounts), *earlier)
        month = month.next()


def test_what_earlier_months_left_counts_once_as_a_fraction() -> None:
    """The parts of an account are exact: nothing of a month before the year's start is in them."""
    brackets = (Bracket(up_to="50000", shares=THIRDS), Bracket(shares={"a": "100%"}))
    tiers = TieredShare(brackets=brackets, period="year", reset_month=2)
    months = months_of([LOSS, tiers], [3_000_000, 1_000_000, 500_000, 4_000_000])
    found = told(*months[3], "tiered_share", "b")
    named = [row for row in rows(found) if row[0] == "earlier_month"]
    assert [(row[1], Fraction(row[3])) for row in named] == [
        ("2026-02 run 1, event 20", Fraction(10_000)),
        ("2026-03 run 1, event 30", Fraction(5_000)),
    ]

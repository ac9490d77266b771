"""Every amount has exact leaves that sum to it; without any one of them, or with another, the check fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import (
    BaseFee,
    CappedTier,
    Clause,
    FlooredSplit,
    Guarantee,
    Hurdle,
    LossSplit,
    RemainderSplit,
    ServiceFee,
    StreamTier,
    TieredShare,
)
from ledger.clauses.flow import exact_text
from ledger.clauses.tiered_share import Bracket
from ledger.contract import Contract, ContractParty, Visibility
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountName, AmountTrees
from ledger.settlement.explanation import AmountExplained, Branch, Leaf, check_explanation, leaves
from ledger.settlement.line import Line
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Run, Runs
from ledger.settlement.settle import check_line
from ledger.settlement.statement import statements
from ledger.waterfall import Distribution, PriorMonth, StreamItem, Throughput, distribute
from tests.scenarios import test_scenarios as scenarios

PARTIES = ("a", "b", "host")
STREAMS = ("arbitrage", "demand_charge", "spot")
JANUARY = Month(2026, 1)
TOTALS: tuple[AmountName, ...] = ("entitlement", "held", "payable", "delta")


def every_amount(result: Result, before: Result | None, reader: str | None) -> Iterator[AmountExplained]:
    """All that `reader` may ask about, as asked."""
    trees = AmountTrees(result, reader)
    for line in result.lines:
        if reader in (None, line.party):
            found = trees.line(line.number)
            assert found.amount == line.amount
            yield found
    for party in result.entitlement:
        if reader in (None, party):
            for name in TOTALS:
                yield trees.amount(name, party=party, before=before)
    if reader is None or reader in result.sees_pool:
        yield trees.amount("pool")
    for bill in result.bills:
        if reader is None or bill.site in result.sees_bill.get(reader, ()):
            yield trees.amount("bill_without", site=bill.site)
            yield trees.amount("bill_with", site=bill.site)


def changed(tree: Branch, place: int, change: Callable[[Leaf], Leaf | None]) -> tuple[Branch, int]:
    """The tree with its leaf number `place`, from the left, replaced or dropped; and the leaves counted."""
    parts: list[Leaf | Branch] = []
    for part in tree.parts:
        if isinstance(part, Branch):
            inner, place = changed(part, place, change)
            parts.append(inner)
            continue
        kept = change(part) if place == 0 else part
        place -= 1
        if kept is not None:
            parts.append(kept)
    return msgspec.structs.replace(tree, parts=tuple(parts)), place


def dearer(leaf: Leaf) -> Leaf:
    return msgspec.structs.replace(leaf, exact=exact_text(Fraction(leaf.exact) + Fraction(1, 10**9)))


def longer(leaf: Leaf) -> Leaf:
    return msgspec.structs.replace(leaf, quantity=exact_text(Fraction(leaf.quantity) + 1))


def assert_each_leaf_counts(found: AmountExplained, places: Iterator[int]) -> None:
    check_explanation(found)
    assert sum((share * Fraction(leaf.exact) for share, leaf in leaves(found.tree)), Fraction(0)) == (
        found.amount.exact
    )
    for place in places:
        changes: list[Callable[[Leaf], Leaf | None]] = [lambda _: None, dearer]
        leaf = _leaf(found.tree, place)
        if leaf.price and Fraction(leaf.price):
            changes.append(longer)
        for change in changes:
            tree, _ = changed(found.tree, place, change)
            with pytest.raises(Refused) as caught:
                check_explanation(msgspec.structs.replace(found, tree=tree))
            assert caught.value.code.startswith("explanation_")


def _leaf(tree: Branch, place: int) -> Leaf:
    seen: list[Leaf] = []

    def note(leaf: Leaf) -> Leaf:
        seen.append(leaf)
        return leaf

    changed(tree, place, note)
    return seen[0]


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_every_amount_of_every_scenario_has_its_leaves(name: str) -> None:
    """Dropping or altering any one leaf fails; so for who reads everything, and for each party."""
    before: Result | None = None
    for _, _, result in scenarios.settled(scenarios.HERE / name / "given"):
        for line in result.lines:
            check_line(line)
        for reader in (None, *result.entitlement):
            for found in every_amount(result, before, reader):
                step = 1 if reader is None else 3
                assert_each_leaf_counts(found, iter(range(0, found.leaves_in_all, step)))
        before = result


def test_the_leaves_are_those_of_the_worked_example() -> None:
    """The example of energy storage as a service: 70 % of what a fee of 100.10 leaves of 1,000.01."""
    result = run_of([fee("100.10"), LOSS, RemainderSplit(shares={"a": "70%", "b": "30%"})], {"spot": 100_001})
    (line,) = [one for one in result.lines if one.code == "remainder_split" and one.party == "a"]
    found = AmountTrees(result).line(line.number)
    told = sorted((leaf.kind, share, leaf.exact) for share, leaf in leaves(found.tree))
    assert told == [
        ("clause", Fraction(-7, 10), "100.1"),
        ("event", Fraction(7, 10), "1000.01"),
        ("rounding", Fraction(1), "0.003"),
    ]
    assert str(found.amount) == "629.94"


def test_what_a_guarantee_left_in_earlier_months_is_a_leaf() -> None:
    """DOMAIN.md 2.3: the agency's second month, 118,000.00 of which 100,000.00 were paid before."""
    terms = Guarantee(
        annual_amount="1200000", guaranteed_party="a", other_party="b", excess_share="60%",
        measure="year_to_date", carry="annual_reset", reset_month=1, proration="days",
    )  # fmt: skip
    first = run_of([terms], {"spot": 8_000_000})
    second = run_of([terms], {"spot": 15_000_000}, month=Month(2026, 2), prior=first.carry)
    (line,) = [one for one in second.lines if one.party == "a" and one.kind == "clause"]
    found = AmountTrees(second).line(line.number)
    assert str(found.amount) == "118000.00"
    told = {leaf.kind: (share, leaf.exact) for share, leaf in leaves(found.tree)}
    assert told == {
        "event": (Fraction(3, 5), "150000"),
        "earlier_month": (Fraction(1), "-52000"),
        "clause": (Fraction(1), "80000"),
    }


def test_a_party_is_shown_others_in_one_sum_only() -> None:
    """Without sight of the pool its share is one withheld leaf, and no label tells what was divided."""
    clauses = [fee("100.10"), LOSS, RemainderSplit(shares={"a": "70%", "host": "30%"})]
    result = run_of(clauses, {"spot": 100_001, "arbitrage": 50_000}, sees_pool=("b",))
    (share,) = [one for one in result.lines if one.code == "remainder_split" and one.party == "a"]
    hidden = AmountTrees(result, "a").line(share.number)
    assert [leaf.kind for _, leaf in leaves(hidden.tree)].count("withheld") == 1
    assert not any("1,500" in leaf.label or "1399" in leaf.label for _, leaf in leaves(hidden.tree))
    pool = AmountTrees(result, "b").amount("pool")
    assert [leaf.kind for _, leaf in leaves(pool.tree)] == ["withheld"], "the lines are the host's"
    for name in ("pool", "bill_with"):
        with pytest.raises(Refused):
            AmountTrees(result, "a").amount(name, site="S1")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="'b' has no amounts here"):
        AmountTrees(result, "a").amount("payable", party="b")
    with pytest.raises(Refused, match="there is no line"):
        AmountTrees(result, "a").line(next(one.number for one in result.lines if one.party != "a"))


def test_a_delta_has_the_leaves_of_both_runs() -> None:
    clauses = [LOSS, RemainderSplit(shares={"a": "1/3", "b": "2/3"})]
    before, after = run_of(clauses, {"spot": 10_000}), run_of(clauses, {"spot": 10_001})
    found = AmountTrees(after).amount("delta", party="a", before=before)
    assert found.amount == after.payable["a"] - before.payable["a"]
    assert sorted(share for share, leaf in leaves(found.tree) if leaf.kind == "event") == [
        Fraction(-1, 3),
        Fraction(1, 3),
    ]


def explained_deltas(results: list[Result]) -> list[tuple[Run, dict[str, AmountExplained]]]:
    """The runs that a month's results are recorded as, and the delta of each party with a statement; as the
    party itself is told it, which must be what everybody else is told and what the statement says."""
    state: Runs | None = None
    told: list[tuple[Run, dict[str, AmountExplained]]] = []
    for sequence, result in enumerate(results, 1):
        paid = state.latest if state else None
        before = paid.result if paid else None
        (event,) = RecordSettlement(result).decide(state, {})
        state, run = event.apply(state), event.run
        found: dict[str, AmountExplained] = {}
        for one in statements(run, sequence):
            for reader in (None, one.party):
                trees = AmountTrees(result, reader)
                found[one.party] = trees.amount("delta", party=one.party, before=before)
                check_explanation(found[one.party])
                assert found[one.party].amount == one.delta
            assert one.delta == run.delta.get(one.party, Money.zero(result.currency))
        assert set(run.delta) <= set(found)
        told.append((run, found))
    return told


def provisional(result: Result, day: int) -> Result:
    return msgspec.structs.replace(result, through=date(2026, 1, day))


def test_a_provisional_delta_is_zero_and_a_dropped_partys_is_taken_back() -> None:
    thirds: list[Clause] = [LOSS, RemainderSplit(shares={"a": "1/3", "b": "2/3"})]
    known = run_of(thirds, {"spot": 10_000})
    dropped = run_of(ALONE, {"spot": 10_000}, parties=("a", "host"))
    told = explained_deltas([provisional(known, 10), provisional(known, 20), known, dropped, dropped])
    assert [(run.kind, {party: str(found.amount) for party, found in of.items()}) for run, of in told] == [
        ("provisional", {"a": "0.00", "b": "0.00", "host": "0.00"}),
        ("provisional", {"a": "0.00", "b": "0.00", "host": "0.00"}),
        ("initial", {"a": "33.33", "b": "66.67", "host": "-100.00"}),
        ("correction 1", {"a": "66.67", "b": "-66.67", "host": "0.00"}),
        ("correction 2", {"a": "0.00", "host": "0.00"}),
    ]
    ((_, why),) = leaves(told[1][1]["a"].tree)
    assert "provisional up to 2026-01-20" in why.label
    trees = AmountTrees(dropped)
    back = trees.amount("delta", party="b", before=known)
    assert_each_leaf_counts(back, iter(range(back.leaves_in_all)))
    assert (Fraction(-2, 3), "100") in [(share, leaf.exact) for share, leaf in leaves(back.tree)]
    for party, name, before in (("b", "delta", dropped), ("b", "payable", dropped), ("c", "delta", known)):
        with pytest.raises(Refused, match="has no amounts here"):
            trees.amount(name, party=party, before=before)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="there are: a"):
        AmountTrees(dropped, "a").amount("delta", party="b", before=known)


@pytest.mark.parametrize("reader", [None, "b"])
def test_the_totals_of_a_party_that_a_correction_left_out_are_nothing(reader: str | None) -> None:
    """Of the run that left it out; that run's delta takes back all that it had."""
    thirds: list[Clause] = [LOSS, RemainderSplit(shares={"a": "1/3", "b": "2/3"})]
    known = run_of(thirds, {"spot": 10_000})
    dropped = run_of(ALONE, {"spot": 10_000}, parties=("a", "host"))
    trees = AmountTrees(dropped, reader)
    for name in ("entitlement", "held", "payable"):
        found = trees.amount(name, party="b", before=known)  # type: ignore[arg-type]
        ((share, leaf),) = leaves(found.tree)
        assert (str(found.amount), share * Fraction(leaf.exact), found.leaves_in_all) == ("0.00", 0, 1)
        assert "the run before named it" in leaf.label
        for without in (None, dropped):
            with pytest.raises(Refused, match="has no amounts here"):
                trees.amount(name, party="b", before=without)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="there are: a"):
            AmountTrees(dropped, "a").amount(name, party="b", before=known)  # type: ignore[arg-type]
    assert str(trees.amount("delta", party="b", before=known).amount) == "-66.67"


LOSS = LossSplit(shares={"a": "50%", "b": "50%"}, carry_forward=False)
ALONE: list[Clause] = [
    LossSplit(shares={"a": "100%"}, carry_forward=False),
    RemainderSplit(shares={"a": "100%"}),
]
"""Of a contract that no longer names b."""


def fee(rate: str) -> BaseFee:
    return BaseFee(
        rate=rate, unit="kWh.month", quantity="1", quantity_basis="nameplate", proration="months",
        timing="before_split", payer="pool", payee="host",
    )  # fmt: skip


def run_of(
    clauses: list[Clause],
    streams: dict[str, int],
    *,
    month: Month = JANUARY,
    prior: PriorMonth | None = None,
    sees_pool: tuple[str, ...] = PARTIES,
    parties: tuple[str, ...] = PARTIES,
) -> Result:
    """A run whose pool has one line a stream, all held by the host."""
    terms = contract_of(clauses, parties)
    items = [StreamItem(name, Money(minor, "CNY")) for name, minor in streams.items()]
    split = distribute(terms, month, items, Throughput(1_000, 2_345_678), prior)
    lines = [_stream_line(number, name, minor) for number, (name, minor) in enumerate(streams.items(), 1)]
    return _result(terms, split, lines, sees_pool)


def contract_of(clauses: list[Clause], parties: tuple[str, ...] = PARTIES) -> Contract:
    sees = Visibility(pool_total=True, others_percentages=True, host_bill=True)
    return Contract(
        id="C", title="random", model="co_investment", sites=("S1",), currency="CNY", zone="Asia/Shanghai",
        effective_from=date(2026, 1, 1), effective_to=date(2036, 1, 1),
        parties=tuple(ContractParty(id=one, role="host" if one == "host" else "investor", sees=sees)
                      for one in parties),
        owner_position="gross", split_basis="tax_inclusive", pool_streams=STREAMS, pass_through_costs=(),
        cash_holder=dict.fromkeys(STREAMS, "host"), clauses=tuple(clauses),
    )  # fmt: skip


def _stream_line(number: int, stream: str, minor: int) -> Line:
    amount = Money(minor, "CNY")
    return Line(
        number, "stream", stream, "a rule", "S1", "host", "", "", "", exact_text(amount.exact), amount, "0",
        (), (),
    )  # fmt: skip


def _result(terms: Contract, split: Distribution, lines: list[Line], sees_pool: tuple[str, ...]) -> Result:
    of_clauses = [
        Line(
            number, "clause", one.type, f"clause {one.clause + 1}, {one.type}", None, one.party, one.quantity,
            one.unit, one.price, one.exact, one.amount, one.rounding, one.terms, (), one.basis,
        )
        for number, one in enumerate(split.lines, len(lines) + 1)
    ]  # fmt: skip
    return Result(
        contract=terms.id, title=terms.title, model=terms.model, month=split.month, currency="CNY",
        rules_version="test", position=1, inputs_digest="", pool=split.pool, lines=(*lines, *of_clauses),
        sources=(), bills=(), entitlement=split.entitlement, held=split.held, payable=split.payable,
        warnings=split.warnings, carry=split.carry, sees_pool=sees_pool,
    )  # fmt: skip


SHARES = st.sampled_from(
    [{"a": "70%", "b": "30%"}, {"a": "1/3", "b": "1/3", "host": "1/3"}, {"host": "12.345%", "b": "87.655%"}]
)
AMOUNTS = st.integers(0, 9_999_999).map(lambda minor: exact_text(Fraction(minor, 100)))


@st.composite
def some_clauses(draw: Any) -> list[Clause]:
    """Fees, tiers, and one clause that takes the rest; everything with limits that bind or do not."""
    clauses: list[Clause] = []
    if draw(st.booleans()):
        clauses.append(fee(draw(AMOUNTS)))
    if draw(st.booleans()):
        clauses.append(
            ServiceFee(rate="0.123456", basis="both", timing="before_split", payer="pool", payee="b")
        )
    rest = draw(st.sampled_from(["remainder", "tiered", "yearly", "floored", "guarantee"]))
    if draw(st.booleans()):
        clauses.append(StreamTier(streams=("spot",), shares=draw(SHARES)))
    if draw(st.booleans()):
        clauses.append(
            Hurdle(
                capital=draw(AMOUNTS), annual_rate="8%", proration="days", carry_forward=draw(st.booleans()),
                shares=draw(SHARES),
            )
        )  # fmt: skip
    if draw(st.booleans()):
        clauses.append(CappedTier(cap=draw(AMOUNTS), proration="months", shares=draw(SHARES)))
    if rest != "guarantee":
        clauses.append(LossSplit(shares=draw(SHARES), carry_forward=draw(st.booleans())))
    clauses.append(_rest(draw, rest))
    return clauses


def _rest(draw: Any, rest: str) -> Clause:
    match rest:
        case "remainder":
            return RemainderSplit(shares=draw(SHARES))
        case "tiered" | "yearly":
            yearly = rest == "yearly"
            brackets = (
                Bracket(up_to="1000", shares=draw(SHARES)),
                Bracket(up_to="30000.05", shares=draw(SHARES)),
                Bracket(shares=draw(SHARES)),
            )
            return TieredShare(
                brackets=brackets, period="year" if yearly else "month", reset_month=1 if yearly else None,
                proration=None if yearly else "days",
            )  # fmt: skip
        case "floored":
            return FlooredSplit(
                shares=draw(SHARES), party="a", minimum=draw(AMOUNTS), proration="days",
                funded_by={"b": "50%", "host": "50%"}, shortfall=draw(st.sampled_from(["paid", "carried"])),
            )  # fmt: skip
        case _:
            return Guarantee(
                annual_amount=draw(AMOUNTS), guaranteed_party="a", other_party="b", excess_share="61.7%",
                measure="year_to_date", carry="annual_reset", reset_month=1, proration="days",
            )  # fmt: skip


@settings(max_examples=120)
@given(
    clauses=some_clauses(),
    months=st.lists(
        st.dictionaries(st.sampled_from(STREAMS), st.integers(-3_000_000, 9_000_000)), min_size=1, max_size=3
    ),
    place=st.integers(0, 10_000),
)
def test_every_amount_of_a_random_contract_has_its_leaves(
    clauses: list[Clause], months: list[dict[str, int]], place: int
) -> None:
    """Shares, tiers and guarantees over several months, gains and losses: one leaf of each tree is tried."""
    prior: PriorMonth | None = None
    before: Result | None = None
    month = JANUARY
    for streams in months:
        result = run_of(clauses, streams, month=month, prior=prior, sees_pool=("b",))
        for line in result.lines:
            check_line(line)
        for reader in (None, "a", "b"):
            for found in every_amount(result, before, reader):
                count = found.leaves_in_all
                assert_each_leaf_counts(found, iter([place % count] if count else []))
        month, prior, before = month.next(), result.carry, result


POOLS = st.dictionaries(st.sampled_from(STREAMS), st.integers(-3_000_000, 9_000_000))


@settings(max_examples=60)
@given(
    clauses=some_clauses(),
    days=st.lists(st.integers(1, 30), max_size=2).map(sorted),
    whole=st.lists(st.tuples(st.booleans(), POOLS), min_size=1, max_size=4),
    accrued=POOLS,
)
def test_every_explained_delta_is_the_statements(
    clauses: list[Clause], days: list[int], whole: list[tuple[bool, dict[str, int]]], accrued: dict[str, int]
) -> None:
    """Provisional runs, the initial one, and corrections that drop a party or name it again."""
    results = [provisional(run_of(clauses, accrued, sees_pool=("b",)), day) for day in days]
    for names_b, streams in whole:
        if names_b:
            results.append(run_of(clauses, streams, sees_pool=("b",)))
        else:
            results.append(run_of(ALONE, streams, sees_pool=(), parties=("a", "host")))
    totals = dict.fromkeys(PARTIES, Money.zero("CNY"))
    for _, told in explained_deltas(results):
        for party, found in told.items():
            totals[party] += found.amount
    owed = {party: results[-1].payable.get(party, Money.zero("CNY")) for party in PARTIES}
    assert totals == owed, "the explained deltas of all runs are what is payable in the end"

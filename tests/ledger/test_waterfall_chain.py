"""Chains of months: corrections in any order, many parties, other currencies, losses before distribution."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.vat import VatRate
from ledger.clauses import BaseFee, CappedTier, Clause, FlooredSplit, Hurdle, LossSplit, RemainderSplit
from ledger.clauses.discharged_price import DischargedPrice, MinimumTake
from ledger.clauses.tiered_share import Bracket, TieredShare
from ledger.contract import Contract, ContractParty, SplitBasis
from ledger.interval import Month
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused
from ledger.split import largest_remainder
from ledger.vat_terms import VatTerms
from ledger.waterfall import Distribution, StreamItem, Throughput, distribute, on_split_basis
from tests.ledger.contract_samples import (
    APRIL,
    JANUARY,
    SEES,
    agency,
    chain,
    co_investment,
    contract,
    entitlements,
    month_of,
    plain_split,
    yuan,
)

PROPERTY = settings(max_examples=50)
HALVES = {"host": "50%", "operator": "50%"}
LOSS_CARRIED = LossSplit(shares=HALVES, carry_forward=True)


def priced() -> Contract:
    """A yearly take or pay after a split by brackets of the year: two paths at once."""
    take = MinimumTake(
        kwh="1200000", period="year", reset_month=2, proration="days", price="0.3", make_up=True
    )
    brackets = (Bracket(up_to="100000", shares=HALVES), Bracket(shares={"host": "1/3", "operator": "2/3"}))
    return contract(
        (
            LOSS_CARRIED,
            TieredShare(brackets=brackets, period="year", reset_month=1),
            DischargedPrice(
                price_basis="fixed",
                price="0.9",
                discount="5%",
                charge_cost="not_passed",
                minimum=take,
                payer="host",
                payee="operator",
                timing="after_split",
            ),
        )
    )


def floored() -> Contract:
    split = FlooredSplit(
        shares=HALVES,
        party="host",
        minimum="50000",
        proration="days",
        funded_by={"operator": "1"},
        shortfall="carried",
    )
    return contract((LOSS_CARRIED, split))


CHAINED = {
    "agency": agency,
    "co_investment": lambda: co_investment(hurdle_carry_forward=True, loss_carry_forward=True),
    "priced": priced,
    "floored": floored,
}


# Corrections

pools_of_months = st.lists(st.integers(-20_000_000, 30_000_000), min_size=2, max_size=6)


@PROPERTY
@given(kind=st.sampled_from(sorted(CHAINED)), pools=pools_of_months, data=st.data())
def test_original_and_all_deltas_are_a_fresh_settlement(
    kind: str, pools: list[int], data: st.DataObject
) -> None:
    """In any order of revisions, each along the whole chain of later months (DOMAIN.md 2.3)."""
    terms = CHAINED[kind]()
    months = list(range(len(pools)))
    revised = data.draw(st.lists(st.sampled_from(months), min_size=1, max_size=4), label="months revised")
    texts = [str(Money(pool, "CNY")) for pool in pools]
    latest = chain(terms, texts)
    posted = [dict(month.entitlement) for month in latest]
    for month in revised:
        texts[month] = str(Money(data.draw(st.integers(-20_000_000, 30_000_000)), "CNY"))
        prior = latest[month - 1].carry if month else None
        for later in range(month, len(texts)):
            again = month_of(terms, texts[later], latest[later].month, prior=prior)
            delta = {p: again.entitlement[p] - latest[later].entitlement[p] for p in again.entitlement}
            posted[later] = {party: money + delta[party] for party, money in posted[later].items()}
            latest[later], prior = again, again.carry
    assert posted == [month.entitlement for month in chain(terms, texts)]


# Losses


def test_carried_losses_are_recovered_before_anything_is_distributed() -> None:
    """A fee first, then 3,000.01 of losses, then the hurdle and the tiers."""
    fee = BaseFee(
        rate="1", unit="kWh.month", quantity="1000", quantity_basis="usable", proration="days",
        payer="pool", payee="operator", timing="before_split",
    )  # fmt: skip
    tiers: tuple[Clause, ...] = (
        Hurdle(
            capital="120000", annual_rate="10%", proration="days", carry_forward=False, shares={"host": "1"}
        ),
        CappedTier(cap="500", proration="days", shares={"operator": "1"}),
        RemainderSplit(shares=HALVES),
    )
    terms = contract((fee, LossSplit(shares={"host": "1/3", "operator": "2/3"}, carry_forward=True), *tiers))
    months = chain(terms, ["-2000.01", "3000.00", "5000.00"])
    kinds = [[(line.type, line.party, str(line.amount)) for line in month.lines] for month in months]
    assert kinds == [
        [
            ("base_fee", "operator", "1000.00"),
            ("loss_split", "host", "-1000.00"),
            ("loss_split", "operator", "-2000.01"),
        ],
        [
            ("base_fee", "operator", "1000.00"),
            ("loss_split", "host", "666.67"),
            ("loss_split", "operator", "1333.33"),
        ],
        [
            ("base_fee", "operator", "1000.00"),
            ("loss_split", "host", "333.34"),
            ("loss_split", "operator", "666.67"),
            ("hurdle", "host", "1000.00"),
            ("capped_tier", "operator", "500.00"),
            ("remainder_split", "host", "750.00"),
            ("remainder_split", "operator", "749.99"),
        ],
    ]


# Many parties, other currencies


@st.composite
def parties_and_shares(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[str, str], dict[str, str]]:
    count = draw(st.integers(1, 8))
    names = tuple(f"p{number}" for number in range(1, count + 1))

    def shares() -> dict[str, str]:
        weights = draw(
            st.lists(st.integers(0, 1000), min_size=count, max_size=count).filter(
                lambda drawn: sum(drawn) > 0
            )
        )
        return {name: f"{weight}/{sum(weights)}" for name, weight in zip(names, weights, strict=True)}

    return names, shares(), shares()


def of_parties(names: tuple[str, ...], clauses: tuple[Clause, ...], **changes: Any) -> Contract:
    members = tuple(ContractParty(id=name, role="investor", sees=SEES) for name in names)
    return contract(clauses, parties=members, cash_holder={"arbitrage": names[0]}, **changes)


@PROPERTY
@given(
    drawn=parties_and_shares(),
    currency=st.sampled_from(["CNY", "USD", "JPY"]),
    pools=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=3),
    rest=st.sampled_from(["remainder", "tiered", "floored"]),
)
def test_up_to_eight_parties_share_every_minor_unit(
    drawn: tuple[tuple[str, ...], dict[str, str], dict[str, str]], currency: str, pools: list[int], rest: str
) -> None:
    """Parts and rest are the pool, and no part is a whole unit off its exact share."""
    names, shares, others = drawn
    last: Clause = RemainderSplit(shares=shares)
    if rest == "tiered":
        brackets = (Bracket(up_to="12345.67", shares=others), Bracket(shares=shares))
        last = TieredShare(brackets=brackets, period="month", proration="days")
    elif rest == "floored" and len(names) > 1:
        last = FlooredSplit(
            shares=shares,
            party=names[0],
            minimum="99.5",
            proration="days",
            funded_by={name: f"1/{len(names) - 1}" for name in names[1:]},
            shortfall="paid",
        )
    hurdle = Hurdle(capital="12000", annual_rate="7%", proration="days", shares=others, carry_forward=True)
    terms = of_parties(names, (LossSplit(shares=others, carry_forward=True), hurdle, last), currency=currency)
    month, prior = JANUARY, None
    for pool in pools:
        items = (StreamItem("arbitrage", Money(pool, currency)),)
        settled: Distribution = distribute(terms, month, items, None, prior)
        assert sum(money.minor for money in settled.entitlement.values()) == pool
        assert sum(money.minor for money in settled.payable.values()) == 0
        for line in settled.lines:
            assert abs(Fraction(line.rounding)) < Fraction(1, 10 ** MINOR_DIGITS[currency])
            assert line.amount.currency == currency
        month, prior = month.next(), settled.carry


@PROPERTY
@given(
    drawn=parties_and_shares(),
    minor=st.integers(1, 10**10),
    currency=st.sampled_from(["CNY", "USD", "JPY"]),
)
def test_losses_mirror_gains_among_eight(
    drawn: tuple[tuple[str, ...], dict[str, str], dict[str, str]], minor: int, currency: str
) -> None:
    """`negative pools mirrored` (DOMAIN.md 2.3), also where the gain is split by one bracket."""
    names, shares, _ = drawn
    one = TieredShare(brackets=(Bracket(shares=shares),), period="month", proration="days")
    terms = of_parties(names, (LossSplit(shares=shares, carry_forward=False), one), currency=currency)
    gain, loss = (
        distribute(terms, APRIL, (StreamItem("arbitrage", Money(sign * minor, currency)),), None, None)
        for sign in (1, -1)
    )
    assert {party: -money for party, money in gain.entitlement.items()} == loss.entitlement
    weights = {name: Fraction(text) for name, text in shares.items()}
    assert {p: money.minor for p, money in gain.entitlement.items()} == largest_remainder(minor, weights)


def test_yen_have_no_decimals_and_dollars_two() -> None:
    """1,001 x 70 % = 700.7 and 300.3; a month's return of 8 % on 1,000,000 is 6,666.67 or 6,667."""
    yen = contract(plain_split().clauses, currency="JPY")
    settled = distribute(yen, APRIL, (StreamItem("arbitrage", Money(1001, "JPY")),), None, None)
    assert entitlements(settled) == {"host": "701", "operator": "300"}
    assert {line.party: line.rounding for line in settled.lines} == {"host": "0.3", "operator": "-0.3"}
    hurdle = Hurdle(
        capital="1000000", annual_rate="8%", proration="days", shares={"host": "1"}, carry_forward=False
    )
    for currency, due in (("JPY", "6667"), ("USD", "6666.67")):
        terms = contract((hurdle, *plain_split().clauses), currency=currency)
        (line, *_) = distribute(
            terms, APRIL, (StreamItem("arbitrage", Money(10**7, currency)),), None, None
        ).lines
        assert str(line.amount) == due


# Time


@PROPERTY
@given(day=st.integers(2, 30))
def test_two_parts_of_a_month_count_as_the_whole(day: int) -> None:
    """A month that one contract leaves and the next takes up has no more and no fewer days (proration)."""
    cap = CappedTier(cap="30000", proration="days", shares={"host": "1"})
    clauses = (LossSplit(shares=HALVES, carry_forward=False), cap, RemainderSplit(shares={"operator": "1"}))
    first = month_of(contract(clauses, effective_to=date(2026, 4, day)), "999999.00")
    second = month_of(contract(clauses, effective_from=date(2026, 4, day)), "999999.00")
    assert (first.entitlement["host"] + second.entitlement["host"]).minor == yuan("30000.00").minor


# The split basis

VAT: dict[str, Any] = {
    "taxpayers": {"host": "general", "operator": "general", "a-investor": "general", "b-platform": "general"},
    "categories": {"arbitrage": "electricity", "loss_split": "service", "remainder_split": "service"},
}


def with_vat(basis: SplitBasis) -> Contract:
    rates = (
        VatRate(
            category="electricity",
            taxpayer="general",
            rate="13%",
            effective_from=date(2019, 4, 1),
            source="x",
        ),
        VatRate(
            category="service", taxpayer="general", rate="6%", effective_from=date(2016, 5, 1), source="x"
        ),
    )
    return contract(plain_split().clauses, split_basis=basis, vat=VatTerms(**VAT, rates=rates))


def test_a_tax_exclusive_pool_is_without_its_tax() -> None:
    """45,678.91 gross at 13 % are 40,423.81 net; an inclusive contract divides the gross (DOMAIN.md 3.8)."""
    items = (StreamItem("arbitrage", yuan("45678.91")), StreamItem("spot", yuan("1.00")))
    exclusive, inclusive = with_vat("tax_exclusive"), with_vat("tax_inclusive")
    net = on_split_basis(exclusive, items, date(2026, 4, 30))
    assert [str(item.amount) for item in net] == ["40423.81", "1.00"]
    settled = distribute(exclusive, APRIL, net, None, None)
    assert entitlements(settled) == {"host": "28296.67", "operator": "12127.14"}
    assert on_split_basis(inclusive, items, date(2026, 4, 30)) == items
    gross = distribute(inclusive, APRIL, items, None, None)
    assert entitlements(gross) == {"host": "31975.24", "operator": "13703.67"}


def test_a_tax_exclusive_pool_needs_rates_that_hold() -> None:
    items = (StreamItem("arbitrage", yuan("45678.91")),)
    bare = contract(plain_split().clauses, split_basis="tax_exclusive")
    with pytest.raises(Refused) as missing:
        on_split_basis(bare, items, date(2026, 4, 30))
    assert (missing.value.code, missing.value.place) == ("vat_terms_missing", "vat")
    with pytest.raises(Refused) as early:
        on_split_basis(with_vat("tax_exclusive"), items, date(2018, 4, 30))
    assert early.value.code == "vat_rate_missing"


def test_energy_is_not_needed_where_no_clause_measures_it() -> None:
    settled = month_of(plain_split(), "1.00", Month(2026, 5), throughput=None)
    assert settled.pool == yuan("1.00")
    assert Throughput(1, 2).charge_cost is None

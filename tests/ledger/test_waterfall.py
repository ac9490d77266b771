"""The waterfalls of DOMAIN.md 2.3 to the fen, and what holds for every contract."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import Hurdle
from ledger.clauses.carry import GuaranteeToDate
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.waterfall import Distribution, PriorMonth, StreamItem, Throughput, distribute
from tests.ledger.contract_samples import (
    APRIL,
    agency,
    chain,
    co_investment,
    contract,
    eaas,
    entitlements,
    month_of,
    plain_split,
    yuan,
)

APRIL_POOL = "45678.91"
PROPERTY = settings(max_examples=60)


def amounts(settled: Distribution, kind: str) -> dict[str, str]:
    """What the clauses of one type give, by party."""
    return {line.party: str(line.amount) for line in settled.lines if line.type == kind}


# Energy storage as a service: 2 MWh, April, DOMAIN.md 2.3


@pytest.mark.parametrize(
    ("terms", "base", "service"),
    [
        ({"base_unit": "kWh.month"}, "400000.00", "9936.00"),
        ({"base_unit": "kWh.year"}, "33333.33", "9936.00"),
        ({"base_unit": "kWh.year", "service_basis": "both"}, "33333.33", "20736.00"),
        ({"base_unit": "kWh.year", "service_basis": "charge"}, "33333.33", "10800.00"),
        ({"base_unit": "kW.month", "base_rate": "30", "base_quantity": "1000"}, "30000.00", "9936.00"),
    ],
)
def test_every_reading_of_the_fees_is_computed_as_written(
    terms: dict[str, str], base: str, service: str
) -> None:
    settled = month_of(eaas(**terms), APRIL_POOL)
    assert amounts(settled, "remainder_split") == {"host": "31975.24", "operator": "13703.67"}
    assert amounts(settled, "base_fee") == {"host": f"-{base}", "operator": base}
    assert amounts(settled, "service_fee") == {"host": f"-{service}", "operator": service}


def test_fee_last_leaves_the_host_below_zero() -> None:
    settled = month_of(eaas(), APRIL_POOL)
    assert entitlements(settled) == {"host": "-11294.09", "operator": "56973.00"}


def test_fee_first_splits_what_the_fees_leave() -> None:
    settled = month_of(eaas(fee_first=True, fee_payer="pool"), APRIL_POOL)
    assert amounts(settled, "remainder_split") == {"host": "1686.71", "operator": "722.87"}
    assert settled.pool == yuan(APRIL_POOL)
    assert entitlements(settled) == {"host": "1686.71", "operator": "43992.20"}


def test_fee_first_above_the_pool_makes_a_loss_that_is_split() -> None:
    settled = month_of(eaas(fee_first=True, fee_payer="pool", base_unit="kWh.month"), APRIL_POOL)
    assert amounts(settled, "base_fee") == {"operator": "400000.00"}
    assert amounts(settled, "loss_split") == {"host": "-254979.96", "operator": "-109277.13"}
    assert amounts(settled, "remainder_split") == {}


def test_negative_pool_mirrors_the_positive_one() -> None:
    assert entitlements(month_of(plain_split(), "-1234.57")) == {"host": "-864.20", "operator": "-370.37"}
    assert entitlements(month_of(plain_split(), "1234.57")) == {"host": "864.20", "operator": "370.37"}


def test_the_literal_base_fee_is_warned_of_and_not_corrected() -> None:
    capital = "3600000"
    literal = contract(eaas(base_unit="kWh.month").clauses, capital_cost=capital)
    yearly = contract(eaas().clauses, capital_cost=capital)
    warnings = month_of(literal, APRIL_POOL).warnings
    assert [(notice.code, notice.clause) for notice in warnings] == [("implausible_fee", 2)] * 2
    assert "400,000.00 CNY is above the pool 45,678.91 CNY" in warnings[0].message
    assert "4,800,000 CNY a year" in warnings[1].message
    assert month_of(yearly, APRIL_POOL).warnings == ()


@pytest.mark.parametrize(("capital", "warned"), [("800000", False), ("799999.99", True)])
def test_a_yearly_fee_above_half_of_the_capital_is_implausible(capital: str, warned: bool) -> None:
    settled = month_of(contract(eaas().clauses, capital_cost=capital), APRIL_POOL)
    assert bool(settled.warnings) == warned


# Co-investment, DOMAIN.md 2.3


def test_co_investment_fills_three_tiers() -> None:
    settled = month_of(co_investment(), "1666666.67")
    assert amounts(settled, "hurdle") == {
        "a-investor": "120000.00",
        "b-platform": "48000.00",
        "host": "72000.00",
    }
    assert amounts(settled, "capped_tier") == {
        "a-investor": "150000.00",
        "b-platform": "250000.00",
        "host": "100000.00",
    }
    assert amounts(settled, "remainder_split") == {
        "a-investor": "370666.67",
        "b-platform": "370666.67",
        "host": "185333.33",
    }
    assert entitlements(settled) == {
        "a-investor": "640666.67",
        "b-platform": "668666.67",
        "host": "357333.33",
    }


def test_co_investment_tiers_take_nothing_of_a_loss() -> None:
    settled = month_of(co_investment(), "-100.00")
    assert {line.type for line in settled.lines} == {"loss_split"}
    assert entitlements(settled) == {"a-investor": "-40.00", "b-platform": "-40.00", "host": "-20.00"}


def test_a_small_pool_stops_inside_the_hurdle() -> None:
    settled = month_of(co_investment(), "100000.00")
    assert {line.type for line in settled.lines} == {"hurdle"}
    assert entitlements(settled) == {"a-investor": "50000.00", "b-platform": "20000.00", "host": "30000.00"}


# Agency operation, DOMAIN.md 2.3

THREE_MONTHS = ["80000.00", "150000.00", "65432.10"]


def test_agency_pays_the_guarantee_year_to_date() -> None:
    settled = chain(agency(), THREE_MONTHS)
    assert [str(month.entitlement["host"]) for month in settled] == ["100000.00", "118000.00", "82000.00"]
    operator = [str(month.entitlement["operator"]) for month in settled]
    assert operator == ["-20000.00", "32000.00", "-16567.90"]


def test_twelve_guarantees_sum_exactly_to_the_year() -> None:
    settled = chain(agency(annual_amount="1000000"), ["0.00"] * 12)
    paid = [month.entitlement["host"] for month in settled]
    assert [str(money) for money in paid[:3]] == ["83333.33", "83333.34", "83333.33"]
    assert sum(money.minor for money in paid) == yuan("1000000.00").minor


def test_cash_already_held_is_not_paid_again() -> None:
    terms = contract(
        agency().clauses,
        pool_streams=("arbitrage", "demand_response"),
        cash_holder={"arbitrage": "host", "demand_response": "operator"},
    )
    january = distribute(
        terms, Month(2026, 1), items(arbitrage="80000.00", demand_response="0.00"), None, None
    )
    february = items(arbitrage="110000.00", demand_response="40000.00")
    settled = distribute(terms, Month(2026, 2), february, None, january.carry)
    assert str(settled.entitlement["host"]) == "118000.00"
    assert str(settled.held["host"]) == "110000.00"
    assert str(settled.payable["host"]) == "8000.00"
    assert str(settled.payable["operator"]) == "-8000.00"


def test_a_revised_january_moves_every_later_month() -> None:
    """January from 80,000 to 130,000 gives +27,259.26 over the chain, by origin month (DOMAIN.md 2.3)."""
    before = chain(agency(), THREE_MONTHS)
    after = chain(agency(), ["130000.00", *THREE_MONTHS[1:]])
    deltas = {
        str(old.month): new.entitlement["host"] - old.entitlement["host"]
        for old, new in zip(before, after, strict=True)
    }
    assert {month: str(delta) for month, delta in deltas.items()} == {
        "2026-01": "18000.00",
        "2026-02": "12000.00",
        "2026-03": "-2740.74",
    }
    assert sum(delta.minor for delta in deltas.values()) == yuan("27259.26").minor
    assert sum(month.entitlement["host"].minor for month in after) == yuan("327259.26").minor


# The pool


def items(**amounts_by_stream: str) -> tuple[StreamItem, ...]:
    return tuple(StreamItem(stream, yuan(text)) for stream, text in amounts_by_stream.items())


POOL_WITH_COSTS = {
    "pool_streams": ("arbitrage", "spot"),
    "pass_through_costs": ("market_fee",),
    "cash_holder": {"arbitrage": "host", "spot": "operator", "market_fee": "b-platform"},
}


def test_the_pool_is_streams_less_costs_and_who_paid_a_cost_gets_it_back() -> None:
    terms = contract(plain_split().clauses, **POOL_WITH_COSTS)
    given_items = (*items(arbitrage="600.00", spot="500.00", market_fee="100.00"), *items(spot="-20.00"))
    settled = distribute(terms, APRIL, given_items, None, None)
    assert settled.pool == yuan("980.00")
    assert {party: str(money) for party, money in settled.held.items()} == {
        "a-investor": "0.00",
        "b-platform": "-100.00",
        "host": "600.00",
        "operator": "480.00",
    }
    assert {party: str(money) for party, money in settled.payable.items()} == {
        "a-investor": "0.00",
        "b-platform": "100.00",
        "host": "86.00",
        "operator": "-186.00",
    }


def test_one_holder_s_streams_and_costs_add_up_and_a_missing_one_is_nothing() -> None:
    one_holder = POOL_WITH_COSTS | {"cash_holder": dict.fromkeys(("arbitrage", "spot", "market_fee"), "host")}
    terms = contract(plain_split().clauses, **one_holder)
    settled = distribute(terms, APRIL, items(arbitrage="600.00", market_fee="100.00"), None, None)
    assert settled.pool == yuan("500.00")
    assert settled.held["host"] == yuan("500.00")


def test_what_is_not_shared_is_shown_and_not_split() -> None:
    outside = items(demand_response="77.00", insurance="5.00")
    settled = distribute(plain_split(), APRIL, (*items(arbitrage="10.00"), *outside), None, None)
    assert settled.pool == yuan("10.00")
    assert settled.outside_pool == outside


def test_a_pool_stream_without_an_item_is_warned_of_and_a_stated_zero_is_not() -> None:
    terms = contract(plain_split().clauses, **POOL_WITH_COSTS)
    silent = distribute(terms, APRIL, items(arbitrage="10.00"), None, None)
    assert [notice.message.split()[1] for notice in silent.warnings] == ["spot", "market_fee"]
    stated = distribute(terms, APRIL, items(arbitrage="10.00", spot="0.00", market_fee="0.00"), None, None)
    assert stated.warnings == ()


def test_unknown_streams_and_other_currencies_are_refused() -> None:
    with pytest.raises(Refused, match="is not one of arbitrage") as unknown:
        StreamItem("arbitage", yuan("1.00"))
    assert unknown.value.code == "stream"
    with pytest.raises(Refused) as euro:
        distribute(plain_split(), APRIL, (StreamItem("arbitrage", Money(1, "EUR")),), None, None)
    assert (euro.value.code, euro.value.place) == ("currency", "items.arbitrage")


def test_a_service_fee_without_metered_energy_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        month_of(eaas(), APRIL_POOL, throughput=None)
    assert refused.value.code == "throughput_missing"
    with pytest.raises(Refused):
        Throughput(charge_wh=-1, discharge_wh=0)


# Time


def test_a_contract_that_begins_inside_the_month_counts_its_days() -> None:
    terms = contract(eaas().clauses, effective_from=date(2026, 4, 21))
    settled = month_of(terms, APRIL_POOL)
    (host, _) = (line for line in settled.lines if line.type == "base_fee")
    assert (str(host.amount), host.exact) == ("-11111.11", "-100000/9")
    assert host.basis == "200 CNY/kWh.year x 2,000 kWh nameplate x 1/36 year"
    whole = contract(eaas(base_proration="months").clauses, effective_from=date(2026, 4, 21))
    assert amounts(month_of(whole, APRIL_POOL), "base_fee")["operator"] == "33333.33"


def test_a_contract_that_ends_inside_the_month_counts_its_days() -> None:
    terms = contract(co_investment().clauses, effective_to=date(2026, 4, 7))
    settled = month_of(terms, "1666666.67")
    assert amounts(settled, "hurdle")["a-investor"] == "24000.00"
    assert amounts(settled, "capped_tier")["host"] == "100000.00"
    assert settled.carry.settled_to == date(2026, 4, 7)


def test_a_guarantee_counts_part_months() -> None:
    terms = contract(agency().clauses, effective_from=date(2026, 4, 16))
    first, second = chain(terms, ["0.00", "0.00"], first=APRIL)
    assert str(first.entitlement["host"]) == "50000.00"
    assert str(second.entitlement["host"]) == "100000.00"
    account = second.carry.accounts["guarantee#1"]
    assert isinstance(account, GuaranteeToDate)
    assert account.months == "1.5"


@pytest.mark.parametrize("month", [Month(2025, 12), Month(2036, 1)])
def test_a_month_outside_the_contract_is_refused(month: Month) -> None:
    with pytest.raises(Refused) as refused:
        month_of(plain_split(), "1.00", month)
    assert (refused.value.code, refused.value.place) == ("not_in_force", "month")


def test_months_are_settled_in_order() -> None:
    january = chain(agency(), ["80000.00"])[0].carry
    with pytest.raises(Refused, match="settled in order") as missing:
        month_of(agency(), "1.00", Month(2026, 2))
    assert missing.value.code == "prior_missing"
    with pytest.raises(Refused, match="settled up to 2026-02-01") as gap:
        month_of(agency(), "1.00", Month(2026, 3), prior=january)
    assert gap.value.code == "prior_gap"
    assert month_of(plain_split(), "1.00", Month(2026, 3)).pool == yuan("1.00")


def test_an_account_of_another_kind_or_currency_is_refused() -> None:
    april_first = date(2026, 4, 1)
    account = GuaranteeToDate(Month(2026, 3), "3", yuan("1.00"))
    wrong = PriorMonth(Month(2026, 3), april_first, {"hurdle#1": account})
    with pytest.raises(Refused) as kind:
        month_of(co_investment(hurdle_carry_forward=True), "1.00", prior=wrong)
    assert kind.value.code == "prior_account"
    euro = GuaranteeToDate(Month(2026, 3), "3", Money(1, "EUR"))
    with pytest.raises(Refused) as currency:
        month_of(agency(), "1.00", prior=PriorMonth(Month(2026, 3), april_first, {"guarantee#1": euro}))
    assert currency.value.code == "currency"


def test_a_version_that_drops_a_carried_account_is_warned_of() -> None:
    unpaid = chain(co_investment(hurdle_carry_forward=True), ["0.00"])[0].carry
    settled = month_of(plain_split(), "1.00", Month(2026, 2), prior=unpaid)
    assert [notice.code for notice in settled.warnings] == ["carry_dropped"]
    paid = chain(co_investment(hurdle_carry_forward=True), ["300000.00"])[0].carry
    assert month_of(plain_split(), "1.00", Month(2026, 2), prior=paid).warnings == ()


# For every contract

money_text = st.integers(-10_000_000, 10_000_000).map(lambda minor: str(Money(minor, "CNY")))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    kind = draw(st.sampled_from(["eaas", "eaas_first", "co_investment", "agency"]))
    host = draw(st.integers(0, 100))
    shares = {"host": f"{host}%", "operator": f"{100 - host}%"}
    match kind:
        case "eaas":
            return eaas(shares=shares, service_basis="both")
        case "eaas_first":
            return eaas(fee_first=True, fee_payer="pool", shares=shares)
        case "co_investment":
            return co_investment(hurdle_carry_forward=True, loss_carry_forward=True, risk_shares=shares)
        case _:
            return agency(excess_share=f"{host}%", annual_amount="999999.97")


@PROPERTY
@given(terms=contracts(), pools=st.lists(money_text, min_size=1, max_size=4))
def test_parts_add_up_and_payables_cancel(terms: Contract, pools: list[str]) -> None:
    """The sum of entitlements is the pool, the sum of cash due over all parties is 0 (DOMAIN.md 2.3)."""
    for settled in chain(terms, pools):
        assert sum(money.minor for money in settled.entitlement.values()) == settled.pool.minor
        assert sum(money.minor for money in settled.payable.values()) == 0
        for party, money in settled.entitlement.items():
            lines = [line for line in settled.lines if line.party == party]
            assert sum(line.amount.minor for line in lines) == money.minor
            assert settled.held[party] + settled.payable[party] == money
        for line in settled.lines:
            assert Fraction(line.exact) + Fraction(line.rounding) == line.amount.exact
            assert abs(Fraction(line.rounding)) < Fraction(1, 100) or line.type == "guarantee"
        assert msgspec.json.decode(msgspec.json.encode(settled), type=Distribution) == settled


@PROPERTY
@given(minor=st.integers(1, 10**12), host=st.integers(0, 10**6))
def test_negative_pools_mirror_positive_ones(minor: int, host: int) -> None:
    """`negative pools mirrored` (DOMAIN.md 2.3)."""
    terms = plain_split(f"{host}/1000000", f"{10**6 - host}/1000000")
    gain = month_of(terms, str(Money(minor, "CNY")))
    loss = month_of(terms, str(Money(-minor, "CNY")))
    assert {party: -money for party, money in gain.entitlement.items()} == loss.entitlement


@PROPERTY
@given(pool=money_text, order=st.permutations(["a-investor", "b-platform", "host"]))
def test_the_order_of_parties_and_items_does_not_matter(pool: str, order: list[str]) -> None:
    usual = co_investment()
    fields = {"risk_shares": "40%,40%,20%", "capital_shares": "50%,20%,30%"}
    by_party = {
        field: dict(zip(["a-investor", "b-platform", "host"], text.split(","), strict=True))
        for field, text in fields.items()
    }
    permuted = co_investment(
        **{field: {party: shares[party] for party in order} for field, shares in by_party.items()}
    )
    shuffled = contract(permuted.clauses, parties=usual.parties[::-1])
    assert msgspec.json.encode(month_of(shuffled, pool)) == msgspec.json.encode(month_of(usual, pool))


@PROPERTY
@given(texts=st.lists(money_text, min_size=1, max_size=5), seed=st.randoms(use_true_random=False))
def test_items_of_one_stream_add_up_in_any_order(texts: list[str], seed: Random) -> None:
    one = [StreamItem("arbitrage", yuan(text)) for text in texts]
    total = str(Money(sum(item.amount.minor for item in one), "CNY"))
    seed.shuffle(one)
    assert distribute(plain_split(), APRIL, one, None, None) == month_of(plain_split(), total)


def test_a_hurdle_states_the_capital_that_fees_are_judged_by() -> None:
    hurdle = Hurdle(
        capital="1000", annual_rate="8%", proration="days", shares={"host": "1"}, carry_forward=False
    )
    assert contract((hurdle, *plain_split().clauses)).stated_capital == 1000
    assert plain_split().stated_capital is None

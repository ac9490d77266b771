"""The list of clauses, and what each kind does beyond the worked examples."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import date
from fractions import Fraction
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger.clauses
from ledger.clauses import (
    FEES,
    BaseFee,
    CappedTier,
    Clause,
    Guarantee,
    Hurdle,
    LossSplit,
    RemainderSplit,
    ServiceFee,
    StreamTier,
)
from ledger.clauses.carry import HurdleUnpaid, LossUnrecovered
from ledger.clauses.flow import Terms, exact_text
from ledger.clauses.share import amount, portion, weights
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.waterfall import StreamItem, distribute
from tests.ledger.contract_samples import (
    agency,
    chain,
    co_investment,
    contract,
    entitlements,
    month_of,
    plain_split,
    yuan,
)

HALVES = {"host": "50%", "operator": "50%"}
LOSS = LossSplit(shares={"operator": "100%"}, carry_forward=False)
FEE: dict[str, Any] = {
    "rate": "0.1",
    "basis": "both",
    "payer": "host",
    "payee": "operator",
    "timing": "after_split",
}
BASE: dict[str, Any] = {
    "rate": "200",
    "unit": "kWh.year",
    "quantity": "2000",
    "quantity_basis": "usable",
    "proration": "days",
    "payer": "pool",
    "payee": "operator",
    "timing": "before_split",
}
GUARANTEE: dict[str, Any] = {
    "annual_amount": "1200000",
    "guaranteed_party": "host",
    "other_party": "operator",
    "excess_share": "60%",
    "measure": "year_to_date",
    "carry": "contract",
    "proration": "days",
}
HURDLE: dict[str, Any] = {
    "capital": "1200",
    "annual_rate": "10%",
    "proration": "days",
    "shares": HALVES,
    "carry_forward": True,
}


def test_every_clause_file_is_in_the_one_list() -> None:
    for module in pkgutil.iter_modules(ledger.clauses.__path__):
        importlib.import_module(f"ledger.clauses.{module.name}")
    kinds = [Terms]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert {kind for kind in kinds if not kind.__subclasses__()} == set(get_args(Clause))


def test_fees_are_the_clauses_by_which_one_pays_another() -> None:
    assert {"base_fee", "service_fee", "indexed_fee", "discharged_price"} == FEES


# Hurdle


def test_an_unpaid_hurdle_is_due_again_only_when_it_carries_forward() -> None:
    pools = ["100000.00", "-5.00", "1000000.00"]
    carried = chain(co_investment(hurdle_carry_forward=True), pools)
    hurdle = [sum(line.amount.minor for line in m.lines if line.type == "hurdle") for m in carried]
    assert hurdle == [10000000, 0, 62000000]
    accounts = [month.carry.accounts["hurdle#1"] for month in carried]
    assert accounts == [HurdleUnpaid(yuan(text)) for text in ("140000.00", "380000.00", "0.00")]
    lost = chain(co_investment(), pools)
    assert sum(line.amount.minor for line in lost[2].lines if line.type == "hurdle") == 24000000
    assert lost[0].carry.accounts == {}


def test_an_amendment_without_carry_forward_drops_the_unpaid_hurdle_and_says_so() -> None:
    january = chain(co_investment(hurdle_carry_forward=True), ["0.00"])[0]
    february = month_of(co_investment(), "1000000.00", Month(2026, 2), prior=january.carry)
    assert sum(line.amount.minor for line in february.lines if line.type == "hurdle") == 24000000
    assert [notice.code for notice in february.warnings] == ["carry_dropped"]


def test_tiers_above_the_loss_split_take_nothing_of_a_loss() -> None:
    tiers = (Hurdle(**HURDLE), CappedTier(cap="5", proration="days", shares=HALVES))
    terms = contract((*tiers, LOSS, RemainderSplit(shares=HALVES)))
    settled = month_of(terms, "-100.00", Month(2026, 1))
    assert [(line.type, line.party, str(line.amount)) for line in settled.lines] == [
        ("loss_split", "operator", "-100.00")
    ]
    assert settled.carry.accounts == {"hurdle#1": HurdleUnpaid(yuan("10.00"))}


# Loss split


def test_losses_are_recovered_first_only_when_they_carry_forward() -> None:
    pools = ["-100.00", "30.00", "200.00"]
    terms = contract((LossSplit(shares={"operator": "1"}, carry_forward=True), RemainderSplit(shares=HALVES)))
    carried = chain(terms, pools)
    assert [entitlements(month) for month in carried] == [
        {"operator": "-100.00"},
        {"operator": "30.00"},
        {"host": "65.00", "operator": "135.00"},
    ]
    assert carried[1].carry.accounts == {"loss_split#1": LossUnrecovered(yuan("70.00"))}
    kept = chain(contract((LOSS, RemainderSplit(shares=HALVES))), pools)
    assert entitlements(kept[2]) == {"host": "100.00", "operator": "100.00"}


# Guarantee


def test_a_guarantee_is_clawed_back_inside_the_year() -> None:
    """The year-to-date form takes back what an earlier month paid too much (DOMAIN.md 2.3)."""
    settled = chain(agency(), ["400000.00", "-200000.00"])
    assert [str(month.entitlement["host"]) for month in settled] == ["280000.00", "-80000.00"]
    assert [str(month.entitlement["operator"]) for month in settled] == ["120000.00", "-120000.00"]


@pytest.mark.parametrize(
    ("terms", "thirteenth"),
    [
        ({"carry": "annual_reset", "reset_month": 1}, "160000.00"),
        ({"carry": "annual_reset", "reset_month": 2}, "100000.00"),
        ({"carry": "contract", "reset_month": None}, "100000.00"),
    ],
)
def test_the_guarantee_resets_when_the_contract_says(terms: dict[str, Any], thirteenth: str) -> None:
    settled = chain(agency(**terms), ["0.00"] * 12 + ["200000.00"])
    assert str(settled[12].entitlement["host"]) == thirteenth


def test_an_amendment_changes_the_guarantee_from_its_start_only() -> None:
    january = chain(agency(), ["0.00"])[0]
    raised = contract(agency(annual_amount="2400000").clauses, effective_from=date(2026, 2, 1))
    february = month_of(raised, "0.00", Month(2026, 2), prior=january.carry)
    assert str(february.entitlement["host"]) == "200000.00"


def test_an_amendment_inside_the_reset_month_goes_on_counting() -> None:
    first = contract(agency().clauses, effective_to=date(2026, 1, 16))
    half = month_of(first, "50000.00", Month(2026, 1))
    second = contract(agency().clauses, effective_from=date(2026, 1, 16))
    rest = month_of(second, "50000.00", Month(2026, 1), prior=half.carry)
    total = half.entitlement["host"] + rest.entitlement["host"]
    assert total == month_of(agency(), "100000.00", Month(2026, 1)).entitlement["host"]


# Tiers by stream


BY_STREAM = contract(
    (
        LOSS,
        StreamTier(streams=("arbitrage", "demand_charge"), shares={"host": "1"}),
        StreamTier(streams=("service", "spot"), shares={"operator": "1"}),
        RemainderSplit(shares={"a-investor": "1"}),
    ),
    pool_streams=("arbitrage", "demand_charge", "service", "spot", "demand_response"),
    pass_through_costs=("insurance",),
    cash_holder=dict.fromkeys(
        ("arbitrage", "demand_charge", "service", "spot", "demand_response", "insurance"), "operator"
    ),
)


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        (
            {"arbitrage": "100.00", "demand_charge": "20.00", "spot": "30.00", "demand_response": "50.00"},
            {"host": "120.00", "operator": "30.00", "a-investor": "50.00"},
        ),
        (
            {"arbitrage": "100.00", "spot": "30.00", "insurance": "10.00"},
            {"host": "100.00", "operator": "20.00"},
        ),
        ({"arbitrage": "-10.00", "demand_response": "50.00"}, {"a-investor": "40.00"}),
        ({"arbitrage": "40.00", "spot": "-50.00"}, {"operator": "-10.00"}),
    ],
)
def test_tiers_by_stream_reach_as_far_as_the_pool(streams: dict[str, str], expected: dict[str, str]) -> None:
    given_items = [StreamItem(stream, yuan(text)) for stream, text in streams.items()]
    settled = distribute(BY_STREAM, Month(2026, 4), given_items, None, None)
    assert entitlements(settled) == expected


# What a clause refuses


@pytest.mark.parametrize(
    ("kind", "fields", "code", "place"),
    [
        (RemainderSplit, {"shares": {"host": "70%", "operator": "29.99%"}}, "share_total", "shares"),
        (RemainderSplit, {"shares": {"host": "33.33%", "operator": "66.66%"}}, "share_total", "shares"),
        (RemainderSplit, {"shares": {}}, "share_total", "shares"),
        (RemainderSplit, {"shares": {"host": "70", "operator": "30"}}, "portion", "shares.host"),
        (RemainderSplit, {"shares": {"host": "-10%", "operator": "110%"}}, "portion", "shares.host"),
        (RemainderSplit, {"shares": {"host": "101%"}}, "portion", "shares.host"),
        (RemainderSplit, {"shares": {"host": "1/0"}}, "portion", "shares.host"),
        (BaseFee, BASE | {"rate": "-1"}, "amount", "rate"),
        (BaseFee, BASE | {"quantity": "1e3"}, "amount", "quantity"),
        (BaseFee, BASE | {"quantity": "\uff11"}, "amount", "quantity"),
        (BaseFee, BASE | {"unit": "kWh"}, "not_allowed", "unit"),
        (BaseFee, BASE | {"quantity_basis": "gross"}, "not_allowed", "quantity_basis"),
        (BaseFee, BASE | {"proration": "weeks"}, "not_allowed", "proration"),
        (BaseFee, BASE | {"payer": "host"}, "fee_timing", "payer"),
        (ServiceFee, FEE | {"payer": "pool"}, "fee_timing", "payer"),
        (ServiceFee, FEE | {"payee": "host"}, "fee_parties", "payee"),
        (ServiceFee, FEE | {"payee": "pool"}, "fee_parties", "payee"),
        (ServiceFee, FEE | {"basis": "dis"}, "not_allowed", "basis"),
        (ServiceFee, FEE | {"timing": "first"}, "not_allowed", "timing"),
        (Hurdle, HURDLE | {"annual_rate": "8"}, "portion", "annual_rate"),
        (Hurdle, HURDLE | {"capital": "1,200"}, "amount", "capital"),
        (Hurdle, HURDLE | {"proration": "day"}, "not_allowed", "proration"),
        (CappedTier, {"cap": "x", "proration": "days", "shares": HALVES}, "amount", "cap"),
        (CappedTier, {"cap": "1", "proration": "", "shares": HALVES}, "not_allowed", "proration"),
        (StreamTier, {"streams": (), "shares": HALVES}, "streams", "streams"),
        (StreamTier, {"streams": ("spot", "spot"), "shares": HALVES}, "streams", "streams"),
        (StreamTier, {"streams": ("sport",), "shares": HALVES}, "not_allowed", "streams[0]"),
        (Guarantee, GUARANTEE | {"other_party": "host"}, "guarantee_parties", "other_party"),
        (Guarantee, GUARANTEE | {"reset_month": 1}, "reset_month", "reset_month"),
        (Guarantee, GUARANTEE | {"carry": "annual_reset"}, "reset_month", "reset_month"),
        (
            Guarantee,
            GUARANTEE | {"carry": "annual_reset", "reset_month": 13},
            "reset_month",
            "reset_month",
        ),
        (Guarantee, GUARANTEE | {"carry": "never"}, "not_allowed", "carry"),
        (Guarantee, GUARANTEE | {"measure": "month"}, "not_allowed", "measure"),
    ],
)
def test_a_clause_refuses_what_it_cannot_mean(
    kind: type[Terms], fields: dict[str, Any], code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        kind(**fields)
    assert (refused.value.code, refused.value.place) == (code, place)


# Exact text


@pytest.mark.parametrize(
    ("text", "value"), [("70%", "7/10"), ("0.7", "7/10"), ("1", "1"), ("0%", "0"), ("1/3", "1/3")]
)
def test_percentages_are_exact(text: str, value: str) -> None:
    assert portion(text, "x") == Fraction(value)


def test_thirds_total_the_whole() -> None:
    assert sum(weights({"a": "1/3", "b": "1/3", "c": "1/3"}, "shares").values()) == 1
    assert amount("0.1", "rate") == Fraction(1, 10)


@settings(max_examples=100)
@given(value=st.fractions(max_denominator=10**6))
def test_exact_text_loses_nothing(value: Fraction) -> None:
    assert Fraction(exact_text(value)) == value


def test_clauses_round_trip_by_their_type() -> None:
    for terms in (plain_split(), co_investment(), agency(), BY_STREAM):
        encoded = msgspec.json.encode(terms.clauses)
        assert msgspec.json.decode(encoded, type=tuple[Clause, ...]) == terms.clauses

"""What the verifier makes of a contract's clauses, bills and taxes, and what the ledger makes of them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import tariff_file
from ledger.calendars import calendar
from ledger.clauses import Clause
from ledger.clauses.carry import (
    Carry,
    GuaranteeToDate,
    HurdleUnpaid,
    LossUnrecovered,
    MinimumUnpaid,
    PoolToDate,
    TakeToDate,
)
from ledger.clauses.facts import Exclusion, MonthFacts
from ledger.clauses.flow import Flow, Throughput
from ledger.interval import Month
from ledger.power_factor import adjustment, cos_phi_hundredths
from ledger.quantity import Money
from ledger.tariff import prices_of_month
from tests.verifier.test_verify_bundle import changed, in_result, refusal, verifier

EXAMPLES = Path(__file__).parents[2] / "examples"
SPLIT = {"a": "60%", "b": "1/4", "c": "0.15"}
FEE = {"payer": "a", "payee": "b", "timing": "after_split"}
INDEX = {"amount": "1000.37", "period": "year", "base_year": 2024, "adjusted_in": 4, "source": "an office"}
CLAUSES: dict[str, dict[str, Any]] = {
    "fixed": {"type": "remainder_split", "shares": SPLIT},
    "capped": {"type": "capped_tier", "shares": SPLIT, "cap": "310.55", "proration": "days"},
    "loss": {"type": "loss_split", "shares": SPLIT, "carry_forward": False},
    "recovered loss": {"type": "loss_split", "shares": SPLIT, "carry_forward": True},
    "tiered by month": {
        "type": "tiered_share",
        "period": "month",
        "proration": "days",
        "brackets": [{"up_to": "100.01", "shares": SPLIT}, {"shares": {"a": "100%"}}],
    },
    "tiered by year": {
        "type": "tiered_share",
        "period": "year",
        "reset_month": 3,
        "brackets": [
            {"up_to": "100", "shares": SPLIT},
            {"up_to": "400", "shares": {"b": "100%"}},
            {"shares": {"a": "50%", "c": "50%"}},
        ],
    },
    "floored": {
        "type": "floored_split",
        "shares": SPLIT,
        "party": "a",
        "minimum": "250",
        "proration": "days",
        "funded_by": {"b": "1/3", "c": "2/3"},
        "shortfall": "paid",
    },
    "guarantee": {
        "type": "guarantee",
        "annual_amount": "1000",
        "guaranteed_party": "a",
        "other_party": "b",
        "excess_share": "1/3",
        "measure": "year_to_date",
        "carry": "annual_reset",
        "reset_month": 3,
        "proration": "days",
    },
    "base fee": {
        "type": "base_fee",
        "rate": "1.7",
        "unit": "kWh.year",
        "quantity": "501",
        "quantity_basis": "nameplate",
        "proration": "days",
        **FEE,
    },
    "indexed": {
        "type": "indexed_fee",
        **INDEX,
        "index": {"2024": "101.2", "2025": "103.7", "2026": "104.1"},
        "proration": "days",
        **FEE,
    },
    "rising": {"type": "indexed_fee", **INDEX, "annual_rise": "2.5%", "proration": "months", **FEE},
    "discharged": {
        "type": "discharged_price",
        "price_basis": "fixed",
        "price": "0.6123",
        "discount": "12.5%",
        "charge_cost": "not_passed",
        **FEE,
    },
    "hurdle": {
        "type": "hurdle",
        "shares": SPLIT,
        "capital": "12000",
        "annual_rate": "7.3%",
        "proration": "days",
        "carry_forward": True,
    },
    "stream tier": {"type": "stream_tier", "shares": SPLIT, "streams": ["spot", "capacity"]},
    "service": {"type": "service_fee", "rate": "0.123", "basis": "both", **FEE},
    "scores": {"type": "remainder_split", "shares": SPLIT, "weights": "evidence", "zero_scores": "shares"},
    "floored, carried": {
        "type": "floored_split",
        "shares": SPLIT,
        "party": "a",
        "minimum": "250",
        "proration": "days",
        "funded_by": {"b": "1/3", "c": "2/3"},
        "shortfall": "carried",
    },
    "minimum take": {
        "type": "discharged_price",
        "price_basis": "tariff",
        "discount": "12.5%",
        "charge_cost": "deducted",
        "minimum": {
            "kwh": "60000",
            "period": "year",
            "reset_month": 3,
            "proration": "days",
            "price": "0.21",
            "make_up": True,
            "carve_outs": ["force_majeure"],
        },
        **FEE,
    },
}
ACCOUNTS: dict[str, Any] = {
    "recovered loss": lambda month, minor: LossUnrecovered(Money(minor, "CNY")),
    "tiered by year": lambda month, minor: PoolToDate(month, Money(minor, "CNY")),
    "guarantee": lambda month, minor: GuaranteeToDate(month, "7/3", Money(minor, "CNY")),
    "hurdle": lambda month, minor: HurdleUnpaid(Money(minor, "CNY")),
    "floored, carried": lambda month, minor: MinimumUnpaid(Money(minor, "CNY")),
    "minimum take": lambda month, minor: TakeToDate(month, "10/3", minor * 400, "71/3"),
}


def clause(name: str) -> Any:
    return msgspec.convert(CLAUSES[name], Clause)


STREAMS = {"spot": 20_050, "capacity": -1_000, "arbitrage": 7}
SCORES = {"a": "1.5", "b": "0", "c": "7"}
COST, VALUE = Fraction("1234.5678"), Fraction(98765, 7)


def flow(remaining: int, month: Month, days: int, before: Carry | None, wh: int) -> Flow:
    return Flow(
        month=month,
        covered=Fraction(days, month.days),
        currency="CNY",
        pool=remaining,
        remaining=remaining,
        streams=STREAMS,
        throughput=Throughput(wh // 3, wh, COST, VALUE),
        capital_cost=None,
        carried=before,
        first=month.first_day,
        end=date(month.year, month.month, days),
        facts=MonthFacts(
            exclusions=(
                Exclusion(
                    cause="force_majeure",
                    first=date(month.year, month.month, 2),
                    end=date(month.year, month.month, 5),
                    evidence="a notice",
                ),
            ),
            service=SCORES,
        ),
        accounts={},
    )


@pytest.mark.parametrize("name", CLAUSES)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    remaining=st.integers(-60_000, 90_000),
    month=st.integers(1, 12),
    days=st.integers(1, 28),
    handed_on=st.none() | st.integers(0, 70_000),
    wh=st.integers(0, 10_000_000),
)
def test_a_clause_comes_to_what_the_ledger_gives(
    name: str, remaining: int, month: int, days: int, handed_on: int | None, wh: int
) -> None:
    of = Month(2026, month)
    last = Month(2026, month - 1) if month > 1 else Month(2025, 12)
    before = ACCOUNTS[name](last, handed_on) if name in ACCOUNTS and handed_on is not None else None
    ours: dict[str, Fraction] = {}
    outcome = clause(name).apply(flow(remaining, of, days, before, wh))
    for part in outcome.parts:
        ours[part.party] = ours.get(part.party, Fraction(0)) + part.exact * 100
    module = verifier()
    written = {} if before is None else json.loads(msgspec.json.encode(before))
    stored = json.loads(msgspec.json.encode(clause(name)))
    covered = Fraction(days, of.days)
    excluded = [("force_majeure", date(2026, month, day)) for day in (2, 3, 4) if day < days]
    reached = (remaining, 100, 2026, month, covered, written, wh, wh // 3, VALUE, COST)
    theirs = module.due_of(stored, module.Reached(*reached, STREAMS, tuple(excluded), SCORES))
    nonzero = {party: amount for party, amount in theirs.parts.items() if amount}
    assert nonzero == {party: amount for party, amount in ours.items() if amount}
    handed_on = None if outcome.carry is None else json.loads(msgspec.json.encode(outcome.carry))
    assert theirs.account == (None if handed_on is None else module.plain(handed_on))


def test_what_is_not_known_is_not_recomputed() -> None:
    module = verifier()
    unknown = module.Reached(100, 100, 2026, 7)
    for name in ("capped", "recovered loss", "tiered by year", "guarantee", "base fee", "discharged"):
        assert module.due_of(CLAUSES[name], unknown) is None, name
    evidence = {**CLAUSES["fixed"], "weights": "evidence"}
    assert module.due_of(evidence, unknown) is None
    assert module.due_of({"type": "capital_hurdle"}, unknown) is None


# ------------------------------------------------------------------ signed all the same


def another_split(event: Any) -> None:
    """Everything else of the run fits its lines, so that nothing but the contract's text is against it."""
    event["contract"]["clauses"][0]["shares"] = {"host": "50%", "owner": "50%"}


def test_a_split_that_the_contract_does_not_state_is_refused() -> None:
    reason = refusal(changed(1, another_split))
    assert reason.startswith("line 13, event 6: clause 1, remainder_split gives host ")
    assert "and the contract says" in reason


ITEM = {"item": "energy", "period": "peak", "unit": "Wh", "rate": "1", "part": ""}
BILL = {
    "site": "S1",
    "explanation": "",
    "cycle": None,
    "without_storage": {"minor": 615, "currency": "CNY"},
    "with_storage": {"minor": 0, "currency": "CNY"},
    "items_without": [
        {**ITEM, "quantity": "10000", "price": "0.6", "amount": {"minor": 600, "currency": "CNY"}},
        {**ITEM, "quantity": "250", "price": "0.6", "amount": {"minor": 15, "currency": "CNY"}},
    ],
    "items_with": [],
}


def with_bill(change: Any) -> Any:
    def apply(run: Any) -> None:
        bill = json.loads(json.dumps(BILL))
        change(bill)
        run["result"]["bills"] = [bill]

    return changed(6, in_result(apply))


def _item(bill: Any) -> None:
    bill["items_without"][0]["amount"]["minor"] += 1
    bill["without_storage"]["minor"] += 1


def _total(bill: Any) -> None:
    bill["without_storage"]["minor"] += 1


def _rate(bill: Any) -> None:
    bill["items_without"][1]["rate"] = "0.9"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_item, "energy is not its product"), (_total, "its items say 615"), (_rate, "not its product")],
)
def test_a_bill_that_is_not_its_items_is_refused(change: Any, reason: str) -> None:
    assert reason in refusal(with_bill(change))


def test_a_bill_of_a_site_that_has_no_meter_of_its_load_is_refused() -> None:
    verifier().check_bill(BILL, "CNY", Counter(), "the bill")
    assert "it has a bill without meters of a load" in refusal(with_bill(lambda _: None))


TAX = {"supplier": "host", "rate": "0.13", "net": 100, "tax": 13, "gross": 113}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tax": 14}, "are not gross"),
        ({"tax": 15, "gross": 115}, "is not the tax of 100 at 0.13"),
        ({"rate": "0.12", "tax": 12, "gross": 112}, "is not the contract's rate of it, which is 13/100"),
    ],
)
def test_a_tax_that_is_not_its_rate_s_is_refused(change: dict[str, Any], reason: str) -> None:
    module = verifier()

    def checked(terms: dict[str, Any]) -> None:
        told = {
            name: {"minor": value, "currency": "CNY"} if isinstance(value, int) else value
            for name, value in terms.items()
        }
        module.check_vat(told, Fraction("0.13"), "CNY", 1, "line 9")

    checked(TAX)
    checked({**TAX, "net": -100, "tax": -13, "gross": -113})
    with pytest.raises(module.Wrong, match=reason):
        checked({**TAX, **change})


# ------------------------------------------------------------------ days, periods and power factors


def test_kinds_of_days_are_those_of_the_notices() -> None:
    module, day = verifier(), date(2024, 1, 1)
    while day.year < 2027:
        for name in ("CN", "none"):
            kind = calendar(name, "Asia/Shanghai").day_kind(day)
            assert module.day_kind(name, day) == (kind.type, set(kind.holidays)), (name, day)
        day += timedelta(days=1)
    with pytest.raises(module.Unknown, match="CN in 2027"):
        module.day_kind("CN", day)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("tariffs/*.toml")), ids=lambda file: file.stem)
def test_periods_are_the_tariff_s(file: Path) -> None:
    """Every minute of every month that a tariff of the examples prices, whatever its days are."""
    module = verifier()
    tariff = tariff_file.parse_tariff(file.read_text(), name=file.name)
    stored = json.loads(msgspec.json.encode(tariff))
    for month in (month for table in tariff.tables for month in table.months):
        prices = prices_of_month(tariff, month, 60)
        start, end = (int(one.timestamp()) for one in (prices.interval.start, prices.interval.end))
        assert module.interval_periods(stored, start, end, 60, "here") == prices.period.tobytes()


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    standard=st.sampled_from(["0.90", "0.85", "0.80"]),
    active=st.integers(1, 10**9),
    reactive=st.integers(0, 10**9),
)
def test_a_power_factor_is_adjusted_by_its_standard(standard: Any, active: int, reactive: int) -> None:
    right = adjustment(standard, cos_phi_hundredths(active, reactive))
    assert verifier().power_factor_rate(standard, active, reactive) == right

"""Contracts that several tests of the waterfall start from: the worked examples of DOMAIN.md 2.3."""

from __future__ import annotations

from datetime import date
from typing import Any

from ledger.clauses import Clause, LossSplit, RemainderSplit
from ledger.contract import Contract, ContractParty, Visibility
from ledger.interval import Month
from ledger.presets import (
    AgencyOperationTerms,
    CoInvestmentTerms,
    EnergyStorageAsAServiceTerms,
    preset_clauses,
)
from ledger.quantity import Money
from ledger.waterfall import Distribution, PriorMonth, StreamItem, Throughput, distribute

JANUARY = Month(2026, 1)
APRIL = Month(2026, 4)
APRIL_THROUGHPUT = Throughput(charge_wh=108_000_000, discharge_wh=99_360_000)
SEES = Visibility(pool_total=True, others_percentages=False, host_bill=False)

EAAS_TERMS: dict[str, Any] = {
    "fee_first": False,
    "fee_payer": "host",
    "base_rate": "200",
    "base_unit": "kWh.year",
    "base_quantity": "2000",
    "base_quantity_basis": "nameplate",
    "base_proration": "days",
    "base_payee": "operator",
    "service_rate": "0.1",
    "service_basis": "discharge",
    "service_payee": "operator",
    "shares": {"host": "70%", "operator": "30%"},
    "loss_shares": {"host": "70%", "operator": "30%"},
    "loss_carry_forward": False,
}
CO_INVESTMENT_TERMS: dict[str, Any] = {
    "capital": "36000000",
    "annual_rate": "8%",
    "hurdle_proration": "days",
    "hurdle_carry_forward": False,
    "capital_shares": {"a-investor": "50%", "b-platform": "20%", "host": "30%"},
    "operating_cap": "500000",
    "operating_proration": "months",
    "service_shares": {"a-investor": "30%", "b-platform": "50%", "host": "20%"},
    "risk_shares": {"a-investor": "40%", "b-platform": "40%", "host": "20%"},
    "loss_shares": {"a-investor": "40%", "b-platform": "40%", "host": "20%"},
    "loss_carry_forward": False,
}
AGENCY_TERMS: dict[str, Any] = {
    "host": "host",
    "operator": "operator",
    "annual_amount": "1200000",
    "excess_share": "60%",
    "carry": "annual_reset",
    "reset_month": 1,
    "proration": "days",
}


def yuan(text: str) -> Money:
    return Money.parse(text, "CNY")


def contract(clauses: tuple[Clause, ...], **changes: Any) -> Contract:
    """A contract of host, operator and two more; one stream, whose cash the operator holds."""
    fields: dict[str, Any] = {
        "id": "c-1",
        "title": "sample",
        "model": "co_investment",
        "sites": ("S1",),
        "currency": "CNY",
        "zone": "Asia/Shanghai",
        "effective_from": date(2026, 1, 1),
        "effective_to": date(2036, 1, 1),
        "parties": (
            ContractParty(id="host", role="host", sees=SEES),
            ContractParty(id="operator", role="operator", sees=SEES),
            ContractParty(id="a-investor", role="investor", sees=SEES),
            ContractParty(id="b-platform", role="platform", sees=SEES),
        ),
        "owner_position": "gross",
        "split_basis": "tax_inclusive",
        "pool_streams": ("arbitrage",),
        "pass_through_costs": (),
        "cash_holder": {"arbitrage": "operator"},
        "clauses": clauses,
    }
    return Contract(**fields | changes)


def eaas(**changes: Any) -> Contract:
    return contract(preset_clauses(EnergyStorageAsAServiceTerms(**EAAS_TERMS | changes)))


def co_investment(**changes: Any) -> Contract:
    return contract(preset_clauses(CoInvestmentTerms(**CO_INVESTMENT_TERMS | changes)))


def agency(**changes: Any) -> Contract:
    return contract(preset_clauses(AgencyOperationTerms(**AGENCY_TERMS | changes)))


def plain_split(host: str = "70%", operator: str = "30%", *, carry_forward: bool = False) -> Contract:
    shares = {"host": host, "operator": operator}
    return contract((LossSplit(shares=shares, carry_forward=carry_forward), RemainderSplit(shares=shares)))


def month_of(
    terms: Contract,
    pool: str,
    month: Month = APRIL,
    *,
    throughput: Throughput | None = APRIL_THROUGHPUT,
    prior: PriorMonth | None = None,
) -> Distribution:
    return distribute(terms, month, (StreamItem("arbitrage", yuan(pool)),), throughput, prior)


def chain(terms: Contract, pools: list[str], first: Month = JANUARY) -> list[Distribution]:
    """Months settled in order, each with what the one before carried."""
    settled: list[Distribution] = []
    month, prior = first, None
    for pool in pools:
        settled.append(month_of(terms, pool, month, prior=prior))
        month, prior = month.next(), settled[-1].carry
    return settled


def entitlements(settled: Distribution) -> dict[str, str]:
    """Of the parties with any, as text."""
    return {party: str(money) for party, money in settled.entitlement.items() if money.minor}

"""The key figures that a partner may see: of the sites it sees, and of its own money, never of another's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

import msgspec

from ledger.capital.account import CapitalAccounts, CashFlow
from ledger.capital.party_return import party_return
from ledger.clauses.flow import exact_text
from ledger.interval import Month
from ledger.kpi.economy import appraised, payback, per_kwh, simple_return
from ledger.kpi.kpi import Kpi, KpiInput, KpiName, quantity
from ledger.kpi.month_figures import (
    MONTHS_A_YEAR,
    NOT_STATED,
    UNITS,
    Earned,
    SiteMonth,
    Stated,
    operation_figures,
)
from ledger.quantity import Money
from ledger.refusal import Refused


class OwnCapital(NamedTuple):
    """What a party has paid into contracts: its balance at a month's end, and what moved up to then."""

    balance: Money
    flows: tuple[CashFlow, ...]


def own_capital(accounts: Sequence[CapitalAccounts], party: str, month: Month) -> OwnCapital | None:
    """The party's capital in all these accounts at the end of `month`; None where it never paid in.

    Raises:
        Refused: `currency` for accounts in two currencies.
    """
    last = month.next().first_day - timedelta(days=1)
    flows = tuple(flow for one in accounts for flow in one.cash_flows(party) if flow.on <= last)
    balances = [one.balances(last)[party] for one in accounts if party in one.balances(last)]
    if not balances:
        return None
    return OwnCapital(sum(balances[1:], balances[0]), flows)


def partner_figures(
    month: Month,
    sites: Sequence[SiteMonth],
    received: Sequence[Earned],
    capital: OwnCapital | None,
    stated: Stated,
) -> tuple[Kpi, ...]:
    """How the sites ran that the party sees, and what it gets for what it paid in (DOMAIN.md 2.1 Q14).

    `received` is what the party was entitled to in each paid month up to `month`, oldest first.

    Raises:
        Refused: `currency` where capital and entitlements are in two.
    """
    found = _operation(month, sites, stated)
    discharged = [one.discharge_wh for one in sites]
    if sites and None not in discharged and received and received[-1].month == month:
        energy = sum(wh for wh in discharged if wh is not None)
        kpi = per_kwh("revenue_per_kwh_discharged", received[-1].amount, energy)
        found.append(_with_note(kpi, "the party's entitlement over what the sites that it sees discharged"))
    return (*found, *_returns(month, received, capital))


def _operation(month: Month, sites: Sequence[SiteMonth], stated: Stated) -> list[Kpi]:
    if sites:
        return list(operation_figures(month, sites, stated))
    names: tuple[KpiName, ...] = (
        "availability",
        "equivalent_cycles",
        "round_trip_efficiency",
        "co2_avoided",
    )
    return [_none(name, "the contracts show this party no site's operation") for name in names]


def _returns(month: Month, received: Sequence[Earned], capital: OwnCapital | None) -> list[Kpi]:
    names: tuple[KpiName, ...] = ("simple_return", "payback", "irr")
    if capital is None:
        return [_none(name, f"{NOT_STATED}capital paid in by this party") for name in names]
    year = list(received)[-MONTHS_A_YEAR:]
    if not year:
        return [_none(name, "no month is settled that pays") for name in names]
    currency = capital.balance.currency
    total = sum((one.amount for one in year), Money.zero(currency))
    net = Money.round(total.exact * MONTHS_A_YEAR / len(year), currency)
    how = f"net_per_year = {MONTHS_A_YEAR} x {total} / {len(year)} settled months, the party's entitlement"
    return [
        _with_note(simple_return(net, capital.balance), how),
        _with_note(payback(capital.balance, net), how),
        _internal_rate(month, received, capital),
    ]


def _internal_rate(month: Month, received: Sequence[Earned], capital: OwnCapital) -> Kpi:
    """Of what moved up to the month's end, with the balance as if it were returned then."""
    last = month.next().first_day - timedelta(days=1)
    settled = [CashFlow(_last_day(one.month), one.amount) for one in received]
    left = [CashFlow(last, capital.balance)] if capital.balance.minor else []
    currency = capital.balance.currency
    inputs = (
        KpiInput("paid_in", exact_text(_paid(capital).exact), currency),
        KpiInput("entitled", exact_text(sum((one.amount.exact for one in received), Fraction(0))), currency),
        KpiInput("balance", str(capital.balance), currency),
        quantity("months", len(received), "months"),
    )
    note = "of the party's own capital and entitlements, each on its day; the balance as if returned"
    try:
        kpi = appraised("irr", party_return([*capital.flows, *settled, *left]), note=f"{note} on {last}")
    except Refused as refused:
        if refused.code == "currency":
            raise
        return Kpi("irr", None, UNITS["irr"], "", inputs, refused.reason)
    return msgspec.structs.replace(kpi, inputs=inputs)


def _paid(capital: OwnCapital) -> Money:
    zero = Money.zero(capital.balance.currency)
    return -sum((flow.amount for flow in capital.flows), zero)


def _last_day(month: Month) -> date:
    return month.next().first_day - timedelta(days=1)


def _none(name: KpiName, why: str) -> Kpi:
    return Kpi(name, None, UNITS[name], "", (), why)


def _with_note(kpi: Kpi, note: str) -> Kpi:
    return msgspec.structs.replace(kpi, note="; ".join(text for text in (kpi.note, note) if text))

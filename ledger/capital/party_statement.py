"""What capital gave each party: its account, what settlements gave it, and its return (DOMAIN.md 2.1 Q14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction

import msgspec

from ledger.appraisal.finance import Answer
from ledger.capital.account import CapitalAccounts, CashFlow
from ledger.capital.party_return import party_return
from ledger.quantity import Money
from ledger.refusal import Refused


class Return(msgspec.Struct, frozen=True):
    """A yearly rate, or in words why there is none: `refused` is the refusal's code, `reason` its text.

    Where the flows last less than a year, the return over their `days` and no yearly rate.
    """

    answer: Answer | None
    days: int = 0
    refused: str = ""
    reason: str = ""


class PartyCapital(msgspec.Struct, frozen=True):
    """A party's capital up to and with a day. Flows are above zero where the party received them.

    `return_to_date` counts nothing but them; `return_with_balance` counts the paid-in balance as if it were
    returned on that day, at its nominal value.
    """

    party: str
    balance: Money
    share: Fraction | None
    """Of all paid-in capital; None while there is none."""
    capital_flows: tuple[CashFlow, ...]
    settled_flows: tuple[CashFlow, ...]
    return_to_date: Return
    return_with_balance: Return

    @property
    def settled(self) -> Money:
        """What settlements gave the party in all."""
        zero = Money.zero(self.balance.currency)
        return sum((flow.amount for flow in self.settled_flows), zero)


def party_capital(
    accounts: CapitalAccounts, settled: Mapping[str, Iterable[CashFlow]], at: date
) -> tuple[PartyCapital, ...]:
    """Every party that ever had capital, by id, at the end of the local day `at`.

    `settled` is what each party was entitled to by settlements, on the days for which it was.

    Raises:
        Refused: `currency` for settlements in another currency than the accounts.
    """
    balances = accounts.balances(at)
    total = sum(money.minor for money in balances.values())
    found = []
    for party, balance in balances.items():
        paid = tuple(flow for flow in accounts.cash_flows(party) if flow.on <= at)
        earned = tuple(flow for flow in settled.get(party, ()) if flow.on <= at)
        for flow in earned:
            if flow.amount.currency != accounts.currency:
                text = f"{flow.amount.currency} settled, accounts in {accounts.currency}"
                raise Refused("currency", text, place=f"settled.{party}")
        left = (CashFlow(at, balance),) if balance.minor else ()
        found.append(
            PartyCapital(
                party,
                balance,
                Fraction(balance.minor, total) if total else None,
                paid,
                earned,
                _return((*paid, *earned)),
                _return((*paid, *earned, *left)),
            )
        )
    return tuple(found)


def _return(flows: tuple[CashFlow, ...]) -> Return:
    """The rate; flows that have none, or several, say so instead."""
    try:
        answer = party_return(flows)
    except Refused as refused:
        return Return(None, refused=refused.code, reason=refused.reason)
    days = [flow.on for flow in flows]
    return Return(answer, (max(days) - min(days)).days)

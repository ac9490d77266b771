"""An account's name in plain-text accounting: `Assets:Receivable:P-host-s1`."""

from __future__ import annotations

from typing import Final

from ledger.accounting.account import ROLES, Account, AccountType

_ROOTS: Final[dict[AccountType, str]] = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expenses",
}


def plain_name(account: Account) -> str:
    """The name that both beancount and hledger accept; two accounts never share one.

    >>> plain_name(Account("stream_income", ("demand_response",)))
    'Income:StreamIncome:DemandResponse'
    >>> plain_name(Account("receivable", ("Site_A-1",)))
    'Assets:Receivable:Q-Site-uA-d1'
    """
    parts = [_ROOTS[account.type], _camel(account.role)]
    for kind, key in zip(ROLES[account.role].keys, account.keys, strict=True):
        parts.append(_party(key) if kind == "party" else _camel(key))
    return ":".join(parts)


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _party(party: str) -> str:
    """beancount allows no underscore: only where one occurs, it and the hyphen are spelled out."""
    if "_" not in party:
        return f"P-{party}"
    return "Q-" + party.replace("-", "-d").replace("_", "-u")

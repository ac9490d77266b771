"""A chart of accounts: the code and the Chinese and English names that a person sees for each account."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from ledger.accounting.account import ROLES, Account, Role
from ledger.clauses import Clause
from ledger.refusal import Refused
from ledger.stream import PASS_THROUGH_COSTS, STREAMS
from ledger.toml_file import TomlFile

Language = Literal["zh", "en"]

CLAUSES: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(Clause))
ITEMS: Final = (*STREAMS, *PASS_THROUGH_COSTS, *CLAUSES)
"""What an account that is not per party can be for."""


class ChartAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    zh: str
    en: str

    def __post_init__(self) -> None:
        for field in ("code", "zh", "en"):
            if not getattr(self, field).strip():
                raise Refused("empty", f"{field} must be stated", place=field)


class ChartItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stream, cost or clause; `code` follows the account's code."""

    code: str
    zh: str
    en: str


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every role has an account and every stream, cost and clause an item; no code is given twice."""

    accounts: dict[Role, ChartAccount]
    items: dict[str, ChartItem]

    def __post_init__(self) -> None:
        for role in ROLES:
            if role not in self.accounts:
                raise Refused("chart_missing", f"{role} has no account", place="accounts")
        for item in ITEMS:
            if item not in self.items:
                raise Refused("chart_missing", f"{item} has no item", place="items")
        for item in self.items:
            if item not in ITEMS:
                raise Refused("chart_item", f"{item} is no stream, cost or clause", place=f"items.{item}")
        _check_once({role: account.code for role, account in self.accounts.items()}, "accounts")
        _check_once({name: item.code for name, item in self.items.items()}, "items")

    def code(self, account: Account) -> str:
        """`6001.06` for the income of a stream; a party is no part of the code."""
        code = self.accounts[account.role].code
        return code if account.item is None else f"{code}.{self._item(account).code}"

    def name(self, account: Account, language: Language) -> str:
        """`应收账款 - host-s1` or `Accounts receivable - host-s1`."""
        parts = [getattr(self.accounts[account.role], language)]
        if account.item is not None:
            parts.append(getattr(self._item(account), language))
        if account.party is not None:
            parts.append(account.party)
        return " - ".join(parts)

    def _item(self, account: Account) -> ChartItem:
        if account.item not in self.items:
            raise Refused("chart_item", f"the chart has no item {account.item}", place="items")
        return self.items[account.item]


def parse(text: str | bytes) -> Chart:
    """The chart in a TOML text; examples/accounts/chart.toml shows one.

    Raises:
        Refused: as every TOML file, with line and field; `chart_missing`, `chart_item`, `duplicate`.
    """
    file = TomlFile(text)
    return file.struct(Chart, file.root, ())


def _check_once(codes: dict[str, str] | dict[Role, str], place: str) -> None:
    seen: dict[str, str] = {}
    for name, code in codes.items():
        if code in seen:
            raise Refused("duplicate", f"{code} is the code of {seen[code]} already", place=f"{place}.{name}")
        seen[code] = name

"""The accounts of a book: what each is for, its type and its normal side.

Accounts are a closed list of roles; a role that exists once per party, stream or clause has that as its
key. Codes and names that a person sees come from a chart (`ledger.accounting.chart`).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused

AccountType = Literal["asset", "liability", "equity", "income", "expense"]
Key = Literal["party", "stream", "cost", "clause"]

Role = Literal[
    "bank",
    "receivable",
    "payable",
    "accrued_receivable",
    "accrued_payable",
    "market_receivable",
    "supplier_payable",
    "advance_received",
    "advance_paid",
    "collected_for",
    "vat_output",
    "vat_output_pending",
    "vat_input",
    "vat_input_pending",
    "opening_equity",
    "memo_saving",
    "memo_contra",
    "stream_income",
    "saving_share_income",
    "clause_income",
    "late_interest_income",
    "write_back_income",
    "own_saving",
    "stream_cost",
    "partner_share",
    "clause_cost",
    "bank_charges",
    "late_interest_cost",
    "bad_debt",
    "rounding",
    "allocation_rounding",
]


class RoleTerms(NamedTuple):
    """`keys` are what there is one account for each of."""

    type: AccountType
    keys: tuple[Key, ...]


ROLES: Final[dict[Role, RoleTerms]] = {
    "bank": RoleTerms("asset", ()),
    "receivable": RoleTerms("asset", ("party",)),
    "payable": RoleTerms("liability", ("party",)),
    "accrued_receivable": RoleTerms("asset", ("party",)),
    "accrued_payable": RoleTerms("liability", ("party",)),
    "market_receivable": RoleTerms("asset", ("stream",)),
    "supplier_payable": RoleTerms("liability", ("cost",)),
    "advance_received": RoleTerms("liability", ("party",)),
    "advance_paid": RoleTerms("asset", ("party",)),
    "collected_for": RoleTerms("liability", ("party",)),
    "vat_output": RoleTerms("liability", ()),
    "vat_output_pending": RoleTerms("liability", ()),
    "vat_input": RoleTerms("asset", ()),
    "vat_input_pending": RoleTerms("asset", ()),
    "opening_equity": RoleTerms("equity", ()),
    "memo_saving": RoleTerms("equity", ("party", "stream")),
    "memo_contra": RoleTerms("equity", ()),
    "stream_income": RoleTerms("income", ("stream",)),
    "saving_share_income": RoleTerms("income", ("party",)),
    "clause_income": RoleTerms("income", ("clause",)),
    "late_interest_income": RoleTerms("income", ()),
    "write_back_income": RoleTerms("income", ()),
    "own_saving": RoleTerms("income", ("stream",)),
    "stream_cost": RoleTerms("expense", ("cost",)),
    "partner_share": RoleTerms("expense", ("party",)),
    "clause_cost": RoleTerms("expense", ("clause",)),
    "bank_charges": RoleTerms("expense", ()),
    "late_interest_cost": RoleTerms("expense", ()),
    "bad_debt": RoleTerms("expense", ()),
    "rounding": RoleTerms("expense", ()),
    "allocation_rounding": RoleTerms("expense", ("stream",)),
}
"""`accrued_*` is settled and not yet stated to the party; `receivable` and `payable` are stated.

`market_receivable` is what a market owes the book's owner for a stream; `collected_for` what of it is a
party's own outside every pool, until it is handed over. `own_saving` takes out of an agent's income what it
holds already as its own lower electricity bill. `allocation_rounding` is what a market's statement of an
aggregate differs from the sum of its sites (DOMAIN.md 3.9, 5). `memo_*` record savings that the owner never
receives; they only ever balance each other and are neither income nor assets (DOMAIN.md 2.3).
"""

MEMO: Final = frozenset({"memo_saving", "memo_contra"})


class Account(msgspec.Struct, frozen=True, order=True):
    """One account; `keys` in the order of its role.

    >>> str(Account("memo_saving", ("host", "arbitrage")))
    'memo_saving:host:arbitrage'
    """

    role: Role
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise Refused("account_role", f"{self.role!r} is not one of {', '.join(ROLES)}", place="role")
        wanted = ROLES[self.role].keys
        if len(self.keys) != len(wanted):
            needed = ", ".join(wanted) or "no key"
            raise Refused("account_key", f"{self.role} needs {needed}, not {self.keys}", place="keys")
        for key in self.keys:
            checked_id(key, "keys")

    @property
    def type(self) -> AccountType:
        return ROLES[self.role].type

    @property
    def party(self) -> str | None:
        """The counterparty, of an account that has one."""
        named = ROLES[self.role].keys
        return self.keys[named.index("party")] if "party" in named else None

    @property
    def item(self) -> str | None:
        """The stream, cost or clause, of an account that has one."""
        for kind, key in zip(ROLES[self.role].keys, self.keys, strict=True):
            if kind != "party":
                return key
        return None

    @property
    def is_memo(self) -> bool:
        return self.role in MEMO

    def __str__(self) -> str:
        return ":".join((self.role, *self.keys))

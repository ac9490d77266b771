"""How a bank's statement is laid out: a readable TOML text per bank."""

from __future__ import annotations

from typing import Literal

import msgspec

from adapters.reconciliation.operator_profile import SIGNS
from adapters.reconciliation.table import Layout, check_pattern
from ledger.quantity import MINOR_DIGITS
from ledger.reconciliation.bank_payment import ReferenceScope
from ledger.refusal import Refused
from ledger.toml_file import TomlFile


class BankColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header's names; an empty one is not in the file.

    Either `credit` (money in) and `debit` (money out), of which each row has one, or `amount`, which is
    signed or has a `direction`. `remittance` are all columns with the payer's texts.
    """

    date: str
    credit: str = ""
    debit: str = ""
    amount: str = ""
    direction: str = ""
    balance: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    reference: str = ""
    remittance: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        single = (getattr(self, field) for field in self.__struct_fields__ if field != "remittance")
        return tuple(dict.fromkeys(name for name in (*single, *self.remittance) if name))


class BankProfile(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`directions` says of each text in columns.direction whether it is receivable (in) or payable (out).

    `reference_scope = "shared"` is for banks that give a payment and its charge one number.
    """

    columns: BankColumns
    currency: str
    date_pattern: str
    row_order: Literal["oldest_first", "newest_first"]
    directions: dict[str, Literal["receivable", "payable"]] = msgspec.field(default_factory=dict)
    reference_scope: ReferenceScope = "unique"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pattern(self.date_pattern, "date_pattern")
        columns = self.columns
        both = bool(columns.credit) and bool(columns.debit)
        neither = not columns.credit and not columns.debit
        if not (both and not columns.amount) and not (neither and columns.amount):
            raise Refused("amount_columns", "name credit and debit, or amount", place="columns")
        if bool(columns.direction) != bool(self.directions) or (columns.direction and not columns.amount):
            raise Refused(
                "direction", "directions go with columns.direction and columns.amount", place="directions"
            )
        if self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"one of {', '.join(MINOR_DIGITS)}", place="currency")
        assert all(sign in SIGNS for sign in self.directions.values())


def bank_profile(toml: str | bytes) -> BankProfile:
    """The profile in a TOML text.

    Raises:
        Refused: what `TomlFile` and `BankProfile` refuse, with the line and the field.
    """
    file = TomlFile(toml)
    return file.struct(BankProfile, file.root, ())

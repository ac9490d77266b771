"""How an operator's or grid company's statement is laid out: a readable TOML text per operator."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.reconciliation.period import PeriodRule
from adapters.reconciliation.table import Layout
from ledger.quantity import MINOR_DIGITS
from ledger.reconciliation.difference import Policy
from ledger.reconciliation.stated_quantity import UNITS
from ledger.refusal import Refused
from ledger.toml_file import TomlFile


class OperatorColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header's names; an empty one is not in the file.

    `direction` holds a text that `directions` of the profile says the sign of.
    """

    item: str
    period: str
    amount: str
    reference: str = ""
    site: str = ""
    point: str = ""
    quantity: str = ""
    unit: str = ""
    price: str = ""
    currency: str = ""
    run: str = ""
    direction: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        names = (getattr(self, field) for field in self.__struct_fields__)
        return tuple(dict.fromkeys(name for name in names if name))


class TotalRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row whose `column` holds `text` is the total of all rows above it; a file without it is cut off."""

    column: str
    text: str


class OperatorProfile(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`sign = "receivable"`: above zero is owed to us; `"payable"`: above zero is owed by us.

    `items`, `sites`, `units`, `currencies` and `runs` translate the file's words into ours; where a table is
    stated, a word that it lacks is refused. `unit` is the quantity's where no column has it, and prices are
    for one `price_per` (the quantity's unit when empty). Without a reference column, a line's reference is
    its row.

    `quantity_decimals` and `price_decimals` say with how many decimals of its own unit the file prints them;
    where they are not stated, energy is whole kWh and its price six decimals a kWh (DOMAIN.md 3.0), finer
    where a row prints finer, and all else is exact. `rounded_parts` is of how many amounts, each rounded by
    itself, the operator's amount may be the sum: 96 where a day's intervals are each rounded.
    """

    operator: str
    columns: OperatorColumns
    period: PeriodRule
    items: dict[str, str]
    sign: str = "receivable"
    unit: str = ""
    price_per: str = ""
    currency: str = ""
    site: str = ""
    run: str = ""
    sites: dict[str, str] = msgspec.field(default_factory=dict)
    units: dict[str, str] = msgspec.field(default_factory=dict)
    currencies: dict[str, str] = msgspec.field(default_factory=dict)
    runs: dict[str, str] = msgspec.field(default_factory=dict)
    directions: dict[str, str] = msgspec.field(default_factory=dict)
    total: TotalRule | None = None
    quantity_decimals: int | None = None
    price_decimals: int | None = None
    rounded_parts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        columns = self.columns
        if bool(columns.currency) == bool(self.currency):
            raise Refused("currency", "state either currency or columns.currency", place="currency")
        if self.currency and self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"one of {', '.join(MINOR_DIGITS)}", place="currency")
        if columns.quantity and bool(columns.unit) == bool(self.unit):
            raise Refused("unit", "state either unit or columns.unit", place="unit")
        for place, unit in (("unit", self.unit), ("price_per", self.price_per)):
            if unit and unit not in UNITS:
                raise Refused("unit", f"{unit!r} is not one of {', '.join(UNITS)}", place=place)
        for place, places in (
            ("quantity_decimals", self.quantity_decimals),
            ("price_decimals", self.price_decimals),
        ):
            if places is not None and not 0 <= places <= PLACES_MAX:
                raise Refused("decimals", f"0 to {PLACES_MAX}", place=place)
        Policy(self.rounded_parts)
        if bool(columns.point) != bool(self.period.points_per_day):
            raise Refused("points_per_day", "goes with columns.point", place="period.points_per_day")
        if bool(columns.direction) != bool(self.directions):
            raise Refused("direction", "directions go with columns.direction", place="directions")
        for sign in (self.sign, *self.directions.values()):
            if sign not in SIGNS:
                raise Refused("direction", f"{sign!r} is not receivable or payable", place="sign")


PLACES_MAX: Final = 12
SIGNS: Final = {"receivable": 1, "payable": -1}


def operator_profile(toml: str | bytes) -> OperatorProfile:
    """The profile in a TOML text.

    Raises:
        Refused: what `TomlFile` and `OperatorProfile` refuse, with the line and the field.
    """
    file = TomlFile(toml)
    return file.struct(OperatorProfile, file.root, ())

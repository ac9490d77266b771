"""How a trading centre's files are laid out: a readable TOML text per market (examples/gateways)."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Final, Literal

import msgspec

from adapters.reconciliation.table import Layout, check_pattern
from ledger.refusal import Refused
from ledger.toml_file import TomlFile
from trading.product import MICRO, Product

PowerUnit = Literal["MW", "kW"]
EnergyUnit = Literal["MWh", "kWh"]
_W: Final[dict[PowerUnit, int]] = {"MW": 10**6, "kW": 1000}
_KWH: Final[dict[EnergyUnit, int]] = {"MWh": 1000, "kWh": 1}
_DECIMALS_MAX: Final = 9
_NAME_PARTS: Final[dict[str, str]] = {
    "product": r"(?P<product>[^/]+?)",
    "day": r"(?P<day>[0-9-]+?)",
    "run": r"(?P<run>[0-9]{1,6})",
    "delivery": r"[0-9]{1,6}",
}
_HOLE: Final = re.compile(r"\{([a-z0-9]*)\}")
_SAFE: Final = re.compile(r"[\w{}.-]+")
_ENDINGS: Final = {"csv": ".csv", "workbook": ".xlsx"}


class OfferColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Headings in the file's order. Without `block` and `group` no blocks can be offered."""

    day: str
    interval: str
    segment: str
    from_power: str
    to_power: str
    price: str
    block: str = ""
    group: str = ""


class OfferLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What we write. `titles` are rows above the headings; `name` and `withdrawal` are without ending."""

    columns: OfferColumns
    name: str
    withdrawal: str
    format: Literal["csv", "workbook"] = "csv"
    encoding: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"
    sheet: str = "Sheet1"
    titles: tuple[str, ...] = ()
    power_decimals: int = 3
    price_decimals: int = 2

    def __post_init__(self) -> None:
        for place in ("power_decimals", "price_decimals"):
            if not 0 <= getattr(self, place) <= _DECIMALS_MAX:
                raise Refused("decimals", f"0 to {_DECIMALS_MAX}", place=place)
        for place in ("name", "withdrawal"):
            _check_name(getattr(self, place), {"product", "day", "revision"}, set(), place)
        if self.name == self.withdrawal:
            raise Refused("file_name", "an offer and its withdrawal have two names", place="withdrawal")

    @property
    def ending(self) -> str:
        return _ENDINGS[self.format]


class AckColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Headings of an acknowledgement; an empty one is not in the file."""

    file: str
    outcome: str
    digest: str = ""
    code: str = ""
    place: str = ""
    reason: str = ""
    at: str = ""


class AckLayout(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the market answers to an offer: one row. `{stem}` of its name is the offer's, `{sha8}` the first
    eight digits of its SHA-256."""

    columns: AckColumns
    name: str
    accepted: str
    refused: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self.name, {"stem"}, {"sha8"}, "name")
        if self.accepted == self.refused or not self.accepted or not self.refused:
            raise Refused("not_allowed", "two words for accepted and refused", place="accepted")

    @property
    def ending(self) -> str:
        return _ENDINGS[self.format]


class ResultColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Headings of a result; an empty one is not in the file. `interval` counts the day's from 1."""

    interval: str
    price: str
    award: str
    day: str = ""
    product: str = ""
    run: str = ""
    published: str = ""
    revision: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(name for name in (getattr(self, field) for field in self.__struct_fields__) if name)


class ResultLayout(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the market publishes. `names`: those of a run's file, the first and later deliveries.

    `products`: what stands in the product column for each of ours. Without a `published` column the result
    counts as published when it was due; without `revision` it is of the revision that stands.
    """

    columns: ResultColumns
    names: tuple[str, ...]
    products: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise Refused("file_name", "name the files of a result", place="names")
        for number, name in enumerate(self.names):
            _check_name(name, {"product", "day", "run"}, {"delivery"}, f"names[{number}]")

    @property
    def ending(self) -> str:
        return _ENDINGS[self.format]


class FileProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One market's files. `products`: our product -> its word in the names of files.

    Powers are in `power_unit`, below zero charging; prices are of energy, in the market's currency per
    `price_per`. `interval_s`: of how many intervals a day is, whatever the product says.
    """

    products: dict[str, str]
    interval_s: int
    power_unit: PowerUnit
    price_per: EnergyUnit
    day: str = "%Y-%m-%d"
    offer: OfferLayout
    ack: AckLayout
    result: ResultLayout

    def __post_init__(self) -> None:
        check_pattern(self.day, "day")
        words = list(self.products.values())
        if not words or len(set(words)) < len(words):
            raise Refused("product_duplicate", "each product has a word of its own", place="products")
        for name, word in self.products.items():
            if not _SAFE.fullmatch(word) or "{" in word:
                raise Refused("file_name", "letters, digits, '_', '.' and '-'", place=f"products.{name}")

    def word(self, product: Product) -> str:
        """What the product is called in the names of files.

        Raises:
            Refused: `gateway_product` for one that these files do not trade.
        """
        if product.id not in self.products or product.price_unit not in ("MWh", "kWh"):
            names = ", ".join(self.products)
            wrong = f"these files trade energy: {names}; not {product.id}"
            raise Refused("gateway_product", wrong, place="product")
        if product.interval_s != self.interval_s:
            wrong = (
                f"the files have intervals of {self.interval_s} s, and {product.id} of {product.interval_s} s"
            )
            raise Refused("gateway_product", wrong, place="interval_s")
        return self.products[product.id]

    def power(self, watts: int) -> Fraction:
        return Fraction(watts, _W[self.power_unit])

    def watts(self, power: Fraction) -> Fraction:
        return power * _W[self.power_unit]

    def price(self, micro: int) -> Fraction:
        return Fraction(micro * _KWH[self.price_per], MICRO)

    def micro(self, price: Fraction) -> Fraction:
        return price * MICRO / _KWH[self.price_per]

    def run_of(self, name: str, product: str, day: date) -> int | None:
        """The run whose file of that product and day has this name; None for another file."""
        stem = name.removesuffix(self.result.ending)
        if stem == name:
            return None
        for template in self.result.names:
            found = re.fullmatch(_pattern(template), stem)
            if found and (found["product"], found["day"]) == (product, day.strftime(self.day)):
                return int(found["run"])
        return None


def filled(template: str, **parts: str) -> str:
    """A file's name."""
    return _HOLE.sub(lambda found: parts[found[1]], template)


def _pattern(template: str) -> str:
    pieces = _HOLE.split(template)
    return "".join(_NAME_PARTS[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))


def _check_name(template: str, needed: set[str], also: set[str], place: str) -> None:
    holes = _HOLE.findall(template)
    if not _SAFE.fullmatch(template) or template.startswith("."):
        raise Refused("file_name", "letters, digits, '_', '.', '-' and {parts}", place=place)
    if len(set(holes)) < len(holes) or not needed <= set(holes) <= needed | also:
        parts = ", ".join(f"{{{name}}}" for name in sorted(needed))
        raise Refused("file_name", f"a name with {parts}, each once", place=place)


def file_profile(toml: str | bytes) -> FileProfile:
    """The profile in a TOML text.

    Raises:
        Refused: what `TomlFile` and the Structs above refuse, with the line and the field.
    """
    file = TomlFile(toml)
    return file.struct(FileProfile, file.root, ())

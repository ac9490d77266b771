"""Under which rule a product's awards are settled: what its market's file names, held against the rule."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from ledger.exclusivity.policy import MatrixStream
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.streams import Rule
from ledger.streams.capacity_compensation import CapacityRule
from ledger.streams.demand_response import DemandResponseRule
from ledger.streams.regulation import RegulationRule
from ledger.streams.spot import SpotRule
from ledger.streams.told_under import stored_name

RULE_OF: Final[dict[MatrixStream, type[Rule]]] = {
    "spot": SpotRule,
    "demand_response": DemandResponseRule,
    "ancillary": RegulationRule,
    "capacity": CapacityRule,
}
"""The streams that awards settle in, and the kind of rule of each."""


class SettlesAs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A market rule and its stream.

    `product`: what the rule calls it, where a regulation rule has several. `behind_the_meter`: whether the
    certified storage is, which a capacity rule asks for.
    """

    rule: str
    stream: MatrixStream
    product: str | None = None
    behind_the_meter: bool | None = None

    def __post_init__(self) -> None:
        checked_id(self.rule, "settles_as.rule")
        if self.stream not in RULE_OF:
            allowed = f"awards settle as {', '.join(RULE_OF)}, not {self.stream}"
            raise Refused("settles_as", allowed, place="settles_as.stream")
        if self.product is not None:
            checked_id(self.product, "settles_as.product")
            if self.stream != "ancillary":
                wrong = "only a regulation rule has products of its own"
                raise Refused("settles_as", wrong, place="settles_as.product")
        if (self.behind_the_meter is None) == (self.stream == "capacity"):
            wrong = "stated for capacity, and for nothing else: true or false"
            raise Refused("settles_as", wrong, place="settles_as.behind_the_meter")

    def check(self, rule: Rule, currency: str, zone: str, product: str) -> None:
        """That the rule settles awards of a market's product.

        Raises:
            Refused: `fact_kind` for a rule of another stream; `currency` or `zone` for one of other money or
                clocks than the market; `handover_product` for a product that the rule does not have.
        """
        if not isinstance(rule, RULE_OF[self.stream]):
            wanted, found = stored_name(RULE_OF[self.stream]), stored_name(type(rule))
            wrong = f"{self.stream} settles under a {wanted} rule, and {rule.id} is a {found} rule"
            raise Refused("fact_kind", wrong, place="settles_as")
        if rule.currency != currency:
            wrong = f"rule {rule.id} pays in {rule.currency}, the market in {currency}"
            raise Refused("currency", wrong, place="settles_as")
        if isinstance(rule, SpotRule | RegulationRule | CapacityRule) and rule.zone != zone:
            wrong = f"rule {rule.id} has the clocks of {rule.zone}, the market those of {zone}"
            raise Refused("zone", wrong, place="settles_as")
        if isinstance(rule, RegulationRule):
            self.product_of(rule, product)

    def product_of(self, rule: RegulationRule, product: str) -> str:
        """What the rule calls the market's product.

        Raises:
            Refused: `handover_product`.
        """
        if self.product is None and len(rule.products) == 1:
            return rule.products[0]
        name = product if self.product is None else self.product
        if name not in rule.products:
            wrong = (
                f"rule {rule.id} has {', '.join(rule.products)}, not {name}: name it in settles_as.product"
            )
            raise Refused("handover_product", wrong, place="settles_as.product")
        return name


assert set(RULE_OF) <= set(get_args(MatrixStream))

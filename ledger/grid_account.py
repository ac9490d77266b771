"""A site's account with the grid company: what its bill is made of."""

from __future__ import annotations

import msgspec

from ledger.demand import CapacityCharge, DemandTerms
from ledger.interval import zone_of
from ledger.power_factor import ReactiveSum, Standard, adjustment
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.tariff import Parts


class PowerFactorTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How an account's power factor is judged (DOMAIN.md 3.3); sources disagree, so nothing is assumed."""

    standard: Standard
    fund_in_base: bool
    """Whether the government fund's part of the energy charge is adjusted too."""
    reactive_sum: ReactiveSum = "absolute"

    def __post_init__(self) -> None:
        adjustment(self.standard, 100)
        if self.reactive_sum not in {"absolute", "net"}:
            raise Refused(
                "reactive_sum", f"{self.reactive_sum!r} is not absolute or net", place="reactive_sum"
            )


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A grid account, as its supply contract states it.

    `export_price` None: export is forbidden or unpaid, and is worth nothing.
    """

    id: str
    zone: str
    parts: Parts
    demand: DemandTerms | None = None
    power_factor: PowerFactorTerms | None = None
    export_price: Price | None = None
    anchor_day: int = 1
    """The day on which a billing cycle begins."""

    def __post_init__(self) -> None:
        if self.parts not in {"single_part", "two_part"}:
            raise Refused("parts", f"{self.parts!r} is not single_part or two_part", place="parts")
        zone_of(self.zone)
        if self.parts == "single_part" and self.demand is not None:
            raise Refused(
                "single_part_demand", "a single-part account has no demand or capacity charge", place="demand"
            )
        if self.parts == "two_part" and self.demand is None:
            raise Refused(
                "demand_mode",
                "a two-part account states its mode: actual, contract or capacity",
                place="demand",
            )
        if self.export_price is not None and self.export_price.unit != "kWh":
            raise Refused("unit", f"{self.export_price.unit} is not kWh", place="export_price")
        if self.anchor_day != 1:
            raise Refused(
                "billing_anchor",
                f"a billing cycle from day {self.anchor_day} is not supported; 1 is",
                place="anchor_day",
            )

    @property
    def demand_interval_s(self) -> int | None:
        """The length over which demand is averaged; None when the charge does not depend on demand."""
        if self.demand is None or isinstance(self.demand, CapacityCharge):
            return None
        return self.demand.interval_s

"""A site's account with the grid company: what its bill is made of."""

from __future__ import annotations

import msgspec

from ledger.billing_cycle import check_anchor_day
from ledger.demand import DemandTerms
from ledger.identity import checked_id
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


class Feeder(msgspec.Struct, frozen=True, kw_only=True):
    """One of several supply feeders of an account, with the demand terms that it is charged by."""

    id: str
    demand: DemandTerms

    def __post_init__(self) -> None:
        checked_id(self.id, "id")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A grid account, as its supply contract states it.

    An account with one supply states its `demand`; one with two or more states `feeders` instead, each is
    metered and charged by itself, and the charges are added (DOMAIN.md 3.3). `export_price` None: export
    is forbidden or unpaid, and is worth nothing.
    """

    id: str
    zone: str
    parts: Parts
    demand: DemandTerms | None = None
    power_factor: PowerFactorTerms | None = None
    export_price: Price | None = None
    anchor_day: int = 1
    """The day on which a billing cycle begins."""
    feeders: tuple[Feeder, ...] = ()

    def __post_init__(self) -> None:
        if self.parts not in {"single_part", "two_part"}:
            raise Refused("parts", f"{self.parts!r} is not single_part or two_part", place="parts")
        zone_of(self.zone)
        if self.parts == "single_part" and (self.demand is not None or self.feeders):
            raise Refused(
                "single_part_demand", "a single-part account has no demand or capacity charge", place="demand"
            )
        if self.parts == "two_part" and (self.demand is None) == (not self.feeders):
            raise Refused(
                "demand_mode",
                "a two-part account states its mode: actual, contract or capacity; or that of each feeder",
                place="demand",
            )
        _check_feeders(self.feeders)
        if self.export_price is not None and self.export_price.unit != "kWh":
            raise Refused("unit", f"{self.export_price.unit} is not kWh", place="export_price")
        check_anchor_day(self.anchor_day)


def _check_feeders(feeders: tuple[Feeder, ...]) -> None:
    if len(feeders) == 1:
        raise Refused("feeders", "an account with one feeder states its demand only", place="feeders")
    seen: set[str] = set()
    for number, feeder in enumerate(feeders):
        if feeder.id in seen:
            raise Refused("feeders", f"feeder {feeder.id} is there twice", place=f"feeders[{number}].id")
        seen.add(feeder.id)

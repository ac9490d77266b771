"""The demand or capacity charge (基本电费) of a two-part account for one month (DOMAIN.md 3.3)."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.quantity import Price
from ledger.refusal import Refused

OverBandRule = Literal["A", "B"]
"""What is charged when the demand MD is above 105 % of the contract value C: A is C + 2 (MD - 1.05 C), B is
1.05 C + 2 (MD - 1.05 C). Both are in use; confirm against the account's grid bill."""

_BAND: Final = Fraction(105, 100)
_LOAD_RATE_FACTOR: Final = Fraction(9, 10)


def demand_w(peak_wh: int, interval_s: int) -> Fraction:
    """The mean power in W of an interval of `interval_s` seconds with `peak_wh`.

    >>> demand_w(250_000, 900)
    Fraction(1000000, 1)
    """
    return Fraction(peak_wh * 3600, interval_s)


class _Metered(msgspec.Struct, frozen=True, kw_only=True):
    capacity_va: int | None = None
    """The account's transformers and high-voltage motors."""
    interval_s: int = 900
    """The length over which demand is averaged: 15 minutes."""
    load_rate_kwh_per_kva: int | None = None
    """From this monthly kWh per kVA the demand price is multiplied by 0.9: 260 under 发改价格〔2023〕526号;
    None where the rule does not hold."""

    def _check_metered(self) -> None:
        if self.interval_s < 60 or 3600 % self.interval_s:
            raise Refused("interval", f"{self.interval_s} s is not a length of demand", place="interval_s")
        if self.capacity_va is not None and self.capacity_va <= 0:
            raise Refused("capacity", "the capacity is above zero", place="capacity_va")
        if self.load_rate_kwh_per_kva is not None:
            if self.load_rate_kwh_per_kva <= 0:
                raise Refused("load_rate", "the load rate is above zero", place="load_rate_kwh_per_kva")
            if self.capacity_va is None:
                raise Refused("capacity", "a load rate needs the account's capacity", place="capacity_va")

    def price_factor(self, import_wh: int) -> Fraction:
        """0.9 in a month whose import reaches the load rate, else 1."""
        if self.load_rate_kwh_per_kva is None or self.capacity_va is None:
            return Fraction(1)
        reached = import_wh >= self.load_rate_kwh_per_kva * self.capacity_va
        return _LOAD_RATE_FACTOR if reached else Fraction(1)


class ActualDemand(_Metered, frozen=True, kw_only=True, tag_field="mode", tag="actual"):
    """The month's maximum demand x price."""

    def __post_init__(self) -> None:
        self._check_metered()


class ContractDemand(_Metered, frozen=True, kw_only=True, tag_field="mode", tag="contract"):
    """The declared demand x price; above 105 % of it the excess counts double (发改办价格〔2016〕1583号).

    A declared value below `floor_percent` of the capacity is lifted to it; 0 switches the floor off.
    """

    contract_w: int
    over_band_rule: OverBandRule = "B"
    floor_percent: int = 40

    def __post_init__(self) -> None:
        self._check_metered()
        if self.contract_w <= 0:
            raise Refused("contract_demand", "the declared demand is above zero", place="contract_w")
        if self.over_band_rule not in {"A", "B"}:
            raise Refused("over_band_rule", f"{self.over_band_rule!r} is not A or B", place="over_band_rule")
        if not 0 <= self.floor_percent <= 100:
            raise Refused("floor", f"{self.floor_percent} is not 0..100", place="floor_percent")
        if self.floor_percent and self.capacity_va is None:
            raise Refused("capacity", "the floor needs the account's capacity", place="capacity_va")

    @property
    def charged_contract_w(self) -> Fraction:
        """The declared demand, lifted to the floor."""
        return max(Fraction(self.contract_w), Fraction(self.floor_percent * (self.capacity_va or 0), 100))


class CapacityCharge(msgspec.Struct, frozen=True, kw_only=True, tag_field="mode", tag="capacity"):
    """The transformer capacity x price, whatever the demand."""

    capacity_va: int

    def __post_init__(self) -> None:
        if self.capacity_va <= 0:
            raise Refused("capacity", "the capacity is above zero", place="capacity_va")


DemandTerms = ActualDemand | ContractDemand | CapacityCharge


def averaging_s(terms: DemandTerms) -> int | None:
    """The length over which demand is averaged; None when the charge does not depend on demand."""
    return None if isinstance(terms, CapacityCharge) else terms.interval_s


class DemandCharge(msgspec.Struct, frozen=True):
    """What was charged: `quantity` W (or VA) x `price` per kW (or kVA) x `factor`, not yet rounded."""

    quantity: Fraction
    unit: Literal["W", "VA"]
    price: Price
    factor: Fraction

    @property
    def exact(self) -> Fraction:
        """The charge in major units."""
        return self.quantity / 1000 * self.price.exact * self.factor


def demand_charge(
    terms: DemandTerms,
    *,
    measured_w: Fraction | None,
    import_wh: int,
    demand_price: Price | None,
    capacity_price: Price | None,
) -> DemandCharge:
    """The month's charge under the account's mode; `measured_w` is its maximum mean import power.

    Raises:
        Refused: `price_missing` when the tariff has no price for the mode, `demand_missing` when the mode
            needs a measured demand, `negative_energy`.
    """
    if import_wh < 0 or (measured_w is not None and measured_w < 0):
        raise Refused("negative_energy", "demand and imported energy are not negative")
    if isinstance(terms, CapacityCharge):
        price = _needed(capacity_price, "capacity")
        return DemandCharge(Fraction(terms.capacity_va), "VA", price, Fraction(1))
    if measured_w is None:
        raise Refused("demand_missing", "the mode charges by demand, and none was measured")
    charged = _over_contract(terms, measured_w) if isinstance(terms, ContractDemand) else measured_w
    return DemandCharge(charged, "W", _needed(demand_price, "demand"), terms.price_factor(import_wh))


def _over_contract(terms: ContractDemand, measured_w: Fraction) -> Fraction:
    contract = terms.charged_contract_w
    band = _BAND * contract
    if measured_w <= band:
        return contract
    return (contract if terms.over_band_rule == "A" else band) + 2 * (measured_w - band)


def _needed(price: Price | None, mode: str) -> Price:
    if price is None:
        raise Refused("price_missing", f"the tariff has no {mode} price, which the account's mode needs")
    return price

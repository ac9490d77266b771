"""The prices of one notice: components, a price per period, and the rule that ties them together."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.interval import Month
from ledger.period_schedule import ALL_MONTHS, PERIODS, TouPeriod, check_months
from ledger.quantity import Price, decimal_text, exact, round_half_away
from ledger.refusal import Refused

Component = Literal["purchase", "line_loss", "system_operation", "transmission", "government_fund"]
COMPONENTS: Final[tuple[Component, ...]] = (
    "purchase",
    "line_loss",
    "system_operation",
    "transmission",
    "government_fund",
)

Formula = Literal["flat_plus", "scaled"]

RULE_TOLERANCE: Final = Fraction(2, 10**6)
"""A printed price may differ by this much per kWh from its rule: notices round to 10^-6."""


class Components(msgspec.Struct, frozen=True, cache_hash=True):
    """What the flat price per kWh is made of."""

    purchase: Price
    line_loss: Price
    system_operation: Price
    transmission: Price
    government_fund: Price

    def of(self, name: Component) -> Price:
        """The component of that name."""
        price: Price = getattr(self, name)
        return price

    @property
    def flat(self) -> Fraction:
        """The sum of the five, per kWh."""
        return sum((self.of(name).exact for name in COMPONENTS), Fraction(0))


class PeriodPrices(msgspec.Struct, frozen=True, cache_hash=True):
    """The printed price per kWh of each period; None where the notice prints none."""

    sharp: Price | None = None
    peak: Price | None = None
    flat: Price | None = None
    valley: Price | None = None
    deep: Price | None = None

    def of(self, period: TouPeriod) -> Price | None:
        """The period's price, if the notice prints one."""
        price: Price | None = getattr(self, period)
        return price

    @property
    def printed(self) -> dict[TouPeriod, Price]:
        """The periods that have a price."""
        return {period: price for period in PERIODS if (price := self.of(period)) is not None}


class FloatStep(msgspec.Struct, frozen=True, cache_hash=True):
    """The factors k of the float rule in some months, as decimals in text such as "-0.60".

    Flat has none: it is always the sum of the components.
    """

    months: tuple[int, ...] = ALL_MONTHS
    sharp: str | None = None
    peak: str | None = None
    valley: str | None = None
    deep: str | None = None

    def __post_init__(self) -> None:
        check_months(self.months, "months")
        for period in PERIODS:
            try:
                self.of(period)
            except Refused as refused:
                raise Refused(refused.code, refused.reason, place=period) from None

    def of(self, period: TouPeriod) -> Fraction | None:
        """The period's factor k, if the notice states one."""
        text: str | None = getattr(self, period, None)
        return None if text is None else exact(text)


class FloatRule(msgspec.Struct, frozen=True, cache_hash=True):
    """How a notice derives the period prices from the flat price.

    `flat_plus`: price = flat + k x the sum of the `base` components (Shanghai).
    `scaled`: price = k x the sum of the `base` components + the other components (Zhejiang, Fujian).
    """

    formula: Formula
    base: tuple[Component, ...]
    steps: tuple[FloatStep, ...]

    def __post_init__(self) -> None:
        if self.formula not in {"flat_plus", "scaled"}:
            raise Refused("formula", f"{self.formula!r} is not flat_plus or scaled", place="formula")
        if not self.base or len(set(self.base)) != len(self.base) or not set(self.base) <= set(COMPONENTS):
            raise Refused("base", f"the base is one or more of {', '.join(COMPONENTS)}", place="base")
        months = [month for step in self.steps for month in step.months]
        if len(set(months)) != len(months):
            raise Refused("months", "two steps of the float rule name the same month", place="step")

    def expected(self, components: Components, period: TouPeriod, month: int) -> Fraction:
        """The price per kWh that the rule gives, before the notice's rounding.

        Raises:
            Refused: `float_rule` when the rule states no factor for that period and month.
        """
        flat = components.flat
        if period == "flat":
            return flat
        factor = next((step.of(period) for step in self.steps if month in step.months), None)
        if factor is None:
            raise Refused("float_rule", f"the float rule has no factor for {period} in month {month}")
        base = sum((components.of(name).exact for name in self.base), Fraction(0))
        return flat + (factor if self.formula == "flat_plus" else factor - 1) * base


class PriceTable(msgspec.Struct, frozen=True, cache_hash=True):
    """Prices for the months [start, until); `source` names the public notice."""

    start: Month
    until: Month
    prices: PeriodPrices
    source: str
    components: Components | None = None
    demand: Price | None = None
    """Per kW.month of demand (需量电价)."""
    capacity: Price | None = None
    """Per kVA.month of transformer capacity (容量电价)."""

    def __post_init__(self) -> None:
        if self.until <= self.start:
            raise Refused("effective", f"until {self.until} is not after {self.start}", place="until")
        if not self.source:
            raise Refused("source", "a price table names the notice it comes from", place="source")
        if not self.prices.printed:
            raise Refused("price_missing", "a price table needs a price per period")
        units = {"kW.month": self.demand, "kVA.month": self.capacity}
        for unit, price in units.items():
            if price is not None and price.unit != unit:
                raise Refused("unit", f"{price.unit} is not {unit}")
        if any(price.unit != "kWh" for price in self._per_kwh):
            raise Refused("unit", "period prices and components are per kWh")
        self._check_flat()

    def _check_flat(self) -> None:
        if self.components is None:
            return
        flat = self.prices.flat
        if flat is None:
            raise Refused("price_missing", "components need the flat price they add up to", place="flat")
        if abs(flat.exact - self.components.flat) > RULE_TOLERANCE:
            raise Refused(
                "flat_sum",
                f"{flat} is not the sum of the components {_six(self.components.flat)}",
                place="flat",
            )

    @property
    def _per_kwh(self) -> list[Price]:
        parts = self.components
        return [
            *self.prices.printed.values(),
            *([parts.of(name) for name in COMPONENTS] if parts is not None else []),
        ]

    @property
    def currencies(self) -> set[str]:
        """The currencies of all prices; a tariff wants exactly its own."""
        per_month = [price for price in (self.demand, self.capacity) if price is not None]
        return {price.currency for price in [*self._per_kwh, *per_month]}

    @property
    def months(self) -> list[Month]:
        """The months for which the table holds."""
        found = [self.start]
        while (following := found[-1].next()) < self.until:
            found.append(following)
        return found


def _six(value: Fraction) -> str:
    return decimal_text(round_half_away(value * 10**6), 6)

"""What a spot market told: cleared and declared quantities, contracts, and the month's statement.

Energies are Wh per interval. Injected (up-grid, discharge) and withdrawn (down-grid, charge or load) are
registers, never negative; a contract's volume is signed, above zero is sold.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, amount
from ledger.contract import Id
from ledger.identity import checked_id
from ledger.interval import Interval
from ledger.market_price import Product
from ledger.quantity import PRICE_SCALE_MAX, exact
from ledger.refusal import Refused
from ledger.streams.spot.rule import UnstatedItem

ENERGY_WH_MAX: Final = 10**13
"""10 TWh: a larger energy is a unit error."""

PRICE_DENOMINATOR: Final = 10**PRICE_SCALE_MAX
"""Every stated price is a whole number of these parts."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: Id
    site: Id
    """The site or trading unit."""
    rule: Id
    run: str
    """The market's own name for its run."""
    interval: Interval

    def __post_init__(self) -> None:
        for field in ("id", "site", "rule"):
            checked_id(getattr(self, field), field)
        if not self.run.strip():
            raise Refused("run", "a fact names the market's run", place="run")


class SpotGeneration(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="spot_generation",
):
    """What a node of the market generated, in Wh of equal parts of `interval`: day-ahead as cleared, in real
    time as metered. The unified price is weighed by it."""

    id: Id
    rule: Id
    run: str
    """The market's own name for its run."""
    interval: Interval
    node: Id
    product: Product
    generation_wh: tuple[int, ...]

    def __post_init__(self) -> None:
        for field in ("id", "rule", "node"):
            checked_id(getattr(self, field), field)
        if not self.run.strip():
            raise Refused("run", "a fact names the market's run", place="run")
        one_of(self.product, Product, "product")
        _check_energies(self.generation_wh, 0, "generation_wh")
        _check_count(self.interval, len(self.generation_wh), "generation_wh")

    @property
    def step_s(self) -> int:
        return self.interval.seconds // len(self.generation_wh)


class _Schedule(_Fact, frozen=True):
    injected_wh: tuple[int, ...]
    withdrawn_wh: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.injected_wh) != len(self.withdrawn_wh):
            raise Refused("profile", "injected and withdrawn have the same intervals", place="withdrawn_wh")
        for field in ("injected_wh", "withdrawn_wh"):
            _check_energies(getattr(self, field), 0, field)
        _check_count(self.interval, len(self.injected_wh), "injected_wh")

    @property
    def step_s(self) -> int:
        return self.interval.seconds // len(self.injected_wh)


class SpotClearing(_Schedule, frozen=True, tag="spot_clearing"):
    """The quantities cleared day-ahead, mostly one local day of 96 points ending 00:15 to 24:00."""


class SpotDeclaration(_Schedule, frozen=True, tag="spot_declaration"):
    """The quantities that the unit declared day-ahead."""


class SpotRealTimeClearing(_Schedule, frozen=True, tag="spot_real_time_clearing"):
    """What was sold and bought in real time, beside the quantities cleared day-ahead.

    It binds the power and is not paid by itself: what is metered settles at the real-time price (DOMAIN.md
    3.5).
    """


class _Volume(_Fact, frozen=True):
    volume_wh: tuple[int, ...]
    """Per interval; above zero sold, below zero bought."""
    price_per_kwh: tuple[str, ...]
    """One price for all intervals, or one for each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_energies(self.volume_wh, -ENERGY_WH_MAX, "volume_wh")
        _check_count(self.interval, len(self.volume_wh), "volume_wh")
        if len(self.price_per_kwh) not in (1, len(self.volume_wh)):
            raise Refused(
                "contract_price",
                f"state one price, or one for each of the {len(self.volume_wh)} intervals",
                place="price_per_kwh",
            )
        for number, text in enumerate(self.price_per_kwh):
            exact_price(text, f"price_per_kwh[{number}]")

    @property
    def step_s(self) -> int:
        return self.interval.seconds // len(self.volume_wh)


class SpotContract(_Volume, frozen=True, tag="spot_contract"):
    """A contract for difference: volume x (price - day-ahead price); outside `interval` it has no volume."""


class SpotIntradayTrade(_Volume, frozen=True, tag="spot_intraday_trade"):
    """Energy traded between the day-ahead clearing and real time: volume x (price - real-time price).

    With the two-settlement of what is metered that is Q_da P_da + Q_id P_id + (Q_rt - Q_da - Q_id) P_rt.
    """


class StatedRecovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator's statement takes back for an item whose numbers the rule lacks."""

    item: UnstatedItem
    recovered: Amount
    """In major units; paid by the unit."""

    def __post_init__(self) -> None:
        one_of(self.item, UnstatedItem, "item")
        amount(self.recovered, "recovered")


class SpotMonth(_Fact, frozen=True, tag="spot_month"):
    """The operator's monthly statement for a unit. A price is None where the statement has none."""

    injected_wh: int
    """The month's metered quantity, which need not be the sum of its days."""
    withdrawn_wh: int
    without_contract: bool
    """Whether the unit is a user that no contract covers."""
    composite_price_per_kwh: str | None
    """The month's composite spot price, for levelling."""
    real_time_price_per_kwh: str | None
    """The month's real-time price, for a user without a contract."""
    assessment_price_per_kwh: str | None
    """For the execution penalty; never below zero."""
    recovered: tuple[StatedRecovery, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("injected_wh", "withdrawn_wh"):
            _check_energies((getattr(self, field),), 0, field)
        for field in ("composite_price_per_kwh", "real_time_price_per_kwh", "assessment_price_per_kwh"):
            text = getattr(self, field)
            if text is not None:
                exact_price(text, field)
        text = self.assessment_price_per_kwh
        if text is not None and exact(text) < 0:
            raise Refused("assessment_price", f"{text} is below zero", place="assessment_price_per_kwh")
        if len({one.item for one in self.recovered}) < len(self.recovered):
            raise Refused("stated_twice", "an item is stated once", place="recovered")


def exact_price(text: str, place: str) -> Fraction:
    """A price per kWh of at most nine decimals; below zero is allowed.

    Raises:
        Refused: `number` or `price_scale`, at `place`.
    """
    try:
        value = exact(text)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
    if PRICE_DENOMINATOR % value.denominator:
        raise Refused("price_scale", f"{text} has more than {PRICE_SCALE_MAX} decimals", place=place)
    return value


def _check_energies(values: tuple[int, ...], least: int, place: str) -> None:
    if values and not least <= min(values) <= max(values) <= ENERGY_WH_MAX:
        number, wrong = next((i, v) for i, v in enumerate(values) if not least <= v <= ENERGY_WH_MAX)
        raise Refused(
            "energy_range", f"{wrong} Wh is not {least}..{ENERGY_WH_MAX}", place=f"{place}[{number}]"
        )


def _check_count(interval: Interval, count: int, place: str) -> None:
    if not count or interval.seconds % count:
        raise Refused("profile", f"{count} values do not divide {interval.seconds} s", place=place)
